//! The story with agents that read words: each member has a task in words, and has to show a commit for it.

use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{NewTask, TaskStatus, TaskWork, WorkKind};

use super::{DemoStory, member, wrong};
use crate::ops::agents::{ChosenAgent, WantedAgent};
use crate::ops::error::OpsError;
use crate::ops::error::demo::DemoError;
use crate::ops::session::Session;

/// The agents' tasks: a title, and the file that is asked for.
const ASKED: [(&str, &str); 3] = [
    ("a greeting", "greeting.txt, with one line that greets a team of coding agents"),
    ("the docs", "README.md, of at most ten lines, for a project whose only program is main.sh"),
    ("a test", "test.sh, which runs main.sh and fails if that prints nothing"),
];

/// The agent that is wanted for the story. It is allowed everything unless something else is wanted: nobody sits beside a demo,
/// and its repository is thrown away. Refused where its program is missing or reads no words.
pub(super) fn reader(mut agent: WantedAgent, session: &Session) -> Result<ChosenAgent, OpsError> {
    agent.options.approval.get_or_insert(ApprovalPolicy::Auto);
    let agent = agent.choose(&session.config)?;
    let abilities = agent.options.abilities(&agent.name);
    if abilities.is_some_and(|abilities| !abilities.prompts.takes(WorkKind::Text)) {
        let what = format!("{} runs commands only, and the tasks of this demo are words", agent.name);
        return Err(OpsError::misused(what, "leave --agent out for a demo with commands"));
    }
    agent.must_be_installed()?;
    Ok(agent)
}

impl DemoStory<'_> {
    /// Members with the agent do a task each, side by side, and show their branches.
    pub(super) async fn tell_of_agents(&mut self) -> Result<(), DemoError> {
        let names = ["ada", "ben", "cy"].map(member);
        for name in &names {
            self.spawn(name).await?;
        }
        let tasks = names.iter().zip(ASKED).map(|(name, (title, file))| NewTask {
            title: title.to_owned(),
            to: Some(name.clone()),
            ..NewTask::new(TaskWork::Prompt(prompt(title, file)))
        });
        let tasks: Vec<NewTask> = tasks.collect();
        let ids = self.team.add_tasks(|first| {
            let after = (first.0..).take(tasks.len()).map(TaskId).collect();
            let run = TaskWork::run("echo 'all of it is done'");
            let release = NewTask { title: "release".to_owned(), after, ..NewTask::new(run) };
            tasks.into_iter().chain([release]).collect()
        })?;
        self.teller
            .step("a plan of four tasks", "three in words, one for each agent, and a command that waits for them");
        for ((name, (title, _)), id) in names.iter().zip(ASKED).zip(&ids) {
            self.until(*id, |status| matches!(status, TaskStatus::Completed { .. })).await?;
            let view = self.team.task_view(*id)?;
            let said = view.result().unwrap_or_default().lines().map(str::trim).rfind(|line| !line.is_empty());
            let said = said.map_or_else(|| "without a word".to_owned(), |line| format!("{line:?}"));
            self.teller.step(&format!("{name} has made {title}"), &said);
        }
        let release = *ids.last().ok_or_else(|| wrong("the tasks were not added"))?;
        self.until(release, |status| matches!(status, TaskStatus::Completed { .. })).await?;
        self.teller.step("the board is drained", "the command came last: it waited for all three");
        self.message(&names[2]).await?;
        self.shut_down(WhenBusy::Finish).await?;
        self.branches(&names)
    }
}

fn prompt(title: &str, file: &str) -> String {
    format!(
        "Write the file {file}. Then commit it with: git add -A && git commit -m \"{title}\". Do nothing else, and end with \
         one line that says what you did."
    )
}
