//! The calls that wait for the core's answer. An answer that tells of ended members waits until what dead workers left
//! behind has ended too, or is known not to.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::core::{AskId, LeaderAnswer};

/// Where a call's answer goes.
pub(super) type AnswerSender = oneshot::Sender<Result<LeaderAnswer, String>>;

/// The calls that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct OpenAnswers {
    asked: u64,
    askers: BTreeMap<AskId, AnswerSender>,
    /// How many times what dead workers left behind is being ended at the moment.
    endings: Arc<watch::Sender<usize>>,
    /// The answers that wait for that.
    waiting: JoinSet<()>,
}

/// Held while what dead workers left behind is being ended.
#[derive(Debug)]
pub(super) struct EndingOrphans(Arc<watch::Sender<usize>>);

impl Drop for EndingOrphans {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl OpenAnswers {
    /// Takes note of an asker, and returns the number of its call.
    pub(super) fn expect(&mut self, asker: AnswerSender) -> AskId {
        self.asked += 1;
        let ask = AskId(self.asked);
        self.askers.insert(ask, asker);
        ask
    }

    /// Marks the ending of processes that dead workers left behind, from now until the result is dropped: answers wait
    /// for it.
    pub(super) fn end_orphans(&self) -> EndingOrphans {
        self.endings.send_modify(|count| *count += 1);
        EndingOrphans(Arc::clone(&self.endings))
    }

    /// Answers a call. An asker that is gone is no error: its wish has been carried out.
    pub(super) fn answer(&mut self, ask: AskId, answer: Result<LeaderAnswer, String>) {
        let Some(asker) = self.askers.remove(&ask) else { return };
        match answer {
            Ok(LeaderAnswer::Ended(_)) => self.answer_when_nothing_is_left(asker, answer),
            Ok(LeaderAnswer::Spawned(_) | LeaderAnswer::TurnEnded(_)) | Err(_) => drop(asker.send(answer)),
        }
    }

    fn answer_when_nothing_is_left(&mut self, asker: AnswerSender, answer: Result<LeaderAnswer, String>) {
        // Answers that were sent need no place any more.
        while self.waiting.try_join_next().is_some() {}
        let mut endings = self.endings.subscribe();
        self.waiting.spawn(async move {
            // An error means that nobody is left who ends processes, which is as good.
            let _ = endings.wait_for(|count| *count == 0).await;
            let _ = asker.send(answer);
        });
    }

    /// The answers that still wait; those that were not given are refused by this.
    pub(super) fn into_waiting(self) -> JoinSet<()> {
        self.waiting
    }
}
