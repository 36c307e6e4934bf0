//! `teamster run`, `teamster cleanup`, `teamster demo`: the headless job and what is around it.

use std::path::PathBuf;
use std::time::Duration;

use teamster_protocol::model::id::AgentName;

use super::StallArgs;
use crate::ops::duration::parse_duration;

/// `teamster run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster run plan.toml\n  \
    teamster run plan.toml -w 4 --worktree\n  \
    teamster run - --json\n  \
    teamster run --resume\n\n\
    A plan:\n  \
    [[task]]\n  \
    id = \"build\"\n  \
    run = \"make\"\n\n  \
    [[task]]\n  \
    run = \"make test\"\n  \
    after = [\"build\"]\n\n\
    Ctrl-C once finishes the running tasks and ends; twice kills them.")]
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
#[command(after_help = "Examples:\n  teamster cleanup\n  teamster cleanup --force\n\n\
    Refuses while anything runs, while tasks are not done, and while a worktree holds\n\
    work that is nowhere else. --force removes all the same, but first keeps such work\n\
    under refs/teamster/kept/.")]
pub struct CleanupArgs {
    /// Remove unfinished tasks and worktrees with work too; the work is kept under a ref
    #[arg(long, short)]
    pub force: bool,
}

/// `teamster demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  teamster demo")]
pub struct DemoArgs {
    /// Leave the demo's folder for you to look at
    #[arg(long)]
    pub keep: bool,
}
