//! The task board: every decision about tasks, as a pure fold over facts. A decision looks at the board and
//! gives the facts to write, or refuses; [`Board::apply`] takes facts that were written, by whomever.
//!
//! The board keeps what decisions need. Texts and results stay in the log, at the offset that each task knows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::{MemberName, Role, TaskId};
use crate::limits::TASKS_PER_ADD_MAX;
use crate::log::{Fold, LogError, Offset, Snapshot, Stamp};
use crate::task::{Claim, Hold, NewTask, Refusal, TaskStatus};

mod fact;
mod snapshot;
mod waiting;

pub use fact::{BoardFact, ReleaseWhy, Scope};
pub use snapshot::{KeptStatus, KeptTask, ReadFact, ViewError};
pub use waiting::{AutoClaim, Claimant};

use waiting::Waiting;

/// A task as the board keeps it.
#[derive(Debug, Clone)]
pub struct Task {
    /// Where it stands.
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
    /// Higher is claimed first.
    pub priority: i32,
    /// How often it was claimed.
    pub attempt: u32,
    /// How many workers died on it since it was added or retried.
    pub deaths: u32,
    /// How many may.
    pub max_attempts: u32,
    /// Where its [`BoardFact::Added`] is.
    pub added_at: Offset,
    /// Where the facts of its attempts are, in order.
    pub history: Vec<Offset>,
}

impl Task {
    /// Whether somebody may claim it now.
    pub fn is_ready(&self) -> bool {
        self.open_dependencies == 0 && matches!(self.status, TaskStatus::Pending { hold: Hold::Free, .. })
    }
}

/// Who may claim a ready task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    /// Anybody.
    Open,
    /// Members with the role.
    Role(Role),
    /// One member.
    Member(MemberName),
}

/// In a lane: highest priority first, then lowest number.
type Rank = (Reverse<i32>, TaskId);

/// All tasks of a team, and the workers that wait for one.
#[derive(Debug, Clone, Default)]
pub struct Board {
    tasks: BTreeMap<TaskId, Task>,
    ready: BTreeMap<Lane, BTreeSet<Rank>>,
    owned: BTreeMap<MemberName, BTreeSet<TaskId>>,
    waiting: Waiting,
    last_id: u32,
}

impl Board {
    /// A task, or the refusal that names it.
    pub fn task(&self, id: TaskId) -> Result<&Task, Refusal> {
        self.tasks.get(&id).ok_or(Refusal::NoTask(id))
    }

    /// All tasks, lowest number first.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = (TaskId, &Task)> {
        self.tasks.iter().map(|(id, task)| (*id, task))
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
        TaskId(self.last_id + 1)
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
    pub fn waiting(&self) -> impl Iterator<Item = &Claimant> {
        self.waiting.iter()
    }

    /// The dependencies of a task that are not completed.
    pub fn open_dependencies(&self, task: &Task) -> Vec<TaskId> {
        let open = |id: &&TaskId| self.tasks.get(id).is_some_and(|task| !is_completed(task));
        task.blocked_by.iter().filter(open).copied().collect()
    }

    /// Adds tasks: all or none. They may wait for each other, in any order, by the numbers they will get
    /// (from [`Board::next_id`] up).
    pub fn add(&self, new: Vec<NewTask>) -> Result<Vec<BoardFact>, Refusal> {
        if new.len() > TASKS_PER_ADD_MAX {
            return Err(Refusal::TooMany(new.len()));
        }
        let first = self.next_id().0;
        let end = first + new.len() as u32;
        for (number, task) in (first..).zip(&new) {
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

    /// The best task for a worker that is free: assigned to it before unassigned, then priority, then number.
    pub fn next_for(&self, who: &Claimant) -> Option<TaskId> {
        let first = |lane: &Lane| self.ready.get(lane).and_then(|ranks| ranks.first()).copied();
        if let Some((_, id)) = first(&Lane::Member(who.name.clone())) {
            return Some(id);
        }
        match who.auto {
            AutoClaim::Off => None,
            AutoClaim::On => {
                let by_role = who.role.clone().and_then(|role| first(&Lane::Role(role)));
                first(&Lane::Open).into_iter().chain(by_role).min().map(|(_, id)| id)
            }
        }
    }

    /// Claims the best task for a free worker. Without one, the fact that it waits, unless that is known.
    pub fn claim_next(&self, who: &Claimant) -> (Vec<BoardFact>, Option<Claim>) {
        match self.next_for(who) {
            Some(id) => {
                let claim = Claim { id, owner: who.name.clone(), attempt: self.tasks[&id].attempt + 1 };
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
    pub fn complete(&self, claim: &Claim, result: String) -> Result<BoardFact, Refusal> {
        self.end(claim, "complete")?;
        Ok(BoardFact::Completed { id: claim.id, attempt: claim.attempt, result })
    }

    /// Ends the attempt that `claim` is the right to without success.
    pub fn fail(&self, claim: &Claim, reason: String, result: String) -> Result<BoardFact, Refusal> {
        self.end(claim, "fail")?;
        Ok(BoardFact::Failed { id: claim.id, attempt: claim.attempt, reason, result })
    }

    /// Gives a task back that was not finished: pending again, with what was done so far. A stopped one is
    /// assigned to its owner and held, so that nobody takes it in the same breath; any other is for whom it was
    /// before, and may be taken at once.
    pub fn release(&self, claim: &Claim, why: ReleaseWhy, partial: String) -> Result<BoardFact, Refusal> {
        self.end(claim, "release")?;
        Ok(BoardFact::Released { id: claim.id, attempt: claim.attempt, why, partial })
    }

    /// What is to be written when a worker is known to be dead: its tasks are pending again or, past their
    /// attempts, failed; it waits no longer. `last_words` is what its agent had said last.
    pub fn bury(&self, name: &MemberName, last_words: &str) -> Vec<BoardFact> {
        let mut facts = self.away(name);
        for id in self.owned_by(name) {
            let task = &self.tasks[&id];
            let attempt = task.attempt;
            facts.push(if task.deaths + 1 >= task.max_attempts {
                let reason = match task.deaths {
                    0 => format!("its worker died: {name}"),
                    before => format!("{} workers died on it, the last was {name}", before + 1),
                };
                BoardFact::Failed { id, attempt, reason, result: last_words.to_owned() }
            } else {
                BoardFact::Released { id, attempt, why: ReleaseWhy::WorkerDied, partial: last_words.to_owned() }
            });
        }
        facts
    }

    /// Gives a pending task to one member.
    pub fn assign(&self, id: TaskId, to: MemberName) -> Result<BoardFact, Refusal> {
        self.task(id)?.status.edit(id, "assign")?;
        Ok(BoardFact::Assigned { id, to })
    }

    /// Opens a pending task to everybody with its role.
    pub fn unassign(&self, id: TaskId) -> Result<BoardFact, Refusal> {
        self.task(id)?.status.edit(id, "unassign")?;
        Ok(BoardFact::Unassigned { id })
    }

    /// Makes a pending task wait for another; refuses a cycle, naming it.
    pub fn add_dependency(&self, id: TaskId, on: TaskId) -> Result<BoardFact, Refusal> {
        let task = self.task(id)?;
        task.status.edit(id, "change")?;
        self.may_wait(id, on)?;
        if task.blocked_by.contains(&on) {
            return Err(Refusal::WaitsAlready { id, on });
        }
        if let Some(mut path) = self.path(on, id) {
            path.insert(0, id);
            return Err(Refusal::Cycle { id, path });
        }
        Ok(BoardFact::DependencyAdded { id, on })
    }

    /// Lets a pending task no longer wait for another.
    pub fn remove_dependency(&self, id: TaskId, on: TaskId) -> Result<BoardFact, Refusal> {
        let task = self.task(id)?;
        task.status.edit(id, "change")?;
        if !task.blocked_by.contains(&on) {
            return Err(Refusal::NotWaiting { id, on });
        }
        Ok(BoardFact::DependencyRemoved { id, on })
    }

    /// Opens a task again that failed, was cancelled or was stopped; it keeps its assignee.
    pub fn retry(&self, id: TaskId) -> Result<BoardFact, Refusal> {
        self.task(id)?.status.retry(id)?;
        Ok(BoardFact::Retried { id })
    }

    /// Takes a task off the work to be done. What waits for it stays blocked until its dependency is removed.
    pub fn cancel(&self, id: TaskId) -> Result<BoardFact, Refusal> {
        self.task(id)?.status.cancel(id)?;
        Ok(BoardFact::Cancelled { id })
    }

    /// Removes tasks from the board: the completed ones, or all. What waited for a cleared task no longer does.
    /// `All` is refused while any task is in progress. Gives no fact if there is nothing to clear.
    pub fn clear(&self, scope: Scope) -> Result<Vec<BoardFact>, Refusal> {
        let ids: Vec<TaskId> = match scope {
            Scope::Completed => self.tasks().filter(|(_, task)| is_completed(task)).map(|(id, _)| id).collect(),
            Scope::All => {
                let busy: Vec<TaskId> = self.owned.values().flatten().copied().collect();
                if !busy.is_empty() {
                    return Err(Refusal::InProgress(busy));
                }
                self.tasks.keys().copied().collect()
            }
        };
        Ok(if ids.is_empty() { Vec::new() } else { vec![BoardFact::Cleared { ids }] })
    }

    /// The waiting members to wake: about as many as there are tasks for them, longest waiting first. Whoever
    /// wrote facts that can make work (see [`BoardFact::makes_work`]) rings these.
    pub fn to_wake(&self) -> Vec<MemberName> {
        if self.ready.is_empty() || self.waiting.is_empty() {
            return Vec::new();
        }
        let mut left: BTreeMap<&Lane, usize> = self.ready.iter().map(|(lane, ranks)| (lane, ranks.len())).collect();
        let mut take = |lane: &Lane| match left.get_mut(lane) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            Some(_) | None => false,
        };
        self.waiting.iter().filter(|who| who.lanes().iter().any(&mut take)).map(|who| who.name.clone()).collect()
    }
}

impl Fold for Board {
    type Fact = BoardFact;
    const KIND: &'static str = "board";
    const FACTS: &'static [&'static str] = BoardFact::KEYS;

    /// Takes one written fact. Facts are decisions that were checked against the board by their writer under
    /// the log's lock, so this never refuses; a fact about a task that is not there changes nothing.
    fn apply(&mut self, fact: BoardFact, at: &Stamp<'_>) {
        match fact {
            BoardFact::Added { id, task } => self.apply_added(id, task, at),
            BoardFact::Claimed(claim) => {
                self.waiting.remove(&claim.owner);
                self.change(claim.id, at, |task| {
                    task.attempt = claim.attempt;
                    task.status = TaskStatus::InProgress { owner: claim.owner, since_ms: at.at_ms };
                });
            }
            BoardFact::Completed { id, .. } => {
                let mut ended = false;
                self.change(id, at, |task| {
                    if let TaskStatus::InProgress { owner, .. } = &task.status {
                        task.status = TaskStatus::Completed { owner: owner.clone(), at_ms: at.at_ms };
                        ended = true;
                    }
                });
                if ended {
                    self.release_dependents(id);
                }
            }
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
                            Hold::Stopped
                        }
                        ReleaseWhy::WorkerDied | ReleaseWhy::WorkerLeft => Hold::Free,
                    };
                    task.deaths += u32::from(why == ReleaseWhy::WorkerDied);
                    task.status = TaskStatus::Pending { assignee: task.meant_for.clone(), hold };
                }
            }),
            BoardFact::Assigned { id, to } => self.edit(id, |task| {
                task.meant_for = Some(to.clone());
                task.status = TaskStatus::Pending { assignee: Some(to), hold: Hold::Free };
            }),
            BoardFact::Unassigned { id } => self.edit(id, |task| {
                task.meant_for = None;
                task.status = TaskStatus::Pending { assignee: None, hold: Hold::Free };
            }),
            BoardFact::DependencyAdded { id, on } => {
                let open = u32::from(self.tasks.get(&on).is_some_and(|task| !is_completed(task)));
                self.edit(id, |task| {
                    task.blocked_by.insert(on);
                    task.open_dependencies += open;
                });
                if let Some(task) = self.tasks.get_mut(&on) {
                    task.blocks.insert(id);
                }
            }
            BoardFact::DependencyRemoved { id, on } => self.forget_dependency(id, on),
            BoardFact::Retried { id } => self.change(id, at, |task| {
                task.deaths = 0;
                task.status = TaskStatus::Pending { assignee: task.meant_for.clone(), hold: Hold::Free };
            }),
            BoardFact::Cancelled { id } => self.change(id, at, |task| task.status = TaskStatus::Cancelled),
            BoardFact::Cleared { ids } => ids.into_iter().for_each(|id| self.apply_cleared(id)),
            BoardFact::Waiting(who) => self.waiting.push(who),
            BoardFact::Away { member } => self.waiting.remove(&member),
            BoardFact::Kept(kept) => self.apply_kept(*kept, at),
            BoardFact::Numbered { last_id } => self.last_id = self.last_id.max(last_id),
        }
    }

    fn snapshot(&self, next: &mut Snapshot<'_, BoardFact>) -> Result<(), LogError> {
        self.write_snapshot(next)
    }
}

impl Board {
    fn apply_added(&mut self, id: TaskId, new: NewTask, at: &Stamp<'_>) {
        let task = Task {
            status: TaskStatus::Pending { assignee: new.to.clone(), hold: Hold::Free },
            blocked_by: new.after.into_iter().collect(),
            blocks: BTreeSet::new(),
            open_dependencies: 0,
            meant_for: new.to,
            role: new.role,
            priority: new.priority,
            attempt: 0,
            deaths: 0,
            max_attempts: new.max_attempts,
            added_at: at.offset,
            history: Vec::new(),
        };
        self.insert(id, task);
    }

    /// Puts a task on the board and links it to those it waits for, which are there before it.
    fn insert(&mut self, id: TaskId, mut task: Task) {
        self.last_id = self.last_id.max(id.0);
        task.blocked_by.retain(|on| self.tasks.contains_key(on));
        for on in &task.blocked_by {
            if let Some(other) = self.tasks.get_mut(on) {
                other.blocks.insert(id);
                task.open_dependencies += u32::from(!is_completed(other));
            }
        }
        self.tasks.insert(id, task);
        self.index(id);
    }

    /// Changes where a task stands by a fact of its history.
    fn change(&mut self, id: TaskId, at: &Stamp<'_>, step: impl FnOnce(&mut Task)) {
        self.edit(id, |task| {
            task.history.push(at.offset);
            step(task);
        });
    }

    /// Changes a task and keeps the indexes true.
    fn edit(&mut self, id: TaskId, step: impl FnOnce(&mut Task)) {
        self.unindex(id);
        if let Some(task) = self.tasks.get_mut(&id) {
            step(task);
        }
        self.index(id);
    }

    fn index(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        if let TaskStatus::InProgress { owner, .. } = &task.status {
            self.owned.entry(owner.clone()).or_default().insert(id);
        }
        if task.is_ready() {
            let rank = (Reverse(task.priority), id);
            self.ready.entry(lane(task)).or_default().insert(rank);
        }
    }

    fn unindex(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        if let TaskStatus::InProgress { owner, .. } = &task.status {
            remove_from(&mut self.owned, owner, &id);
        }
        if task.is_ready() {
            remove_from(&mut self.ready, &lane(task), &(Reverse(task.priority), id));
        }
    }

    /// Tells the tasks that wait for `id` that it is done.
    fn release_dependents(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        for dependent in task.blocks.clone() {
            self.edit(dependent, |task| task.open_dependencies = task.open_dependencies.saturating_sub(1));
        }
    }

    fn forget_dependency(&mut self, id: TaskId, on: TaskId) {
        let open = u32::from(self.tasks.get(&on).is_some_and(|task| !is_completed(task)));
        self.edit(id, |task| {
            task.blocked_by.remove(&on);
            task.open_dependencies = task.open_dependencies.saturating_sub(open);
        });
        if let Some(task) = self.tasks.get_mut(&on) {
            task.blocks.remove(&id);
        }
    }

    fn apply_cleared(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let (blocks, blocked_by) = (task.blocks.clone(), task.blocked_by.clone());
        for dependent in blocks {
            self.forget_dependency(dependent, id);
        }
        for on in blocked_by {
            self.forget_dependency(id, on);
        }
        self.unindex(id);
        self.tasks.remove(&id);
    }

    fn end(&self, claim: &Claim, step: &'static str) -> Result<(), Refusal> {
        let task = self.task(claim.id)?;
        task.status.end(claim.id, step, claim, task.attempt)
    }

    fn may_wait(&self, id: TaskId, on: TaskId) -> Result<(), Refusal> {
        match self.tasks.get(&on).map(|task| &task.status) {
            None => Err(Refusal::NoDependency { id, on }),
            Some(TaskStatus::Cancelled) => Err(Refusal::DependencyCancelled { id, on }),
            Some(
                TaskStatus::Pending { .. }
                | TaskStatus::InProgress { .. }
                | TaskStatus::Completed { .. }
                | TaskStatus::Failed { .. },
            ) => Ok(()),
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
            for &on in self.tasks.get(&id).into_iter().flat_map(|task| &task.blocked_by) {
                came_from.entry(on).or_insert_with(|| {
                    todo.push(on);
                    id
                });
            }
        }
        None
    }
}

fn is_completed(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Completed { .. })
}

fn lane(task: &Task) -> Lane {
    match (&task.status, &task.role) {
        (TaskStatus::Pending { assignee: Some(name), .. }, _) => Lane::Member(name.clone()),
        (_, Some(role)) => Lane::Role(role.clone()),
        (_, None) => Lane::Open,
    }
}

fn remove_from<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

/// Puts new tasks, numbered from `first`, into an order in which each comes after those it waits for, or gives
/// a cycle among them.
fn dependency_order(first: u32, new: Vec<NewTask>) -> Result<Vec<(TaskId, NewTask)>, Refusal> {
    let index = |id: TaskId| id.0.checked_sub(first).map(|i| i as usize).filter(|i| *i < new.len());
    let mut open: Vec<usize> = vec![0; new.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); new.len()];
    for (i, task) in new.iter().enumerate() {
        for on in task.after.iter().filter_map(|on| index(*on)) {
            open[i] += 1;
            dependents[on].push(i);
        }
    }
    let mut free: BTreeSet<usize> = (0..new.len()).filter(|i| open[*i] == 0).collect();
    let mut order = Vec::with_capacity(new.len());
    while let Some(i) = free.pop_first() {
        order.push(i);
        for &dependent in &dependents[i] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                free.insert(dependent);
            }
        }
    }
    if order.len() < new.len() {
        let start = (0..new.len()).find(|i| open[*i] > 0).expect("a task is left, or the order would be whole");
        return Err(cycle_from(start, first, &open, |i| new[i].after.iter().filter_map(|on| index(*on)).collect()));
    }
    let mut new: Vec<Option<NewTask>> = new.into_iter().map(Some).collect();
    let numbered = |i: usize| (TaskId(first + i as u32), new[i].take().expect("each index is in the order once"));
    Ok(order.into_iter().map(numbered).collect())
}

/// Follows dependencies that are still open until a task is met again: that is a cycle.
fn cycle_from(start: usize, first: u32, open: &[usize], after: impl Fn(usize) -> Vec<usize>) -> Refusal {
    let mut walked = vec![start];
    let mut step_of = vec![None; open.len()];
    step_of[start] = Some(0);
    loop {
        let at = *walked.last().expect("it began with one");
        let next = after(at).into_iter().find(|on| open[*on] > 0).expect("what is not free waits for what is not free");
        if let Some(met) = step_of[next] {
            walked.push(next);
            let path: Vec<TaskId> = walked[met..].iter().map(|i| TaskId(first + *i as u32)).collect();
            return Refusal::Cycle { id: path[0], path };
        }
        step_of[next] = Some(walked.len());
        walked.push(next);
    }
}

#[cfg(test)]
mod tests;
