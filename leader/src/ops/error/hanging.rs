//! Why a leader that hangs was not ended.

use std::io;

use teamster_protocol::store::presence::LockError;

/// Why a leader that hangs was not ended.
#[derive(Debug, thiserror::Error)]
pub enum HangingError {
    /// Its lock can not be looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The system refuses the signal.
    #[error("cannot kill the leader (process {pid}), which does not answer: {source}")]
    Signal {
        /// The process of the leader.
        pid: u32,
        /// The answer of the system.
        source: io::Error,
    },
    /// The leader's process is still there.
    #[error("the leader (process {pid}) does not answer, and does not end, not even on SIGKILL")]
    Stuck {
        /// The leader's process id.
        pid: u32,
    },
}
