//! The identity of a process, as the roster and the locks keep it: it names the same process even after a reboot.

use serde::{Deserialize, Serialize};

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id, which another process may have later.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot in which both are valid.
    pub boot_id: String,
}
