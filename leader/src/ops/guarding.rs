//! The warden above a process that leads: which commands get one, and what such a process does about it. A front says only
//! what it was told to do, and how it tells a person that the process was killed.

pub use crate::warden::WardenGuard;
pub use crate::warden::policy::HANDED_OVER;

use crate::verb::{Verb, VerbProcess};
use crate::warden;
use crate::warden::policy::WardenCharge;

/// What a process was started for that may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadingPlace {
    /// The terminal, or wherever the command was typed.
    Foreground,
    /// The background: the process leaves the terminal.
    Background,
}

/// The guard of a process that is to do what a verb says; none if the verb leads nothing in its own process, or if the process
/// has a warden already. `tell_of_death` gets how it was killed, as the end of a sentence, and the exit code.
pub fn guard_of(verb: Verb, place: LeadingPlace, tell_of_death: impl Fn(&str, i32) + 'static) -> Option<WardenGuard> {
    if verb.row().process != VerbProcess::Leader || warden::is_above() {
        return None;
    }
    let charge = if verb == Verb::Up { WardenCharge::Leader } else { WardenCharge::Job };
    let in_background = place == LeadingPlace::Background;
    Some(WardenGuard { charge, in_background, tell_of_death: Box::new(tell_of_death) })
}

/// Says so in the log when the warden of this process dies. To be called within a runtime, by the first thread; does
/// nothing where there is no warden.
pub fn mind_warden() {
    warden::mind();
}
