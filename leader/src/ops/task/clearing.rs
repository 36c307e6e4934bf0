//! `task clear` and `task restore`.

use teamster_protocol::model::board::ClearedTasks;
use teamster_protocol::team::{BoardChange, TaskCommand};

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::task::TaskCounts;
use crate::verb::Verb;

/// How many tasks stand where: what `clear all` would remove.
pub fn count_to_clear(session: &Session) -> Result<TaskCounts, OpsError> {
    session.authorize(Verb::TaskClear)?;
    Ok(TaskCounts::of(session.view()?.board()))
}

/// Removes tasks from the board. They are kept aside until the next clear.
pub fn clear(session: &Session, scope: ClearedTasks) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskClear)?;
    Ok(session.team()?.command(TaskCommand::Clear { scope })?)
}

/// Puts the tasks of the last clear back on the board.
pub fn restore(session: &Session) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskRestore)?;
    Ok(session.team()?.command(TaskCommand::Restore)?)
}
