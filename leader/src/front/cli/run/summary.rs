//! The outcome of a run, as a table.

use std::collections::BTreeMap;
use std::time::Duration;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::StatusWord;
use teamster_protocol::model::usage::UsageSum;

use crate::front::cli::print::{
    TableCell, TableColumn, TextTable, TextTone, WHOLE_TABLE_COLUMNS_MIN, cost, harmless_lines, humane, paint, shorten,
    tokens, tokens_and_cost,
};
use crate::front::cli::task_text::numbers;
use crate::ops::run::{RunSummary, TaskSummary, short_name};

/// From this width on the table has room for the branches too.
const BRANCHES_COLUMNS_MIN: usize = 110;

/// How many failures are shown with the end of their output.
const FAILURES_SHOWN_MAX: usize = 10;
/// How many of the last lines of each.
const LAST_LINES_MAX: usize = 8;

/// The table, the branches where it has no room for them, what failed with the end of its output, how many tasks stand how,
/// and the way on.
pub(super) fn render(summary: &RunSummary, columns: usize) -> String {
    let mut text = if summary.nothing_left { String::new() } else { whole_table(summary, columns) };
    text.push_str(&failures(summary, columns));
    let counts: Vec<String> = summary.counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let counts = if counts.is_empty() { "no task was begun".to_owned() } else { counts.join(", ") };
    if summary.nothing_left {
        text.push_str(&format!("nothing is left to do: {counts}\n"));
    } else {
        let took = humane(Duration::from_millis(summary.duration_ms));
        let ended = summary.ended.map(|why| format!(", {}", why.shown())).unwrap_or_default();
        text.push_str(&format!("{counts} in {took}{ended}\n"));
        if let Some(used) = tokens_and_cost(&summary.used) {
            text.push_str(&format!("{used}\n"));
        }
    }
    for hint in hints(summary) {
        text.push_str(&format!("{}\n", paint(TextTone::Faint, &hint)));
    }
    text
}

/// The commands to type next.
fn hints(summary: &RunSummary) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(task) = summary.tasks.iter().find(|task| task.status == StatusWord::Failed) {
        hints.push(format!("see teamster logs {}; do what failed again with teamster run --retry-failed", task.id));
    }
    // A run that goes on has not the tasks that failed before it.
    let failed_before = summary.tasks.iter().flat_map(|task| &task.waits_for_failed).next();
    if let (Some(failed), true) = (failed_before, hints.is_empty()) {
        hints.push(format!(
            "task {failed} failed, and others wait for it: see teamster logs {failed}; do what failed again with teamster run \
             --retry-failed"
        ));
    }
    let is_left = |task: &TaskSummary| match task.status {
        StatusWord::Pending | StatusWord::Stopped | StatusWord::InProgress => true,
        StatusWord::Completed | StatusWord::Failed | StatusWord::Cancelled => false,
    };
    if summary.ended.is_some() && summary.tasks.iter().any(is_left) {
        hints.push("go on with teamster run --resume".to_owned());
    }
    hints
}

/// The failures, each with the last lines of its output.
fn failures(summary: &RunSummary, columns: usize) -> String {
    let failed: Vec<&TaskSummary> = summary.tasks.iter().filter(|task| task.status == StatusWord::Failed).collect();
    let mut text = String::new();
    for task in failed.iter().take(FAILURES_SHOWN_MAX) {
        let name = short_name(task.label.as_deref(), &task.title);
        let who = task.member.as_ref().map(|member| format!(" on {member}")).unwrap_or_default();
        let reason = task.reason.as_deref().unwrap_or("failed");
        let head = format!("{} {name}{who}: {reason}", task.id);
        text.push_str(&format!("{}\n", paint(TextTone::Error, &head)));
        let output = harmless_lines(task.result.as_deref().unwrap_or("").trim_end().trim_start_matches('\n'));
        let lines: Vec<&str> = output.lines().collect();
        for line in &lines[lines.len().saturating_sub(LAST_LINES_MAX)..] {
            text.push_str(&format!("  {}\n", shorten(line, columns.saturating_sub(2))));
        }
        text.push('\n');
    }
    if failed.len() > FAILURES_SHOWN_MAX {
        let more = failed.len() - FAILURES_SHOWN_MAX;
        text.push_str(&format!("{more} more failed: see teamster task list --status failed\n\n"));
    }
    text
}

fn whole_table(summary: &RunSummary, columns: usize) -> String {
    let branches: BTreeMap<&str, Vec<TaskId>> = branches(summary);
    let table = match columns {
        BRANCHES_COLUMNS_MIN.. if !branches.is_empty() => return table_with_branches(summary).render(columns) + "\n\n",
        WHOLE_TABLE_COLUMNS_MIN.. => table(summary).render(columns),
        _ => narrow_table(summary).render(columns),
    };
    let mut text = match branches.is_empty() {
        true => table,
        false => {
            let line = |(branch, ids): (&&str, &Vec<TaskId>)| {
                let tasks = if ids.len() == 1 { "task" } else { "tasks" };
                format!("\n{branch}  {}", paint(TextTone::Faint, &format!("{tasks} {}", numbers(ids))))
            };
            format!("{table}\n{}", branches.iter().map(line).collect::<String>())
        }
    };
    text.push_str("\n\n");
    text
}

/// The branches of those who had tasks, and which.
fn branches(summary: &RunSummary) -> BTreeMap<&str, Vec<TaskId>> {
    let mut branches: BTreeMap<&str, Vec<TaskId>> = BTreeMap::new();
    for task in &summary.tasks {
        if let Some(branch) = &task.branch {
            branches.entry(branch).or_default().push(task.id);
        }
    }
    branches
}

/// Without what tasks said: what failed is shown with that below.
fn narrow_table(summary: &RunSummary) -> TextTable<5> {
    let [id, task, member, state, time, _, _] = heads();
    let mut table = TextTable::new([id, task, member, state, time]);
    for task in &summary.tasks {
        let [id, name, who, status, took, _, _] = cells(task);
        table.row([id, name, who, status, took]);
    }
    table
}

fn table(summary: &RunSummary) -> TextTable<8> {
    let [id, task, member, state, time, used, price] = heads();
    let mut table = TextTable::new([id, task, member, state, time, used, price, TableColumn::wide("result")]);
    for task in &summary.tasks {
        let [id, name, who, status, took, used, price] = cells(task);
        table.row([id, name, who, status, took, used, price, remark(task).as_str().into()]);
    }
    table
}

fn table_with_branches(summary: &RunSummary) -> TextTable<9> {
    let [id, task, member, state, time, used, price] = heads();
    let mut table = TextTable::new([
        id,
        task,
        member,
        state,
        time,
        used,
        price,
        TableColumn::left("branch"),
        TableColumn::wide("result"),
    ]);
    for task in &summary.tasks {
        let [id, name, who, status, took, used, price] = cells(task);
        let branch = task.branch.as_deref().unwrap_or("").into();
        table.row([id, name, who, status, took, used, price, branch, remark(task).as_str().into()]);
    }
    table
}

/// The last line of an output that has anything in it: what a command says at its end tells most of what came of it.
pub(super) fn last_line(output: &str) -> Option<&str> {
    output.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// The line that tells most of a task: why it failed, what it waits for, or what it said last.
fn remark(task: &TaskSummary) -> String {
    let result = task.result.as_deref().and_then(last_line);
    match (&task.reason, task.waits_for.as_slice()) {
        (Some(reason), _) => match result {
            Some(line) => format!("{reason}: {line}"),
            None => reason.clone(),
        },
        (None, []) => result.unwrap_or("").to_owned(),
        (None, ids) => {
            let one = |id: &TaskId| {
                if task.waits_for_failed.contains(id) { format!("{id} (failed)") } else { id.to_string() }
            };
            format!("waits for {}", ids.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The columns that every summary has.
fn heads() -> [TableColumn; 7] {
    [
        TableColumn::right("id"),
        TableColumn::wide("task"),
        TableColumn::left("member"),
        TableColumn::left("state"),
        TableColumn::right("time"),
        TableColumn::right("tokens").optional(),
        TableColumn::right("cost").optional(),
    ]
}

fn cells(task: &TaskSummary) -> [TableCell; 7] {
    let who = task.member.as_ref().map_or("", |name| name.as_str());
    let took = task.duration_ms.map(|ms| humane(Duration::from_millis(ms))).unwrap_or_default();
    [
        task.id.to_string().into(),
        short_name(task.label.as_deref(), &task.title).into(),
        TableCell::toned(TextTone::Name, who),
        TableCell::toned(tone(task), task.status.shown()),
        took.into(),
        used_tokens(&task.used).into(),
        cost(&task.used).unwrap_or_default().into(),
    ]
}

/// Tokens read and written; nothing if none were.
fn used_tokens(used: &UsageSum) -> String {
    if used.tokens() == 0 { String::new() } else { tokens(used.tokens()) }
}

/// The colour of where a task stands.
fn tone(task: &TaskSummary) -> TextTone {
    match task.status {
        StatusWord::Completed => TextTone::Ok,
        StatusWord::Failed => TextTone::Error,
        StatusWord::InProgress => TextTone::Busy,
        StatusWord::Pending | StatusWord::Stopped | StatusWord::Cancelled => TextTone::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::run::RunStop;

    fn task(id: u32, label: Option<&str>, status: StatusWord) -> TaskSummary {
        let began = status != StatusWord::Pending;
        TaskSummary {
            id: TaskId(id),
            label: label.map(str::to_owned),
            title: "make the parser say where it was".to_owned(),
            status,
            member: began.then(|| "w1".parse().expect("a name")),
            attempts: usize::from(began),
            duration_ms: began.then_some(62_000),
            used: UsageSum::default(),
            branch: began.then(|| "teamster/tool-1a2b3c/w1".to_owned()),
            result: began.then(|| "\nbegun\n41 tests passed, none were ignored, 漢字も大丈夫です\n".to_owned()),
            reason: (status == StatusWord::Failed).then(|| "exit status 2".to_owned()),
            waits_for: if began { Vec::new() } else { vec![TaskId(10)] },
            waits_for_failed: if began { Vec::new() } else { vec![TaskId(10)] },
        }
    }

    #[test]
    fn a_run_as_people_read_it() {
        let tasks = vec![
            task(9, Some("build"), StatusWord::Completed),
            task(10, Some("test"), StatusWord::Failed),
            task(11, Some("3"), StatusWord::Pending),
        ];
        let counts = [(StatusWord::Completed, 1), (StatusWord::Failed, 1), (StatusWord::Pending, 1)];
        let summary = RunSummary {
            team: "tool-1a2b3c".parse().expect("a name"),
            ok: false,
            ended: Some(RunStop::Interrupted),
            nothing_left: false,
            duration_ms: 124_000,
            used: UsageSum::default(),
            counts: counts.into(),
            tasks,
        };
        let plain = |columns| anstream::adapter::strip_str(&render(&summary, columns)).to_string();
        insta::assert_snapshot!(plain(80), @"
        id  task                      member  state        time  result
         9  build                     w1      completed  1m 02s  41 tests passed, none …
        10  test                      w1      failed     1m 02s  exit status 2: 41 test…
        11  make the parser say whe…          pending            waits for 10 (failed)

        teamster/tool-1a2b3c/w1  tasks 9, 10

        10 test on w1: exit status 2
          begun
          41 tests passed, none were ignored, 漢字も大丈夫です

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster logs 10; do what failed again with teamster run --retry-failed
        go on with teamster run --resume
        ");
        insta::assert_snapshot!(plain(120), @"
        id  task                      member  state        time  branch                   result
         9  build                     w1      completed  1m 02s  teamster/tool-1a2b3c/w1  41 tests passed, none were ignored, …
        10  test                      w1      failed     1m 02s  teamster/tool-1a2b3c/w1  exit status 2: 41 tests passed, none …
        11  make the parser say whe…          pending                                     waits for 10 (failed)

        10 test on w1: exit status 2
          begun
          41 tests passed, none were ignored, 漢字も大丈夫です

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster logs 10; do what failed again with teamster run --retry-failed
        go on with teamster run --resume
        ");
        insta::assert_snapshot!(plain(40), @"
        id  task       member  state        time
         9  build      w1      completed  1m 02s
        10  test       w1      failed     1m 02s
        11  make the…          pending

        teamster/tool-1a2b3c/w1  tasks 9, 10

        10 test on w1: exit status 2
          begun
          41 tests passed, none were ignored, …

        1 completed, 1 failed, 1 pending in 2m 04s, interrupted
        see teamster logs 10; do what failed again with teamster run --retry-failed
        go on with teamster run --resume
        ");
    }
}
