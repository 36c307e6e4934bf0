//! The options of a leader: the team that it leads, and how.

use std::path::PathBuf;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::wire::api::LeaderInfo;
use tokio::sync::oneshot;

use crate::core::DeadBefore;

/// The options of a leader: the team that it leads, and how.
pub struct ServeOptions {
    /// The team's directory.
    pub dir: TeamDir,
    /// The directory that the team works for; written down when the team is new.
    pub founded_for: PathBuf,
    /// The kind of crash that a reported write survives, and how often files are looked at unasked.
    pub settings: CommonSettings,
    /// The effect of SIGINT and SIGTERM.
    pub signals: SignalHandling,
    /// The fate of members whose workers died before this leader began.
    pub dead_before: DeadBefore,
    /// The leader whose death this one was started for, if its warden did so.
    pub after: Option<ProcessIdentity>,
    /// Once this is told, the leader ends and no worker does: those that run wait for the next leader.
    pub let_go: Option<oneshot::Receiver<()>>,
    /// Called once calls are taken.
    pub on_ready: Box<dyn FnOnce(&LeaderInfo) + Send>,
}

/// The effect of SIGINT and SIGTERM on the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalHandling {
    /// The first ends the team gently, the second by force.
    End,
    /// Nothing: the program around the leader handles them.
    Ignore,
}
