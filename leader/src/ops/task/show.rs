//! `task show`.

use serde::Serialize;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::view::TaskView;
use teamster_protocol::team::TeamError;

use super::row::TaskStanding;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::verb::Verb;

/// One task with its history, as `tasks/<id>.json` holds it too.
#[derive(Debug, Serialize)]
pub struct ShownTask {
    /// The task.
    #[serde(flatten)]
    pub view: TaskView,
    /// The task's standing.
    #[serde(skip)]
    pub standing: TaskStanding,
}

/// Shows one task.
pub fn show(session: &Session, id: TaskId) -> Result<ShownTask, OpsError> {
    session.authorize(Verb::TaskShow)?;
    let view = session.view()?;
    let shown = view.task_view(id)?;
    let standing = TaskStanding::of(view.board().task(id).map_err(TeamError::from)?.as_ref());
    Ok(ShownTask { view: shown, standing })
}
