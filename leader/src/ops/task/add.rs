//! `task add`.

use std::time::Duration;

use teamster_protocol::model::id::{MemberName, Role, TaskId};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::team::TeamError;
use teamster_protocol::wire::api::{BoardChange, TaskCommand};

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::verb::Verb;

/// The task that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTask {
    /// The work to do.
    pub work: TaskWork,
    /// A short text for lists; made from the work if not given.
    pub title: Option<String>,
    /// The tasks that must be completed before.
    pub after: Vec<TaskId>,
    /// The only member that may take it.
    pub to: Option<MemberName>,
    /// The role its taker must have.
    pub role: Option<Role>,
    /// Higher is taken first.
    pub priority: i32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

/// Puts the task on the board, and makes the team if there is none.
pub fn add(session: &Session, wanted: WantedTask) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskAdd)?;
    let mut new = NewTask::new(wanted.work);
    if let Some(title) = wanted.title {
        new.title = title;
    }
    new.after = wanted.after;
    new.to = wanted.to;
    new.role = wanted.role;
    new.priority = wanted.priority;
    new.timeout_ms = wanted.timeout.map(|timeout| timeout.as_millis() as u64);
    session.config.task_limits().apply(&mut new);
    // Refused before anything is made: a typo must not leave an empty team behind.
    new.check().map_err(TeamError::from)?;
    if let Some(to) = &new.to {
        if session.dir.exists() {
            session.must_be_member(&session.view()?, to)?;
        } else {
            let hint = format!("the team has no members yet; start one with teamster spawn {to}");
            return Err(OpsError::NoMember { name: to.clone(), hint });
        }
    }
    Ok(session.make_team()?.command(TaskCommand::Add { tasks: vec![new] })?)
}
