//! Whether a worker that runs answers. Its lock tells that it is not dead, and its agent is its own to watch; that the worker
//! itself hangs, stopped or stuck, can only be seen from outside.
//!
//! Twice as long as it may take is waited before it is said to hang: after both sides stood still, as in a machine that
//! slept, the first time is over before the worker could answer.
//!
//! Nobody hurries a worker that finishes its turn before it ends, for as long as it is well: one that hangs is told by a
//! signal, or who asked it to end would wait for ever.

use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::roster::{OnStall, StartedBy};
use teamster_protocol::model::shutdown::Ladder;

use super::{Action, Core, Phase, Signal, ms};

/// What was heard of a worker that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It answered, or was not asked.
    #[default]
    Answers,
    /// It was asked, and has this long.
    Asked { until_ms: u64, wait: Wait },
    /// It has not answered.
    Hung { since_ms: u64 },
    /// It has not answered, and was killed for that.
    Killed { why: String },
}

/// How often it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    First,
    Second,
}

impl Pulse {
    pub(super) fn until_ms(&self) -> Option<u64> {
        match self {
            Pulse::Asked { until_ms, .. } => Some(*until_ms),
            Pulse::Answers | Pulse::Hung { .. } | Pulse::Killed { .. } => None,
        }
    }

    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.until_ms().is_some_and(|until_ms| now_ms >= until_ms)
    }

    pub(super) fn clock_was_set(&mut self, by_ms: i64) {
        match self {
            Pulse::Asked { until_ms: at_ms, .. } | Pulse::Hung { since_ms: at_ms } => {
                *at_ms = at_ms.saturating_add_signed(by_ms);
            }
            Pulse::Answers | Pulse::Killed { .. } => {}
        }
    }
}

impl Core {
    /// A slow poll: it is time to ask those that run, and those that finish their turn.
    pub(super) fn polled(&mut self) {
        for (name, phase) in &self.members {
            let is_asked = match phase {
                Phase::Running { .. } => true,
                Phase::Ending { ladder, .. } => finishes(ladder),
                Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Restarting { .. } => false,
            };
            if is_asked {
                self.actions.push(Action::Ping { name: name.clone() });
            }
        }
    }

    pub(super) fn pinged(&mut self, now_ms: u64, name: MemberName, then: OnStall, overdue: Option<TaskId>) {
        let until_ms = now_ms + ms(self.answer_within);
        let (started_by, pulse) = match self.members.get_mut(&name) {
            Some(Phase::Running { started_by, pulse }) => (*started_by, pulse),
            Some(Phase::Ending { ladder, pulse: pulse @ Pulse::Answers, .. }) if finishes(ladder) => {
                *pulse = Pulse::Asked { until_ms, wait: Wait::First };
                return;
            }
            // What is to be done about one that is being ended, its ladder says.
            Some(
                Phase::Ending { .. } | Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Restarting { .. },
            )
            | None => return,
        };
        match pulse {
            Pulse::Answers => *pulse = Pulse::Asked { until_ms, wait: Wait::First },
            // Whoever started a worker by hand sees to it.
            Pulse::Hung { since_ms } if started_by == StartedBy::Leader => {
                let silent = format!("its worker does not answer, for {} s", now_ms.saturating_sub(*since_ms) / 1000);
                let why = match (then, overdue) {
                    (_, Some(task)) => format!("{silent}, and the time for task {task} is over"),
                    (OnStall::Restart, None) => silent,
                    (OnStall::Show | OnStall::Steer | OnStall::Abort, None) => return,
                };
                *pulse = Pulse::Killed { why: why.clone() };
                // One that is stopped would not notice SIGTERM.
                self.report(format!("{name} gets SIGKILL: {why}"));
                self.act(Action::Signal { name, signal: Signal::Kill });
            }
            Pulse::Asked { .. } | Pulse::Hung { .. } | Pulse::Killed { .. } => {}
        }
    }

    pub(super) fn answered(&mut self, name: MemberName) {
        let Some(pulse) = self.pulse(&name) else { return };
        match pulse {
            Pulse::Killed { .. } => {}
            Pulse::Answers | Pulse::Asked { .. } | Pulse::Hung { .. } => {
                *pulse = Pulse::Answers;
                self.act(Action::ShowAnswering { name });
            }
        }
    }

    /// There is no way to ask it any more. Who is said to hang does so until it is heard of.
    pub(super) fn not_asked(&mut self, name: &MemberName) {
        if let Some(pulse @ Pulse::Asked { .. }) = self.pulse(name) {
            *pulse = Pulse::Answers;
        }
    }

    /// It has been silent for as long as it may.
    pub(super) fn silent(&mut self, now_ms: u64, name: MemberName) {
        let until_ms = now_ms + ms(self.answer_within);
        let Some(pulse) = self.pulse(&name) else { return };
        match pulse {
            Pulse::Asked { wait: Wait::First, .. } => *pulse = Pulse::Asked { until_ms, wait: Wait::Second },
            Pulse::Asked { wait: Wait::Second, .. } => {
                *pulse = Pulse::Hung { since_ms: now_ms };
                self.report(format!("{name} hangs: its worker does not answer"));
                self.act(Action::ShowHung { name: name.clone() });
                if let Some(Phase::Ending { .. }) = self.members.get(&name) {
                    self.terminate(now_ms, &name);
                } else {
                    // What is to be done about it is asked for with the ping.
                    self.act(Action::Ping { name });
                }
            }
            Pulse::Answers | Pulse::Hung { .. } | Pulse::Killed { .. } => {}
        }
    }

    fn pulse(&mut self, name: &MemberName) -> Option<&mut Pulse> {
        match self.members.get_mut(name)? {
            Phase::Running { pulse, .. } | Phase::Ending { pulse, .. } => Some(pulse),
            Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Restarting { .. } => None,
        }
    }
}

/// Whether nothing but the end of its turn is waited for.
fn finishes(ladder: &Ladder) -> bool {
    matches!(ladder, Ladder::Agreed { until_ms: None, .. })
}
