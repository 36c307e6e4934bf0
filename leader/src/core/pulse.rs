//! Whether a worker that runs answers. Its lock tells that it is not dead, and its agent is its own to watch; that the worker
//! itself hangs, stopped or stuck, can only be seen from outside.
//!
//! Twice as long as it may take is waited before it is said to hang: after both sides stood still, as in a machine that
//! slept, the first time is over before the worker could answer.
//!
//! Nobody hurries a worker that finishes its turn before it ends, for as long as it is well: one that hangs is told by a
//! signal, or who asked it to end would wait for ever.

use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::TERM_GRACE;
use teamster_protocol::model::roster::{OnStall, StartedBy, TeamFact};
use teamster_protocol::model::shutdown::ShutdownLadder;

use super::leaving::MemberLeaving;
use super::member::{FoundLink, MemberPhase, PulseWait, WorkerPulse};
use super::{LeaderAction, LeaderCore, Signal, TeamFiles, TimedTask, WorkSeen, ms};

impl LeaderCore {
    /// A slow poll: the workers that run are asked whether they are well, and those that finish their turn; and what could
    /// not be written is tried again.
    pub(super) fn polled(&mut self) {
        if self.team_files == TeamFiles::MissedOnce {
            self.team_files = TeamFiles::There;
        }
        // A worker that runs again gave back at its start what the one before it held.
        self.unburied.retain(|name, _| !self.members.contains_key(name));
        let again = |(name, leaving): (&MemberName, &MemberLeaving)| LeaderAction::Bury {
            name: name.clone(),
            leaving: leaving.clone(),
        };
        self.actions.extend(self.unburied.iter().map(again));
        for (name, phase) in &self.members {
            let pulse = match phase {
                MemberPhase::Running(worker) => &worker.pulse,
                MemberPhase::Ending { ladder, worker, .. } if finishes(ladder) => &worker.pulse,
                MemberPhase::Ending { .. }
                | MemberPhase::Preparing { .. }
                | MemberPhase::Starting { .. }
                | MemberPhase::Restarting { .. } => continue,
            };
            let is_silent = *pulse != WorkerPulse::Answers;
            self.actions.push(LeaderAction::LookAtWork { name: name.clone(), is_silent });
        }
    }

    /// Pings a worker that is at work, or that should be: a worker that has nothing to do sleeps on. One to which the
    /// link is still being tried needs no ping, for the try is one.
    pub(super) fn work_seen(&mut self, now_ms: u64, name: MemberName, work: &WorkSeen) {
        let until_ms = now_ms + ms(self.answer_within);
        let (worker, is_ending) = match self.members.get_mut(&name) {
            Some(MemberPhase::Running(worker)) => (worker, false),
            Some(MemberPhase::Ending { ladder, worker, .. }) if finishes(ladder) => (worker, true),
            // A worker that is being ended is dealt with by its ladder.
            Some(
                MemberPhase::Ending { .. }
                | MemberPhase::Preparing { .. }
                | MemberPhase::Starting { .. }
                | MemberPhase::Restarting { .. },
            )
            | None => return,
        };
        let link = worker.link();
        match &worker.pulse {
            WorkerPulse::Answers if link == FoundLink::Trying || (work.has_task || worker.turn.is_some()) => {
                match link {
                    FoundLink::Lost => return,
                    FoundLink::Trying => {}
                    FoundLink::Linked => self.actions.push(LeaderAction::Ping { name }),
                }
                worker.pulse = WorkerPulse::Asked { until_ms, wait: PulseWait::First };
            }
            // A worker that was started by hand is the business of its starter.
            WorkerPulse::Hung { since_ms }
                if !is_ending && worker.started_by() == StartedBy::Leader && link != FoundLink::Lost =>
            {
                let silent = format!("its worker does not answer, for {} s", now_ms.saturating_sub(*since_ms) / 1000);
                let why = match (work.then, overdue_task(work, now_ms)) {
                    (_, Some(task)) => format!("{silent}, and the time for task {task} is over"),
                    (OnStall::Restart, None) => silent,
                    (OnStall::Show | OnStall::Steer | OnStall::Abort, None) => return,
                };
                worker.pulse = WorkerPulse::Killed { why: why.clone() };
                // A stopped process would not notice SIGTERM.
                self.report(format!("{name} gets SIGKILL: {why}"));
                self.act(LeaderAction::Signal { name, signal: Signal::Kill });
            }
            WorkerPulse::Answers
            | WorkerPulse::Asked { .. }
            | WorkerPulse::Hung { .. }
            | WorkerPulse::Killed { .. } => {}
        }
    }

    pub(super) fn answered(&mut self, name: MemberName) {
        let Some(pulse) = self.pulse(&name) else { return };
        match pulse {
            WorkerPulse::Killed { .. } => {}
            WorkerPulse::Answers | WorkerPulse::Asked { .. } | WorkerPulse::Hung { .. } => {
                *pulse = WorkerPulse::Answers;
                self.act(LeaderAction::WriteFact { fact: TeamFact::Answering { name } });
            }
        }
    }

    /// Stops waiting for a worker that can not be asked any more. One that is said to hang counts as such until it is
    /// heard of.
    pub(super) fn not_asked(&mut self, name: &MemberName) {
        if let Some(pulse @ WorkerPulse::Asked { .. }) = self.pulse(name) {
            *pulse = WorkerPulse::Answers;
        }
    }

    /// Acts on a worker that has been silent for as long as it may.
    pub(super) fn silent(&mut self, now_ms: u64, name: MemberName) {
        let until_ms = now_ms + ms(self.answer_within);
        let Some(pulse) = self.pulse(&name) else { return };
        match pulse {
            WorkerPulse::Asked { wait: PulseWait::First, .. } => {
                *pulse = WorkerPulse::Asked { until_ms, wait: PulseWait::Second }
            }
            WorkerPulse::Asked { wait: PulseWait::Second, .. } => {
                *pulse = WorkerPulse::Hung { since_ms: now_ms };
                self.report(format!("{name} hangs: its worker does not answer"));
                self.act(LeaderAction::WriteFact { fact: TeamFact::Hung { name: name.clone() } });
                if let Some(MemberPhase::Ending { .. }) = self.members.get(&name) {
                    self.terminate(now_ms, &name);
                } else {
                    // The answer that is set for the member decides what happens next.
                    self.act(LeaderAction::LookAtWork { name, is_silent: true });
                }
            }
            WorkerPulse::Answers | WorkerPulse::Hung { .. } | WorkerPulse::Killed { .. } => {}
        }
    }

    fn pulse(&mut self, name: &MemberName) -> Option<&mut WorkerPulse> {
        Some(&mut self.members.get_mut(name)?.worker_mut()?.pulse)
    }
}

/// A task whose time has been over for longer than a worker that is well needs to end it.
fn overdue_task(work: &WorkSeen, now_ms: u64) -> Option<TaskId> {
    let end_ms = |task: &TimedTask| task.since_ms.saturating_add(task.timeout_ms).saturating_add(ms(TERM_GRACE));
    work.timed.iter().find(|task| now_ms >= end_ms(task)).map(|task| task.id)
}

/// Whether nothing but the end of its turn is waited for.
fn finishes(ladder: &ShutdownLadder) -> bool {
    matches!(ladder, ShutdownLadder::Agreed { until_ms: None, .. })
}
