//! The board in a new generation of its log: every task whole, in one fact each, and the highest number given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Board, BoardFact, Task};
use crate::model::id::{Address, MemberName, TaskId};
use crate::model::log::{FactOffset, FactStamp, LogRecord, SnapshotSink};
use crate::model::task::view::{AttemptEndKind, AttemptEndView, AttemptView, TaskView};
use crate::model::task::{BoardRefusal, NewTask, TaskHold, TaskStatus};

/// A task with all that happened to it, as it goes into a new generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTask {
    /// The task's number.
    pub id: TaskId,
    /// The task as it was asked for, with the dependencies and the assignee as they are now.
    pub task: NewTask,
    /// The time at which it was added.
    pub added_ms: u64,
    /// The member, or the lead, that added it.
    pub added_by: Address,
    /// The task's status.
    pub status: KeptStatus,
    /// The number of times that the task was claimed.
    pub attempt: u32,
    /// The number of workers that died on the task since it was added or retried.
    pub deaths: u32,
    /// The history of the task, one entry an attempt.
    pub attempts: Vec<AttemptView>,
}

/// [`TaskStatus`] as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the same as in TaskStatus")]
pub enum KeptStatus {
    Pending { assignee: Option<MemberName> },
    Stopped { assignee: Option<MemberName> },
    InProgress { owner: MemberName, since_ms: u64 },
    Completed { owner: MemberName, at_ms: u64 },
    Failed { owner: MemberName, at_ms: u64 },
    Cancelled,
}

/// Reads the record at an offset back.
pub type ReadFact<'a, E> = &'a mut dyn FnMut(FactOffset) -> Result<LogRecord<BoardFact>, E>;

/// Why a task could not be shown whole.
#[derive(Debug, thiserror::Error)]
pub enum ViewError<E> {
    /// There is no such task.
    #[error(transparent)]
    Refused(#[from] BoardRefusal),
    /// The log could not be read back.
    #[error(transparent)]
    Unreadable(E),
}

impl Board {
    /// A task whole, its texts read back from the log.
    pub fn view<E>(&self, id: TaskId, read: ReadFact<'_, E>) -> Result<TaskView, ViewError<E>> {
        let task = self.task(id)?;
        let kept = self.keep(id, &task, read).map_err(ViewError::Unreadable)?;
        let (owner, assignee) = match &task.status {
            TaskStatus::Pending { assignee, .. } => (None, assignee.clone()),
            TaskStatus::InProgress { owner, .. }
            | TaskStatus::Completed { owner, .. }
            | TaskStatus::Failed { owner, .. } => (Some(owner.clone()), None),
            TaskStatus::Cancelled => (None, None),
        };
        Ok(TaskView {
            id,
            status: task.status.word(),
            owner,
            assignee,
            waits_for: self.open_dependencies(&task),
            blocks: task.blocks.iter().copied().collect(),
            task: kept.task,
            added_ms: kept.added_ms,
            added_by: kept.added_by,
            attempts: kept.attempts,
        })
    }

    /// The task as it was asked for, read back from the log.
    pub fn new_task<E>(&self, id: TaskId, read: ReadFact<'_, E>) -> Result<NewTask, ViewError<E>> {
        let task = self.task(id)?;
        let added = read(task.added_at).map_err(ViewError::Unreadable)?;
        let asked = added.facts.into_iter().find_map(|fact| match fact {
            BoardFact::Kept(kept) if kept.id == id => Some(kept.task),
            BoardFact::Added { id: added, task } if added == id => Some(task),
            _ => None,
        });
        let mut asked = asked.expect("the offset of a task is that of the record that added it");
        apply_edits(&mut asked, id, &task, read).map_err(ViewError::Unreadable)?;
        Ok(asked)
    }

    /// The facts that rebuild this board, each task after those it waits for, each in a record of its own.
    pub(super) fn write_snapshot<S: SnapshotSink<BoardFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        let by = Address::Lead;
        next.write(0, by.as_str(), &[BoardFact::Numbered { last_id: self.last_id }])?;
        match self.before_clearing() {
            None => self.write_tasks(next)?,
            Some((before, ids)) => {
                before.write_tasks(next)?;
                next.write(0, by.as_str(), &[BoardFact::ClearedBefore { ids }])?;
            }
        }
        for who in self.waiting() {
            next.write(0, by.as_str(), &[BoardFact::Waiting(who.clone())])?;
        }
        Ok(())
    }

    fn write_tasks<S: SnapshotSink<BoardFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        for id in self.dependency_order() {
            let Some(task) = self.tasks.get(id) else { continue };
            let kept = self.keep(id, &task, &mut |offset| next.read(offset))?;
            next.write(kept.added_ms, Address::Lead.as_str(), &[BoardFact::Kept(Box::new(kept))])?;
        }
        Ok(())
    }

    pub(super) fn apply_kept(&mut self, kept: KeptTask, at: &FactStamp<'_>) {
        let status = match kept.status {
            KeptStatus::Pending { assignee } => TaskStatus::Pending { assignee, hold: TaskHold::Free },
            KeptStatus::Stopped { assignee } => TaskStatus::Pending { assignee, hold: TaskHold::Stopped },
            KeptStatus::InProgress { owner, since_ms } => TaskStatus::InProgress { owner, since_ms },
            KeptStatus::Completed { owner, at_ms } => TaskStatus::Completed { owner, at_ms },
            KeptStatus::Failed { owner, at_ms } => TaskStatus::Failed { owner, at_ms },
            KeptStatus::Cancelled => TaskStatus::Cancelled,
        };
        let task = Task {
            status,
            blocked_by: kept.task.after.into_iter().collect(),
            blocks: BTreeSet::new(),
            open_dependencies: 0,
            meant_for: kept.task.to,
            role: kept.task.role,
            agent: kept.task.agent,
            kind: kept.task.work.kind(),
            priority: kept.task.priority,
            attempt: kept.attempt,
            deaths: kept.deaths,
            max_attempts: kept.task.max_attempts,
            added_at: at.offset,
            edits: Vec::new(),
            history: Vec::new(),
        };
        self.insert(kept.id, task);
    }

    fn keep<E>(&self, id: TaskId, task: &Task, read: ReadFact<'_, E>) -> Result<KeptTask, E> {
        let added = read(task.added_at)?;
        let (added_ms, added_by) = (added.at_ms, added.by.parse().unwrap_or(Address::Lead));
        let first = added.facts.into_iter().find_map(|fact| match fact {
            BoardFact::Kept(kept) if kept.id == id => Some(*kept),
            BoardFact::Added { id: added, task } if added == id => Some(KeptTask {
                id,
                task,
                added_ms,
                added_by: added_by.clone(),
                status: KeptStatus::Cancelled,
                attempt: 0,
                deaths: 0,
                attempts: Vec::new(),
            }),
            _ => None,
        });
        let mut kept = first.expect("the offset of a task is that of the record that added it");
        apply_edits(&mut kept.task, id, task, read)?;
        for &offset in &task.history {
            let record = read(offset)?;
            let at_ms = record.at_ms;
            for fact in record.facts.into_iter().filter(|fact| fact.tasks().contains(&id)) {
                add_to_history(&mut kept.attempts, fact, at_ms);
            }
        }
        kept.task.after = task.blocked_by.iter().copied().collect();
        kept.task.to = task.meant_for.clone();
        kept.status = match task.status.clone() {
            TaskStatus::Pending { assignee, hold: TaskHold::Free } => KeptStatus::Pending { assignee },
            TaskStatus::Pending { assignee, hold: TaskHold::Stopped } => KeptStatus::Stopped { assignee },
            TaskStatus::InProgress { owner, since_ms } => KeptStatus::InProgress { owner, since_ms },
            TaskStatus::Completed { owner, at_ms } => KeptStatus::Completed { owner, at_ms },
            TaskStatus::Failed { owner, at_ms } => KeptStatus::Failed { owner, at_ms },
            TaskStatus::Cancelled => KeptStatus::Cancelled,
        };
        kept.attempt = task.attempt;
        kept.deaths = task.deaths;
        Ok(kept)
    }

    /// All tasks, each after those it waits for. Of tasks that wait for each other in a circle, which no board decides
    /// and a strange log may hold, one comes before what it waits for.
    fn dependency_order(&self) -> Vec<TaskId> {
        let mut order = Vec::with_capacity(self.tasks.len());
        let (mut entered, mut placed) = (BTreeSet::new(), BTreeSet::new());
        for start in self.tasks.ids() {
            // Depth first with a stack of our own: a chain of 100,000 tasks must not overflow the thread's.
            let mut todo = vec![start];
            while let Some(&id) = todo.last() {
                if entered.insert(id) {
                    // A task that was entered and is not placed is on the way to this one: a circle.
                    let task = self.tasks.get(id);
                    todo.extend(task.iter().flat_map(|task| &task.blocked_by).filter(|on| !entered.contains(*on)));
                } else {
                    todo.pop();
                    if placed.insert(id) {
                        order.push(id);
                    }
                }
            }
        }
        order
    }
}

/// Changes what was asked for with a task as its edits say.
fn apply_edits<E>(asked: &mut NewTask, id: TaskId, task: &Task, read: ReadFact<'_, E>) -> Result<(), E> {
    for &offset in &task.edits {
        for fact in read(offset)?.facts {
            match fact {
                BoardFact::Edited { id: edited, changes } if edited == id => changes.apply(asked),
                _ => {}
            }
        }
    }
    Ok(())
}

fn add_to_history(attempts: &mut Vec<AttemptView>, fact: BoardFact, at_ms: u64) {
    let end = match fact {
        BoardFact::Claimed(claim) => {
            let attempt = AttemptView { attempt: claim.attempt, owner: claim.owner, since_ms: at_ms, end: None };
            attempts.push(attempt);
            return;
        }
        BoardFact::Completed { result, used, .. } => {
            AttemptEndView { at_ms, how: AttemptEndKind::Completed, result, used }
        }
        BoardFact::Failed { reason, result, used, .. } => {
            AttemptEndView { at_ms, how: AttemptEndKind::Failed { reason }, result, used }
        }
        BoardFact::Released { why, partial, used, .. } => {
            AttemptEndView { at_ms, how: AttemptEndKind::Released { why }, result: partial, used }
        }
        BoardFact::Added { .. }
        | BoardFact::Assigned { .. }
        | BoardFact::Unassigned { .. }
        | BoardFact::DependencyAdded { .. }
        | BoardFact::DependencyRemoved { .. }
        | BoardFact::Retried { .. }
        | BoardFact::Held { .. }
        | BoardFact::Cancelled { .. }
        | BoardFact::Edited { .. }
        | BoardFact::Cleared { .. }
        | BoardFact::Restored { .. }
        | BoardFact::ClearedBefore { .. }
        | BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::Numbered { .. } => return,
    };
    if let Some(last) = attempts.last_mut() {
        last.end = Some(end);
    }
}
