//! Serves the leader's calls. A call that changes something is put into the queue the moment it is read, so that
//! calls are decided on in the order in which they were made.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jsonrpsee::core::{RpcResult, SubscriptionError, SubscriptionResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionSink};
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::notice::Notice;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::store::transcript::{self, TranscriptError};
use teamster_protocol::wire::api::{
    AbortAnswer, PromptAnswer, ProtocolHello, SteerAnswer, SteerHaste, WorkerApiServer, WorkerPhase, WorkerStatus,
    WorkerWelcome, code,
};
use teamster_protocol::wire::peer;
use tokio::sync::{mpsc, oneshot, watch};

use super::LeaderCall;
use super::journal::NoticeFollowers;
use crate::core::{AskRefused, WorkerAnswer, WorkerAsk};

/// The object that every link serves: the worker, as its callers see it.
#[derive(Debug, Clone)]
pub(crate) struct WorkerCallee {
    /// The answer to `initialize`.
    pub(crate) welcome: WorkerWelcome,
    /// The state of the worker.
    pub(crate) status: watch::Receiver<WorkerStatus>,
    /// The queue to the core.
    pub(crate) calls: mpsc::Sender<LeaderCall>,
    /// The list of those who follow the worker's notices.
    pub(crate) followers: NoticeFollowers,
    /// The directory of the worker's transcripts.
    pub(crate) turns: PathBuf,
}

/// The service of one link.
#[derive(Debug)]
pub(crate) struct LinkServer {
    callee: WorkerCallee,
    /// Told of the first `initialize` that is answered: only a leader makes that call.
    greeted: Mutex<Option<oneshot::Sender<()>>>,
}

impl LinkServer {
    /// Serves a link; `greeted` is told when its other end has proved to be a leader.
    pub(crate) fn new(callee: WorkerCallee, greeted: oneshot::Sender<()>) -> LinkServer {
        LinkServer { callee, greeted: Mutex::new(Some(greeted)) }
    }

    async fn ask(&self, what: WorkerAsk) -> RpcResult<WorkerAnswer> {
        let (answer, answered) = oneshot::channel();
        self.callee.calls.try_send(LeaderCall { what, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ErrorObjectOwned::owned(peer::BUSY_CODE, "busy: too many calls wait, try again later", None::<()>)
            }
            mpsc::error::TrySendError::Closed(_) => ending(),
        })?;
        match answered.await {
            Ok(answer) => answer.map_err(|AskRefused { why, hint }| match hint {
                Some(hint) => refusal(format!("{why}\n{hint}")),
                None => refusal(why),
            }),
            Err(_) => Err(ending()),
        }
    }
}

#[async_trait]
impl WorkerApiServer for LinkServer {
    async fn initialize(&self, hello: ProtocolHello) -> RpcResult<WorkerWelcome> {
        if hello.protocol != PROTOCOL_VERSION {
            let why = format!(
                "the leader speaks protocol version {}, and this worker ({}) speaks {PROTOCOL_VERSION}: install \
                 teamster and teamster-worker of the same release",
                hello.protocol, self.callee.welcome.version
            );
            return Err(ErrorObjectOwned::owned(code::OTHER_VERSION, why, None::<()>));
        }
        let mut status = self.callee.status.clone();
        let started = status.wait_for(|status| status.phase != WorkerPhase::Starting).await;
        match started.map(|status| status.phase.clone()) {
            // Why it is no worker to be led says more than that it ends.
            Ok(WorkerPhase::Leaving { reason }) => Err(refusal(reason)),
            Err(_) => Err(ending()),
            Ok(WorkerPhase::Starting | WorkerPhase::Idle | WorkerPhase::Turn { .. } | WorkerPhase::Parked { .. }) => {
                let greeted = self.greeted.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Told once; that nobody listens any more is the worker's end.
                let _ = greeted.map(|greeted| greeted.send(()));
                Ok(self.callee.welcome.clone())
            }
        }
    }

    async fn prompt(&self, work: TaskWork) -> RpcResult<PromptAnswer> {
        match self.ask(WorkerAsk::Prompt { work }).await? {
            WorkerAnswer::Prompted(prompted) => Ok(prompted),
            other => unreachable!("the core answers a prompt with a turn, not with {other:?}"),
        }
    }

    async fn steer(&self, text: String, haste: Option<SteerHaste>) -> RpcResult<SteerAnswer> {
        let haste = haste.unwrap_or_default();
        match self.ask(WorkerAsk::Steer { text, haste }).await? {
            WorkerAnswer::Steered(steered) => Ok(steered),
            other => unreachable!("the core answers a steer with a receipt, not with {other:?}"),
        }
    }

    async fn abort(&self, reason: String) -> RpcResult<AbortAnswer> {
        match self.ask(WorkerAsk::Abort { reason }).await? {
            WorkerAnswer::Aborting(aborting) => Ok(aborting),
            other => unreachable!("the core answers an abort with the turn, not with {other:?}"),
        }
    }

    async fn permit(&self, question: u64, answer: Permission) -> RpcResult<()> {
        match self.ask(WorkerAsk::Permit { question, answer }).await? {
            WorkerAnswer::Permitted => Ok(()),
            other => unreachable!("the core answers a permission with nothing, not with {other:?}"),
        }
    }

    async fn status(&self) -> RpcResult<WorkerStatus> {
        Ok(self.callee.status.borrow().clone())
    }

    fn ping(&self, nonce: u64) -> RpcResult<u64> {
        Ok(nonce)
    }

    async fn notices(&self, pending: PendingSubscriptionSink, since: u64) -> SubscriptionResult {
        let sink = pending.accept().await?;
        // In this order: what is said while the past is read waits in the channel, so there is no gap; and the
        // past ends where the channel begins, so there is no repeat.
        let mut following = self.callee.followers.join();
        for turn in turns_after(&self.callee.turns, since)? {
            let page = transcript::read(&self.callee.turns, turn, 0)?;
            let past = |seq: u64| seq > since && seq <= following.seq;
            let notices: Vec<Notice> =
                page.entries.iter().filter(|entry| past(entry.seq)).filter_map(|entry| entry.notice()).collect();
            drop(page);
            for notice in notices {
                pass_on(&sink, &notice).await?;
            }
        }
        loop {
            tokio::select! {
                notice = following.notices.recv() => match notice {
                    // Older than asked for only if the caller is ahead of us, and then it has them.
                    Some(notice) if notice.seq <= since => {}
                    Some(notice) => pass_on(&sink, &notice).await?,
                    None if self.callee.followers.are_finished() => return Ok(()),
                    None => return Err("too slow: subscribe again since the last notice received".into()),
                },
                () = sink.closed() => return Ok(()),
            }
        }
    }
}

async fn pass_on(sink: &SubscriptionSink, notice: &Notice) -> Result<(), SubscriptionError> {
    let line = serde_json::value::to_raw_value(notice)?;
    Ok(sink.send(line).await?)
}

/// The turns that may hold entries with a number above `since`, oldest first.
fn turns_after(dir: &Path, since: u64) -> Result<Vec<u64>, TranscriptError> {
    let mut turns = transcript::turns(dir)?;
    if since == 0 {
        return Ok(turns);
    }
    let mut first = turns.len();
    while first > 0 {
        first -= 1;
        let entries = transcript::read(dir, turns[first], 0)?.entries;
        if entries.first().is_some_and(|entry| entry.seq <= since + 1) {
            break;
        }
    }
    Ok(turns.split_off(first))
}

fn refusal(why: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code::REFUSED, why.into(), None::<()>)
}

fn ending() -> ErrorObjectOwned {
    refusal("the worker is ending")
}
