//! Commands that say something to members.

use teamster_protocol::model::id::{Address, MemberName};

use super::Words;

/// `teamster send`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster send alice make test\n  git diff | teamster send alice -")]
pub struct SendArgs {
    /// The member
    pub name: MemberName,
    /// What to do
    #[command(flatten)]
    pub text: Words,
}

/// `teamster steer`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  teamster steer alice leave the parser alone")]
pub struct SteerArgs {
    /// The member
    pub name: MemberName,
    /// What to say
    #[command(flatten)]
    pub text: Words,
}

/// `teamster dm`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  teamster dm alice the API moved to v2\n  teamster dm alice --urgent stop using main"
)]
pub struct DmArgs {
    /// The member; or lead, for who is a member
    pub name: Address,
    /// What to say
    #[command(flatten)]
    pub text: Words,
    /// Hand it on at once, into the running turn
    #[arg(long, short)]
    pub urgent: bool,
}

/// `teamster broadcast`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  teamster broadcast main is frozen until noon")]
pub struct BroadcastArgs {
    /// What to say
    #[command(flatten)]
    pub text: Words,
    /// Hand it on at once, into running turns
    #[arg(long, short)]
    pub urgent: bool,
}
