//! One turn of the agent: what it is for, how it is being ended, and what that means for its task.

use teamster_protocol::board::ReleaseWhy;
use teamster_protocol::id::TaskId;
use teamster_protocol::mail::Message;
use teamster_protocol::notice::Stop;
use teamster_protocol::task::Claim;

use super::event::{AskId, Outcome};

/// A running turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) number: u64,
    pub(super) since_ms: u64,
    pub(super) what_for: TurnFor,
    pub(super) deadline_ms: Option<u64>,
    /// When the agent was last heard.
    pub(super) heard_ms: u64,
    /// When it was last told that it stalls; nothing once it is heard again.
    pub(super) stalled_ms: Option<u64>,
    /// Set once it was told to end.
    pub(super) ending: Option<Ending>,
}

/// What a turn is for.
#[derive(Debug)]
pub(super) enum TurnFor {
    /// A task of the board.
    Task(Claim),
    /// A prompt of the leader.
    Ask(AskId),
    /// Mail.
    Mail(Vec<Message>),
}

/// Why a turn was told to end.
#[derive(Debug)]
pub(super) enum Ending {
    /// Somebody stopped it.
    Stopped { reason: String },
    /// It took longer than its task may.
    TimedOut,
    /// Its agent said nothing for so long.
    Stalled { quiet_ms: u64 },
    /// Its agent said nothing for so long, and is ended with this worker. The task is given back as that of a dead
    /// worker is, so that an agent that hangs on it again and again fails it.
    Hung,
    /// The worker ends.
    Leaving,
}

impl Turn {
    pub(super) fn begin(number: u64, now_ms: u64, what_for: TurnFor, deadline_ms: Option<u64>) -> Turn {
        Turn { number, since_ms: now_ms, what_for, deadline_ms, heard_ms: now_ms, stalled_ms: None, ending: None }
    }

    /// Somebody stops it, even if it is ending because its worker leaves; one that timed out has failed.
    pub(super) fn stop(&mut self, reason: String) {
        match self.ending {
            None | Some(Ending::Leaving) => self.ending = Some(Ending::Stopped { reason }),
            Some(Ending::Stopped { .. } | Ending::TimedOut | Ending::Stalled { .. } | Ending::Hung) => {}
        }
    }

    pub(super) fn task(&self) -> Option<TaskId> {
        match &self.what_for {
            TurnFor::Task(claim) => Some(claim.id),
            TurnFor::Ask(_) | TurnFor::Mail(_) => None,
        }
    }

    /// What goes to the board; nothing for a turn without a task, nor for one whose agent hung. A turn that was completed in the same moment
    /// in which it was told to end is completed: that is what happened.
    pub(super) fn outcome(&self, now_ms: u64, stop: &Stop, result: String) -> Option<Outcome> {
        let TurnFor::Task(claim) = &self.what_for else { return None };
        let claim = claim.clone();
        Some(match (stop, &self.ending) {
            (Stop::Completed, _) => Outcome::Complete { claim, result },
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Stopped { reason })) => {
                let partial = if reason.is_empty() { result } else { format!("(stopped: {reason})\n{result}") };
                Outcome::Release { claim, why: ReleaseWhy::Stopped, partial }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Hung)) => return None,
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Stalled { quiet_ms })) => {
                let seconds = *quiet_ms as f64 / 1000.0;
                Outcome::Fail { claim, reason: format!("its agent said nothing for {seconds:.1} s"), result }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Leaving)) => {
                Outcome::Release { claim, why: ReleaseWhy::WorkerLeft, partial: result }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::TimedOut)) => {
                let seconds = now_ms.saturating_sub(self.since_ms) as f64 / 1000.0;
                Outcome::Fail { claim, reason: format!("timed out after {seconds:.1} s"), result }
            }
            (Stop::Failed { reason }, None) => Outcome::Fail { claim, reason: reason.clone(), result },
            (Stop::Aborted, None) => Outcome::Fail { claim, reason: "the agent broke the turn off".to_owned(), result },
        })
    }
}
