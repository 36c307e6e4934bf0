//! The shutdown handshake: ask, then terminate, then kill. It only goes up, and a refusal ends it.
//!
//! Only the member that was asked may answer, only to the request that is open, and only once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::id::{MemberName, MessageId, TaskId};
use crate::model::kill_ladder::{KillLadder, KillStep};
use crate::model::limits::TERM_GRACE;

/// What a busy worker is to do when it is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// Refuse, and say with what it is busy.
    #[default]
    Refuse,
    /// Finish the running turn, take no more, and end then.
    Finish,
}

/// The lead asks a member to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownRequest {
    /// Names the request in the answer.
    pub request: MessageId,
    /// Why, for people.
    pub reason: String,
    /// When silence is taken for a worker that hangs.
    pub deadline_ms: u64,
    /// What to do if it is busy.
    #[serde(default)]
    pub when_busy: WhenBusy,
}

/// The member's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownReply {
    /// The request it answers.
    pub request: MessageId,
    /// What it says.
    pub verdict: ShutdownAnswer,
}

/// What a member says to a shutdown request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownAnswer {
    /// It ends now.
    Approved,
    /// It ends after the running turn, and takes no more.
    Finishing {
        /// The task of that turn, if it has one.
        task: Option<TaskId>,
    },
    /// It goes on.
    Refused {
        /// The task it is busy with, if it has one.
        task: Option<TaskId>,
    },
}

/// What a worker answers, by whether it is busy.
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
    /// It has none.
    No,
    /// It has one, perhaps for a task.
    Turn {
        /// That task.
        task: Option<TaskId>,
    },
}

/// Where the ending of one member stands, on the leader's side. Times are milliseconds of the caller's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShutdownLadder {
    /// It was asked.
    Asked {
        /// The open request.
        request: MessageId,
        /// When silence ends the asking.
        until_ms: u64,
    },
    /// It said it ends, after its turn or at once; nobody hurries it.
    Agreed {
        /// The open request.
        request: MessageId,
        /// When an approval that is followed by nothing ends; nothing while it finishes its turn.
        until_ms: Option<u64>,
    },
    /// It is ended by signals.
    Forced(KillLadder),
}

/// What the leader is to do next on the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderStep {
    /// Nothing yet.
    Wait,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
    /// Say that it does not end.
    GiveUp,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyRefusal {
    /// The sender was not asked, or not by this request, or has answered.
    #[error("{from} answered a shutdown request that is not open")]
    NotOpen {
        /// Who wrote it.
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

    /// Takes the answer of the member this ladder is for. Gives the ladder as it is then, nothing if the
    /// member refused and goes on; refuses an answer to no open request.
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

    /// Goes up one rung if its time is over, and says what to do.
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

    /// The caller's clock was set: what is waited for is as far away as before.
    pub fn clock_was_set(&mut self, by_ms: i64) {
        match self {
            ShutdownLadder::Asked { until_ms, .. } | ShutdownLadder::Agreed { until_ms: Some(until_ms), .. } => {
                *until_ms = until_ms.saturating_add_signed(by_ms);
            }
            ShutdownLadder::Agreed { until_ms: None, .. } => {}
            ShutdownLadder::Forced(ladder) => ladder.clock_was_set(by_ms),
        }
    }

    /// When [`ShutdownLadder::overdue`] is to be asked next.
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
