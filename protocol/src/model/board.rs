//! The task board: every decision about tasks, as a pure fold over facts. A decision looks at the board and
//! gives the facts to write, or refuses; [`LogFold::apply`](crate::model::log::LogFold::apply) takes facts that were written, by whomever.
//!
//! The board keeps what decisions need. Texts and results stay in the log, at the offset that each task knows.

use crate::model::task::ReleaseWhy;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::{AgentName, MemberName, Role, TaskId};
use crate::model::limits::TASKS_PER_ADD_MAX;
use crate::model::log::FactOffset;
use crate::model::task::{BoardRefusal, NewTask, TaskClaim, TaskHold, TaskStatus, WorkKind};
use crate::model::usage::UsageSum;

mod apply;
mod clearing;
mod editing;
mod fact;
mod order;
mod packed;
mod rings;
mod snapshot;
mod tasks;
mod waiting;

pub use fact::{BoardFact, ClearedTasks};
pub use snapshot::{KeptStatus, KeptTask, ReadFact, ViewError};
pub use waiting::{AutoClaim, WaitingClaimant};

use order::dependency_order;
use rings::RingPlan;
use tasks::TaskMap;
use waiting::WaitingWorkers;

/// A task as the board knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The task's status.
    pub status: TaskStatus,
    /// All it was told to wait for and that is still on the board, done or not.
    pub blocked_by: BTreeSet<TaskId>,
    /// The tasks that wait for it: derived from their `blocked_by`.
    pub blocks: BTreeSet<TaskId>,
    /// How many of `blocked_by` are not completed.
    pub open_dependencies: u32,
    /// The only member that may take it, whatever became of the attempts so far.
    pub meant_for: Option<MemberName>,
    /// The role its taker must have.
    pub role: Option<Role>,
    /// The agent that its taker must drive.
    pub agent: Option<AgentName>,
    /// Whether it is a command or a text, which not every agent reads.
    pub kind: WorkKind,
    /// Higher is claimed first.
    pub priority: i32,
    /// How often it was claimed.
    pub attempt: u32,
    /// How many workers died on it since it was added or retried.
    pub deaths: u32,
    /// The number of attempts that it may have.
    pub max_attempts: u32,
    /// The place in the log of its [`BoardFact::Added`].
    pub added_at: FactOffset,
    /// Where its [`BoardFact::Edited`] are, in order.
    pub edits: Vec<FactOffset>,
    /// Where the facts of its attempts are, in order.
    pub history: Vec<FactOffset>,
}

impl Task {
    /// Whether the task is pending, free and waits for no other, so that somebody may claim it now.
    pub fn is_ready(&self) -> bool {
        self.open_dependencies == 0 && matches!(self.status, TaskStatus::Pending { hold: TaskHold::Free, .. })
    }
}

/// The key of ready tasks that the same members may claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ClaimLane {
    owner: LaneOwner,
    /// The kind of the tasks: a member whose agent reads no text passes over texts.
    kind: WorkKind,
    /// The agent that the tasks ask for, if they do.
    agent: Option<AgentName>,
}

/// The members who may claim a ready task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum LaneOwner {
    /// Every member may claim the task.
    Everybody,
    /// Members with the role may claim it.
    Role(Role),
    /// One member may claim it.
    Member(MemberName),
}

impl ClaimLane {
    /// Whether its tasks are for more than one member.
    fn is_shared(&self) -> bool {
        match self.owner {
            LaneOwner::Everybody | LaneOwner::Role(_) => true,
            LaneOwner::Member(_) => false,
        }
    }
}

/// In a lane: highest priority first, then lowest number.
type ClaimRank = (Reverse<i32>, TaskId);

/// How a worker came to its end, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerDeath<'a> {
    /// The cause, such as `killed by SIGKILL`; nothing if it is not known.
    pub cause: Option<&'a str>,
    /// The last output of the worker's agent; empty if there is none.
    pub last_words: &'a str,
    /// The use of the attempt that it died in.
    pub used: UsageSum,
}

/// All tasks of a team, and the workers that wait for one.
#[derive(Debug, Clone, Default)]
pub struct Board {
    tasks: TaskMap,
    /// The tasks of the last clear, as they were, unless that was taken back.
    cleared: TaskMap,
    ready: BTreeMap<ClaimLane, BTreeSet<ClaimRank>>,
    owned: BTreeMap<MemberName, BTreeSet<TaskId>>,
    waiting: WaitingWorkers,
    last_id: u32,
}

impl Board {
    /// A task, or the refusal that names it.
    pub fn task(&self, id: TaskId) -> Result<Cow<'_, Task>, BoardRefusal> {
        self.tasks.get(id).ok_or(BoardRefusal::NoTask(id))
    }

    /// Where a task stands, or the refusal that names it: less work than [`Board::task`].
    pub fn status(&self, id: TaskId) -> Result<TaskStatus, BoardRefusal> {
        self.tasks.status(id).ok_or(BoardRefusal::NoTask(id))
    }

    /// All tasks, lowest number first.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, Cow<'_, Task>)> {
        self.tasks.iter()
    }

    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The number the next task gets.
    pub fn next_id(&self) -> TaskId {
        TaskId(self.last_id.saturating_add(1))
    }

    /// The tasks a member is on. More than one only if a member with that name died and its tasks were not released.
    pub fn owned_by(&self, name: &MemberName) -> impl Iterator<Item = TaskId> + '_ {
        self.owned.get(name).into_iter().flatten().copied()
    }

    /// The members that are on a task.
    pub fn owners(&self) -> impl Iterator<Item = &MemberName> {
        self.owned.keys()
    }

    /// The members that told the board they wait for a task, longest first.
    pub fn waiting(&self) -> impl Iterator<Item = &WaitingClaimant> {
        self.waiting.iter()
    }

    /// The dependencies of a task that are not completed.
    pub fn open_dependencies(&self, task: &Task) -> Vec<TaskId> {
        let open = |id: &&TaskId| self.tasks.status(**id).is_some_and(|status| !status.is_completed());
        task.blocked_by.iter().filter(open).copied().collect()
    }

    /// Adds tasks: all or none. They may wait for each other, in any order, by the numbers they will get
    /// (from [`Board::next_id`] up).
    pub fn add(&self, new: Vec<NewTask>) -> Result<Vec<BoardFact>, BoardRefusal> {
        if new.len() > TASKS_PER_ADD_MAX {
            return Err(BoardRefusal::TooMany(new.len()));
        }
        let first = self.next_id().0;
        let end = self.last_id.checked_add(new.len() as u32).and_then(|last| last.checked_add(1));
        let end = end.ok_or(BoardRefusal::NoNumbersLeft)?;
        for (task, number) in new.iter().zip(first..) {
            task.check()?;
            for &on in &task.after {
                if !(first..end).contains(&on.0) {
                    self.may_wait(TaskId(number), on)?;
                }
            }
        }
        // A fact only ever names tasks of facts before it, whatever the order of the numbers.
        let ordered = dependency_order(first, new)?;
        Ok(ordered.into_iter().map(|(id, task)| BoardFact::Added { id, task }).collect())
    }

    /// The best task for a worker that is free: assigned to it before unassigned, then priority, then number. A text is
    /// passed over for one whose agent reads none.
    pub fn next_for(&self, who: &WaitingClaimant) -> Option<TaskId> {
        let first = |lane: ClaimLane| self.ready.get(&lane).and_then(|ranks| ranks.first()).copied();
        let best = who.own_lanes().filter_map(first).min();
        best.or_else(|| who.shared_lanes().filter_map(first).min()).map(|(_, id)| id)
    }

    /// Claims the best task for a free worker. Without one, the fact that it waits, unless that is known.
    pub fn claim_next(&self, who: &WaitingClaimant) -> (Vec<BoardFact>, Option<TaskClaim>) {
        match self.next_for(who) {
            Some(id) => {
                let claim = TaskClaim { id, owner: who.name.clone(), attempt: self.open(id).attempt.saturating_add(1) };
                (vec![BoardFact::Claimed(claim.clone())], Some(claim))
            }
            None if self.waiting.has(who) => (Vec::new(), None),
            None => (vec![BoardFact::Waiting(who.clone())], None),
        }
    }

    /// The fact that a worker which waited is busy with something else, if the board believes that it waits.
    pub fn away(&self, name: &MemberName) -> Vec<BoardFact> {
        if self.waiting.has_name(name) { vec![BoardFact::Away { member: name.clone() }] } else { Vec::new() }
    }

    /// Completes the attempt that `claim` is the right to.
    pub fn complete(&self, claim: &TaskClaim, result: String) -> Result<BoardFact, BoardRefusal> {
        self.end(claim, "complete")?;
        Ok(BoardFact::Completed { id: claim.id, attempt: claim.attempt, result, used: UsageSum::default() })
    }

    /// Ends the attempt that `claim` is the right to without success.
    pub fn fail(&self, claim: &TaskClaim, reason: String, result: String) -> Result<BoardFact, BoardRefusal> {
        self.end(claim, "fail")?;
        Ok(BoardFact::Failed { id: claim.id, attempt: claim.attempt, reason, result, used: UsageSum::default() })
    }

    /// Gives a task back that was not finished: pending again, with the part of the result there is. A stopped task is
    /// assigned to its owner and held, so that nobody takes it in the same breath; any other keeps its earlier
    /// assignee, if it had one, and may be taken at once.
    pub fn release(&self, claim: &TaskClaim, why: ReleaseWhy, partial: String) -> Result<BoardFact, BoardRefusal> {
        self.end(claim, "release")?;
        Ok(BoardFact::Released { id: claim.id, attempt: claim.attempt, why, partial, used: UsageSum::default() })
    }

    /// Returns the facts to write when a worker is known to be dead: its tasks are pending again or, past their
    /// attempts, failed, and the worker waits for work no longer.
    pub fn bury(&self, name: &MemberName, death: WorkerDeath<'_>) -> Vec<BoardFact> {
        let mut facts = self.away(name);
        facts.extend(self.owned_by(name).map(|id| self.died_on(id, name, death)));
        facts
    }

    /// Gives a task back as that of a dead worker, while its owner still lives and can not go on with it.
    pub fn die(&self, claim: &TaskClaim, death: WorkerDeath<'_>) -> Result<BoardFact, BoardRefusal> {
        self.end(claim, "release")?;
        Ok(self.died_on(claim.id, &claim.owner, death))
    }

    fn died_on(&self, id: TaskId, name: &MemberName, death: WorkerDeath<'_>) -> BoardFact {
        let task = self.open(id);
        let attempt = task.attempt;
        let deaths = task.deaths.saturating_add(1);
        if deaths >= task.max_attempts {
            let mut reason = match deaths {
                1 => format!("its worker died: {name}"),
                many => format!("{many} workers died on it, the last was {name}"),
            };
            if let Some(cause) = death.cause {
                reason = format!("{reason} ({cause})");
            }
            BoardFact::Failed { id, attempt, reason, result: death.last_words.to_owned(), used: death.used }
        } else {
            let partial = match death.cause {
                Some(cause) => format!("({cause})\n{}", death.last_words),
                None => death.last_words.to_owned(),
            };
            BoardFact::Released { id, attempt, why: ReleaseWhy::WorkerDied, partial, used: death.used }
        }
    }

    /// Gives a pending task to one member.
    pub fn assign(&self, id: TaskId, to: MemberName) -> Result<BoardFact, BoardRefusal> {
        self.task(id)?.status.edit(id, "assign")?;
        Ok(BoardFact::Assigned { id, to })
    }

    /// Opens a pending task to everybody with its role.
    pub fn unassign(&self, id: TaskId) -> Result<BoardFact, BoardRefusal> {
        self.task(id)?.status.edit(id, "unassign")?;
        Ok(BoardFact::Unassigned { id })
    }

    /// Makes a pending task wait for another; refuses a cycle, naming it.
    pub fn add_dependency(&self, id: TaskId, on: TaskId) -> Result<BoardFact, BoardRefusal> {
        let task = self.task(id)?;
        task.status.edit(id, "change")?;
        self.may_wait(id, on)?;
        if task.blocked_by.contains(&on) {
            return Err(BoardRefusal::WaitsAlready { id, on });
        }
        self.must_close_no_cycle(id, on)?;
        Ok(BoardFact::DependencyAdded { id, on })
    }

    /// Lets a pending task no longer wait for another.
    pub fn remove_dependency(&self, id: TaskId, on: TaskId) -> Result<BoardFact, BoardRefusal> {
        let task = self.task(id)?;
        task.status.edit(id, "change")?;
        if !task.blocked_by.contains(&on) {
            return Err(BoardRefusal::NotWaiting { id, on });
        }
        Ok(BoardFact::DependencyRemoved { id, on })
    }

    /// Opens a task again that failed, was cancelled or was stopped; it keeps its assignee.
    pub fn retry(&self, id: TaskId) -> Result<BoardFact, BoardRefusal> {
        self.task(id)?.status.retry(id)?;
        Ok(BoardFact::Retried { id })
    }

    /// Holds those of these tasks that are pending: nobody takes them until they are assigned, unassigned or retried.
    /// Gives no fact if there is nothing to hold.
    pub fn hold(&self, ids: &[TaskId]) -> Vec<BoardFact> {
        let is_free = |id: &TaskId| matches!(self.status(*id), Ok(TaskStatus::Pending { hold: TaskHold::Free, .. }));
        let ids: Vec<TaskId> = ids.iter().copied().filter(is_free).collect();
        if ids.is_empty() { Vec::new() } else { vec![BoardFact::Held { ids }] }
    }

    /// Takes a task off the work to be done. Tasks that wait for it stay blocked until the dependency is removed.
    pub fn cancel(&self, id: TaskId) -> Result<BoardFact, BoardRefusal> {
        self.task(id)?.status.cancel(id)?;
        Ok(BoardFact::Cancelled { id })
    }

    /// The waiting members to wake: about as many as there are tasks for them, longest waiting first. Whoever
    /// wrote facts that can make work (see [`BoardFact::makes_work`]) rings these.
    pub fn to_wake(&self) -> Vec<MemberName> {
        if self.ready.is_empty() || self.waiting.is_empty() {
            return Vec::new();
        }
        let mut plan = RingPlan::new(&self.ready);
        self.waiting.iter().filter(|who| plan.give(who)).map(|who| who.name.clone()).collect()
    }
}

impl Board {
    /// A task of the indexes: to be done or being done.
    fn open(&self, id: TaskId) -> &Task {
        self.tasks.get_open(id).expect("only tasks that have not ended are ready or owned")
    }

    fn end(&self, claim: &TaskClaim, step: &'static str) -> Result<(), BoardRefusal> {
        let task = self.task(claim.id)?;
        task.status.end(claim.id, step, claim, task.attempt)
    }

    fn may_wait(&self, id: TaskId, on: TaskId) -> Result<(), BoardRefusal> {
        match self.tasks.status(on) {
            None => Err(BoardRefusal::NoDependency { id, on }),
            Some(TaskStatus::Cancelled) => Err(BoardRefusal::DependencyCancelled { id, on }),
            Some(
                TaskStatus::Pending { .. }
                | TaskStatus::InProgress { .. }
                | TaskStatus::Completed { .. }
                | TaskStatus::Failed { .. },
            ) => Ok(()),
        }
    }

    fn must_close_no_cycle(&self, id: TaskId, on: TaskId) -> Result<(), BoardRefusal> {
        match self.path(on, id) {
            None => Ok(()),
            Some(mut path) => {
                path.insert(0, id);
                Err(BoardRefusal::Cycle { id, path })
            }
        }
    }

    /// The way from one task to another along `blocked_by`, both ends included.
    fn path(&self, from: TaskId, to: TaskId) -> Option<Vec<TaskId>> {
        let mut came_from = BTreeMap::from([(from, from)]);
        let mut todo = vec![from];
        while let Some(id) = todo.pop() {
            if id == to {
                let mut path = vec![to];
                let mut at = to;
                while at != from {
                    at = came_from[&at];
                    path.push(at);
                }
                path.reverse();
                return Some(path);
            }
            let Some(task) = self.tasks.get(id) else { continue };
            for &on in &task.blocked_by {
                came_from.entry(on).or_insert_with(|| {
                    todo.push(on);
                    id
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
