//! The middle of a run: until nothing of it can go on, tasks are told of as they end, and so is who dies.
//! The leader starts who died again; a run only waits for that.

use teamster_protocol::model::board::{AutoClaim, Task, WaitingClaimant};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::{MemberPresence, WorkerEnd};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::watch::FileWatch;
use tokio::time::{Instant, sleep_until};

use super::tally::TaskTally;
use super::{Run, RunError, RunInterrupts, RunNews, running};

/// The way in which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    Drained,
    Interrupted,
    TimedOut,
    NoWorkerLeft,
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
            // Only when no task runs: finding the members that are alive costs a look at each lock.
            if tally.running.is_empty() {
                let living = self.living()?;
                let served = |task: &Task| living.iter().any(|who| may_take(who, task));
                if TaskTally::of(self.team.board(), &self.ids, served).is_drained() {
                    return Ok(RunEnd::NoWorkerLeft);
                }
            }
            tokio::select! {
                _ = watch.changed() => {}
                () = interrupts.next() => return Ok(RunEnd::Interrupted),
                () = until(deadline) => return Ok(RunEnd::TimedOut),
            }
        }
    }

    /// Goes on to show what happens, without end.
    pub(super) async fn follow(&mut self) {
        let mut watch = self.watch();
        loop {
            if let Err(error) = self.show() {
                // The summary meets the same error again, and reports it.
                tracing::debug!("cannot follow the run: {error}");
                return std::future::pending().await;
            }
            watch.changed().await;
        }
    }

    fn watch(&self) -> FileWatch {
        let mut watch = FileWatch::new(self.options.settings.poll);
        watch.add(self.options.dir.board());
        watch.add(self.options.dir.roster());
        watch
    }

    /// Takes in what was written since, and shows it.
    fn show(&mut self) -> Result<TaskTally, RunError> {
        let options = self.options;
        self.team.refresh(|record| options.tell(RunNews::Written(record)))?;
        let tally = TaskTally::of(self.team.board(), &self.ids, |_| true);
        options.tell(RunNews::Standing(&tally));
        Ok(tally)
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
        for (name, crewed) in &mut self.crew {
            let Ok(member) = self.team.roster().member(name) else { continue };
            let (now, told) = match &member.presence {
                MemberPresence::Expected { .. } | MemberPresence::Joined { .. } => (CrewStanding::Running, None),
                MemberPresence::Left { how: WorkerEnd::Died { reason } | WorkerEnd::AgentGone { reason }, .. } => {
                    (CrewStanding::Restarting, Some(RunNews::Died { name, reason }))
                }
                MemberPresence::Left { how: WorkerEnd::GivenUp { reason }, .. } => {
                    (CrewStanding::Gone, Some(RunNews::GivenUp { name, reason }))
                }
                MemberPresence::Left {
                    how: WorkerEnd::Shutdown | WorkerEnd::Terminated | WorkerEnd::LeaderGone,
                    ..
                } => (CrewStanding::Gone, None),
            };
            if let (true, Some(told)) = (*crewed != now, told) {
                self.options.tell(told);
            }
            *crewed = now;
        }
    }
}

/// Whether a member takes this task once it is ready.
fn may_take(who: &WaitingClaimant, task: &Task) -> bool {
    match &task.status {
        TaskStatus::Pending { assignee: Some(to), .. } => *to == who.name,
        TaskStatus::Pending { assignee: None, .. } => {
            who.auto == AutoClaim::On && (task.role.is_none() || task.role == who.role)
        }
        TaskStatus::InProgress { .. }
        | TaskStatus::Completed { .. }
        | TaskStatus::Failed { .. }
        | TaskStatus::Cancelled => false,
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
