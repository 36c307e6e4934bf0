//! How far a run is: a pure look at the board for the tasks of the run. A run is drained when nothing runs and
//! nothing can: what is left waits for something that will not be completed.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::board::{Board, Task};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::task::{TaskHold, TaskStatus};

/// The tasks of a run, by where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskTally {
    /// How many there are.
    pub total: usize,
    /// How many are completed.
    pub completed: usize,
    /// How many failed.
    pub failed: usize,
    /// The number that were cancelled or cleared away.
    pub cancelled: usize,
    /// The number that were stopped and are held.
    pub stopped: usize,
    /// The tasks that run, each with its owner and the time of its claim.
    pub running: BTreeMap<TaskId, (MemberName, u64)>,
    /// The number that can be claimed, now or when others are completed.
    pub open: usize,
    /// The tasks that wait for one that will not be completed, or for somebody to take them.
    pub stuck: BTreeSet<TaskId>,
}

impl TaskTally {
    /// Looks at the board. `served` tells of a pending task whether somebody would take it; what nobody takes, and
    /// what waits for that, is stuck.
    pub(super) fn of(board: &Board, ids: &[TaskId], served: impl Fn(&Task) -> bool) -> TaskTally {
        let mut tally = TaskTally { total: ids.len(), ..TaskTally::default() };
        let mut looked = BTreeMap::new();
        for &id in ids {
            let Ok(status) = board.status(id) else {
                tally.cancelled += 1;
                continue;
            };
            match status {
                TaskStatus::Completed { .. } => tally.completed += 1,
                TaskStatus::Failed { .. } => tally.failed += 1,
                TaskStatus::Cancelled => tally.cancelled += 1,
                TaskStatus::InProgress { owner, since_ms } => {
                    tally.running.insert(id, (owner, since_ms));
                }
                TaskStatus::Pending { hold: TaskHold::Stopped, .. } => tally.stopped += 1,
                TaskStatus::Pending { hold: TaskHold::Free, .. } if is_stuck(board, id, &served, &mut looked) => {
                    tally.stuck.insert(id);
                }
                TaskStatus::Pending { hold: TaskHold::Free, .. } => tally.open += 1,
            }
        }
        tally
    }

    /// Whether nothing of the run can go on by itself.
    pub(super) fn is_drained(&self) -> bool {
        self.running.is_empty() && self.open == 0
    }

    /// Whether every task is completed.
    pub(super) fn is_success(&self) -> bool {
        self.completed == self.total
    }
}

/// Whether something that this task waits for, at any distance, will not be completed by itself. Walks with a
/// stack of its own: a chain of dependencies may be long.
fn is_stuck(board: &Board, id: TaskId, served: &impl Fn(&Task) -> bool, looked: &mut BTreeMap<TaskId, bool>) -> bool {
    let mut todo = vec![id];
    while let Some(&at) = todo.last() {
        if looked.contains_key(&at) {
            todo.pop();
            continue;
        }
        let Ok(task) = board.task(at) else {
            looked.insert(at, false);
            continue;
        };
        match &task.status {
            TaskStatus::Completed { .. } | TaskStatus::InProgress { .. } => {
                looked.insert(at, false);
            }
            TaskStatus::Failed { .. } | TaskStatus::Cancelled | TaskStatus::Pending { hold: TaskHold::Stopped, .. } => {
                looked.insert(at, true);
            }
            TaskStatus::Pending { hold: TaskHold::Free, .. } if !served(&task) => {
                looked.insert(at, true);
            }
            TaskStatus::Pending { hold: TaskHold::Free, .. } => {
                let unknown: Vec<TaskId> =
                    task.blocked_by.iter().filter(|on| !looked.contains_key(on)).copied().collect();
                if unknown.is_empty() {
                    let stuck = task.blocked_by.iter().any(|on| looked[on]);
                    looked.insert(at, stuck);
                } else {
                    todo.extend(unknown);
                }
            }
        }
    }
    looked[&id]
}

#[cfg(test)]
mod tests {
    use teamster_protocol::host::team_dir::TeamDir;
    use teamster_protocol::model::board::{BoardFact, WaitingClaimant};
    use teamster_protocol::model::id::Address;
    use teamster_protocol::model::task::ReleaseWhy;
    use teamster_protocol::model::task::{NewTask, TaskClaim, TaskWork};
    use teamster_protocol::store::file::Durability;
    use teamster_protocol::team::Team;

    use super::*;

    struct Scene {
        _root: tempfile::TempDir,
        team: Team,
        ids: Vec<TaskId>,
    }

    /// Tasks by what each waits for, counted from 1.
    fn scene(after: &[&[u32]]) -> Scene {
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        let mut team = Team::open(dir, Address::Lead, Durability::Process).unwrap();
        let task = |after: &&[u32]| NewTask {
            after: after.iter().map(|id| TaskId(*id)).collect(),
            ..NewTask::new(TaskWork::run("true"))
        };
        let ids = team.add_tasks(|_| after.iter().map(task).collect()).unwrap();
        Scene { _root: root, team, ids }
    }

    impl Scene {
        fn claim(&mut self) -> TaskClaim {
            let who = WaitingClaimant::new("ada".parse().unwrap());
            self.team.claim_next(&who).unwrap().unwrap()
        }

        fn write(
            &mut self,
            decide: impl FnOnce(&Board) -> Result<BoardFact, teamster_protocol::model::task::BoardRefusal>,
        ) {
            self.team.decide(Durability::Process, |board| Ok((vec![decide(board)?], ()))).unwrap();
        }

        fn tally(&self) -> TaskTally {
            TaskTally::of(self.team.board(), &self.ids, |_| true)
        }
    }

    #[test]
    fn a_failure_drains_what_waits_for_it_and_nothing_else() {
        let mut scene = scene(&[&[], &[1], &[2], &[]]);
        assert_eq!(scene.tally().open, 4);
        let claim = scene.claim();
        assert!(scene.tally().running.contains_key(&TaskId(1)));
        scene.write(|board| board.fail(&claim, "no".to_owned(), String::new()));
        let tally = scene.tally();
        assert_eq!((tally.failed, tally.open, tally.stuck.len(), tally.is_drained()), (1, 1, 2, false));
        let claim = scene.claim();
        scene.write(|board| board.complete(&claim, String::new()));
        assert!(scene.tally().is_drained() && !scene.tally().is_success());
    }

    #[test]
    fn what_was_stopped_is_held_and_does_not_keep_a_run_going() {
        let mut scene = scene(&[&[], &[1]]);
        let claim = scene.claim();
        scene.write(|board| board.release(&claim, ReleaseWhy::Stopped, String::new()));
        let tally = scene.tally();
        assert_eq!((tally.stopped, tally.stuck.len(), tally.is_drained()), (1, 1, true));
    }

    #[test]
    fn a_task_that_nobody_takes_drains_with_all_behind_it() {
        let mut scene = scene(&[&[], &[1], &[]]);
        scene.write(|board| board.assign(TaskId(1), "gone".parse().unwrap()));
        let served = |task: &Task| matches!(&task.status, TaskStatus::Pending { assignee: None, .. });
        assert_eq!(TaskTally::of(scene.team.board(), &scene.ids, served).open, 1);
        let claim = scene.claim();
        assert_eq!(claim.id, TaskId(3));
        scene.write(|board| board.complete(&claim, String::new()));
        assert!(TaskTally::of(scene.team.board(), &scene.ids, served).is_drained());
        assert!(!scene.tally().is_drained());
    }

    #[test]
    fn a_chain_as_long_as_a_board_does_not_overflow_the_stack() {
        const LONG: u32 = 50_000;
        let after: Vec<Vec<u32>> = (1..=LONG).map(|id| if id < LONG { vec![id + 1] } else { Vec::new() }).collect();
        let after: Vec<&[u32]> = after.iter().map(Vec::as_slice).collect();
        let scene = scene(&after);
        let tally = TaskTally::of(scene.team.board(), &scene.ids, |task| !task.blocked_by.is_empty());
        assert_eq!((tally.stuck.len(), tally.is_drained()), (LONG as usize, true));
    }
}
