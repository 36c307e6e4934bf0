//! What came of a run: a table for people, one object for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::clock::now_ms;
use teamster_protocol::id::{MemberName, TaskId, TeamName};
use teamster_protocol::roster::Roster;
use teamster_protocol::task::view::TaskView;

use super::drain::How;
use super::tally::Tally;
use super::{Run, RunError};
use crate::print::{Cell, Column, Table, Tone, humane};

/// The `--json` object of `teamster run`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
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
    pub counts: BTreeMap<String, usize>,
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
    /// The word for where it stands.
    pub status: String,
    /// Who had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
    /// How often it was claimed.
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
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it still waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskId>,
}

impl Summary {
    /// What came of a run, by the board as it is now.
    pub(super) fn of(run: &mut Run<'_>, how: How, took: Duration) -> Result<Summary, RunError> {
        run.team.refresh(|_| ())?;
        let now_ms = now_ms();
        let mut tasks = Vec::with_capacity(run.ids.len());
        for &id in &run.ids {
            if run.team.board().task(id).is_ok() {
                tasks.push(TaskSummary::of(run.team.task_view(id)?, run.team.roster(), now_ms));
            }
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for task in &tasks {
            *counts.entry(task.status.clone()).or_default() += 1;
        }
        let ended = match how {
            How::Drained => None,
            How::Interrupted => Some("interrupted".to_owned()),
            How::TimedOut => Some("timed out".to_owned()),
            How::NoWorkerLeft => Some("no worker was left for the rest".to_owned()),
        };
        Ok(Summary {
            team: run.options.dir.team().clone(),
            ok: run.is_whole() && Tally::of(run.team.board(), &run.ids, |_| true).is_success(),
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
            status: view.status.clone(),
            attempts: view.attempts.len(),
            duration_ms: view.duration_ms(now_ms),
            branch: branch.map(str::to_owned),
            result: view.result().map(str::to_owned),
            reason: view.reason().map(str::to_owned),
            waits_for: view.waits_for,
            member,
        }
    }

    /// The first line that tells most: why it failed, what it waits for, or what it said.
    fn remark(&self) -> String {
        let result = self.result.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
        match (&self.reason, self.waits_for.as_slice()) {
            (Some(reason), _) => match result {
                Some(line) => format!("{reason}: {line}"),
                None => reason.clone(),
            },
            (None, []) => result.unwrap_or("").to_owned(),
            (None, ids) => {
                let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
                format!("waits for {}", ids.join(", "))
            }
        }
    }

    fn tone(&self) -> Tone {
        match self.status.as_str() {
            "completed" => Tone::Ok,
            "failed" => Tone::Error,
            "in progress" => Tone::Busy,
            _ => Tone::Warn,
        }
    }
}

impl Summary {
    /// The table and the last line, at most `columns` wide.
    pub fn render(&self, columns: usize) -> String {
        let branches = self.tasks.iter().any(|task| task.branch.is_some());
        let mut text = if branches { self.table_with_branches(columns) } else { self.table(columns) };
        let counts: Vec<String> = self.counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let took = humane(Duration::from_millis(self.duration_ms));
        let ended = self.ended.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
        let counts = if counts.is_empty() { "no task was begun".to_owned() } else { counts.join(", ") };
        text.push_str(&format!("\n{counts} in {took}{ended}\n"));
        text
    }

    fn table(&self, columns: usize) -> String {
        let [task, member, state, time] = heads();
        let mut table = Table::new([task, member, state, time, Column::wide("RESULT")]);
        for task in &self.tasks {
            let [name, who, status, took] = cells(task);
            table.row([name, who, status, took, task.remark().as_str().into()]);
        }
        table.render(columns)
    }

    fn table_with_branches(&self, columns: usize) -> String {
        let [task, member, state, time] = heads();
        let mut table = Table::new([task, member, state, time, Column::left("BRANCH"), Column::wide("RESULT")]);
        for task in &self.tasks {
            let [name, who, status, took] = cells(task);
            let branch = task.branch.as_deref().unwrap_or("").into();
            table.row([name, who, status, took, branch, task.remark().as_str().into()]);
        }
        table.render(columns)
    }
}

/// The columns that every summary has.
fn heads() -> [Column; 4] {
    [Column::left("TASK"), Column::left("MEMBER"), Column::left("STATE"), Column::right("TIME")]
}

fn cells(task: &TaskSummary) -> [Cell; 4] {
    [name(task), who(task), Cell::toned(task.tone(), &task.status), took(task)]
}

fn name(task: &TaskSummary) -> Cell {
    match &task.label {
        Some(label) if *label != task.id.to_string() => format!("{} {label}", task.id).as_str().into(),
        Some(_) | None => task.id.to_string().as_str().into(),
    }
}

fn who(task: &TaskSummary) -> Cell {
    Cell::toned(Tone::Name, task.member.as_ref().map_or("", |name| name.as_str()))
}

fn took(task: &TaskSummary) -> Cell {
    let text = task.duration_ms.map(|ms| humane(Duration::from_millis(ms))).unwrap_or_default();
    text.as_str().into()
}
