//! `teamster task clear` and `teamster task restore`.

use std::io::{self, BufRead, IsTerminal};

use clap::ValueEnum;
use teamster_protocol::model::board::ClearedTasks;

use super::{CliContext, CliError, ExitStatus, show_changed};
use crate::front::cli::print;
use crate::front::cli::task_text::numbers;
use crate::ops::error::OpsError;
use crate::ops::task::{self, TaskCounts};

/// `teamster task clear`.
#[derive(Debug, clap::Args)]
pub struct ClearArgs {
    /// Which
    pub scope: ClearScope,
    /// Clear all without a question
    #[arg(long, short)]
    pub yes: bool,
}

/// The tasks that `task clear` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClearScope {
    /// completed tasks
    Completed,
    /// failed tasks; one that a task waits for stays
    Failed,
    /// every task; asks first
    All,
}

/// `teamster task restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {}

pub(in crate::front::cli) async fn clear(context: &CliContext, args: ClearArgs) -> Result<ExitStatus, CliError> {
    let scope = match args.scope {
        ClearScope::Completed => ClearedTasks::Completed,
        ClearScope::Failed => ClearedTasks::Failed,
        ClearScope::All => ClearedTasks::All,
    };
    if args.scope == ClearScope::All && !args.yes && !is_meant(&task::count_to_clear(&context.session)?)? {
        return Ok(ExitStatus::Refused);
    }
    let changed = task::clear(&context.session, scope)?;
    show_changed(context, &changed, |cleared| match cleared.len() {
        0 => "nothing to clear".to_owned(),
        1 => "cleared 1 task; teamster task restore puts it back".to_owned(),
        more => format!("cleared {more} tasks; teamster task restore puts them back"),
    })
}

pub(in crate::front::cli) async fn restore(
    context: &CliContext,
    RestoreArgs {}: RestoreArgs,
) -> Result<ExitStatus, CliError> {
    let changed = task::restore(&context.session)?;
    show_changed(context, &changed, |back| match back.len() {
        1 => format!("task {} is on the board again", numbers(back)),
        many if many > NUMBERS_SHOWN_MAX => format!("{many} tasks are on the board again"),
        _ => format!("tasks {} are on the board again", numbers(back)),
    })
}

/// More numbers than these say no more than how many they are.
const NUMBERS_SHOWN_MAX: usize = 20;

/// Asks whether all tasks are to go, if there is somebody to ask. Blocks until there is an answer.
fn is_meant(counts: &TaskCounts) -> Result<bool, CliError> {
    let Some(what) = what_goes(counts) else { return Ok(true) };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let way_out = "say --yes if that is meant; what was cleared last can be put back with teamster task restore";
        return Err(OpsError::refused(format!("this clears {what}"), way_out).into());
    }
    print::ask(&format!("Clear {what}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|source| CliError::Stdin(source.into()))?;
    if is_yes(&answer) {
        return Ok(true);
    }
    print::note("nothing was cleared");
    Ok(false)
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

/// The tasks that `clear all` takes off the board, in words; nothing if the board is empty.
fn what_goes(counts: &TaskCounts) -> Option<String> {
    let tasks = match counts.total {
        0 => return None,
        1 => "the only task".to_owned(),
        all => format!("all {all} tasks"),
    };
    let not_done = counts.total - counts.completed - counts.failed - counts.cancelled;
    Some(match not_done {
        0 => tasks,
        _ if not_done == counts.total => format!("{tasks}, none done"),
        some => format!("{tasks}, {some} of them not done"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_would_be_lost() {
        let of = |total, completed| {
            what_goes(&TaskCounts { total, completed, pending: total - completed, ..TaskCounts::default() })
        };
        assert_eq!(of(0, 0), None);
        assert_eq!(of(1, 1).as_deref(), Some("the only task"));
        assert_eq!(of(1, 0).as_deref(), Some("the only task, none done"));
        assert_eq!(of(12, 9).as_deref(), Some("all 12 tasks, 3 of them not done"));
        assert_eq!(["y\n", "YES ", "\n", "no", "yy"].map(is_yes), [true, true, false, false, false]);
    }
}
