//! Commands about processes: starting and ending the leader and the members.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use teamster_protocol::model::id::{AgentName, MemberName, Role};
use teamster_protocol::model::roster::OnStall;

use crate::ops::duration::parse_duration;

/// `teamster up`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster up\n  teamster up --detach")]
pub struct UpArgs {
    /// Lead in the background; returns when the leader is ready
    #[arg(long, short)]
    pub detach: bool,
    /// This is the background process: it tells on standard output that it is ready, and leaves the terminal
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub in_background: bool,
}

/// `teamster down`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster down\n  teamster down --force")]
pub struct DownArgs {
    /// Do not wait for running turns
    #[arg(long, short)]
    pub force: bool,
}

/// `teamster env`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster env dave               print the command\n  \
    exec $(teamster env dave)       let this terminal be the worker of dave")]
pub struct EnvArgs {
    /// The member that the worker is to serve
    pub name: MemberName,
}

/// `teamster spawn`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster spawn alice --worktree\n  \
    teamster spawn bob --worktree --base main --role tests\n  \
    teamster spawn carol --cwd . --no-claim")]
pub struct SpawnArgs {
    /// The member's name: 1 to 40 of a-z, 0-9 and -
    pub name: MemberName,
    /// The agent it drives [default: shell, unless configured otherwise]
    #[arg(long)]
    pub agent: Option<AgentName>,
    /// Work in a git worktree of its own, on the branch teamster/TEAM/NAME
    #[arg(long, conflicts_with = "shared")]
    pub worktree: bool,
    /// Work in the directory itself, which others may use too (the default, unless configured otherwise)
    #[arg(long)]
    pub shared: bool,
    /// The commit the worktree begins at [default: HEAD]
    #[arg(long, value_name = "REF", requires = "worktree")]
    pub base: Option<String>,
    /// Where to work, or which repository to take the worktree from [default: here]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// The role it has; it may then take tasks that ask for the role
    #[arg(long)]
    pub role: Option<Role>,
    /// Take only tasks that are assigned to it
    #[arg(long)]
    pub no_claim: bool,
    /// What is done about an agent that says nothing
    #[command(flatten)]
    pub stall: StallArgs,
}

/// What is done about an agent that says nothing.
#[derive(Debug, clap::Args)]
pub struct StallArgs {
    /// How long an agent may say nothing in a turn before it counts as stalled [default: 10m]
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub stall_after: Option<Duration>,
    /// What is done then: only show it, steer it (ask it to go on), abort the turn (its task fails), or restart
    /// agent and worker (its task is open again) [default: show]
    #[arg(long, value_name = "WHAT",
        value_parser = PossibleValuesParser::new(OnStall::WORDS).try_map(|word| word.parse::<OnStall>()))]
    pub on_stall: Option<OnStall>,
}

/// `teamster stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster stop alice\n  teamster stop alice wrong branch")]
pub struct StopArgs {
    /// The member
    pub name: MemberName,
    /// Why, for its transcript
    #[arg(value_name = "REASON")]
    pub reason: Vec<String>,
}

/// `teamster shutdown`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster shutdown alice\n  \
    teamster shutdown alice --finish no more work today\n  \
    teamster shutdown")]
pub struct ShutdownArgs {
    /// The member; all that run if not given
    pub name: Option<MemberName>,
    /// Why, for the member
    #[arg(value_name = "REASON")]
    pub reason: Vec<String>,
    /// Let a busy member finish its turn instead of refusing
    #[arg(long)]
    pub finish: bool,
}

/// `teamster kill`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  teamster kill alice")]
pub struct KillArgs {
    /// The member
    pub name: MemberName,
}
