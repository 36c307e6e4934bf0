//! `teamster run`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use teamster_protocol::host::plain_file;
use teamster_protocol::model::limits::sizes::{PLAN_BYTES_MAX, RUN_WORKERS_MAX};

use super::agent::AgentArgs;
use super::budget::BudgetArgs;
use super::interrupt::interrupts;
use super::stall::StallArgs;
use super::whole_number::whole_number;
use super::workspace::wanted_workspace;
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::duration::parse_duration;
use crate::ops::error::OpsError;
use crate::ops::plan::Plan;
use crate::ops::run::{self, RunLeftover, RunStop, RunSummary, WantedRun};

mod preview;
mod progress;
mod summary;

use progress::RunProgress;

/// How many workers there may be.
fn workers_max(text: &str) -> Result<u16, String> {
    whole_number(text, 1..=RUN_WORKERS_MAX)
}

/// `teamster run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The plan, TOML or JSON; - reads standard input
    #[arg(value_name = "PLAN", required_unless_present_any = ["resume", "retry_failed"])]
    pub plan: Option<PathBuf>,
    /// Go on with the tasks that are on the board, instead of or before a plan
    #[arg(long)]
    pub resume: bool,
    /// As --resume, and do the tasks again that failed
    #[arg(long)]
    pub retry_failed: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How many workers, those that are there included: one at least for each agent that tasks ask for, the rest where the
    /// most tasks are; members and roles that the plan names come on top [default: 4, or
    /// one a task; in a run that goes on as many as before]
    #[arg(long, short, value_name = "N", allow_negative_numbers = true, value_parser = workers_max)]
    pub workers: Option<u16>,
    /// Each worker in a git worktree of its own
    #[arg(long, conflicts_with = "shared")]
    pub worktree: bool,
    /// All workers in the directory itself (the default, unless configured otherwise, or the members of the team have
    /// worktrees)
    #[arg(long)]
    pub shared: bool,
    /// The commit the worktrees begin at, also those that are there and hold no work [default: HEAD]
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// The agent that workers drive for tasks which ask for none, and what that is told; its variables, approval, conversation
    /// and times are those of the others too
    #[command(flatten)]
    pub agent: AgentArgs,
    /// Where to work, or which repository to take worktrees from [default: here]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// How long the whole run may take, such as 30m; then everything is ended
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// What is done about an agent that says nothing
    #[command(flatten)]
    pub stall: StallArgs,
    /// How much all its tasks together may use; then what runs is stopped
    #[command(flatten)]
    pub budget: BudgetArgs,
}

pub(super) async fn run(context: &CliContext, args: RunArgs) -> Result<ExitStatus, CliError> {
    let wanted = WantedRun {
        plan: args.plan.as_deref().map(read_plan).transpose()?,
        leftover: match (args.retry_failed, args.resume) {
            (true, _) => RunLeftover::RetryFailed,
            (false, true) => RunLeftover::Resume,
            (false, false) => RunLeftover::Refuse,
        },
        workers: args.workers,
        agent: args.agent.wanted(),
        workspace: wanted_workspace(args.cwd, args.worktree, args.shared, args.base),
        stall: args.stall.wanted(),
        budget: args.budget.wanted(),
        timeout: args.timeout,
    };
    if args.dry_run {
        let preview = run::preview(&context.session, wanted)?;
        context.show(&preview, |preview| preview::render(preview, context.columns))?;
        return Ok(ExitStatus::Done);
    }
    let progress = match context.shape {
        OutputShape::Text => RunProgress::for_people(),
        OutputShape::Json => RunProgress::for_programs(),
    };
    let summary = run::run(&context.session, wanted, interrupts()?, &|news| progress.show(news)).await?;
    if let Some(error) = progress.unsaid() {
        return Err(CliError::Stdout(error));
    }
    context.show(&summary, |summary| summary::render(summary, context.columns))?;
    Ok(exit_of(&summary))
}

fn exit_of(summary: &RunSummary) -> ExitStatus {
    match summary.ended {
        Some(RunStop::Interrupted) => ExitStatus::Interrupted,
        Some(RunStop::TimedOut | RunStop::OverBudget | RunStop::NoWorkerLeft | RunStop::TeamEnded) | None
            if summary.ok =>
        {
            ExitStatus::Done
        }
        Some(RunStop::TimedOut | RunStop::OverBudget | RunStop::NoWorkerLeft | RunStop::TeamEnded) | None => {
            ExitStatus::Refused
        }
    }
}

/// Reads a plan from a file, or from standard input for `-`. Refuses more than a plan may have.
fn read_plan(path: &Path) -> Result<Plan, CliError> {
    let from_stdin = path == Path::new("-");
    let name = if from_stdin { PathBuf::from("standard input") } else { path.to_owned() };
    let failed = |source| OpsError::Path { doing: "read", path: name, source };
    let bytes = if from_stdin {
        plain_file::read_bounded(io::stdin().lock(), PLAN_BYTES_MAX as u64)
    } else {
        plain_file::read_given(path, PLAN_BYTES_MAX as u64)
    };
    Ok(Plan::parse_bytes(&bytes.map_err(failed)?, (!from_stdin).then_some(path))?)
}
