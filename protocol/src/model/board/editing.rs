//! The edit of a task that nobody is on. The texts stay in the log, like those of the task itself.

use super::{Board, BoardFact};
use crate::model::id::TaskId;
use crate::model::log::FactStamp;
use crate::model::task::{BoardRefusal, TaskChanges};

impl Board {
    /// Changes what is asked for with a task, unless somebody is on it or it is completed. Refuses a dependency that is not
    /// there, and one that closes a cycle.
    pub fn edit_task(&self, id: TaskId, changes: TaskChanges) -> Result<BoardFact, BoardRefusal> {
        let task = self.task(id)?;
        task.status.rewrite(id)?;
        changes.check()?;
        let after = changes.after.iter().flatten();
        for &on in after.filter(|on| !task.blocked_by.contains(on)) {
            self.may_wait(id, on)?;
            self.must_close_no_cycle(id, on)?;
        }
        Ok(BoardFact::Edited { id, changes })
    }

    pub(super) fn apply_edited(&mut self, id: TaskId, changes: TaskChanges, at: &FactStamp<'_>) {
        let Some(task) = self.tasks.get(id) else { return };
        if let Some(after) = changes.after {
            let before = task.into_owned().blocked_by;
            for on in before.iter().filter(|on| !after.contains(on)) {
                self.forget_dependency(id, *on);
            }
            for on in after.into_iter().filter(|on| !before.contains(on)) {
                self.link(id, on);
            }
        }
        self.edit(id, |task| {
            task.edits.push(at.offset);
            if let Some(work) = &changes.work {
                task.kind = work.kind();
            }
            if let Some(role) = changes.role {
                task.role = role.into_value();
            }
            if let Some(agent) = changes.agent {
                task.agent = agent.into_value();
            }
            if let Some(priority) = changes.priority {
                task.priority = priority;
            }
        });
    }
}
