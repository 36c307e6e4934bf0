//! The description of the process that a warden watches.

use std::fmt;

use super::policy::WardenCharge;

/// Says that a process was killed: how, as it ends a sentence about it, and the code that the warden exits with.
pub(super) type TellOfDeath = dyn Fn(&str, i32);

/// The process to watch, as far as a warden needs to know it.
pub struct WardenGuard {
    /// The kind of process, which decides what follows its death.
    pub charge: WardenCharge,
    /// Whether the process is to leave the terminal.
    pub in_background: bool,
    /// The call that is made once the process was killed.
    pub tell_of_death: Box<TellOfDeath>,
}

impl fmt::Debug for WardenGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WardenGuard { charge, in_background, tell_of_death: _ } = self;
        f.debug_struct("Guard").field("charge", charge).field("in_background", in_background).finish_non_exhaustive()
    }
}
