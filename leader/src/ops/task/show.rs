//! `task show`.

use serde::Serialize;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::view::{AttemptView, TaskView};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::transcript;
use teamster_protocol::team::TeamError;

use super::row::TaskStanding;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::verb::Verb;

/// One task with its history, as `tasks/<id>.json` holds it too but for the sum of what it used.
#[derive(Debug, Serialize)]
pub struct ShownTask {
    /// The task.
    #[serde(flatten)]
    pub view: TaskView,
    /// The use of all its attempts, with the one that runs.
    #[serde(skip_serializing_if = "UsageSum::is_empty")]
    pub used: UsageSum,
    /// The use of the attempt that runs.
    #[serde(skip)]
    pub running: UsageSum,
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
    let running = match shown.attempts.last() {
        Some(AttemptView { owner, since_ms, end: None, .. }) => {
            transcript::used_since(&view.dir().turns(owner), *since_ms)?
        }
        Some(AttemptView { end: Some(_), .. }) | None => UsageSum::default(),
    };
    let used = shown.used().plus(running);
    Ok(ShownTask { view: shown, used, running, standing })
}
