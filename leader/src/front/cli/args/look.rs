//! Commands that show something.

use std::num::NonZeroUsize;
use std::str::FromStr;

use teamster_protocol::model::id::{Address, BadName, MemberName, TaskId};

/// `teamster list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster list\n  teamster list --json | jq .members[].state")]
pub struct ListArgs {}

/// `teamster status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster status\n  teamster status alice")]
pub struct StatusArgs {
    /// The member; the whole team if not given
    pub name: Option<MemberName>,
}

/// `teamster why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster why 7\n  teamster why alice")]
pub struct WhyArgs {
    /// The number of a task, or the name of a member
    #[arg(value_name = "ID|NAME")]
    pub what: WhySubject,
}

/// What `why` is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhySubject {
    /// A task.
    Task(TaskId),
    /// A member. One whose name is a number can not be asked about.
    Member(MemberName),
}

impl FromStr for WhySubject {
    type Err = BadName;

    fn from_str(text: &str) -> Result<WhySubject, BadName> {
        match text.parse() {
            Ok(id) => Ok(WhySubject::Task(id)),
            Err(_) => text.parse().map(WhySubject::Member),
        }
    }
}

/// `teamster inbox`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster inbox              read the lead's mail; what was shown counts as read\n  \
    teamster inbox alice        look at a member's mail, without marking it read\n  \
    teamster inbox --all")]
pub struct InboxArgs {
    /// Whose mailbox [default: lead; a member's own, for what its agent runs]
    pub name: Option<Address>,
    /// Show all that is kept, not only the unread and the 20 newest
    #[arg(long, short)]
    pub all: bool,
    /// Leave what is shown unread
    #[arg(long)]
    pub peek: bool,
}

/// `teamster logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster logs alice -f\n  teamster logs alice --turns 1")]
pub struct LogsArgs {
    /// The member
    pub name: MemberName,
    /// Go on as it happens, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the newest turns to show
    #[arg(long, short = 'n', value_name = "N", default_value = "10")]
    pub turns: NonZeroUsize,
}

/// `teamster events`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster events -n 20\n  teamster events -f --json | jq .fact")]
pub struct EventsArgs {
    /// Go on as it happens, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Show only the newest of what happened before
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
}

/// `teamster doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    teamster doctor\n  \
    teamster doctor --repair            mend what can be mended; every changed file is copied first\n  \
    teamster doctor --json\n\n\
    Exit codes: 0 sound, 1 something is wrong, 4 a log is corrupt.")]
pub struct DoctorArgs {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    pub repair: bool,
}
