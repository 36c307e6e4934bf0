//! The verbs that change tasks of the board by their numbers.

use serde::Serialize;
use teamster_protocol::model::board::ClearedTasks;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::wire::api::{BoardChange, TaskCommand};

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::verb::Verb;

/// A task that was cancelled.
#[derive(Debug, Serialize)]
pub struct CancelledTask {
    /// What was changed.
    #[serde(flatten)]
    pub changed: BoardChange,
    /// The tasks that waited for it, and stay blocked.
    #[serde(skip)]
    pub blocked: Vec<TaskId>,
}

/// Gives a pending task to one member only.
pub fn assign(session: &Session, id: TaskId, to: MemberName) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskAssign)?;
    session.must_be_member(&session.view()?, &to)?;
    command(session, TaskCommand::Assign { id, to })
}

/// Opens a pending task to everybody.
pub fn unassign(session: &Session, id: TaskId) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskUnassign)?;
    command(session, TaskCommand::Unassign { id })
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

/// Opens a failed, cancelled or stopped task again.
pub fn retry(session: &Session, id: TaskId) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskRetry)?;
    command(session, TaskCommand::Retry { id })
}

/// Takes a task off the work to be done.
pub fn cancel(session: &Session, id: TaskId) -> Result<CancelledTask, OpsError> {
    session.authorize(Verb::TaskCancel)?;
    let view = session.view()?;
    let blocked = view.board().task(id).map(|task| task.blocks.iter().copied().collect()).unwrap_or_default();
    Ok(CancelledTask { changed: command(session, TaskCommand::Cancel { id })?, blocked })
}

/// Removes tasks from the board.
pub fn clear(session: &Session, scope: ClearedTasks) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskClear)?;
    command(session, TaskCommand::Clear { scope })
}

fn command(session: &Session, command: TaskCommand) -> Result<BoardChange, OpsError> {
    Ok(session.team()?.command(command)?)
}
