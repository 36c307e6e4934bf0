//! The kill ladder: SIGTERM, after a grace SIGKILL, after another grace a word about what does not end. The ladder only
//! goes up.
//!
//! Every program that ends processes climbs this one: the leader ends its workers by it, a worker its agent, the warden and
//! the leader the orphans that fall to them. One that has nothing to be asked for, such as a leader that hangs, begins on the
//! last rung. Times are milliseconds of whatever clock the caller reads.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::limits::{KILL_GRACE, TERM_GRACE};

/// A signal of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillSignal {
    /// SIGTERM, and SIGCONT after it: a stopped process would not notice.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// The rung of the ladder that an ending is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillLadder {
    /// SIGTERM is due or was sent.
    Terminated {
        /// The time at which SIGKILL follows.
        until_ms: u64,
    },
    /// SIGKILL is due or was sent.
    Killed {
        /// The time at which the process is reported not to end.
        until_ms: u64,
    },
    /// Not even SIGKILL has ended it.
    Stuck,
}

/// The step to take on the ladder now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillStep {
    /// Nothing: the time of the rung is not over.
    Wait,
    /// SIGKILL is to be sent.
    Kill,
    /// The process is to be reported as one that does not end.
    GiveUp,
}

impl KillLadder {
    /// The first rung, with a grace of [`TERM_GRACE`].
    pub fn terminate(now_ms: u64) -> KillLadder {
        KillLadder::terminate_within(now_ms, TERM_GRACE)
    }

    /// The first rung, with the caller's grace.
    pub fn terminate_within(now_ms: u64, grace: Duration) -> KillLadder {
        KillLadder::Terminated { until_ms: later(now_ms, grace) }
    }

    /// The second rung, for processes that are not to be asked first.
    pub fn kill(now_ms: u64) -> KillLadder {
        KillLadder::Killed { until_ms: later(now_ms, KILL_GRACE) }
    }

    /// The signal to send on this rung; nothing when none is left.
    pub fn signal(self) -> Option<KillSignal> {
        match self {
            KillLadder::Terminated { .. } => Some(KillSignal::Terminate),
            KillLadder::Killed { .. } => Some(KillSignal::Kill),
            KillLadder::Stuck => None,
        }
    }

    /// Goes up a rung if the time of this one is over, and returns the step to take.
    pub fn climb_if_due(&mut self, now_ms: u64) -> KillStep {
        match *self {
            KillLadder::Terminated { until_ms } if now_ms >= until_ms => {
                *self = KillLadder::kill(now_ms);
                KillStep::Kill
            }
            KillLadder::Killed { until_ms } if now_ms >= until_ms => {
                *self = KillLadder::Stuck;
                KillStep::GiveUp
            }
            KillLadder::Terminated { .. } | KillLadder::Killed { .. } | KillLadder::Stuck => KillStep::Wait,
        }
    }

    /// The time at which [`KillLadder::climb_if_due`] is to be asked next; nothing when no rung is left.
    pub fn until_ms(self) -> Option<u64> {
        match self {
            KillLadder::Terminated { until_ms } | KillLadder::Killed { until_ms } => Some(until_ms),
            KillLadder::Stuck => None,
        }
    }

    /// Moves the time of the rung after the caller's clock was set: the next rung is as far away as before.
    pub fn clock_was_set(&mut self, by_ms: i64) {
        match self {
            KillLadder::Terminated { until_ms } | KillLadder::Killed { until_ms } => {
                *until_ms = until_ms.saturating_add_signed(by_ms);
            }
            KillLadder::Stuck => {}
        }
    }
}

/// The ending of several processes at once, while more may appear: orphans become children of the ender when their
/// parent dies. `P` names a process or a group.
#[derive(Debug)]
pub struct GroupEnding<P> {
    ladder: KillLadder,
    round: u64,
    /// The processes that got SIGTERM, each only once: many programs take a second one for "hurry".
    terminated: BTreeSet<P>,
}

/// The work of one round of a [`GroupEnding`].
#[derive(Debug, PartialEq, Eq)]
pub enum EndingRound<P> {
    /// Send this signal to these processes, and begin another round at this time at the latest.
    Send {
        /// The signal.
        signal: KillSignal,
        /// The processes that get the signal in this round; perhaps none.
        to: Vec<P>,
        /// When the next rung is due.
        until_ms: u64,
    },
    /// The processes do not end, and nothing stronger is left.
    GiveUp,
}

impl<P: Ord + Clone> GroupEnding<P> {
    /// Begins the ending on a rung of the ladder.
    pub fn new(ladder: KillLadder) -> GroupEnding<P> {
        GroupEnding { ladder, round: 0, terminated: BTreeSet::new() }
    }

    /// Goes to SIGKILL without waiting for the grace.
    pub fn hurry(&mut self, now_ms: u64) {
        match self.ladder {
            KillLadder::Terminated { .. } => self.ladder = KillLadder::kill(now_ms),
            KillLadder::Killed { .. } | KillLadder::Stuck => {}
        }
    }

    /// Returns the work of the next round, given the processes that are still there.
    pub fn next_round(&mut self, now_ms: u64, present: impl IntoIterator<Item = P>) -> EndingRound<P> {
        // The first round does not climb: even a grace of nothing lets every process have a SIGTERM.
        if self.round > 0 {
            self.ladder.climb_if_due(now_ms);
        }
        self.round += 1;
        let (Some(signal), Some(until_ms)) = (self.ladder.signal(), self.ladder.until_ms()) else {
            return EndingRound::GiveUp;
        };
        let mut to: Vec<P> = present.into_iter().collect();
        match signal {
            KillSignal::Terminate => to.retain(|process| self.terminated.insert(process.clone())),
            KillSignal::Kill => {}
        }
        EndingRound::Send { signal, to, until_ms }
    }
}

fn later(now_ms: u64, by: Duration) -> u64 {
    now_ms.saturating_add(by.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM_MS: u64 = TERM_GRACE.as_millis() as u64;
    const KILL_MS: u64 = KILL_GRACE.as_millis() as u64;

    #[test]
    fn time_leads_up_every_rung_and_no_further() {
        let mut ladder = KillLadder::terminate(10);
        assert_eq!((ladder.signal(), ladder.until_ms()), (Some(KillSignal::Terminate), Some(10 + TERM_MS)));
        assert_eq!(ladder.climb_if_due(9 + TERM_MS), KillStep::Wait);
        assert_eq!(ladder.climb_if_due(10 + TERM_MS), KillStep::Kill);
        assert_eq!(ladder.climb_if_due(11 + TERM_MS), KillStep::Wait);
        assert_eq!(ladder.climb_if_due(10 + TERM_MS + KILL_MS), KillStep::GiveUp);
        assert_eq!((ladder.climb_if_due(u64::MAX), ladder.until_ms()), (KillStep::Wait, None));
    }

    #[test]
    fn a_clock_that_is_set_hurries_nobody() {
        let mut ladder = KillLadder::terminate(10);
        ladder.clock_was_set(100_000);
        assert_eq!(ladder.climb_if_due(100_010), KillStep::Wait);
        assert_eq!(ladder.climb_if_due(100_010 + TERM_MS), KillStep::Kill);
    }

    #[test]
    fn each_is_asked_once_and_killed_until_it_is_gone() {
        let mut ending = GroupEnding::new(KillLadder::terminate(0));
        let sent = |round| match round {
            EndingRound::Send { signal, to, .. } => (signal, to),
            EndingRound::GiveUp => panic!("given up"),
        };
        assert_eq!(sent(ending.next_round(0, [1, 2])), (KillSignal::Terminate, vec![1, 2]));
        assert_eq!(sent(ending.next_round(1, [1, 2, 3])), (KillSignal::Terminate, vec![3]));
        assert_eq!(sent(ending.next_round(TERM_MS, [2])), (KillSignal::Kill, vec![2]));
        assert_eq!(sent(ending.next_round(TERM_MS + 1, [2, 4])), (KillSignal::Kill, vec![2, 4]));
        assert_eq!(ending.next_round(TERM_MS + KILL_MS, [4]), EndingRound::GiveUp);
    }

    #[test]
    fn whoever_hurries_and_whoever_gives_no_grace_comes_to_sigkill_at_once() {
        let mut ending = GroupEnding::new(KillLadder::terminate(0));
        ending.hurry(5);
        let round = ending.next_round(5, [1]);
        assert_eq!(round, EndingRound::Send { signal: KillSignal::Kill, to: vec![1], until_ms: 5 + KILL_MS });
        let mut ending = GroupEnding::new(KillLadder::terminate_within(0, Duration::ZERO));
        let round = ending.next_round(0, [1]);
        assert_eq!(round, EndingRound::Send { signal: KillSignal::Terminate, to: vec![1], until_ms: 0 });
        let round = ending.next_round(0, [1]);
        assert_eq!(round, EndingRound::Send { signal: KillSignal::Kill, to: vec![1], until_ms: KILL_MS });
    }
}
