//! `task dep ls`.

use std::collections::BTreeSet;

use serde::Serialize;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::team::TeamError;

use super::row::TaskRow;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::verb::Verb;

/// The dependencies of a task in both directions: those it waits for, and those that wait for it.
#[derive(Debug, Serialize)]
pub struct TaskDependencies {
    /// The task.
    pub id: TaskId,
    /// All it was told to wait for and that is on the board.
    pub after: Vec<TaskRow>,
    /// The part of them that is not completed.
    pub waits_for: Vec<TaskId>,
    /// The tasks that wait for it.
    pub blocks: Vec<TaskRow>,
}

/// Lists what a task waits for and what waits for it.
pub fn dependencies(session: &Session, id: TaskId) -> Result<TaskDependencies, OpsError> {
    session.authorize(Verb::TaskDepLs)?;
    let view = session.view()?;
    let board = view.board();
    let task = board.task(id).map_err(TeamError::from)?;
    let rows = |ids: &BTreeSet<TaskId>| -> Result<Vec<TaskRow>, OpsError> {
        let mut rows = Vec::new();
        for id in ids {
            let task = board.task(*id).map_err(TeamError::from)?;
            rows.push(TaskRow::of(board, *id, &task, Some(&view.new_task(*id)?)));
        }
        Ok(rows)
    };
    let (after, blocks) = (rows(&task.blocked_by)?, rows(&task.blocks)?);
    Ok(TaskDependencies { id, after, waits_for: board.open_dependencies(&task), blocks })
}
