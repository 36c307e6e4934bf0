//! The effect of each fact on the board. Facts were written, so none is refused here: one that no board would decide,
//! such as one about a task that is gone, has no effect or only its literal one, and the board stays consistent with
//! its tasks.

use crate::model::task::ReleaseWhy;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Board, BoardFact, ClaimLane, LaneOwner, Task};
use crate::model::id::TaskId;
use crate::model::log::{FactStamp, LogFold, SnapshotSink};
use crate::model::task::{NewTask, TaskHold, TaskStatus};

impl LogFold for Board {
    type Fact = BoardFact;
    const KIND: &'static str = "board";
    const FACTS: &'static [&'static str] = BoardFact::KEYS;

    fn highest_id(&self) -> u64 {
        u64::from(self.next_id().0) - 1
    }

    /// Takes one written fact. Facts are decisions that were checked against the board by their writer under
    /// the log's lock, so this never refuses; a fact about a task that is not there changes nothing.
    fn apply(&mut self, fact: BoardFact, at: &FactStamp<'_>) {
        match fact {
            BoardFact::Added { id, task } => self.apply_added(id, task, at),
            BoardFact::Claimed(claim) => {
                self.waiting.remove(&claim.owner);
                self.change(claim.id, at, |task| {
                    task.attempt = claim.attempt;
                    task.status = TaskStatus::InProgress { owner: claim.owner, since_ms: at.at_ms };
                });
            }
            BoardFact::Completed { id, .. } => self.change(id, at, |task| {
                if let TaskStatus::InProgress { owner, .. } = &task.status {
                    task.status = TaskStatus::Completed { owner: owner.clone(), at_ms: at.at_ms };
                }
            }),
            BoardFact::Failed { id, .. } => self.change(id, at, |task| {
                if let TaskStatus::InProgress { owner, .. } = &task.status {
                    task.status = TaskStatus::Failed { owner: owner.clone(), at_ms: at.at_ms };
                }
            }),
            BoardFact::Released { id, why, .. } => self.change(id, at, |task| {
                if let TaskStatus::InProgress { owner, .. } = &task.status {
                    let hold = match why {
                        ReleaseWhy::Stopped => {
                            task.meant_for = Some(owner.clone());
                            TaskHold::Stopped
                        }
                        ReleaseWhy::WorkerDied | ReleaseWhy::WorkerLeft => TaskHold::Free,
                    };
                    task.deaths = task.deaths.saturating_add(u32::from(why == ReleaseWhy::WorkerDied));
                    task.status = TaskStatus::Pending { assignee: task.meant_for.clone(), hold };
                }
            }),
            BoardFact::Assigned { id, to } => self.edit(id, |task| {
                task.meant_for = Some(to.clone());
                task.status = TaskStatus::Pending { assignee: Some(to), hold: TaskHold::Free };
            }),
            BoardFact::Unassigned { id } => self.edit(id, |task| {
                task.meant_for = None;
                task.status = TaskStatus::Pending { assignee: None, hold: TaskHold::Free };
            }),
            BoardFact::DependencyAdded { id, on } => self.link(id, on),
            BoardFact::DependencyRemoved { id, on } => self.forget_dependency(id, on),
            BoardFact::Retried { id } => self.change(id, at, |task| {
                task.deaths = 0;
                task.status = TaskStatus::Pending { assignee: task.meant_for.clone(), hold: TaskHold::Free };
            }),
            BoardFact::Held { ids } => ids.into_iter().for_each(|id| {
                self.edit(id, |task| {
                    if let TaskStatus::Pending { hold, .. } = &mut task.status {
                        *hold = TaskHold::Stopped;
                    }
                });
            }),
            BoardFact::Cancelled { id } => self.change(id, at, |task| task.status = TaskStatus::Cancelled),
            BoardFact::Edited { id, changes } => self.apply_edited(id, changes, at),
            BoardFact::Cleared { ids } | BoardFact::ClearedBefore { ids } => self.apply_cleared(&ids),
            BoardFact::Restored { ids } => self.apply_restored(&ids),
            BoardFact::Waiting(who) => self.waiting.push(who),
            BoardFact::Away { member } => self.waiting.remove(&member),
            BoardFact::Kept(kept) => self.apply_kept(*kept, at),
            BoardFact::Numbered { last_id } => self.last_id = self.last_id.max(last_id),
        }
    }

    fn snapshot<S: SnapshotSink<BoardFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        self.write_snapshot(next)
    }
}

impl Board {
    fn apply_added(&mut self, id: TaskId, new: NewTask, at: &FactStamp<'_>) {
        let task = Task {
            status: TaskStatus::Pending { assignee: new.to.clone(), hold: TaskHold::Free },
            blocked_by: new.after.into_iter().collect(),
            blocks: BTreeSet::new(),
            open_dependencies: 0,
            meant_for: new.to,
            role: new.role,
            agent: new.agent,
            kind: new.work.kind(),
            priority: new.priority,
            attempt: 0,
            deaths: 0,
            max_attempts: new.max_attempts,
            added_at: at.offset,
            edits: Vec::new(),
            history: Vec::new(),
        };
        self.insert(id, task);
    }

    /// Puts a task on the board and links it to those it waits for, which are there before it. A number is taken by
    /// the first that has it.
    pub(super) fn insert(&mut self, id: TaskId, mut task: Task) {
        self.last_id = self.last_id.max(id.0);
        if self.tasks.contains(id) {
            return;
        }
        task.blocked_by.retain(|on| self.tasks.contains(*on));
        for on in &task.blocked_by {
            let open = self.tasks.edit(*on, |other| {
                other.blocks.insert(id);
                !other.status.is_completed()
            });
            task.open_dependencies += u32::from(open == Some(true));
        }
        self.tasks.insert(id, task);
        self.index(id);
    }

    /// Changes where a task stands by a fact of its history.
    fn change(&mut self, id: TaskId, at: &FactStamp<'_>, step: impl FnOnce(&mut Task)) {
        self.edit(id, |task| {
            task.history.push(at.offset);
            step(task);
        });
    }

    /// Changes a task and keeps true what others know of it: the indexes, and those that wait for it.
    pub(super) fn edit(&mut self, id: TaskId, step: impl FnOnce(&mut Task)) {
        self.unindex(id);
        // Tasks that wait for this one are told if it is now completed and was not, or the other way round.
        let mut told = BTreeSet::new();
        let was_completed = self.tasks.edit(id, |task| {
            let was_completed = task.status.is_completed();
            step(task);
            if task.status.is_completed() != was_completed {
                told.clone_from(&task.blocks);
            }
            was_completed
        });
        for dependent in told {
            self.unindex(dependent);
            self.tasks.edit(dependent, |task| match was_completed {
                Some(true) => task.open_dependencies += 1,
                Some(false) | None => task.open_dependencies -= 1,
            });
            self.index(dependent);
        }
        self.index(id);
    }

    fn index(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_open(id) else { return };
        if let TaskStatus::InProgress { owner, .. } = &task.status {
            self.owned.entry(owner.clone()).or_default().insert(id);
        }
        if task.is_ready() {
            let rank = (Reverse(task.priority), id);
            self.ready.entry(lane(task)).or_default().insert(rank);
        }
    }

    pub(super) fn unindex(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_open(id) else { return };
        if let TaskStatus::InProgress { owner, .. } = &task.status {
            remove_from(&mut self.owned, owner, &id);
        }
        if task.is_ready() {
            remove_from(&mut self.ready, &lane(task), &(Reverse(task.priority), id));
        }
    }

    /// Makes a task wait for another, if both are there and it does not yet.
    pub(super) fn link(&mut self, id: TaskId, on: TaskId) {
        if id == on || !self.tasks.contains(id) {
            return;
        }
        let linked = self.tasks.edit(on, |other| (other.blocks.insert(id), u32::from(!other.status.is_completed())));
        if let Some((true, open)) = linked {
            self.edit(id, |task| {
                task.blocked_by.insert(on);
                task.open_dependencies += open;
            });
        }
    }

    pub(super) fn forget_dependency(&mut self, id: TaskId, on: TaskId) {
        let unlinked = self.tasks.edit(on, |other| (other.blocks.remove(&id), u32::from(!other.status.is_completed())));
        if let Some((true, open)) = unlinked {
            self.edit(id, |task| {
                task.blocked_by.remove(&on);
                task.open_dependencies -= open;
            });
        }
    }
}

fn lane(task: &Task) -> ClaimLane {
    let owner = match (&task.status, &task.role) {
        (TaskStatus::Pending { assignee: Some(name), .. }, _) => LaneOwner::Member(name.clone()),
        (_, Some(role)) => LaneOwner::Role(role.clone()),
        (_, None) => LaneOwner::Everybody,
    };
    ClaimLane { owner, kind: task.kind, agent: task.agent.clone() }
}

fn remove_from<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
