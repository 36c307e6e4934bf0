//! The end of a run. One that was interrupted finishes what runs; one that was interrupted twice, or whose time
//! is over or budget used up, stops that. Both hold for all tasks of the run, whoever is on them: members that were there before stay, and get no
//! further task of it.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::pace::{STOP_AGAIN, TASKS_STOPPED_WITHIN};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::BoardRefusal;
use teamster_protocol::wire::api::LeaderApiClient;
use tokio::time::{Instant, sleep, sleep_until};

use super::drain::{RunEnd, wait_for_deadline};
use super::news::{RunEvent, RunNews, RunReport, StopCause};
use super::{Run, RunInterrupts};
use crate::ops::error::run::RunError;

/// The fate of the tasks that nobody is on when the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RestOfRun {
    /// Nobody takes them before somebody opens them again.
    Held,
    /// The tasks stay as they are: nobody is there who could take them, or there are none.
    Left,
}

impl Run<'_> {
    /// Ends a run that came to this end, and with it everybody who was spawned for it.
    pub(super) async fn end(
        &mut self,
        how: RunEnd,
        interrupts: &mut RunInterrupts,
        deadline: Option<Instant>,
    ) -> Result<(), RunError> {
        let ended = match how {
            RunEnd::TimedOut => self.stop_all(StopCause::TimedOut).await,
            RunEnd::OverBudget => self.stop_all(StopCause::OverBudget).await,
            RunEnd::Interrupted => {
                self.tell(RunEvent::Interrupted);
                self.finish(RestOfRun::Held, interrupts, deadline).await
            }
            RunEnd::Drained | RunEnd::NoWorkerLeft | RunEnd::TeamEnded => {
                self.finish(RestOfRun::Left, interrupts, None).await
            }
        };
        if ended.is_err() {
            self.kill().await;
        }
        ended
    }

    /// Asks the crew to end, each after its turn, and waits for that, and until nobody is on a task of the run.
    async fn finish(
        &mut self,
        rest: RestOfRun,
        interrupts: &mut RunInterrupts,
        deadline: Option<Instant>,
    ) -> Result<(), RunError> {
        let mut watch = self.watch();
        let mut dismissed = pin!(self.dismiss());
        let mut crew_ended = false;
        loop {
            let running = self.show()?.running;
            match rest {
                RestOfRun::Held => self.hold()?,
                RestOfRun::Left => {}
            }
            if crew_ended && running.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = &mut dismissed, if !crew_ended => crew_ended = true,
                _ = watch.changed() => {}
                () = interrupts.next() => return self.stop_all(StopCause::Interrupted).await,
                () = wait_for_deadline(deadline) => return self.stop_all(StopCause::TimedOut).await,
            }
        }
    }

    /// Stops every task of the run that somebody is on, then ends the crew.
    async fn stop_all(&mut self, why: StopCause) -> Result<(), RunError> {
        self.tell(RunEvent::Stopping { why });
        let for_anybody = self.for_anybody();
        let mut watch = self.watch();
        let limit = Instant::now() + TASKS_STOPPED_WITHIN;
        let mut stopping = FuturesUnordered::new();
        let mut asked: BTreeSet<(TaskId, MemberName)> = BTreeSet::new();
        loop {
            let running = self.show()?.running;
            self.hold()?;
            if running.is_empty() {
                break;
            }
            for (id, (owner, _)) in running {
                if asked.insert((id, owner.clone())) {
                    stopping.push(self.stop(id, owner));
                }
            }
            tokio::select! {
                // Refused by a member that is between taking the task and its turn: it is asked again.
                Some(refused) = stopping.next() => {
                    if let Some(task) = refused {
                        asked.remove(&task);
                    }
                }
                _ = watch.changed() => {}
                () = sleep_until(limit) => break,
            }
        }
        self.kill().await;
        let running = self.show()?.running;
        // What a worker had that was killed came back when it was buried.
        self.hold()?;
        for (task, (member, _)) in running {
            self.tell(RunEvent::NotStopped { task, member });
        }
        self.open_to_anybody(&for_anybody)
    }

    /// Stops the turn for this task. Gives the task back if the member refuses, a moment later.
    fn stop(&self, id: TaskId, owner: MemberName) -> impl Future<Output = Option<(TaskId, MemberName)>> + use<> {
        let peer = self.leadership.peer.clone();
        async move {
            match peer.stop(owner.clone(), "the run was ended".to_owned()).await {
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(%owner, "not stopped: {error}");
                    sleep(STOP_AGAIN).await;
                    Some((id, owner))
                }
            }
        }
    }

    /// Holds the tasks of the run that nobody is on.
    fn hold(&mut self) -> Result<(), RunError> {
        let ids = self.ids.clone();
        if !self.team.board().hold(&ids).is_empty() {
            self.write(|board| board.hold(&ids))?;
        }
        Ok(())
    }

    /// The tasks that were meant for nobody in particular.
    fn for_anybody(&self) -> BTreeSet<TaskId> {
        let is_open = |id: &TaskId| self.team.board().task(*id).is_ok_and(|task| task.meant_for.is_none());
        self.ids.iter().copied().filter(is_open).collect()
    }

    /// A task that is stopped is kept for who was on it. Nobody asked for that here, and a member of the run is not there any
    /// more: such tasks are for anybody again, and stay held.
    fn open_to_anybody(&mut self, tasks: &BTreeSet<TaskId>) -> Result<(), RunError> {
        let is_kept = |board: &Board, id: &TaskId| board.task(*id).is_ok_and(|task| task.meant_for.is_some());
        let kept: Vec<TaskId> = tasks.iter().copied().filter(|id| is_kept(self.team.board(), id)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        self.write(|board| {
            let opened: Vec<TaskId> = kept.iter().copied().filter(|id| board.unassign(*id).is_ok()).collect();
            let mut facts: Vec<BoardFact> = opened.iter().map(|id| BoardFact::Unassigned { id: *id }).collect();
            facts.push(BoardFact::Held { ids: opened });
            facts
        })
    }

    /// Writes facts, and tells of what others have written and of what is written now.
    fn write(&mut self, facts: impl FnOnce(&Board) -> Vec<BoardFact>) -> Result<(), RunError> {
        let (options, events) = (self.options, &mut self.events);
        let mut told: Vec<RunReport> = Vec::new();
        let mut held = Vec::new();
        self.team.decide_telling(
            options.settings.durability,
            |record| told.extend(events.reports(record)),
            |board| {
                let facts = facts(board);
                for fact in &facts {
                    if let BoardFact::Held { ids } = fact {
                        held.extend(ids.iter().copied());
                    }
                }
                Ok::<_, BoardRefusal>((facts, ()))
            },
        )?;
        told.iter().for_each(|report| options.tell(RunNews::Happened(report)));
        // Those that a stop had held already are no news.
        held.retain(|id| self.held.insert(*id));
        if !held.is_empty() {
            self.tell(RunEvent::Held { tasks: held });
        }
        Ok(())
    }

    /// Asks the crew to end, each after its turn, and waits for it.
    fn dismiss(&self) -> impl Future<Output = ()> + use<> {
        let ask = |name: MemberName| {
            let peer = self.leadership.peer.clone();
            async move {
                let reason = "the run is over".to_owned();
                if let Err(error) = peer.shutdown(Some(name.clone()), reason, WhenBusy::Finish).await {
                    tracing::debug!(%name, "not asked to end: {error}");
                }
            }
        };
        join_all(self.crew.keys().cloned().map(ask).collect::<Vec<_>>()).map(|_| ())
    }

    pub(super) async fn kill(&self) {
        let kills = self.crew.keys().map(|name| self.leadership.peer.kill(name.clone()));
        for (name, outcome) in self.crew.keys().zip(join_all(kills).await) {
            if let Err(error) = outcome {
                tracing::debug!(%name, "not killed: {error}");
            }
        }
    }
}
