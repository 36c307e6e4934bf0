//! The work that a storm goes over: scripts as agents run them, each of which adds one line to a file as its last step,
//! and some of which leave processes behind that want no end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::{CommandInput, NewTask, TaskWork};

use crate::chance::Chance;
use crate::trial::witness::Life;

/// Such a task waits for a word.
pub(super) const ASKS: &str = "ask";

/// New tasks, whose numbers begin at `first`; some wait for one of `open`.
pub(super) fn tasks(chance: &mut Chance, first: TaskId, count: u32, open: &[TaskId], done: &Path) -> Vec<NewTask> {
    let task = |nth: u32| {
        let (title, before) = match chance.below(20) {
            0..8 => ("quick", ""),
            8..13 => ("work", "sleep 0.1; "),
            13..16 => ("leaves a child", "setsid sleep 0.1 & "),
            16..18 => (
                "leaves a stubborn child",
                "setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' & setsid sh -c 'trap \"\" TERM; \
                 setsid sleep 300 & sleep 300' & sleep 0.1; ",
            ),
            _ => (ASKS, "read word; "),
        };
        let line = format!("echo \"$TEAMSTER_TASK $$ $(date +%s%N)\" >> '{}'", done.display());
        let input = if title == ASKS { CommandInput::Open } else { CommandInput::Closed };
        let mut task = NewTask::new(TaskWork::Run { command: format!("{before}{line}"), input });
        task.title = title.to_owned();
        task.timeout_ms = Some(20_000);
        if chance.one_in(4) && !open.is_empty() {
            task.after.push(*chance.pick(open));
        }
        if chance.one_in(6) && nth > 0 {
            task.after.push(TaskId(first.0 + nth - 1));
        }
        task.after.sort_unstable();
        task.after.dedup();
        task
    };
    (0..count).map(task).collect()
}

/// What is wrong with the lines that the tasks wrote. A worker that dies after its agent's last step leaves a line, and
/// the task is done again; but no attempt writes two.
pub(super) fn look_over(done: &Path, tasks: &BTreeMap<TaskId, Life>) -> Vec<String> {
    let text = std::fs::read_to_string(done).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for line in text.lines() {
        if !seen.insert(line) {
            wrong.push(format!("the line {line:?} was written twice"));
        }
        *times.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    for (id, life) in tasks {
        let lines = times.remove(id.to_string().as_str()).unwrap_or(0);
        if lines < life.completions || lines > life.claims {
            wrong.push(format!("task {id} wrote {lines} lines in {} attempts", life.claims));
        }
    }
    wrong.extend(times.keys().map(|id| format!("a task {id} that nobody added wrote a line")));
    wrong
}
