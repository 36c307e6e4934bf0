//! `task edit`.

use std::time::Duration;

use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{Address, AgentName, Role, TaskId};
use teamster_protocol::model::task::{FieldChange, NewTask, TaskChanges, TaskWork, title_of};
use teamster_protocol::team::{BoardChange, TaskCommand};

use super::add::must_be_title;
use crate::ops::agents::must_be_agent;
use crate::ops::budget::WantedBudget;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::verb::Verb;

/// The wanted changes to a task; a field that is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedEdit {
    /// The new text of the work. A command stays one, and so does a prompt, unless `is_command` says otherwise.
    pub text: Option<String>,
    /// That it is a command after all.
    pub is_command: bool,
    /// A short text for lists. One that was made from the text follows it.
    pub title: Option<String>,
    /// All tasks that must be completed before.
    pub after: Option<Vec<TaskId>>,
    /// The role its taker must have.
    pub role: Option<FieldChange<Role>>,
    /// The agent its taker must drive.
    pub agent: Option<FieldChange<AgentName>>,
    /// Higher is taken first.
    pub priority: Option<i32>,
    /// How long one attempt may take.
    pub timeout: Option<FieldChange<Duration>>,
    /// How much all attempts together may use. A limit that is not given stays.
    pub budget: WantedBudget,
    /// That no limit of its budget stays but those that are given.
    pub budget_anew: bool,
}

/// Changes a task that nobody is on and that is not completed.
pub fn edit(session: &Session, id: TaskId, wanted: WantedEdit) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskEdit)?;
    wanted.title.as_deref().map_or(Ok(()), must_be_title)?;
    let mut team = session.team()?;
    if let Some(FieldChange::Set(agent)) = &wanted.agent {
        must_be_agent(&session.config, Some(&session.view()?), agent)?;
    }
    let changes = changes_of(&team.new_task(id)?, wanted);
    if changes.budget.is_some() && session.caller != Address::Lead {
        return Err(OpsError::refused(
            "only the lead may change the budget of a task",
            "ask for it: teamster dm lead TEXT",
        ));
    }
    Ok(team.command(TaskCommand::Edit { id, changes })?)
}

fn changes_of(task: &NewTask, wanted: WantedEdit) -> TaskChanges {
    let WantedEdit { text, is_command, title, after, role, agent, priority, timeout, budget, budget_anew } = wanted;
    let follows = task.title == title_of(task.work.text());
    let title = title.or_else(|| text.as_deref().filter(|_| follows).map(title_of));
    let work = match (&task.work, text, is_command) {
        (TaskWork::Run { input, .. }, Some(command), _) => Some(TaskWork::Run { command, input: *input }),
        (TaskWork::Prompt(_), Some(text), false) => Some(TaskWork::Prompt(text)),
        (TaskWork::Prompt(before), text, true) => Some(TaskWork::run(text.unwrap_or_else(|| before.clone()))),
        (TaskWork::Run { .. } | TaskWork::Prompt(_), None, _) => None,
    };
    let timeout_ms = timeout.map(|timeout| match timeout {
        FieldChange::Set(timeout) => FieldChange::Set(timeout.as_millis() as u64),
        FieldChange::Removed => FieldChange::Removed,
    });
    let before = if budget_anew { UsageBudget::default() } else { task.budget };
    let budget = (budget_anew || budget != WantedBudget::default()).then(|| budget.over(before));
    TaskChanges { work, title, after, role, agent, priority, timeout_ms, budget }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use teamster_protocol::model::task::CommandInput;

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
        let derived = NewTask::new(TaskWork::run("make"));
        let named = NewTask { title: "build".to_owned(), ..derived.clone() };
        assert_eq!(changed(&derived, "make all", None).title, "make all");
        assert_eq!(changed(&named, "make all", None).title, "build");
        assert_eq!(changed(&derived, "make all", Some("all")).title, "all");
        assert_eq!(changed(&named, "make all", None).work, TaskWork::run("make all"), "a command stays one");
    }

    #[test]
    fn a_limit_of_the_budget_stays_unless_all_are_taken_away() {
        let of = |tokens, turns| UsageBudget {
            max_tokens: NonZeroU64::new(tokens),
            max_turns: NonZeroU64::new(turns),
            ..UsageBudget::default()
        };
        let task = NewTask { budget: of(100, 3), ..NewTask::new(TaskWork::run("make")) };
        let more = WantedBudget { max_tokens: NonZeroU64::new(500), ..WantedBudget::default() };
        let wanted = WantedEdit { budget: more, ..WantedEdit::default() };
        assert_eq!(changes_of(&task, wanted.clone()).budget, Some(of(500, 3)));
        let anew = WantedEdit { budget_anew: true, ..wanted };
        assert_eq!(changes_of(&task, anew).budget, Some(of(500, 0)));
        let none = WantedEdit { budget_anew: true, ..WantedEdit::default() };
        assert_eq!(changes_of(&task, none).budget, Some(UsageBudget::default()));
        assert_eq!(changes_of(&task, WantedEdit::default()).budget, None);
    }

    #[test]
    fn words_become_a_command_only_when_that_is_said() {
        let words = NewTask::new(TaskWork::Prompt("make all".to_owned()));
        assert_eq!(changed(&words, "make it", None).work, TaskWork::Prompt("make it".to_owned()));
        let wanted = WantedEdit { is_command: true, ..WantedEdit::default() };
        assert_eq!(changes_of(&words, wanted.clone()).work, Some(TaskWork::run("make all")));
        let reads = NewTask::new(TaskWork::Run { command: "cat".to_owned(), input: CommandInput::Open });
        assert_eq!(changes_of(&reads, wanted).work, None, "it is one");
        let work = changed(&reads, "cat -n", None).work;
        assert_eq!(work, TaskWork::Run { command: "cat -n".to_owned(), input: CommandInput::Open });
    }
}
