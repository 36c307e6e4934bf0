//! What came of a run: a table for people, one object for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::id::{MemberName, TaskId, TeamName};
use teamster_protocol::model::roster::Roster;
use teamster_protocol::model::task::view::TaskView;

use super::drain::How;
use super::tally::Tally;
use super::{Run, RunError};
use crate::front::cli::print::{Cell, Column, Table, Tone, humane, paint, shorten};
use crate::front::cli::task_text::numbers;

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

    fn tone(&self) -> Tone {
        match self.status.as_str() {
            "completed" => Tone::Ok,
            "failed" => Tone::Error,
            "in progress" => Tone::Busy,
            _ => Tone::Warn,
        }
    }
}

/// How much of a title is shown where a task has no name.
const TITLE_COLUMNS_MAX: usize = 24;
/// From this width on the table has room for the branches too.
const BRANCHES_COLUMNS_MIN: usize = 110;

impl Summary {
    /// The table, the branches where it has no room for them, how many tasks stand where, and the way on.
    pub fn render(&self, columns: usize) -> String {
        let branches: BTreeMap<&str, Vec<TaskId>> = self.branches();
        let mut text = match branches.is_empty() {
            true => self.table().render(columns),
            false if columns >= BRANCHES_COLUMNS_MIN => self.table_with_branches().render(columns),
            false => {
                let line = |(branch, ids): (&&str, &Vec<TaskId>)| {
                    let tasks = if ids.len() == 1 { "task" } else { "tasks" };
                    format!("\n{branch}  {}", paint(Tone::Faint, &format!("{tasks} {}", numbers(ids))))
                };
                format!("{}\n{}", self.table().render(columns), branches.iter().map(line).collect::<String>())
            }
        };
        let counts: Vec<String> = self.counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let took = humane(Duration::from_millis(self.duration_ms));
        let ended = self.ended.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
        let counts = if counts.is_empty() { "no task was begun".to_owned() } else { counts.join(", ") };
        text.push_str(&format!("\n\n{counts} in {took}{ended}\n"));
        if let Some(task) = self.tasks.iter().find(|task| task.status == "failed") {
            text.push_str(&format!("{}\n", paint(Tone::Faint, &format!("see teamster task show {}", task.id))));
        }
        if self.ended.is_some() && self.tasks.iter().any(|task| task.status == "pending" || task.status == "stopped") {
            text.push_str(&format!("{}\n", paint(Tone::Faint, "go on with teamster run --resume")));
        }
        text
    }

    /// The branches of those who had tasks, and which.
    fn branches(&self) -> BTreeMap<&str, Vec<TaskId>> {
        let mut branches: BTreeMap<&str, Vec<TaskId>> = BTreeMap::new();
        for task in &self.tasks {
            if let Some(branch) = &task.branch {
                branches.entry(branch).or_default().push(task.id);
            }
        }
        branches
    }

    fn table(&self) -> Table<6> {
        let [id, task, member, state, time] = heads();
        let mut table = Table::new([id, task, member, state, time, Column::wide("result")]);
        for task in &self.tasks {
            let [id, name, who, status, took] = cells(task);
            table.row([id, name, who, status, took, self.remark(task).as_str().into()]);
        }
        table
    }

    fn table_with_branches(&self) -> Table<7> {
        let [id, task, member, state, time] = heads();
        let mut table = Table::new([id, task, member, state, time, Column::left("branch"), Column::wide("result")]);
        for task in &self.tasks {
            let [id, name, who, status, took] = cells(task);
            let branch = task.branch.as_deref().unwrap_or("").into();
            table.row([id, name, who, status, took, branch, self.remark(task).as_str().into()]);
        }
        table
    }

    /// The first line that tells most of a task: why it failed, what it waits for, or what it said.
    fn remark(&self, task: &TaskSummary) -> String {
        let result = task.result.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
        match (&task.reason, task.waits_for.as_slice()) {
            (Some(reason), _) => match result {
                Some(line) => format!("{reason}: {line}"),
                None => reason.clone(),
            },
            (None, []) => result.unwrap_or("").to_owned(),
            (None, ids) => {
                let failed = |id: &TaskId| self.tasks.iter().any(|task| task.id == *id && task.status == "failed");
                let one = |id: &TaskId| if failed(id) { format!("{id} (failed)") } else { id.to_string() };
                format!("waits for {}", ids.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The columns that every summary has.
fn heads() -> [Column; 5] {
    [Column::right("id"), Column::wide("task"), Column::left("member"), Column::left("state"), Column::right("time")]
}

fn cells(task: &TaskSummary) -> [Cell; 5] {
    let who = task.member.as_ref().map_or("", |name| name.as_str());
    let took = task.duration_ms.map(|ms| humane(Duration::from_millis(ms))).unwrap_or_default();
    [
        task.id.to_string().into(),
        named(task.label.as_deref(), &task.title).into(),
        Cell::toned(Tone::Name, who),
        Cell::toned(task.tone(), &task.status),
        took.into(),
    ]
}

/// What a task is called beside its number: as in the plan, or by its title where the plan gave no name.
pub(super) fn named(label: Option<&str>, title: &str) -> String {
    match label {
        Some(label) if label.parse::<u32>().is_err() => label.to_owned(),
        Some(_) | None => shorten(title, TITLE_COLUMNS_MAX).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: u32, label: Option<&str>, status: &str) -> TaskSummary {
        let began = status != "pending";
        TaskSummary {
            id: TaskId(id),
            label: label.map(str::to_owned),
            title: "make the parser say where it was".to_owned(),
            status: status.to_owned(),
            member: began.then(|| "w1".parse().expect("a name")),
            attempts: usize::from(began),
            duration_ms: began.then_some(62_000),
            branch: began.then(|| "teamster/tool-1a2b3c/w1".to_owned()),
            result: began.then(|| "\n41 tests passed, none were ignored, 漢字も大丈夫です\nmore".to_owned()),
            reason: (status == "failed").then(|| "exit status 2".to_owned()),
            waits_for: if began { Vec::new() } else { vec![TaskId(10)] },
        }
    }

    #[test]
    fn a_run_as_people_read_it() {
        let tasks =
            vec![task(9, Some("build"), "completed"), task(10, Some("test"), "failed"), task(11, Some("3"), "pending")];
        let counts = [("completed", 1), ("failed", 1), ("pending", 1)].map(|(word, count)| (word.to_owned(), count));
        let summary = Summary {
            team: "tool-1a2b3c".parse().expect("a name"),
            ok: false,
            ended: Some("interrupted".to_owned()),
            duration_ms: 124_000,
            counts: counts.into(),
            tasks,
        };
        let plain = |columns| anstream::adapter::strip_str(&summary.render(columns)).to_string();
        insta::assert_snapshot!(plain(80), @"
        id  task                      member  state        time  result
         9  build                     w1      completed  1m 02s  41 tests passed, none …
        10  test                      w1      failed     1m 02s  exit status 2: 41 test…
        11  make the parser say whe…          pending            waits for 10 (failed)

        teamster/tool-1a2b3c/w1  tasks 9, 10

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster task show 10
        go on with teamster run --resume
        ");
        insta::assert_snapshot!(plain(120), @"
        id  task                      member  state        time  branch                   result
         9  build                     w1      completed  1m 02s  teamster/tool-1a2b3c/w1  41 tests passed, none were ignored, …
        10  test                      w1      failed     1m 02s  teamster/tool-1a2b3c/w1  exit status 2: 41 tests passed, none …
        11  make the parser say whe…          pending                                     waits for 10 (failed)

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster task show 10
        go on with teamster run --resume
        ");
        insta::assert_snapshot!(plain(40), @"
        id  task    member  state    time  resu…
         9  build   w1      compl…  1m 0…  41 t…
        10  test    w1      failed  1m 0…  exit…
        11  make …          pendi…         wait…

        teamster/tool-1a2b3c/w1  tasks 9, 10

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster task show 10
        go on with teamster run --resume
        ");
    }
}
