//! `teamster task edit`.

use std::path::PathBuf;
use std::time::Duration;

use teamster_protocol::model::id::{AgentName, Role, TaskId};
use teamster_protocol::model::task::FieldChange;

use super::add::read_text;
use super::{CliContext, CliError, ExitStatus, show_changed};
use crate::front::cli::budget::BudgetArgs;
use crate::front::cli::whole_number::priority;
use crate::ops::duration::parse_duration;
use crate::ops::task::{self, WantedEdit};

/// `teamster task edit`.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// The task
    pub id: TaskId,
    /// What to do; - reads standard input
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub text: Option<String>,
    /// Read what to do from a file
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// It is a command for the shell, not words for an agent
    #[arg(long)]
    pub run: bool,
    /// A short text for lists
    #[arg(long, value_name = "T")]
    pub title: Option<String>,
    /// All tasks that must be completed before
    #[arg(long, value_name = "ID,ID", value_delimiter = ',', conflicts_with = "no_after")]
    pub after: Option<Vec<TaskId>>,
    /// Let it wait for no task
    #[arg(long)]
    pub no_after: bool,
    /// The role its taker must have
    #[arg(long, conflicts_with = "no_role")]
    pub role: Option<Role>,
    /// Let it be taken with any role
    #[arg(long)]
    pub no_role: bool,
    /// The agent its taker must drive
    #[arg(long, conflicts_with = "no_agent")]
    pub agent: Option<AgentName>,
    /// Let it be taken with any agent
    #[arg(long)]
    pub no_agent: bool,
    /// Higher is taken first
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = priority)]
    pub priority: Option<i32>,
    /// How long one attempt may take, such as 90s or 1h30m
    #[arg(long, value_name = "D", value_parser = parse_duration, conflicts_with = "no_timeout")]
    pub timeout: Option<Duration>,
    /// Let an attempt take as long as it takes
    #[arg(long)]
    pub no_timeout: bool,
    /// How much all its attempts together may use; a limit that is not given stays
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Limit its use no more, but for what is given besides
    #[arg(long)]
    pub no_budget: bool,
}

pub(in crate::front::cli) async fn edit(context: &CliContext, args: EditArgs) -> Result<ExitStatus, CliError> {
    let words: Vec<String> = args.text.into_iter().collect();
    let is_text = args.file.is_some() || !words.is_empty();
    let text = if is_text { Some(read_text(context, args.file.as_deref(), &words)?) } else { None };
    let wanted = WantedEdit {
        text,
        is_command: args.run,
        title: args.title,
        after: if args.no_after { Some(Vec::new()) } else { args.after },
        role: field_change(args.role, args.no_role),
        agent: field_change(args.agent, args.no_agent),
        priority: args.priority,
        timeout: field_change(args.timeout, args.no_timeout),
        budget: args.budget.wanted(),
        budget_anew: args.no_budget,
    };
    let changed = task::edit(&context.session, args.id, wanted)?;
    show_changed(context, &changed, |_| format!("task {} is changed", args.id))
}

fn field_change<T>(value: Option<T>, removed: bool) -> Option<FieldChange<T>> {
    match (value, removed) {
        (Some(value), _) => Some(FieldChange::Set(value)),
        (None, true) => Some(FieldChange::Removed),
        (None, false) => None,
    }
}
