//! The shutdown handshake: ask, then terminate, then kill. The ladder only goes up, and a refusal ends it.
//!
//! Only the member that was asked may answer, only to the request that is open, and only once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::id::{MemberName, MessageId, TaskId};
use crate::model::kill_ladder::{KillLadder, KillStep};
use crate::model::limits::TERM_GRACE;

/// The conduct asked of a worker that has a turn running when it is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// Refuse, and tell the task that the worker is busy with.
    #[default]
    Refuse,
    /// Finish the running turn, take no more tasks, and end then.
    Finish,
}

/// The lead asks a member to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownRequest {
    /// The id by which the answer names this request.
    pub request: MessageId,
    /// The reason, for people.
    pub reason: String,
    /// The time after which a silent worker is taken to hang and is ended by signals.
    pub deadline_ms: u64,
    /// The conduct asked of a worker that is busy.
    #[serde(default)]
    pub when_busy: WhenBusy,
}

/// The member's answer to a shutdown request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownReply {
    /// The request that is answered.
    pub request: MessageId,
    /// The answer itself.
    pub verdict: ShutdownAnswer,
}

/// The answers that a member can give to a shutdown request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownAnswer {
    /// The worker ends now.
    Approved,
    /// The worker ends after the running turn, and takes no more tasks.
    Finishing {
        /// The task of the running turn, if it has one.
        task: Option<TaskId>,
    },
    /// The worker goes on.
    Refused {
        /// The task the worker is busy with, if the running turn has one.
        task: Option<TaskId>,
    },
}

/// Returns the answer of a worker to a shutdown request, by whether it is busy.
pub fn verdict(when_busy: WhenBusy, busy: WorkerBusy) -> ShutdownAnswer {
    match (busy, when_busy) {
        (WorkerBusy::No, _) => ShutdownAnswer::Approved,
        (WorkerBusy::Turn { task }, WhenBusy::Finish) => ShutdownAnswer::Finishing { task },
        (WorkerBusy::Turn { task }, WhenBusy::Refuse) => ShutdownAnswer::Refused { task },
    }
}

/// Whether a worker has a turn running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerBusy {
    /// No turn runs.
    No,
    /// A turn runs, perhaps for a task.
    Turn {
        /// The task of that turn.
        task: Option<TaskId>,
    },
}

/// Where the ending of one member stands, on the leader's side. Times are milliseconds of the caller's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShutdownLadder {
    /// The member was asked to end and has not answered.
    Asked {
        /// The request that waits for its answer.
        request: MessageId,
        /// The time after which silence is answered by SIGTERM.
        until_ms: u64,
    },
    /// The member said that it ends, after its turn or at once; nobody hurries it.
    Agreed {
        /// The request that was answered.
        request: MessageId,
        /// The time after which a member that approved and still runs gets SIGTERM; nothing while it finishes its turn,
        /// for which there is no limit.
        until_ms: Option<u64>,
    },
    /// The member's processes are being ended by signals.
    Forced(KillLadder),
}

/// The leader's next step on the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderStep {
    /// Nothing is due yet.
    Wait,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
    /// Say that the worker does not end: nothing stronger is left.
    GiveUp,
}

/// The reason why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyRefusal {
    /// The sender was not asked, or not by this request, or has answered.
    #[error("{from} answered a shutdown request that is not open")]
    NotOpen {
        /// The sender of the answer.
        from: MemberName,
    },
}

impl ShutdownLadder {
    /// The first rung: the request is sent.
    pub fn ask(request: MessageId, until_ms: u64) -> ShutdownLadder {
        ShutdownLadder::Asked { request, until_ms }
    }

    /// The first rung for a member that is not to be asked.
    pub fn terminate(now_ms: u64) -> ShutdownLadder {
        ShutdownLadder::Forced(KillLadder::terminate(now_ms))
    }

    /// Whether not even SIGKILL has ended the worker.
    pub fn is_stuck(&self) -> bool {
        matches!(self, ShutdownLadder::Forced(KillLadder::Stuck))
    }

    /// Takes the answer of the member that this ladder is for. Returns the ladder as it is then, or nothing if the
    /// member refused and goes on. Refuses an answer to a request that is not open.
    pub fn reply(
        &self,
        from: &MemberName,
        reply: &ShutdownReply,
        now_ms: u64,
    ) -> Result<Option<ShutdownLadder>, ReplyRefusal> {
        let not_open = || Err(ReplyRefusal::NotOpen { from: from.clone() });
        match self {
            ShutdownLadder::Asked { request, .. } if *request == reply.request => Ok(match reply.verdict {
                ShutdownAnswer::Approved => {
                    Some(ShutdownLadder::Agreed { request: *request, until_ms: Some(now_ms + ms(TERM_GRACE)) })
                }
                ShutdownAnswer::Finishing { .. } => Some(ShutdownLadder::Agreed { request: *request, until_ms: None }),
                ShutdownAnswer::Refused { .. } => None,
            }),
            // A worker that finished its turn says so before it ends.
            ShutdownLadder::Agreed { request, until_ms: None } if *request == reply.request => match reply.verdict {
                ShutdownAnswer::Approved => {
                    Ok(Some(ShutdownLadder::Agreed { request: *request, until_ms: Some(now_ms + ms(TERM_GRACE)) }))
                }
                ShutdownAnswer::Finishing { .. } | ShutdownAnswer::Refused { .. } => not_open(),
            },
            ShutdownLadder::Asked { .. } | ShutdownLadder::Agreed { .. } | ShutdownLadder::Forced(_) => not_open(),
        }
    }

    /// Goes up one rung if the time of this one is over, and returns the step to take.
    pub fn overdue(&mut self, now_ms: u64) -> LadderStep {
        match self {
            ShutdownLadder::Asked { until_ms, .. } | ShutdownLadder::Agreed { until_ms: Some(until_ms), .. }
                if now_ms >= *until_ms =>
            {
                *self = ShutdownLadder::terminate(now_ms);
                LadderStep::Terminate
            }
            ShutdownLadder::Asked { .. } | ShutdownLadder::Agreed { .. } => LadderStep::Wait,
            ShutdownLadder::Forced(ladder) => match ladder.climb_if_due(now_ms) {
                KillStep::Wait => LadderStep::Wait,
                KillStep::Kill => LadderStep::Kill,
                KillStep::GiveUp => LadderStep::GiveUp,
            },
        }
    }

    /// Moves every time on the ladder after the caller's clock was set: each is as far away as before.
    pub fn clock_was_set(&mut self, by_ms: i64) {
        match self {
            ShutdownLadder::Asked { until_ms, .. } | ShutdownLadder::Agreed { until_ms: Some(until_ms), .. } => {
                *until_ms = until_ms.saturating_add_signed(by_ms);
            }
            ShutdownLadder::Agreed { until_ms: None, .. } => {}
            ShutdownLadder::Forced(ladder) => ladder.clock_was_set(by_ms),
        }
    }

    /// The time at which [`ShutdownLadder::overdue`] is to be asked next; nothing if there is no next.
    pub fn until_ms(&self) -> Option<u64> {
        match self {
            ShutdownLadder::Asked { until_ms, .. } => Some(*until_ms),
            ShutdownLadder::Agreed { until_ms, .. } => *until_ms,
            ShutdownLadder::Forced(ladder) => ladder.until_ms(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> MessageId {
        MessageId::from_parts(0, n)
    }

    fn reply(n: u128, verdict: ShutdownAnswer) -> ShutdownReply {
        ShutdownReply { request: id(n), verdict }
    }

    #[test]
    fn silence_goes_up_every_rung_and_no_further() {
        let mut ladder = ShutdownLadder::ask(id(1), 10);
        assert_eq!(ladder.overdue(9), LadderStep::Wait);
        assert_eq!(ladder.overdue(10), LadderStep::Terminate);
        assert_eq!(ladder.overdue(11), LadderStep::Wait);
        assert_eq!(ladder.overdue(10 + ms(TERM_GRACE)), LadderStep::Kill);
        assert_eq!(ladder.overdue(u64::MAX / 2), LadderStep::GiveUp);
        assert_eq!(ladder.overdue(u64::MAX), LadderStep::Wait);
        assert_eq!(ladder.until_ms(), None);
    }

    #[test]
    fn a_refusal_ends_the_asking_and_no_timer_kills() {
        let alice = "alice".parse().unwrap();
        let ladder = ShutdownLadder::ask(id(1), 10);
        assert_eq!(ladder.reply(&alice, &reply(1, ShutdownAnswer::Refused { task: Some(TaskId(3)) }), 5), Ok(None));
    }

    #[test]
    fn a_worker_that_finishes_its_turn_is_not_hurried() {
        let alice = "alice".parse().unwrap();
        let asked = ShutdownLadder::ask(id(1), 10);
        let mut ladder = asked.reply(&alice, &reply(1, ShutdownAnswer::Finishing { task: None }), 5).unwrap().unwrap();
        assert_eq!(ladder.overdue(u64::MAX), LadderStep::Wait);
        let mut ladder = ladder.reply(&alice, &reply(1, ShutdownAnswer::Approved), 50).unwrap().unwrap();
        assert_eq!(ladder.overdue(50 + ms(TERM_GRACE)), LadderStep::Terminate);
    }

    #[test]
    fn only_the_open_request_can_be_answered_and_only_once() {
        let alice: MemberName = "alice".parse().unwrap();
        let ladder = ShutdownLadder::ask(id(1), 10);
        assert!(ladder.reply(&alice, &reply(2, ShutdownAnswer::Approved), 5).is_err());
        let agreed = ladder.reply(&alice, &reply(1, ShutdownAnswer::Approved), 5).unwrap().unwrap();
        assert!(agreed.reply(&alice, &reply(1, ShutdownAnswer::Approved), 5).is_err());
        assert!(ShutdownLadder::terminate(0).reply(&alice, &reply(1, ShutdownAnswer::Approved), 5).is_err());
    }
}
