//! The verdict on a wait for tasks, by the board alone: a pure look at it, and at the facts since the wait began.

use std::collections::BTreeSet;

use serde::Serialize;
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::{StatusWord, TaskStatus};

/// The tasks that are waited for.
#[derive(Debug)]
pub(super) struct WaitedTasks {
    ids: BTreeSet<TaskId>,
    /// Those that were seen completed: they may have been cleared away since.
    completed: BTreeSet<TaskId>,
}

/// How a task stood when the wait for it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitedTask {
    /// The task.
    pub id: TaskId,
    /// The status of the task; nothing if it was removed from the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusWord>,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The task that it waits for, at any distance, and that failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<TaskId>,
    /// The status of that other task.
    #[serde(skip)]
    pub waits_for_one_that: Option<StatusWord>,
}

/// The verdict on a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WaitVerdict {
    /// The wait goes on.
    Open,
    /// All are completed.
    Completed(Vec<WaitedTask>),
    /// These will not be completed by themselves.
    Ended(Vec<WaitedTask>),
}

impl WaitedTasks {
    pub(super) fn new(ids: &[TaskId]) -> WaitedTasks {
        WaitedTasks { ids: ids.iter().copied().collect(), completed: BTreeSet::new() }
    }

    /// The tasks.
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.ids.iter().copied()
    }

    /// Takes in what was written since the wait began.
    pub(super) fn see(&mut self, fact: &BoardFact) {
        if let BoardFact::Completed { id, .. } = fact {
            self.completed.insert(*id);
        }
    }

    /// Looks at the board. `reason` tells why a task failed.
    pub(super) fn verdict(&self, board: &Board, reason: &dyn Fn(TaskId) -> Option<String>) -> WaitVerdict {
        let (mut completed, mut ended, mut open) = (Vec::new(), Vec::new(), false);
        for &id in &self.ids {
            let status = board.status(id).ok();
            let mut task = WaitedTask {
                id,
                status: status.as_ref().map(TaskStatus::word),
                reason: None,
                waits_for: None,
                waits_for_one_that: None,
            };
            match status {
                Some(TaskStatus::Completed { .. }) => completed.push(task),
                None if self.completed.contains(&id) => {
                    completed.push(WaitedTask { status: Some(StatusWord::Completed), ..task });
                }
                None | Some(TaskStatus::Cancelled) => ended.push(task),
                Some(TaskStatus::Failed { .. }) => {
                    task.reason = reason(id);
                    ended.push(task);
                }
                Some(TaskStatus::InProgress { .. }) => open = true,
                Some(TaskStatus::Pending { .. }) => match ended_before(board, id) {
                    Some((on, is)) => {
                        (task.waits_for, task.waits_for_one_that) = (Some(on), Some(is));
                        ended.push(task);
                    }
                    None => open = true,
                },
            }
        }
        match (ended.is_empty(), open) {
            (false, _) => WaitVerdict::Ended(ended),
            (true, true) => WaitVerdict::Open,
            (true, false) => WaitVerdict::Completed(completed),
        }
    }
}

/// A task that this one waits for, at any distance, and that failed or was cancelled. Walks with a stack of its own: a chain
/// of dependencies may be long.
fn ended_before(board: &Board, id: TaskId) -> Option<(TaskId, StatusWord)> {
    let (mut seen, mut todo) = (BTreeSet::from([id]), vec![id]);
    while let Some(at) = todo.pop() {
        let Ok(task) = board.task(at) else { continue };
        match &task.status {
            TaskStatus::Failed { .. } | TaskStatus::Cancelled => return Some((at, task.status.word())),
            TaskStatus::Pending { .. } => todo.extend(task.blocked_by.iter().copied().filter(|on| seen.insert(*on))),
            TaskStatus::InProgress { .. } | TaskStatus::Completed { .. } => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use teamster_protocol::host::team_dir::TeamDir;
    use teamster_protocol::model::board::{ClearedTasks, WaitingClaimant};
    use teamster_protocol::model::id::Address;
    use teamster_protocol::model::task::{BoardRefusal, NewTask, TaskClaim, TaskWork};
    use teamster_protocol::store::file::Durability;
    use teamster_protocol::team::Team;

    use super::*;

    struct WaitScene {
        _root: tempfile::TempDir,
        team: Team,
    }

    impl WaitScene {
        /// Tasks by what each waits for, counted from 1.
        fn new(after: &[&[u32]]) -> WaitScene {
            let root = tempfile::tempdir().unwrap();
            let dir = TeamDir::new(root.path(), "t".parse().unwrap());
            let mut team = Team::open(dir, Address::Lead, Durability::Process).unwrap();
            let task = |after: &&[u32]| NewTask {
                after: after.iter().map(|id| TaskId(*id)).collect(),
                ..NewTask::new(TaskWork::run("true"))
            };
            team.add_tasks(|_| after.iter().map(task).collect()).unwrap();
            WaitScene { _root: root, team }
        }

        fn claim(&mut self) -> TaskClaim {
            let who = WaitingClaimant::new("ada".parse().unwrap());
            self.team.claim_next(&who).unwrap().unwrap()
        }

        fn write(
            &mut self,
            waited: &mut WaitedTasks,
            decide: impl FnOnce(&Board) -> Result<Vec<BoardFact>, BoardRefusal>,
        ) {
            let mut facts = Vec::new();
            let decide = |board: &Board| {
                facts = decide(board)?;
                Ok((facts.clone(), ()))
            };
            self.team.decide(Durability::Process, decide).unwrap();
            facts.iter().for_each(|fact| waited.see(fact));
        }

        fn verdict(&self, waited: &WaitedTasks) -> WaitVerdict {
            waited.verdict(self.team.board(), &|_| Some("exit status 2".to_owned()))
        }
    }

    fn waited(ids: &[u32]) -> WaitedTasks {
        WaitedTasks::new(&ids.iter().copied().map(TaskId).collect::<Vec<_>>())
    }

    fn ids(tasks: &[WaitedTask]) -> Vec<u32> {
        tasks.iter().map(|task| task.id.0).collect()
    }

    #[test]
    fn a_wait_ends_when_all_are_completed_also_those_that_were_cleared_since() {
        let (mut scene, mut both) = (WaitScene::new(&[&[], &[1], &[]]), waited(&[1, 2, 2]));
        let first = scene.claim();
        assert_eq!(scene.verdict(&both), WaitVerdict::Open);
        scene.write(&mut both, |board| Ok(vec![board.complete(&first, String::new())?]));
        scene.write(&mut both, |board| board.clear(ClearedTasks::Completed));
        assert_eq!(scene.verdict(&both), WaitVerdict::Open, "the second is still to be done");
        let second = scene.claim();
        scene.write(&mut both, |board| Ok(vec![board.complete(&second, String::new())?]));
        assert!(matches!(scene.verdict(&both), WaitVerdict::Completed(tasks) if ids(&tasks) == [1, 2]));
    }

    #[test]
    fn a_wait_ends_at_the_first_that_will_not_be_completed_and_says_why() {
        let (mut scene, mut last) = (WaitScene::new(&[&[], &[1], &[2], &[]]), waited(&[3, 4]));
        let first = scene.claim();
        assert_eq!(scene.verdict(&last), WaitVerdict::Open);
        scene.write(&mut last, |board| Ok(vec![board.fail(&first, "no".to_owned(), String::new())?]));
        let WaitVerdict::Ended(tasks) = scene.verdict(&last) else { panic!("it waits for what has failed") };
        assert_eq!((ids(&tasks), tasks[0].waits_for), (vec![3], Some(TaskId(1))));
        let WaitVerdict::Ended(tasks) = scene.verdict(&waited(&[1])) else { panic!("it has failed") };
        assert_eq!((tasks[0].status, tasks[0].reason.as_deref()), (Some(StatusWord::Failed), Some("exit status 2")));
        scene.write(&mut last, |board| Ok(vec![board.cancel(TaskId(4))?]));
        assert!(matches!(scene.verdict(&waited(&[4])), WaitVerdict::Ended(tasks) if ids(&tasks) == [4]));
        scene.write(&mut last, |board| Ok(vec![board.retry(TaskId(1))?]));
        assert_eq!(scene.verdict(&waited(&[1, 2, 3])), WaitVerdict::Open, "it is to be done again");
    }

    #[test]
    fn a_task_that_is_held_may_be_opened_again() {
        let (mut scene, mut one) = (WaitScene::new(&[&[]]), waited(&[1]));
        scene.write(&mut one, |board| Ok(board.hold(&[TaskId(1)])));
        assert_eq!(scene.verdict(&one), WaitVerdict::Open);
    }

    #[test]
    fn a_task_that_was_removed_unfinished_ends_the_wait() {
        let (mut scene, mut one) = (WaitScene::new(&[&[]]), waited(&[1]));
        scene.write(&mut one, |board| board.clear(ClearedTasks::All));
        assert!(matches!(scene.verdict(&one), WaitVerdict::Ended(tasks) if tasks[0].status.is_none()));
    }
}
