//! `run`, `cleanup` and `demo` as they are typed: arguments in, result and exit code out.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use teamster_protocol::wire::api::WorkspaceRequest;

use super::demo::{Folder, demo};
use super::stall::StallArgs;
use super::{CliError, Context, Exit, Shape};
use crate::front::cli::print;
use crate::ops::cleanup::{Care, Cleaned, cleanup};
use crate::ops::duration::parse_duration;
use crate::ops::error::OpsError;
use crate::ops::plan::{PLAN_BYTES_MAX, Plan};
use crate::ops::run::{Leftover, Progress, RunOptions, Summary, run};
use crate::ops::team_name::founding_dir;
use std::time::Duration;
use teamster_protocol::model::id::AgentName;

/// `teamster run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The plan, TOML or JSON; - reads standard input
    #[arg(value_name = "PLAN", required_unless_present = "resume")]
    pub plan: Option<PathBuf>,
    /// Go on with the tasks that are on the board, instead of or before a plan
    #[arg(long)]
    pub resume: bool,
    /// How many workers; members and roles that the plan names come on top [default: 4, or one a task]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub workers: Option<u16>,
    /// Each worker in a git worktree of its own
    #[arg(long, conflicts_with = "shared")]
    pub worktree: bool,
    /// All workers in the directory itself (the default, unless configured otherwise)
    #[arg(long)]
    pub shared: bool,
    /// The commit the worktrees begin at [default: HEAD]
    #[arg(long, value_name = "REF", requires = "worktree")]
    pub base: Option<String>,
    /// The agent the workers drive [default: shell, unless configured otherwise]
    #[arg(long)]
    pub agent: Option<AgentName>,
    /// Where to work, or which repository to take worktrees from [default: here]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// How long the whole run may take, such as 30m; then everything is ended
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// What is done about an agent that says nothing
    #[command(flatten)]
    pub stall: StallArgs,
}

/// `teamster cleanup`.
#[derive(Debug, clap::Args)]
pub struct CleanupArgs {
    /// Remove unfinished tasks and worktrees with work too; the work is kept under a ref
    #[arg(long, short)]
    pub force: bool,
}

/// `teamster demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Leave the demo's folder for you to look at
    #[arg(long)]
    pub keep: bool,
}

pub(super) async fn run_plan(context: &Context, args: RunArgs) -> Result<Exit, CliError> {
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let work = context.session.work_dir(args.cwd.as_deref())?;
    let config = &context.session.config;
    let workspace = if args.worktree || config.worktree.value && !args.shared {
        WorkspaceRequest::Worktree { repository: work, base: args.base }
    } else {
        WorkspaceRequest::Shared { dir: work }
    };
    let options = RunOptions {
        dir: context.session.dir.clone(),
        founded_for: founding_dir(&context.session.here)?,
        settings: context.session.settings,
        plan,
        leftover: if args.resume { Leftover::Resume } else { Leftover::Refuse },
        workers: args.workers.or(config.workers.value).map(usize::from),
        agent: args.agent.unwrap_or_else(|| config.agent.value.clone()),
        workspace,
        stall: config.stall(args.stall.stall_after, args.stall.on_stall),
        timeout: args.timeout.or(config.run_time.value),
        task_limits: config.task_limits(),
        progress: match context.shape {
            Shape::Text => Progress::for_people(),
            Shape::Json => Progress::none(),
        },
    };
    let summary = run(options).await?;
    context.show(&summary, |summary| summary.render(context.columns))?;
    Ok(exit_of(&summary))
}

pub(super) async fn clean_up(context: &Context, args: CleanupArgs) -> Result<Exit, CliError> {
    let care = if args.force { Care::KeepWork } else { Care::Refuse };
    let cleaned = cleanup(&context.session.dir, care)?;
    context.show(&cleaned, cleaned_text)?;
    Ok(Exit::Done)
}

pub(super) async fn tell_demo(context: &Context, args: DemoArgs) -> Result<Exit, CliError> {
    let folder = if args.keep { Folder::Kept } else { Folder::Removed };
    let shown = demo(folder, context.shape, context.session.settings).await?;
    match context.shape {
        // It was told while it went.
        Shape::Text => {}
        Shape::Json => {
            context.show(&shown, |_| String::new())?;
        }
    }
    Ok(Exit::Done)
}

fn exit_of(summary: &Summary) -> Exit {
    match summary.ended.as_deref() {
        Some("interrupted") => Exit::Interrupted,
        Some(_) | None if summary.ok => Exit::Done,
        Some(_) | None => Exit::Refused,
    }
}

/// Reads a plan from a file, or from standard input for `-`. Never more than a plan may have, and a byte.
fn read_plan(path: &Path) -> Result<Plan, CliError> {
    let from_stdin = path == Path::new("-");
    let name = if from_stdin { PathBuf::from("standard input") } else { path.to_owned() };
    let failed = |source| OpsError::Path { doing: "read", path: name, source };
    let read = |from: &mut dyn Read| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        from.take(PLAN_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = if from_stdin {
        read(&mut io::stdin().lock())
    } else {
        fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    Ok(Plan::parse_bytes(&bytes.map_err(failed)?, (!from_stdin).then_some(path))?)
}

fn cleaned_text(cleaned: &Cleaned) -> String {
    let mut text = format!("removed team {}\n", print::paint(print::Tone::Name, cleaned.team.as_str()));
    for worktree in &cleaned.worktrees {
        text.push_str(&format!("removed the worktree of {} and its branch {}", worktree.member, worktree.branch));
        if let Some(kept) = &worktree.kept {
            text.push_str(&format!("; its work is kept at {kept}"));
        }
        text.push('\n');
    }
    text
}
