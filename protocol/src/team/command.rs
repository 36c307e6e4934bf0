//! The commands about tasks, and each carried out as one decision about the board.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Team, TeamError, view};
use crate::model::board::{BoardFact, ClearedTasks};
use crate::model::id::{MemberName, TaskId};
use crate::model::task::{BoardRefusal, NewTask, TaskChanges};
use crate::store::presence::WorkerLife;

/// The request for a change of the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the same as in Board's methods")]
pub enum TaskCommand {
    /// `after` names tasks that are on the board, or later ones of this list by the number they will get.
    Add {
        tasks: Vec<NewTask>,
    },
    /// All of them or none.
    Assign {
        ids: Vec<TaskId>,
        to: MemberName,
    },
    /// All of them or none.
    Unassign {
        ids: Vec<TaskId>,
    },
    AddDependency {
        id: TaskId,
        on: TaskId,
    },
    RemoveDependency {
        id: TaskId,
        on: TaskId,
    },
    /// All of them or none.
    Retry {
        ids: Vec<TaskId>,
    },
    /// All of them or none.
    Cancel {
        ids: Vec<TaskId>,
    },
    Edit {
        id: TaskId,
        changes: TaskChanges,
    },
    Clear {
        scope: ClearedTasks,
    },
    Restore,
}

/// A change of the board was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardChange {
    /// The tasks that were added, changed or cleared.
    pub tasks: Vec<TaskId>,
    /// Warnings about effects that the asker might not have meant, such as an assignment to a member that does not run.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Team {
    /// Carries out a command on the board; the answer names the tasks and what the asker might not have meant.
    pub fn command(&mut self, command: TaskCommand) -> Result<BoardChange, TeamError> {
        let mut warnings = Vec::new();
        self.roster.refresh(|_| ())?;
        let mut members = BTreeSet::new();
        let mut assigned = None;
        match &command {
            TaskCommand::Assign { to, .. } => {
                members.insert(to.clone());
                assigned = Some(self.roster().member(to)?.spec.clone());
            }
            TaskCommand::Add { tasks } => {
                for task in tasks {
                    let Some(to) = &task.to else { continue };
                    self.roster().member(to)?.spec.must_take(to, task.work.kind(), task.agent.as_ref(), None)?;
                    members.insert(to.clone());
                }
            }
            TaskCommand::Unassign { .. }
            | TaskCommand::AddDependency { .. }
            | TaskCommand::RemoveDependency { .. }
            | TaskCommand::Retry { .. }
            | TaskCommand::Cancel { .. }
            | TaskCommand::Edit { .. }
            | TaskCommand::Clear { .. }
            | TaskCommand::Restore => {}
        }
        for name in &members {
            let member = self.roster().member(name)?;
            if view::worker_life(&self.dir, name, &member.presence)? == WorkerLife::Dead {
                warnings.push(format!(
                    "{name} is not running; the task waits until it is started with teamster spawn {name}"
                ));
            }
        }
        let tasks = self.decide_with_roster(
            self.durability,
            |_| (),
            |board, roster| {
                if !members.is_empty() {
                    // Once more, now that nobody can take a member off the roster.
                    roster.refresh(|_| ())?;
                    members.iter().try_for_each(|name| roster.state().member(name).map(|_| ()))?;
                }
                let facts = match command {
                    TaskCommand::Add { tasks } => board.add(tasks)?,
                    TaskCommand::Assign { ids, to } => each(&ids, |id| {
                        if let Some(spec) = &assigned {
                            let task = board.task(id)?;
                            spec.must_take(&to, task.kind, task.agent.as_ref(), Some(id))?;
                        }
                        board.assign(id, to.clone())
                    })?,
                    TaskCommand::Unassign { ids } => each(&ids, |id| board.unassign(id))?,
                    TaskCommand::AddDependency { id, on } => vec![board.add_dependency(id, on)?],
                    TaskCommand::RemoveDependency { id, on } => vec![board.remove_dependency(id, on)?],
                    TaskCommand::Retry { ids } => each(&ids, |id| board.retry(id))?,
                    TaskCommand::Cancel { ids } => each(&ids, |id| board.cancel(id))?,
                    TaskCommand::Edit { id, changes } => vec![board.edit_task(id, changes)?],
                    TaskCommand::Clear { scope } => {
                        if scope == ClearedTasks::Failed {
                            warnings.extend(board.failed_and_waited_for().into_iter().map(stays_on_board));
                        }
                        board.clear(scope)?
                    }
                    TaskCommand::Restore => vec![board.restore()?],
                };
                let mut tasks: Vec<TaskId> = facts.iter().flat_map(BoardFact::tasks).collect();
                tasks.sort_unstable();
                Ok::<_, TeamError>((facts, tasks))
            },
        )?;
        Ok(BoardChange { tasks, warnings })
    }
}

/// One fact for each of these tasks, none twice, or the refusal of the first that refuses.
fn each(
    ids: &[TaskId],
    fact: impl FnMut(TaskId) -> Result<BoardFact, BoardRefusal>,
) -> Result<Vec<BoardFact>, BoardRefusal> {
    let ids: BTreeSet<TaskId> = ids.iter().copied().collect();
    ids.into_iter().map(fact).collect()
}

fn stays_on_board((failed, waiting): (TaskId, TaskId)) -> String {
    format!(
        "task {failed} stays: task {waiting} waits for it; retry it with teamster task retry {failed}, or give both up with \
         teamster task cancel {waiting}"
    )
}
