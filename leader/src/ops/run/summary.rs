//! The outcome of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::id::{MemberName, TaskId, TeamName};
use teamster_protocol::model::roster::Roster;
use teamster_protocol::model::task::view::TaskView;
use teamster_protocol::model::task::{StatusWord, TaskStatus};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::team::TeamView;

use super::Run;
use super::drain::RunEnd;
use super::tally::TaskTally;
use crate::ops::error::run::RunError;
use crate::ops::text::shorten;

/// Why a run ended before all was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStop {
    /// The run was interrupted.
    Interrupted,
    /// The time of the run was over.
    TimedOut,
    /// The budget of the run was used up.
    OverBudget,
    /// No worker was left that would take the rest.
    NoWorkerLeft,
    /// Somebody else ended the team, as `teamster down` does.
    TeamEnded,
}

impl RunStop {
    /// In words for people.
    pub const fn shown(self) -> &'static str {
        match self {
            RunStop::Interrupted => "interrupted",
            RunStop::TimedOut => "timed out",
            RunStop::OverBudget => "its budget was used up",
            RunStop::NoWorkerLeft => "no worker was left for the rest",
            RunStop::TeamEnded => "the team was ended by somebody else",
        }
    }
}

/// The outcome of a run; in JSON its `kind` is `summary`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename = "summary")]
pub struct RunSummary {
    /// The team.
    pub team: TeamName,
    /// Whether every task was completed; where nothing was left to do, whether none had failed.
    pub ok: bool,
    /// Whether nothing was begun, because no task of the board was left to do. The tasks are those of the board then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nothing_left: bool,
    /// Why the run ended before all was done, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<RunStop>,
    /// How long it took.
    pub duration_ms: u64,
    /// The use of all tasks together, in all their attempts.
    #[serde(skip_serializing_if = "UsageSum::is_empty")]
    pub used: UsageSum,
    /// How many tasks stand how, by the word for it.
    pub counts: BTreeMap<StatusWord, usize>,
    /// The tasks, in the order of the plan.
    pub tasks: Vec<TaskSummary>,
}

/// One task of a run.
#[derive(Debug, Clone, Serialize)]
pub struct TaskSummary {
    /// Its number on the board.
    pub id: TaskId,
    /// Its name in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its title.
    pub title: String,
    /// The task's status at the end.
    pub status: StatusWord,
    /// The member that had the task last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
    /// The number of times that the task was claimed.
    pub attempts: usize,
    /// How long the last attempt took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The use of all its attempts together.
    #[serde(skip_serializing_if = "UsageSum::is_empty")]
    pub used: UsageSum,
    /// The branch of who had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The last of what the agent said in its last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tasks that it still waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskId>,
    /// Those of them that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for_failed: Vec<TaskId>,
}

impl RunSummary {
    /// The outcome of a run, by the board as it is now.
    pub(super) fn of(run: &mut Run<'_>, how: RunEnd, took: Duration) -> Result<RunSummary, RunError> {
        run.team.refresh(|_| ())?;
        let now_ms = now_ms();
        let mut tasks = Vec::with_capacity(run.ids.len());
        for &id in &run.ids {
            if run.team.board().task(id).is_ok() {
                tasks.push(TaskSummary::of(run.team.task_view(id)?, run.team.board(), run.team.roster(), now_ms));
            }
        }
        let ended = match how {
            RunEnd::Drained => None,
            RunEnd::Interrupted => Some(RunStop::Interrupted),
            RunEnd::TimedOut => Some(RunStop::TimedOut),
            RunEnd::OverBudget => Some(RunStop::OverBudget),
            RunEnd::NoWorkerLeft => Some(RunStop::NoWorkerLeft),
            RunEnd::TeamEnded => Some(RunStop::TeamEnded),
        };
        Ok(RunSummary {
            team: run.options.dir.team().clone(),
            ok: run.is_whole() && TaskTally::of(run.team.board(), &run.ids, |_| true).is_success(),
            nothing_left: false,
            ended,
            duration_ms: took.as_millis() as u64,
            used: tasks.iter().map(|task| task.used).sum(),
            counts: count(&tasks),
            tasks,
        })
    }

    /// The outcome of all tasks of a board on which nothing is left to do. Refused for a board without tasks.
    pub(super) fn of_finished(view: &TeamView) -> Result<RunSummary, RunError> {
        let now_ms = now_ms();
        let mut tasks = Vec::with_capacity(view.board().len());
        for (id, _) in view.board().tasks() {
            tasks.push(TaskSummary::of(view.task_view(id)?, view.board(), view.roster(), now_ms));
        }
        if tasks.is_empty() {
            return Err(RunError::Nothing);
        }
        Ok(RunSummary {
            team: view.dir().team().clone(),
            ok: tasks.iter().all(|task| task.status != StatusWord::Failed),
            nothing_left: true,
            ended: None,
            duration_ms: 0,
            used: tasks.iter().map(|task| task.used).sum(),
            counts: count(&tasks),
            tasks,
        })
    }
}

fn count(tasks: &[TaskSummary]) -> BTreeMap<StatusWord, usize> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        *counts.entry(task.status).or_default() += 1;
    }
    counts
}

impl TaskSummary {
    /// Takes what the summary shows from a task's view.
    pub fn of(view: TaskView, board: &Board, roster: &Roster, now_ms: u64) -> TaskSummary {
        let member = view.attempts.last().map(|attempt| attempt.owner.clone());
        let branch = member.as_ref().and_then(|name| roster.member(name).ok()?.spec.workspace.branch());
        let has_failed = |id: &&TaskId| matches!(board.status(**id), Ok(TaskStatus::Failed { .. }));
        TaskSummary {
            waits_for_failed: view.waits_for.iter().filter(has_failed).copied().collect(),
            id: view.id,
            label: view.task.label.clone(),
            title: view.task.title.clone(),
            status: view.status,
            attempts: view.attempts.len(),
            duration_ms: view.duration_ms(now_ms),
            used: view.used(),
            branch: branch.map(str::to_owned),
            result: view.result_of_last_attempt().map(str::to_owned),
            reason: view.reason().map(str::to_owned),
            waits_for: view.waits_for,
            member,
        }
    }
}

/// How much of a title is shown where a task has no name.
const TITLE_COLUMNS_MAX: usize = 24;

/// The short name of a task beside its number: as in the plan, or its title where the plan gave no name.
pub fn short_name(label: Option<&str>, title: &str) -> String {
    match label {
        Some(label) if label.parse::<u32>().is_err() => label.to_owned(),
        Some(_) | None => shorten(title, TITLE_COLUMNS_MAX).into_owned(),
    }
}
