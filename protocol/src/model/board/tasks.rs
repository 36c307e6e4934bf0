//! The tasks of a board, by number. Those that have ended are most of an old board, and nobody decides anything about
//! them: they are kept packed, in some forty bytes each, and unpacked when they are looked at. Every process of a team
//! has such a board, so what an ended task costs is paid as often as there are workers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter;

use super::Task;
use super::packed::PackedTasks;
use crate::model::id::TaskId;
use crate::model::task::TaskStatus;

/// The number of dependencies, dependents, edits and attempts together that a packed task may have. A task with more is
/// kept unpacked: changing it must not cost as much as copying all of them, or a plan whose tasks all wait for one
/// would cost its square.
const PACKED_LINKS_MAX: usize = 64;

/// A map of all tasks. Which of them are packed is seen by nothing but the memory.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskMap {
    /// To be done, or being done; or too large to be packed.
    open: BTreeMap<TaskId, Task>,
    ended: PackedTasks,
}

impl TaskMap {
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.ended.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.len() == 0
    }

    pub(super) fn contains(&self, id: TaskId) -> bool {
        self.open.contains_key(&id) || self.ended.contains(id)
    }

    pub(super) fn get(&self, id: TaskId) -> Option<Cow<'_, Task>> {
        match self.open.get(&id) {
            Some(task) => Some(Cow::Borrowed(task)),
            None => self.ended.get(id).map(Cow::Owned),
        }
    }

    pub(super) fn status(&self, id: TaskId) -> Option<TaskStatus> {
        match self.open.get(&id) {
            Some(task) => Some(task.status.clone()),
            None => self.ended.status(id),
        }
    }

    /// A task that has not ended; perhaps not one that has. Costs less than [`TaskMap::get`].
    pub(super) fn get_open(&self, id: TaskId) -> Option<&Task> {
        self.open.get(&id)
    }

    /// All tasks, lowest number first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, Cow<'_, Task>)> {
        let mut open = self.open.iter().peekable();
        let mut ended = self.ended.iter().peekable();
        iter::from_fn(move || {
            let open_is_next = match (open.peek(), ended.peek()) {
                (Some((open, _)), Some((ended, _))) => *open < ended,
                (open, _) => open.is_some(),
            };
            if open_is_next {
                open.next().map(|(id, task)| (*id, Cow::Borrowed(task)))
            } else {
                ended.next().map(|(id, task)| (id, Cow::Owned(task)))
            }
        })
    }

    /// The numbers of all tasks, lowest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        let mut open = self.open.keys().copied().peekable();
        let mut ended = self.ended.ids().peekable();
        iter::from_fn(move || match (open.peek(), ended.peek()) {
            (Some(first), Some(other)) if first > other => ended.next(),
            (Some(_), _) => open.next(),
            (None, _) => ended.next(),
        })
    }

    /// Puts a task in, in the place of one with that number.
    pub(super) fn insert(&mut self, id: TaskId, task: Task) {
        self.remove(id);
        self.put(id, task);
    }

    /// Changes a task, if it is there; gives what `step` does.
    pub(super) fn edit<T>(&mut self, id: TaskId, step: impl FnOnce(&mut Task) -> T) -> Option<T> {
        if let Some(task) = self.open.get_mut(&id) {
            let value = step(task);
            if may_be_packed(task)
                && let Some(task) = self.open.remove(&id)
            {
                self.ended.insert(id, &task);
            }
            return Some(value);
        }
        let mut task = self.ended.remove(id)?;
        let value = step(&mut task);
        self.put(id, task);
        Some(value)
    }

    pub(super) fn remove(&mut self, id: TaskId) {
        if self.open.remove(&id).is_none() {
            self.ended.remove(id);
        }
    }

    /// The bytes that the packed tasks take, without those of the map of their pages.
    #[cfg(test)]
    pub(super) fn packed_bytes(&self) -> usize {
        self.ended.bytes()
    }

    fn put(&mut self, id: TaskId, task: Task) {
        if may_be_packed(&task) {
            self.ended.insert(id, &task);
        } else {
            self.open.insert(id, task);
        }
    }
}

fn may_be_packed(task: &Task) -> bool {
    let ended = match task.status {
        TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => true,
        TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } => false,
    };
    ended && task.blocked_by.len() + task.blocks.len() + task.edits.len() + task.history.len() <= PACKED_LINKS_MAX
}
