//! `teamster wait`.

use std::time::Duration;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::StatusWord;

use super::interrupt::unless_interrupted;
use super::print::{self, TextTone, paint};
use super::task_text::{counts_sentence, numbers};
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::duration::parse_duration;
use crate::ops::wait::{self, WaitFor, WaitNews, WaitOutcome, WaitedTask, WantedWait};
use crate::ops::why::CauseText;

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
    if idle && context.says_how_to_begin()? {
        return Ok(ExitStatus::Done);
    }
    let wanted = WantedWait { what: if idle { WaitFor::Idle } else { WaitFor::Tasks(tasks) }, timeout };
    let mut unsaid = None;
    let tell = |news: WaitNews| match context.shape {
        OutputShape::Text => print::note(&news_text(&news)),
        OutputShape::Json => {
            let line = serde_json::to_string(&news).expect("news are plain data");
            if let Err(error) = print::say(line) {
                unsaid.get_or_insert(error);
            }
        }
    };
    let outcome = unless_interrupted(wait::wait(&context.session, wanted, tell)).await?;
    if let Some(error) = unsaid {
        return Err(CliError::Stdout(error));
    }
    context.show(&outcome, text)?;
    Ok(if outcome.ok { ExitStatus::Done } else { ExitStatus::Refused })
}

/// That a task stands still, and the way out; or that it goes on.
fn news_text(news: &WaitNews) -> String {
    match news {
        WaitNews::StandsStill { task, because } => {
            let first = because.iter().take(1).map(|why| match &why.hint {
                Some(hint) => format!("{}; {hint}", why.says),
                None => why.says.clone(),
            });
            let more = match because.len() {
                0 | 1 => String::new(),
                more => format!("; and {} more: see teamster why {task}", more - 1),
            };
            format!("note: task {task} does not go on: {}{more}", first.collect::<String>())
        }
        WaitNews::GoesOn { task, because } => {
            let says: Vec<&str> = because.iter().take(1).map(|why| why.says.as_str()).collect();
            format!("task {task} goes on: {}", says.concat())
        }
        WaitNews::MemberStandsStill { member, because } => {
            let first = because.iter().take(1).map(|why| match &why.hint {
                Some(hint) => format!("{}; {hint}", why.says),
                None => why.says.clone(),
            });
            format!("note: {member} {}", first.collect::<String>())
        }
        WaitNews::MemberGoesOn { member, because } => {
            let says: Vec<&str> = because.iter().take(1).map(|why| why.says.as_str()).collect();
            format!("{member} goes on: {}", says.concat())
        }
    }
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
        (false, _) => {
            let left = outcome.left.iter().flat_map(|task| task.because.iter().map(|why| left_text(task.id, why)));
            outcome.tasks.iter().map(ended).chain(left).collect::<Vec<_>>().join("\n")
        }
    }
}

/// What keeps a team from being idle that has no leader and of which nobody is at work.
fn left_text(id: TaskId, why: &CauseText) -> String {
    let way_out = why.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
    let text = format!("task {id} is {}, and no leader runs that gives it back{way_out}", why.says);
    paint(TextTone::Error, &text).to_string()
}

/// Why a task will not be completed by itself.
fn ended(task: &WaitedTask) -> String {
    let id = task.id;
    let text = match (task.status, task.waits_for, &task.reason) {
        (None, _, _) => format!("task {id} was removed from the board"),
        (Some(_), Some(on), _) => match task.waits_for_one_that {
            Some(StatusWord::Failed) => format!("task {id} waits for task {on}, which failed"),
            Some(_) | None => format!("task {id} waits for task {on}, which was not completed"),
        },
        (Some(StatusWord::Failed), None, Some(reason)) => format!("task {id} failed: {reason}"),
        (Some(word), None, _) => format!("task {id} is {word}"),
    };
    paint(TextTone::Error, &text).to_string()
}
