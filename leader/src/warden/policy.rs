//! The rules by which a warden acts when the process that it watches has ended. Pure: the time is an argument.

use std::time::Duration;

use teamster_protocol::model::restart::{self, RecentDeaths};

/// The exit code of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;
/// The exit code of a leader that makes room for the next one.
pub const HANDED_OVER: u8 = 75;
/// Signals by which somebody told it to end, and which it did not catch: SIGHUP, SIGINT, SIGQUIT, SIGTERM.
const TOLD_TO_END: [i32; 4] = [1, 2, 3, 15];

/// The kind of process that is watched over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WardenCharge {
    /// A leader: its team goes on when it dies, under the next one.
    Leader,
    /// A command that leads for as long as it needs to, and answers with its exit code.
    Job,
}

/// The way in which a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeEnd {
    /// The process exited by itself.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process was killed by a signal.
    Killed {
        /// The number of the signal.
        signal: i32,
    },
    /// The process did not begin: its program is not there at the moment, or the system has no room for a process.
    NotStarted,
}

/// The fate of the processes that the dead one left running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftProcesses {
    /// The processes are killed: the one that answered for them is gone in order.
    Kill,
    /// The processes are told to end, and killed after a grace.
    Terminate,
    /// The processes go on: they are workers that another leader leads by now, or that leave by themselves without one.
    Wait,
}

/// The warden's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WardenVerdict {
    /// Start the process again.
    Restart {
        /// The delay before that.
        after: Duration,
    },
    /// Start the next one at once: the process ended for that purpose.
    HandOver,
    /// The warden ends.
    End {
        /// The fate of the processes that are left.
        left: LeftProcesses,
        /// The warden's exit code.
        code: i32,
        /// Whether the end is to be explained, and how.
        why: WardenEndCause,
    },
}

/// The reason why a warden ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WardenEndCause {
    /// Its charge ended, and has said why.
    Ended,
    /// Its charge was killed, and is not one that is started again.
    Killed,
    /// The watched process died too often.
    GivenUp,
}

/// The memory of a warden.
#[derive(Debug)]
pub struct WardenPolicy {
    charge: WardenCharge,
    /// The deaths that count, in time since the warden began.
    deaths: RecentDeaths,
    first_life: bool,
}

impl WardenPolicy {
    /// For a charge that is being started for the first time.
    pub fn new(charge: WardenCharge) -> WardenPolicy {
        WardenPolicy { charge, deaths: RecentDeaths::default(), first_life: true }
    }

    /// Returns the next step now that the process has ended. `now` is the time since the warden began.
    pub fn ended(&mut self, now: Duration, how: ChargeEnd) -> WardenVerdict {
        let end = |left, code, why| WardenVerdict::End { left, code, why };
        match (self.charge, how) {
            (WardenCharge::Leader, ChargeEnd::Exited { code }) if code == i32::from(HANDED_OVER) => {
                self.first_life = false;
                WardenVerdict::HandOver
            }
            (WardenCharge::Leader, ChargeEnd::Exited { code: PANICKED }) => self.crashed(now),
            (WardenCharge::Leader, ChargeEnd::NotStarted) if !self.first_life => self.crashed(now),
            (_, ChargeEnd::NotStarted) => end(LeftProcesses::Terminate, 1, WardenEndCause::Ended),
            (_, ChargeEnd::Exited { code: 0 }) => end(LeftProcesses::Kill, 0, WardenEndCause::Ended),
            // The one after a crash could not lead: most likely another does by now.
            (WardenCharge::Leader, ChargeEnd::Exited { code }) if !self.first_life => {
                end(LeftProcesses::Wait, code, WardenEndCause::Ended)
            }
            (_, ChargeEnd::Exited { code }) => end(LeftProcesses::Terminate, code, WardenEndCause::Ended),
            (WardenCharge::Leader, ChargeEnd::Killed { signal }) if !TOLD_TO_END.contains(&signal) => self.crashed(now),
            (_, ChargeEnd::Killed { signal }) => end(LeftProcesses::Terminate, 128 + signal, WardenEndCause::Killed),
        }
    }

    fn crashed(&mut self, now: Duration) -> WardenVerdict {
        self.first_life = false;
        match self.deaths.died(now.as_millis() as u64) {
            restart::RestartVerdict::Again(after) => WardenVerdict::Restart { after },
            restart::RestartVerdict::GivenUp { .. } => {
                WardenVerdict::End { left: LeftProcesses::Terminate, code: 1, why: WardenEndCause::GivenUp }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::limits::RESTARTS_MAX;

    use super::*;

    #[test]
    fn a_leader_that_hands_over_is_followed_at_once_however_often() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        for _ in 0..RESTARTS_MAX * 3 {
            assert_eq!(
                policy.ended(Duration::ZERO, ChargeEnd::Exited { code: HANDED_OVER.into() }),
                WardenVerdict::HandOver
            );
        }
    }

    const KILLED: ChargeEnd = ChargeEnd::Killed { signal: 9 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn restart(ms: u64) -> WardenVerdict {
        WardenVerdict::Restart { after: Duration::from_millis(ms) }
    }

    #[test]
    fn a_leader_that_dies_again_and_again_is_given_up() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        let verdicts: Vec<WardenVerdict> = (0..6).map(|at| policy.ended(seconds(at), KILLED)).collect();
        assert_eq!(verdicts[..5], [restart(100), restart(200), restart(400), restart(800), restart(1600)]);
        assert_eq!(
            verdicts[5],
            WardenVerdict::End { left: LeftProcesses::Terminate, code: 1, why: WardenEndCause::GivenUp }
        );
    }

    #[test]
    fn one_that_dies_now_and_then_is_always_started_again() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        for at in 0..100 {
            let verdict = policy.ended(seconds(at * 20), KILLED);
            let WardenVerdict::Restart { after } = verdict else { panic!("{verdict:?}") };
            assert!(after <= Duration::from_millis(400));
        }
    }

    #[test]
    fn a_panic_is_a_crash_and_a_wish_is_not() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        assert_eq!(policy.ended(seconds(0), ChargeEnd::Exited { code: 101 }), restart(100));
        for signal in TOLD_TO_END {
            let told = policy.ended(seconds(1), ChargeEnd::Killed { signal });
            assert_eq!(
                told,
                WardenVerdict::End { left: LeftProcesses::Terminate, code: 128 + signal, why: WardenEndCause::Killed }
            );
        }
    }

    #[test]
    fn workers_are_left_alone_by_a_leader_that_could_not_come_back() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        let refused = ChargeEnd::Exited { code: 1 };
        assert_eq!(
            policy.ended(seconds(0), refused),
            WardenVerdict::End { left: LeftProcesses::Terminate, code: 1, why: WardenEndCause::Ended }
        );
        policy.ended(seconds(0), KILLED);
        assert_eq!(
            policy.ended(seconds(1), refused),
            WardenVerdict::End { left: LeftProcesses::Wait, code: 1, why: WardenEndCause::Ended }
        );
        let down = WardenVerdict::End { left: LeftProcesses::Kill, code: 0, why: WardenEndCause::Ended };
        assert_eq!(policy.ended(seconds(2), ChargeEnd::Exited { code: 0 }), down);
    }

    #[test]
    fn a_job_is_never_started_again() {
        for (how, code, why) in [
            (KILLED, 137, WardenEndCause::Killed),
            (ChargeEnd::Killed { signal: 6 }, 134, WardenEndCause::Killed),
            (ChargeEnd::Exited { code: 101 }, 101, WardenEndCause::Ended),
            (ChargeEnd::Exited { code: 130 }, 130, WardenEndCause::Ended),
        ] {
            let verdict = WardenPolicy::new(WardenCharge::Job).ended(seconds(0), how);
            assert_eq!(verdict, WardenVerdict::End { left: LeftProcesses::Terminate, code, why });
        }
    }

    #[test]
    fn a_leader_that_could_not_be_started_again_is_tried_again() {
        let mut policy = WardenPolicy::new(WardenCharge::Leader);
        let ended = WardenVerdict::End { left: LeftProcesses::Terminate, code: 1, why: WardenEndCause::Ended };
        assert_eq!(policy.ended(Duration::ZERO, ChargeEnd::NotStarted), ended, "nobody was led yet");
        assert_eq!(
            policy.ended(Duration::ZERO, ChargeEnd::Exited { code: i32::from(HANDED_OVER) }),
            WardenVerdict::HandOver
        );
        for _ in 0..RESTARTS_MAX {
            assert!(matches!(policy.ended(Duration::ZERO, ChargeEnd::NotStarted), WardenVerdict::Restart { .. }));
        }
        assert!(matches!(
            policy.ended(Duration::ZERO, ChargeEnd::NotStarted),
            WardenVerdict::End { why: WardenEndCause::GivenUp, .. }
        ));
    }
}
