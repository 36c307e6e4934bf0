//! `teamster task add`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgGroup;
use teamster_protocol::host::plain_file;
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId};
use teamster_protocol::model::limits::GIVEN_TEXT_BYTES_MAX;

use super::{CliContext, CliError, ExitStatus, show_changed};
use crate::front::cli::budget::BudgetArgs;
use crate::front::cli::interrupt::unless_interrupted;
use crate::front::cli::task_text::numbers;
use crate::front::cli::waking::WakeArgs;
use crate::front::cli::whole_number::priority;
use crate::front::cli::words::{EndsWithText, TypedText, WorkOptions, joined, text_of};
use crate::ops::duration::parse_duration;
use crate::ops::error::OpsError;
use crate::ops::task::{self, WantedTask};

/// `teamster task add`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["words", "file"]))]
pub struct AddArgs {
    /// What to do, to the end of the line; words are joined by spaces, - reads standard input
    #[arg(value_name = "TEXT", trailing_var_arg = true)]
    pub words: Vec<String>,
    /// Read the text from a file
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The only member that may take it
    #[arg(long, value_name = "NAME")]
    pub to: Option<MemberName>,
    /// The tasks that must be completed before
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub after: Vec<TaskId>,
    /// Higher is taken first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = priority)]
    pub priority: i32,
    /// The role its taker must have
    #[arg(long)]
    pub role: Option<Role>,
    /// The agent its taker must drive, one of teamster agents
    #[arg(long)]
    pub agent: Option<AgentName>,
    /// How long one attempt may take, such as 90s or 1h30m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// How much all attempts together may use
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// A short text for lists [default: the first line]
    #[arg(long, value_name = "T")]
    pub title: Option<String>,
    /// Whether the text is a command
    #[command(flatten)]
    pub work: WorkOptions,
    /// Whether to start the member of --to again
    #[command(flatten)]
    pub wake: WakeArgs,
}

impl EndsWithText for AddArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.words, work: Some(&mut self.work) }
    }
}

pub(in crate::front::cli) async fn add(context: &CliContext, args: AddArgs) -> Result<ExitStatus, CliError> {
    let text = read_text(context, args.file.as_deref(), &args.words)?;
    let wanted = WantedTask {
        work: args.work.work(text),
        title: args.title,
        after: args.after,
        to: args.to,
        role: args.role,
        agent: args.agent,
        priority: args.priority,
        timeout: args.timeout,
        budget: args.budget.wanted(),
    };
    let adding = task::add(&context.session, wanted, args.wake.wish());
    let changed = unless_interrupted(adding).await?;
    show_changed(context, &changed, |added| format!("task {} is on the board", numbers(added)))
}

/// The text of a file, of standard input, or of words.
pub(super) fn read_text(context: &CliContext, file: Option<&Path>, words: &[String]) -> Result<String, CliError> {
    Ok(match file {
        Some(path) if path.as_os_str() == "-" => joined(&["-".to_owned()])?,
        Some(path) => plain_file::read_given(&context.session.here.join(path), GIVEN_TEXT_BYTES_MAX)
            .and_then(text_of)
            .map_err(|source| OpsError::Path { doing: "read", path: path.to_owned(), source })?,
        None => joined(words)?,
    })
}
