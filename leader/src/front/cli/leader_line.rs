//! The line about the leader beside other output: that it does not answer, or ends the team. Each with the way on.

use teamster_protocol::wire::api::TeamEnding;

use super::print::{TextTone, paint};
use crate::ops::hanging::LeaderStatus;

/// A line to put below a table, after an empty one; empty if nothing needs to be known about the leader.
pub(super) fn leader_note(leader: Option<&LeaderStatus>) -> String {
    let words = leader.and_then(|leader| Some(format!("\nthe leader (process {}) {}", leader.pid, condition(leader)?)));
    words.unwrap_or_default()
}

/// The trouble with a leader, or the step that it is about to take: the end of a sentence that begins with its name.
pub(super) fn condition(leader: &LeaderStatus) -> Option<String> {
    let force = "teamster down --force";
    if leader.hangs {
        let silent = paint(TextTone::Error, "does not answer");
        return Some(format!("{silent}; kill it with teamster restart-leader, or end the team with {force}"));
    }
    leader.ending.map(|ending| match ending {
        TeamEnding::Gently => {
            format!("is {} once every turn is over; {force} ends them now", paint(TextTone::Warn, "ending the team"))
        }
        TeamEnding::ByForce => format!("is {} by force", paint(TextTone::Warn, "ending the team")),
    })
}
