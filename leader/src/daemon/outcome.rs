//! How a leader ended, or why it could not begin.

use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::TeamError;
use teamster_protocol::wire::peer::socket::SocketError;

/// Why a team can not be led.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another leader leads the team.
    #[error("team {team} has a leader already{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Led {
        /// The team.
        team: String,
        /// Its leader's process.
        pid: Option<u32>,
    },
    /// This leader was started after one that died, and is not needed any more.
    #[error("team {team} was ended, or led by another, since its leader died: it is not led again by itself")]
    Over {
        /// The team.
        team: String,
    },
    /// The leader's lock can not be taken.
    #[error(transparent)]
    Lock(LockError),
    /// The team's files can not be used.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// The control socket can not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refused something else.
    #[error("cannot {doing}: {source}")]
    Io {
        /// The failed step, as a verb with its object.
        doing: &'static str,
        /// The answer of the system.
        source: std::io::Error,
    },
}

/// The way in which a leader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderEnd {
    /// The leader ended with all its workers.
    Ended,
    /// For another leader; the workers go on.
    HandedOver,
}
