//! Which team a leader leads, and how.

use std::path::PathBuf;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::wire::api::LeaderInfo;
use tokio::sync::oneshot;

use crate::core::DeadBefore;

/// Which team is led, and how.
pub struct ServeOptions {
    /// Where the team's files are.
    pub dir: TeamDir,
    /// The directory the team is for; written down when the team is new.
    pub founded_for: PathBuf,
    /// What must have survived when something is said to be written, and how often files are looked at unasked.
    pub settings: CommonSettings,
    /// What SIGINT and SIGTERM do.
    pub signals: SignalHandling,
    /// What becomes of members whose workers died before.
    pub dead_before: DeadBefore,
    /// The leader whose death this one was started for, if its warden did so.
    pub after: Option<ProcessIdentity>,
    /// Once this is told, the leader ends and no worker does: those that run wait for the next leader.
    pub let_go: Option<oneshot::Receiver<()>>,
    /// Called once calls are taken.
    pub on_ready: Box<dyn FnOnce(&LeaderInfo) + Send>,
}

/// What SIGINT and SIGTERM do to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalHandling {
    /// The first ends the team gently, the second by force.
    End,
    /// Nothing: the program around the leader handles them.
    Ignore,
}
