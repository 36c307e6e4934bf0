//! The log of a leader that leads in the process of a command. The terminal is the command's, so what the leader has to say
//! goes where a leader in the background says it: into the file of the team.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use teamster_protocol::host::stderr_log;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;

/// The file of the leader in this process.
static LEADER_LOG: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Notes that this process leads the team from now on, or begins to.
pub(super) fn note_leader(dir: &TeamDir) {
    *LEADER_LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(dir.log_of(&Address::Lead));
}

/// Notes that another process leads.
pub(super) fn note_no_leader() {
    *LEADER_LOG.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The file for what a leader in this process says; nothing if there is none.
pub fn leader_log() -> Option<PathBuf> {
    LEADER_LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Appends whole lines to the log. The file is opened for them alone: a leader says little, and the file is kept in bounds
/// where it is opened.
pub fn append_lines(log: &Path, lines: &[u8]) -> io::Result<()> {
    stderr_log::open(log)?.write_all(lines)
}
