//! The verbs that change tasks of the board by their numbers.

use serde::Serialize;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::team::{BoardChange, TaskCommand, TeamError};

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::wake::WakeWish;
use crate::verb::Verb;

use super::wake_for_task;

/// Tasks that were cancelled.
#[derive(Debug, Serialize)]
pub struct CancelledTasks {
    /// The change of the board.
    #[serde(flatten)]
    pub changed: BoardChange,
    /// For each that others wait for, those that stay blocked.
    #[serde(skip)]
    pub blocked: Vec<(TaskId, Vec<TaskId>)>,
}

/// Gives pending tasks to one member only; all of them or none. The member is started again if it has left.
pub async fn assign(
    session: &Session,
    ids: Vec<TaskId>,
    to: MemberName,
    wish: WakeWish,
) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskAssign)?;
    session.must_be_member(&session.view()?, &to)?;
    let mut changed = all_or_none(session, &ids, TaskCommand::Assign { ids: ids.clone(), to: to.clone() })?;
    wake_for_task(session, &to, wish, &mut changed).await;
    Ok(changed)
}

/// Opens pending tasks to everybody; all of them or none.
pub fn unassign(session: &Session, ids: Vec<TaskId>) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskUnassign)?;
    all_or_none(session, &ids, TaskCommand::Unassign { ids: ids.clone() })
}

/// Lets a pending task wait for another. Refused where both would wait for each other.
pub fn add_dependency(session: &Session, id: TaskId, on: TaskId) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskDepAdd)?;
    command(session, TaskCommand::AddDependency { id, on })
}

/// Lets a pending task no longer wait for another.
pub fn remove_dependency(session: &Session, id: TaskId, on: TaskId) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskDepRm)?;
    command(session, TaskCommand::RemoveDependency { id, on })
}

/// Opens failed, cancelled or stopped tasks again; all of them or none.
pub fn retry(session: &Session, ids: Vec<TaskId>) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskRetry)?;
    all_or_none(session, &ids, TaskCommand::Retry { ids: ids.clone() })
}

/// Takes tasks off the work to be done; all of them or none.
pub fn cancel(session: &Session, ids: Vec<TaskId>) -> Result<CancelledTasks, OpsError> {
    session.authorize(Verb::TaskCancel)?;
    let view = session.view()?;
    let mut blocked = Vec::new();
    for id in &ids {
        let Ok(task) = view.board().task(*id) else { continue };
        let left: Vec<TaskId> = task.blocks.iter().filter(|other| !ids.contains(other)).copied().collect();
        if !left.is_empty() {
            blocked.push((*id, left));
        }
    }
    Ok(CancelledTasks { changed: all_or_none(session, &ids, TaskCommand::Cancel { ids: ids.clone() })?, blocked })
}

/// A command about several tasks: where one of them refuses, the others are said to be as they were.
fn all_or_none(session: &Session, ids: &[TaskId], asked: TaskCommand) -> Result<BoardChange, OpsError> {
    match command(session, asked) {
        Err(error @ OpsError::Team(TeamError::Refused(_))) if ids.len() > 1 => {
            let (what, hint) = error.told();
            Err(OpsError::Refused { what: format!("{what}; no task was changed"), hint })
        }
        answered => answered,
    }
}

fn command(session: &Session, command: TaskCommand) -> Result<BoardChange, OpsError> {
    Ok(session.team()?.command(command)?)
}
