//! A leader for as long as one command needs it: in this process if the team has none, else the one there is.

use std::path::Path;

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::pace::LEADER_GONE_WITHIN;
use teamster_protocol::wire::api::{EndedMember, LeaderApiClient};
use teamster_protocol::wire::peer::Peer;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::call_message::call_message;
use super::leader_log::{note_leader, note_no_leader};
use super::link::{LinkError, await_leader, dial};
use crate::api;
use crate::core::DeadBefore;
use crate::daemon::{LeaderEnd, ServeError, ServeOptions, SignalHandling};

/// Why there is no leader to work with.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipError {
    /// This process could not begin to lead.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The leader's task in this process broke.
    #[error("the leader broke: {0}")]
    Broke(#[from] JoinError),
    /// The leader can not be reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The leader refused a call.
    #[error("{}", call_message(.0))]
    Call(#[from] RpcError),
}

/// A leader to work with.
#[derive(Debug)]
pub struct Leadership {
    /// The link to it.
    pub peer: Peer,
    /// Set if it runs in this process.
    own: Option<OwnLeader>,
}

/// A leader in this process.
#[derive(Debug)]
struct OwnLeader {
    serving: JoinHandle<Result<LeaderEnd, ServeError>>,
    /// Tells it to end without its members.
    let_go: oneshot::Sender<()>,
}

impl Leadership {
    /// Leads the team in this process, or links to the leader it has.
    pub async fn begin(
        dir: &TeamDir,
        founded_for: &Path,
        settings: CommonSettings,
    ) -> Result<Leadership, LeadershipError> {
        let (ready, is_ready) = oneshot::channel();
        let (let_go, is_let_go) = oneshot::channel();
        let options = ServeOptions {
            dir: dir.clone(),
            founded_for: founded_for.to_owned(),
            settings,
            signals: SignalHandling::Ignore,
            dead_before: DeadBefore::Bury,
            after: None,
            let_go: Some(is_let_go),
            on_ready: Box::new(move |_| {
                // The receiver waits below, or this command is over.
                let _ = ready.send(());
            }),
        };
        note_leader(dir);
        let mut serving = tokio::spawn(api::lead(options));
        tokio::select! {
            // Only if it was said: a leader that cannot begin drops the sender, and its end tells why.
            Ok(()) = is_ready => {
                Ok(Leadership { peer: dial(dir).await?.0, own: Some(OwnLeader { serving, let_go }) })
            }
            ended = &mut serving => match ended? {
                // Another leader leads, but may not listen yet.
                Err(ServeError::Led { .. }) => {
                    note_no_leader();
                    Ok(Leadership { peer: await_leader(dir, settings.poll).await?.0, own: None })
                }
                Err(error) => Err(error.into()),
                Ok(_) => unreachable!("a leader that was not asked to end says that it is ready first"),
            },
        }
    }

    /// Whether it runs in this process, and began for this command.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A leader in another process.
    pub(crate) fn of_another(peer: Peer) -> Leadership {
        Leadership { peer, own: None }
    }

    /// Ends the leader, ours or another's, with whoever still runs: each after its turn, or by force. Another's may still be
    /// there for a moment.
    pub(crate) async fn down(self, force: bool) -> Result<Vec<EndedMember>, LeadershipError> {
        let ended = self.peer.down(force).await?;
        if let Some(own) = self.own {
            own.serving.await??;
        }
        Ok(ended)
    }

    /// Ends the leader if it is ours, and no worker: those that run wait for the next one.
    pub(crate) async fn let_go(self) -> Result<(), LeadershipError> {
        let Some(OwnLeader { serving, let_go }) = self.own else { return Ok(()) };
        // A leader that has ended meanwhile hears nothing, and its end is told below.
        let _ = let_go.send(());
        serving.await??;
        Ok(())
    }

    /// Ends the leader if it is ours, with whoever still runs, each after its turn; leaves another's alone.
    /// Nobody is told of if somebody else has ended it meanwhile.
    pub async fn end(self) -> Result<Vec<EndedMember>, LeadershipError> {
        self.end_or_hurry(std::future::pending()).await
    }

    /// As [`Leadership::end`], but waits for nobody's turn once `hurry` comes.
    pub async fn end_or_hurry(self, hurry: impl Future<Output = ()>) -> Result<Vec<EndedMember>, LeadershipError> {
        let Some(mut own) = self.own else { return Ok(Vec::new()) };
        let ended = tokio::select! {
            biased;
            () = hurry => self.peer.down(true).await,
            ended = self.peer.down(false) => ended,
        };
        match ended {
            Ok(ended) => {
                own.serving.await??;
                Ok(ended)
            }
            // The leader takes no call any more once somebody else has told it to end: nothing is left to be ended then.
            Err(error) => match timeout(LEADER_GONE_WITHIN, &mut own.serving).await {
                Ok(ended) => ended?.map(|_| Vec::new()).map_err(LeadershipError::from),
                Err(_) => Err(error.into()),
            },
        }
    }
}
