//! `teamster wait`.

use std::time::Duration;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::StatusWord;

use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::task_text::{counts_sentence, numbers};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::duration::parse_duration;
use crate::ops::wait::{self, WaitFor, WaitOutcome, WaitedTask, WantedWait};

/// `teamster wait`.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// The tasks that are to be completed
    #[arg(value_name = "TASK", required_unless_present = "idle")]
    pub tasks: Vec<TaskId>,
    /// Wait until no member is at work, and none that is there would take a task
    #[arg(long, conflicts_with = "tasks")]
    pub idle: bool,
    /// How long, such as 90s or 1h30m; for ever if not given
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

pub(super) async fn wait(context: &CliContext, args: WaitArgs) -> Result<ExitStatus, CliError> {
    let WaitArgs { tasks, idle, timeout } = args;
    let wanted = WantedWait { what: if idle { WaitFor::Idle } else { WaitFor::Tasks(tasks) }, timeout };
    let outcome = unless_interrupted(wait::wait(&context.session, wanted)).await?;
    context.show(&outcome, text)?;
    Ok(if outcome.ok { ExitStatus::Done } else { ExitStatus::Refused })
}

fn text(outcome: &WaitOutcome) -> String {
    let ids: Vec<TaskId> = outcome.tasks.iter().map(|task| task.id).collect();
    match (outcome.ok, ids.as_slice()) {
        (true, []) => match outcome.counts.total {
            0 => "the team is idle: there are no tasks".to_owned(),
            _ => format!("the team is idle: {}", counts_sentence(&outcome.counts)),
        },
        (true, [id]) => format!("task {id} is completed"),
        (true, ids) => format!("tasks {} are completed", numbers(ids)),
        (false, _) => outcome.tasks.iter().map(ended).collect::<Vec<_>>().join("\n"),
    }
}

/// Why a task will not be completed by itself.
fn ended(task: &WaitedTask) -> String {
    let id = task.id;
    let text = match (task.status, task.waits_for, &task.reason) {
        (None, _, _) => format!("task {id} was removed from the board"),
        (Some(_), Some(on), _) => format!("task {id} waits for task {on}, which was not completed"),
        (Some(StatusWord::Failed), None, Some(reason)) => format!("task {id} failed: {reason}"),
        (Some(word), None, _) => format!("task {id} is {word}"),
    };
    paint(TextTone::Error, &text).to_string()
}
