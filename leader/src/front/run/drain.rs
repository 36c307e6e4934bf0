//! The middle of a run: until nothing of it can go on, tasks are told of as they end, and who died is started again.

use futures_util::StreamExt;
use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::api::Spawned;
use teamster_protocol::board::{AutoClaim, Claimant, Task};
use teamster_protocol::id::MemberName;
use teamster_protocol::roster::{LeftHow, Presence};
use teamster_protocol::task::TaskStatus;
use teamster_protocol::watch::Watch;
use tokio::time::{Instant, sleep_until};

use super::crew::Hand;
use super::tally::Tally;
use super::{Run, RunError, Signals, running, said};

/// How often a worker that died is started again within one run.
const RESPAWNS_MAX: u32 = 3;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Drained,
    Interrupted,
    TimedOut,
    NoWorkerLeft,
}

/// Where a member of the crew stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crewed {
    Starting { respawns: u32 },
    Running { respawns: u32 },
    Gone,
}

impl Run<'_> {
    /// Until nothing of the run can go on.
    pub(super) async fn drain(&mut self, signals: &mut Signals, deadline: Option<Instant>) -> Result<How, RunError> {
        let mut watch = self.watch();
        loop {
            let tally = self.show()?;
            self.look_at_crew();
            if tally.is_drained() {
                return Ok(How::Drained);
            }
            // Only when nobody is at it: to look who is alive costs a look at each lock.
            if tally.running.is_empty() {
                let living = self.living()?;
                let served = |task: &Task| living.iter().any(|who| may_take(who, task));
                if Tally::of(self.team.board(), &self.ids, served).is_drained() {
                    return Ok(How::NoWorkerLeft);
                }
            }
            tokio::select! {
                _ = watch.changed() => {}
                Some((hand, spawned)) = self.spawning.next() => self.respawned(hand, spawned),
                () = signals.next() => return Ok(How::Interrupted),
                () = until(deadline) => return Ok(How::TimedOut),
            }
        }
    }

    /// Goes on to show what happens, without end.
    pub(super) async fn follow(&mut self) {
        let mut watch = self.watch();
        loop {
            if let Err(error) = self.show() {
                // Whoever sums the run up meets it again, and reports it.
                tracing::debug!("cannot follow the run: {error}");
                return std::future::pending().await;
            }
            watch.changed().await;
        }
    }

    fn watch(&self) -> Watch {
        let mut watch = Watch::new(self.options.settings.poll);
        watch.add(self.options.dir.board());
        watch.add(self.options.dir.roster());
        watch
    }

    /// Takes in what was written since, and shows it.
    fn show(&mut self) -> Result<Tally, RunError> {
        let progress = &self.options.progress;
        self.team.refresh(|record| progress.record(record))?;
        let tally = Tally::of(self.team.board(), &self.ids, |_| true);
        progress.tally(&tally);
        Ok(tally)
    }

    /// Who could take a task: the crew, those that are being started again included, and whoever else runs.
    fn living(&self) -> Result<Vec<Claimant>, RunError> {
        let others = running(&self.team)?;
        let alive = |name: &MemberName| match self.crew.get(name) {
            Some((_, Crewed::Starting { .. } | Crewed::Running { .. })) => true,
            Some((_, Crewed::Gone)) | None => others.contains(name),
        };
        let members = self.team.roster().members().filter(|(name, _)| alive(name));
        Ok(members.map(|(name, member)| member.spec.claimant(name)).collect())
    }

    /// Notices who left, and starts again who died.
    fn look_at_crew(&mut self) {
        let mut died = Vec::new();
        for (name, (hand, crewed)) in &mut self.crew {
            let Crewed::Running { respawns } = *crewed else { continue };
            let Ok(member) = self.team.roster().member(name) else { continue };
            match &member.presence {
                Presence::Left { how: LeftHow::Died { reason }, .. } if respawns < RESPAWNS_MAX => {
                    self.options.progress.say(&format!("{name} died ({reason}): starting it again"));
                    *crewed = Crewed::Starting { respawns: respawns + 1 };
                    died.push(hand.clone());
                }
                Presence::Left { how: LeftHow::Died { reason }, .. } => {
                    self.options.progress.say(&format!("{name} died ({reason}) and is not started again"));
                    *crewed = Crewed::Gone;
                }
                Presence::Left { .. } => *crewed = Crewed::Gone,
                Presence::Expected { .. } | Presence::Joined { .. } => {}
            }
        }
        died.into_iter().for_each(|hand| self.spawn(hand));
    }

    fn respawned(&mut self, hand: Hand, spawned: Result<Spawned, RpcError>) {
        let Some((_, crewed)) = self.crew.get_mut(&hand.name) else { return };
        let Crewed::Starting { respawns } = *crewed else { return };
        *crewed = match spawned {
            Ok(_) => Crewed::Running { respawns },
            Err(error) => {
                self.options.progress.say(&said(&error));
                Crewed::Gone
            }
        };
    }
}

/// Whether a member takes this task once it is ready.
fn may_take(who: &Claimant, task: &Task) -> bool {
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
