//! The outcome of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::id::{MemberName, TaskId, TeamName};
use teamster_protocol::model::roster::Roster;
use teamster_protocol::model::task::StatusWord;
use teamster_protocol::model::task::view::TaskView;

use super::drain::RunEnd;
use super::tally::TaskTally;
use super::{Run, RunError};
use crate::ops::text::shorten;

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// The team.
    pub team: TeamName,
    /// Whether every task was completed.
    pub ok: bool,
    /// Why the run ended before all was done, if it did: `interrupted`, `timed out`, or that no worker was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
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
    /// The branch of who had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The last of what the agent said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tasks that it still waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskId>,
}

impl RunSummary {
    /// The outcome of a run, by the board as it is now.
    pub(super) fn of(run: &mut Run<'_>, how: RunEnd, took: Duration) -> Result<RunSummary, RunError> {
        run.team.refresh(|_| ())?;
        let now_ms = now_ms();
        let mut tasks = Vec::with_capacity(run.ids.len());
        for &id in &run.ids {
            if run.team.board().task(id).is_ok() {
                tasks.push(TaskSummary::of(run.team.task_view(id)?, run.team.roster(), now_ms));
            }
        }
        let mut counts: BTreeMap<StatusWord, usize> = BTreeMap::new();
        for task in &tasks {
            *counts.entry(task.status).or_default() += 1;
        }
        let ended = match how {
            RunEnd::Drained => None,
            RunEnd::Interrupted => Some("interrupted".to_owned()),
            RunEnd::TimedOut => Some("timed out".to_owned()),
            RunEnd::NoWorkerLeft => Some("no worker was left for the rest".to_owned()),
        };
        Ok(RunSummary {
            team: run.options.dir.team().clone(),
            ok: run.is_whole() && TaskTally::of(run.team.board(), &run.ids, |_| true).is_success(),
            ended,
            duration_ms: took.as_millis() as u64,
            counts,
            tasks,
        })
    }
}

impl TaskSummary {
    /// Takes what the summary shows from a task's view.
    pub fn of(view: TaskView, roster: &Roster, now_ms: u64) -> TaskSummary {
        let member = view.attempts.last().map(|attempt| attempt.owner.clone());
        let branch = member.as_ref().and_then(|name| roster.member(name).ok()?.spec.workspace.branch());
        TaskSummary {
            id: view.id,
            label: view.task.label.clone(),
            title: view.task.title.clone(),
            status: view.status,
            attempts: view.attempts.len(),
            duration_ms: view.duration_ms(now_ms),
            branch: branch.map(str::to_owned),
            result: view.result().map(str::to_owned),
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
