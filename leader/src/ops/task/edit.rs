//! `task edit`.

use std::time::Duration;

use teamster_protocol::model::id::{Role, TaskId};
use teamster_protocol::model::task::{FieldChange, NewTask, TaskChanges, TaskWork, title_of};
use teamster_protocol::wire::api::{BoardChange, TaskCommand};

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::verb::Verb;

/// The wanted changes to a task; a field that is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedEdit {
    /// The new text of the work. A command stays one, and so does a prompt.
    pub text: Option<String>,
    /// A short text for lists. One that was made from the text follows it.
    pub title: Option<String>,
    /// All tasks that must be completed before.
    pub after: Option<Vec<TaskId>>,
    /// The role its taker must have.
    pub role: Option<FieldChange<Role>>,
    /// Higher is taken first.
    pub priority: Option<i32>,
    /// How long one attempt may take.
    pub timeout: Option<FieldChange<Duration>>,
}

/// Changes a task that nobody is on and that is not completed.
pub fn edit(session: &Session, id: TaskId, wanted: WantedEdit) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskEdit)?;
    let mut team = session.team()?;
    let changes = changes_of(&team.new_task(id)?, wanted);
    Ok(team.command(TaskCommand::Edit { id, changes })?)
}

fn changes_of(task: &NewTask, wanted: WantedEdit) -> TaskChanges {
    let WantedEdit { text, title, after, role, priority, timeout } = wanted;
    let follows = task.title == title_of(task.work.text());
    let title = title.or_else(|| text.as_deref().filter(|_| follows).map(title_of));
    let work = text.map(|text| match &task.work {
        TaskWork::Run(_) => TaskWork::Run(text),
        TaskWork::Prompt(_) => TaskWork::Prompt(text),
    });
    let timeout_ms = timeout.map(|timeout| match timeout {
        FieldChange::Set(timeout) => FieldChange::Set(timeout.as_millis() as u64),
        FieldChange::Removed => FieldChange::Removed,
    });
    TaskChanges { work, title, after, role, priority, timeout_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(task: &NewTask, text: &str, title: Option<&str>) -> NewTask {
        let wanted =
            WantedEdit { text: Some(text.to_owned()), title: title.map(str::to_owned), ..WantedEdit::default() };
        let mut task = task.clone();
        changes_of(&task.clone(), wanted).apply(&mut task);
        task
    }

    #[test]
    fn a_title_follows_the_text_that_it_was_made_from_and_a_given_one_stays() {
        let derived = NewTask::new(TaskWork::Run("make".to_owned()));
        let named = NewTask { title: "build".to_owned(), ..derived.clone() };
        assert_eq!(changed(&derived, "make all", None).title, "make all");
        assert_eq!(changed(&named, "make all", None).title, "build");
        assert_eq!(changed(&derived, "make all", Some("all")).title, "all");
        assert_eq!(changed(&named, "make all", None).work, TaskWork::Run("make all".to_owned()), "a command stays one");
    }
}
