//! The middle of a run: until nothing of it can go on, tasks are told of as they end, and so is who dies.
//! The leader starts who died again; a run only waits for that.

use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::board::{Task, WaitingClaimant};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::roster::{MemberPresence, WorkerEnd};
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::TeamError;
use tokio::time::{Instant, sleep_until};

use super::budget::BudgetStanding;
use super::news::{RunEvent, RunNews, RunReport};
use super::outline::running;
use super::tally::TaskTally;
use super::{Run, RunInterrupts};
use crate::ops::error::run::RunError;
use crate::ops::link::{LinkError, dial};

/// The way in which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    Drained,
    Interrupted,
    TimedOut,
    OverBudget,
    NoWorkerLeft,
    TeamEnded,
}

/// Where a member of the crew stands, as far as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrewStanding {
    Running,
    /// The member died, and the leader starts it again.
    Restarting,
    Gone,
}

impl Run<'_> {
    /// Until nothing of the run can go on.
    pub(super) async fn drain(
        &mut self,
        interrupts: &mut RunInterrupts,
        deadline: Option<Instant>,
    ) -> Result<RunEnd, RunError> {
        let mut watch = self.watch();
        loop {
            let tally = self.show()?;
            self.look_at_crew();
            if tally.is_drained() {
                return Ok(RunEnd::Drained);
            }
            if self.look_at_budget(&tally)? == BudgetStanding::Spent {
                return Ok(RunEnd::OverBudget);
            }
            let budget_look = self.budget_look(&tally).map(|after| Instant::now() + after);
            // Only when no task runs: finding the members that are alive costs a look at each lock.
            if tally.running.is_empty() {
                let living = self.living()?;
                let served = |task: &Task| living.iter().any(|who| who.may_take(task));
                if TaskTally::of(self.team.board(), &self.ids, served).is_drained() {
                    let ended = if self.is_team_ending().await { RunEnd::TeamEnded } else { RunEnd::NoWorkerLeft };
                    return Ok(ended);
                }
            }
            tokio::select! {
                _ = watch.changed() => {}
                () = interrupts.next() => return Ok(RunEnd::Interrupted),
                () = wait_for_deadline(deadline) => return Ok(RunEnd::TimedOut),
                () = wait_for_deadline(budget_look) => {}
            }
        }
    }

    /// Whether the leader ends the team, or has ended it: a run does neither while it drains the board, so somebody else told
    /// the leader to.
    async fn is_team_ending(&self) -> bool {
        match dial(&self.options.dir).await {
            Ok((_, leader)) => leader.ending.is_some(),
            Err(LinkError::NoLeader(_)) => true,
            Err(LinkError::Socket(_) | LinkError::Hangs { .. } | LinkError::Call(_)) => false,
        }
    }

    pub(super) fn watch(&self) -> FileWatch {
        let mut watch = FileWatch::new(self.options.settings.poll);
        watch.add(self.options.dir.board());
        watch.add(self.options.dir.roster());
        // Questions come by mail, and whoever answers one marks its mail as read.
        watch.add(self.options.dir.mailbox(&Address::Lead));
        watch
    }

    /// Takes in what was written since, and tells of it.
    pub(super) fn show(&mut self) -> Result<TaskTally, RunError> {
        let (options, events) = (self.options, &mut self.events);
        self.team.refresh(|record| {
            events.reports(record).iter().for_each(|report| options.tell(RunNews::Happened(report)));
        })?;
        let asked = self.questions.look(&options.dir).map_err(TeamError::from)?;
        asked.iter().for_each(|report| options.tell(RunNews::Happened(report)));
        let tally = TaskTally::of(self.team.board(), &self.ids, |_| true);
        options.tell(RunNews::Standing(&tally));
        Ok(tally)
    }

    /// Tells of something that is on no board.
    pub(super) fn tell(&self, event: RunEvent) {
        self.options.tell(RunNews::Happened(&RunReport { at_ms: now_ms(), event }));
    }

    /// The members that could take a task: those of the crew, also while they are being started again, and all others
    /// that run.
    fn living(&self) -> Result<Vec<WaitingClaimant>, RunError> {
        let others = running(&self.team)?;
        let alive = |name: &MemberName| match self.crew.get(name) {
            Some(CrewStanding::Running | CrewStanding::Restarting) => true,
            Some(CrewStanding::Gone) | None => others.contains(name),
        };
        let members = self.team.roster().members().filter(|(name, _)| alive(name));
        Ok(members.map(|(name, member)| member.spec.claimant(name)).collect())
    }

    /// Notices who left, and who is back.
    fn look_at_crew(&mut self) {
        let mut told = Vec::new();
        for (name, crewed) in &mut self.crew {
            let Ok(member) = self.team.roster().member(name) else { continue };
            let (member, name) = (&member.presence, name.clone());
            let (now, event) = match member {
                MemberPresence::Expected { .. } | MemberPresence::Joined { .. } => (CrewStanding::Running, None),
                MemberPresence::Left { how: WorkerEnd::Died { reason } | WorkerEnd::AgentGone { reason }, .. } => {
                    let reason = reason.clone();
                    (CrewStanding::Restarting, Some(RunEvent::MemberDied { member: name, reason }))
                }
                MemberPresence::Left {
                    how: WorkerEnd::GivenUp { reason } | WorkerEnd::ProviderRefused { reason },
                    ..
                } => {
                    let reason = reason.clone();
                    (CrewStanding::Gone, Some(RunEvent::MemberGivenUp { member: name, reason }))
                }
                MemberPresence::Left {
                    how:
                        WorkerEnd::Shutdown
                        | WorkerEnd::Terminated
                        | WorkerEnd::Killed
                        | WorkerEnd::LeaderGone
                        | WorkerEnd::BudgetSpent { .. }
                        | WorkerEnd::NotStarted { .. },
                    ..
                } => (CrewStanding::Gone, None),
            };
            if *crewed != now {
                told.extend(event);
            }
            *crewed = now;
        }
        told.into_iter().for_each(|event| self.tell(event));
    }
}

/// Waits until a time is over; for ever for none.
pub(super) async fn wait_for_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
