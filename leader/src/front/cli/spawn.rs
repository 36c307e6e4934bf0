//! `teamster spawn`.

use std::path::PathBuf;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{MemberName, Role};
use teamster_protocol::wire::api::{BaseStanding, SpawnedMember};

use super::agent::AgentArgs;
use super::budget::BudgetArgs;
use super::each_member::EachMember;
use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::stall::StallArgs;
use super::workspace::wanted_workspace;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::spawn::{self, PlaceOrigin, WantedMember};

/// `teamster spawn`.
#[derive(Debug, clap::Args)]
pub struct SpawnArgs {
    /// The names of the members, which are started side by side: 1 to 40 of a-z, 0-9 and -
    #[arg(required = true, num_args = 1.., value_name = "NAME")]
    pub names: Vec<MemberName>,
    /// The agent it drives, and what that is told
    #[command(flatten)]
    pub agent: AgentArgs,
    /// Work in a git worktree of its own, on the branch teamster/TEAM/NAME
    #[arg(long, conflicts_with = "shared")]
    pub worktree: bool,
    /// Work in the directory itself, which others may use too (the default of a new member, unless configured otherwise; a
    /// member that was there before keeps its place)
    #[arg(long)]
    pub shared: bool,
    /// The commit the worktree begins at, also one that is there and holds no work [default: HEAD]
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Where to work, or which repository to take the worktree from [default: here]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// The role it has; it may then take tasks that ask for the role. A member that was there before keeps its own
    #[arg(long)]
    pub role: Option<Role>,
    /// Take only tasks that are assigned to it
    #[arg(long, conflicts_with = "claim")]
    pub no_claim: bool,
    /// Take open tasks too (the default of a new member; one that was there before does as it did)
    #[arg(long)]
    pub claim: bool,
    /// What is done about an agent that says nothing
    #[command(flatten)]
    pub stall: StallArgs,
    /// How much it may use, in all its turns; then it takes no more
    #[command(flatten)]
    pub budget: BudgetArgs,
}

pub(super) async fn spawn(context: &CliContext, args: SpawnArgs) -> Result<ExitStatus, CliError> {
    let wanted = WantedMember {
        agent: args.agent.wanted(),
        role: args.role,
        auto: match (args.no_claim, args.claim) {
            (true, _) => Some(AutoClaim::Off),
            (false, true) => Some(AutoClaim::On),
            (false, false) => None,
        },
        workspace: wanted_workspace(args.cwd, args.worktree, args.shared, args.base),
        stall: args.stall.wanted(),
        budget: args.budget.wanted(),
    };
    let mut answers = EachMember::of(context, args.names.len());
    let told = spawn::spawn(&context.session, args.names, wanted, |name, spawned| match spawned {
        Ok((spawned, origin)) => answers.done(&spawned, |spawned| sentence(spawned, origin)),
        Err(error) => answers.refused(name, error),
    });
    unless_interrupted(told).await?;
    answers.end()
}

/// What there is to say about the base of a worktree that was there, to follow a sentence about its member.
pub(super) fn base_note(base: &BaseStanding) -> String {
    match base {
        BaseStanding::Moved { to, .. } => format!(", moved to {}: it held no unmerged work", to.short()),
        BaseStanding::Behind { commits, why } => {
            let plural = if *commits == 1 { "" } else { "s" };
            format!(", and lacks {commits} commit{plural} of the base: {why}")
        }
    }
}

fn sentence(spawned: &SpawnedMember, origin: PlaceOrigin) -> String {
    let dir = spawned.workspace.dir().display().to_string();
    let place = match spawned.workspace.branch() {
        Some(branch) => format!("on branch {}, in {}", paint(TextTone::Name, branch), paint(TextTone::Plain, &dir)),
        None => format!("in {}", paint(TextTone::Plain, &dir)),
    };
    let kept = match origin {
        PlaceOrigin::Kept => ", where it was before",
        PlaceOrigin::Wanted => "",
    };
    let base = spawned.base.as_ref().map(base_note).unwrap_or_default();
    format!("{} is ready {place}{kept}{base}", paint(TextTone::Name, spawned.name.as_str()))
}
