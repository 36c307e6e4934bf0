//! Clearing the board, and taking the last clear back. The board keeps the tasks of the last clear aside, whole, until
//! the next one: nobody can claim or see them there, and they can come back with their numbers and their history.

use std::collections::BTreeSet;

use super::tasks::TaskMap;
use super::{Board, BoardFact, ClearedTasks, Task};
use crate::model::id::TaskId;
use crate::model::task::{BoardRefusal, TaskStatus};

impl Board {
    /// Removes tasks from the board: the completed ones, the failed ones, or all. A cleared task is waited for no
    /// longer, so a failed task that another waits for stays ([`Board::failed_and_waited_for`]): to clear it would
    /// start work that must not be done. `All` is refused while any task is in progress. Returns no fact if there is
    /// nothing to clear.
    pub fn clear(&self, scope: ClearedTasks) -> Result<Vec<BoardFact>, BoardRefusal> {
        let ids: Vec<TaskId> = match scope {
            ClearedTasks::Completed => {
                self.tasks().filter(|(_, task)| task.status.is_completed()).map(|(id, _)| id).collect()
            }
            ClearedTasks::Failed => {
                let waited_for: BTreeSet<TaskId> = self.failed_and_waited_for().into_iter().map(|(id, _)| id).collect();
                self.failed().map(|(id, _)| id).filter(|id| !waited_for.contains(id)).collect()
            }
            ClearedTasks::All => {
                let busy: Vec<TaskId> = self.owned.values().flatten().copied().collect();
                if !busy.is_empty() {
                    return Err(BoardRefusal::InProgress(busy));
                }
                self.tasks.ids().collect()
            }
        };
        Ok(if ids.is_empty() { Vec::new() } else { vec![BoardFact::Cleared { ids }] })
    }

    /// The failed tasks that one which is still to be done waits for, each with the first of those.
    pub fn failed_and_waited_for(&self) -> Vec<(TaskId, TaskId)> {
        let is_to_be_done = |id: &&TaskId| match self.tasks.status(**id) {
            Some(TaskStatus::Pending { .. } | TaskStatus::InProgress { .. }) => true,
            Some(TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled) | None => false,
        };
        let waiting = |(id, task): (TaskId, Task)| Some((id, *task.blocks.iter().find(is_to_be_done)?));
        self.failed().filter_map(waiting).collect()
    }

    fn failed(&self) -> impl Iterator<Item = (TaskId, Task)> {
        let is_failed = |task: &Task| matches!(task.status, TaskStatus::Failed { .. });
        self.tasks().filter(move |(_, task)| is_failed(task)).map(|(id, task)| (id, task.into_owned()))
    }

    /// Puts the tasks of the last clear back on the board. Refused if nothing was cleared, or that was taken back.
    pub fn restore(&self) -> Result<BoardFact, BoardRefusal> {
        match self.cleared.is_empty() {
            true => Err(BoardRefusal::NothingCleared),
            false => Ok(BoardFact::Restored { ids: self.cleared.ids().collect() }),
        }
    }

    pub(super) fn apply_cleared(&mut self, ids: &[TaskId]) {
        let mut cleared = TaskMap::default();
        for id in ids {
            if let Some(task) = self.tasks.get(*id) {
                cleared.insert(*id, task.into_owned());
            }
        }
        self.cleared = cleared;
        ids.iter().for_each(|id| self.remove_task(*id));
    }

    /// Restores tasks of the last clear. A task that it did not remove is passed over: nothing of it was kept.
    ///
    /// A restored task comes again after those it came after, and those that came after it do so again, unless the two
    /// would now wait for each other.
    pub(super) fn apply_restored(&mut self, ids: &[TaskId]) {
        let cleared = std::mem::take(&mut self.cleared);
        let (mut waited_for, mut waiting) = (Vec::new(), Vec::new());
        for &id in ids {
            let Some(task) = cleared.get(id) else { continue };
            let task = task.into_owned();
            waited_for.extend(task.blocked_by.iter().map(|on| (id, *on)));
            waiting.extend(task.blocks.iter().map(|dependent| (*dependent, id)));
            let (blocked_by, blocks) = (BTreeSet::new(), BTreeSet::new());
            self.insert(id, Task { blocked_by, blocks, open_dependencies: 0, ..task });
        }
        for (id, on) in waited_for {
            self.link(id, on);
        }
        let restored: BTreeSet<&TaskId> = ids.iter().collect();
        for (dependent, on) in waiting.into_iter().filter(|(dependent, _)| !restored.contains(dependent)) {
            if self.must_close_no_cycle(dependent, on).is_ok() {
                self.link(dependent, on);
            }
        }
    }

    /// The board as it would be without the last clear, and what that cleared; nothing if there is nothing to take back.
    pub(super) fn before_clearing(&self) -> Option<(Board, Vec<TaskId>)> {
        let ids: Vec<TaskId> = self.cleared.ids().collect();
        if ids.is_empty() {
            return None;
        }
        let mut before = self.clone();
        before.apply_restored(&ids);
        Some((before, ids))
    }

    fn remove_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Task { blocks, blocked_by, .. } = task.into_owned();
        for dependent in blocks {
            self.forget_dependency(dependent, id);
        }
        for on in blocked_by {
            self.forget_dependency(id, on);
        }
        self.unindex(id);
        self.tasks.remove(id);
    }
}
