//! The arguments of a worker. A setting that is not given is taken from the roster, so that a member keeps its own from
//! one life to the next.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Parser;
use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::AgentStart;
use teamster_protocol::model::id::{AgentName, MemberName, Role, TeamName};
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::roster::OnStall;

const EXAMPLE: &str = "\
Example: join the team `demo` as alice, working in the current directory, until Ctrl-C:
  teamster-worker --team demo --name alice

Exit codes:
  0    it left in order
  1    it was refused, or its agent failed
  2    usage
  4    what is on disk is corrupt
  130  after Ctrl-C
  143  after SIGTERM

Environment:
  TEAMSTER_LOG              off, error, warn (default), info, debug or trace
  TEAMSTER_DURABILITY       power (default) or process: what written results must survive
  TEAMSTER_POLL_MS          how often to look although nothing rang
  TEAMSTER_LEADER_GRACE_MS  how long to go on without a leader
  TEAMSTER_APPROVAL_WITHIN_MS
                            how long a question for permission waits for the lead
  TEAMSTER_ISOLATION        auto (default), namespace or subreaper: what keeps in what the agent starts
  TEAMSTER_GENERATION_BYTES the size past which a log goes on in a new file";

/// The only argument of a worker that is to be none: it goes into its cell, prints what that is as [`ProbeAnswer`], and ends.
///
/// [`ProbeAnswer`]: teamster_protocol::model::roster::ProbeAnswer
pub const PROBE: &str = "--probe";

/// One teammate: reads its mail, claims tasks, drives an agent.
#[derive(Debug, Clone, Parser)]
#[command(name = "teamster-worker", version = version(), after_help = EXAMPLE)]
pub struct WorkerArgs {
    /// Where the teams are kept [default: teamster in the XDG state directory].
    #[arg(long, env = "TEAMSTER_ROOT", value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// The team to work for.
    #[arg(long, env = "TEAMSTER_TEAM", value_name = "TEAM")]
    pub team: TeamName,

    /// The member to be.
    #[arg(long, value_name = "NAME")]
    pub name: MemberName,

    /// Take calls on standard input and answer them on standard output, as the leader's child.
    #[arg(long)]
    pub stdio: bool,

    /// The agent to drive [default: as on the roster, else shell].
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<AgentName>,

    /// The role, for tasks that ask for one [default: as on the roster, else none].
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,

    /// Take only tasks that are assigned to this member [default: as on the roster].
    #[arg(long)]
    pub no_claim: bool,

    /// How long the agent may say nothing in a turn, in milliseconds [default: as on the roster, else 600000].
    #[arg(long, value_name = "MS")]
    pub stall_after_ms: Option<u64>,

    /// What is done when it says nothing for longer: show, steer, abort or restart [default: as on the roster, else show].
    #[arg(long, value_name = "WHAT")]
    pub on_stall: Option<OnStall>,

    /// What becomes of the agent's questions for permission: ask (the lead answers, see teamster approvals), auto or deny
    /// [default: ask].
    #[arg(long, value_name = "WHAT")]
    pub approval: Option<ApprovalPolicy>,

    /// When the agent is started, if it is one process for all of its turns: at-once or for-work, which is with its first turn
    /// [default: as on the roster, else for-work].
    #[arg(long, value_name = "WHEN")]
    pub start: Option<AgentStart>,

    /// The directory to work in [default: as on the roster, else the current one].
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,

    /// How many files this worker and its agent may have open; the leader that starts it may have more.
    #[arg(long, value_name = "COUNT", hide = true)]
    pub open_files: Option<u64>,
}

/// The arguments of a worker that waits to be told whose it is.
#[derive(Debug, Clone, Parser)]
#[command(name = "teamster-worker")]
pub struct SpareArgs {
    /// Wait for an order on standard input.
    #[arg(long, required = true)]
    pub spare: bool,

    /// Where the teams are kept.
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,

    /// The team to work for.
    #[arg(long, value_name = "TEAM")]
    pub team: TeamName,
}

/// The version, the commit and the protocol: whoever starts a worker sees by them whether both will understand each other.
/// The version of the program, such as `0.1.0 (1a2b3c4, protocol 1)`, or `0.1.0 (protocol 1)` where the commit was not
/// known.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("TEAMSTER_VERSION");
        match version.strip_suffix(')') {
            Some(with_commit) => format!("{with_commit}, protocol {PROTOCOL_VERSION})"),
            None => format!("{version} (protocol {PROTOCOL_VERSION})"),
        }
    });
    &VERSION
}
