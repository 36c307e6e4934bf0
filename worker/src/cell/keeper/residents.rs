//! Residents: the groups of processes that outlive a turn, each led by the program of an agent. The end of a turn ends
//! the turn's processes and leaves these alone.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nix::unistd::{Pid, getpgid};

/// The leaders of the groups that are resident, for all keepers of this process.
static RESIDENTS: LazyLock<Mutex<BTreeSet<Pid>>> = LazyLock::new(Mutex::default);

fn residents() -> MutexGuard<'static, BTreeSet<Pid>> {
    RESIDENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the group of this leader, a child of ours, a resident.
pub(super) fn settle(leader: Pid) {
    residents().insert(leader);
}

/// From here on the group is like all else that was started.
pub(super) fn unsettle(leader: Pid) {
    residents().remove(&leader);
}

/// From here on there are no residents.
pub(super) fn unsettle_all() {
    residents().clear();
}

/// Whether there are none.
pub(super) fn are_none() -> bool {
    residents().is_empty()
}

/// Whether a child leads a resident group: how it exits is for whoever waits for it.
pub(super) fn are_led_by(child: Pid) -> bool {
    residents().contains(&child)
}

/// Whether a child belongs to a resident group.
pub(super) fn have(child: Pid) -> bool {
    let residents = residents();
    !residents.is_empty()
        && (residents.contains(&child) || getpgid(Some(child)).is_ok_and(|group| residents.contains(&group)))
}
