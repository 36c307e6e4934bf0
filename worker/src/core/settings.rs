//! How one worker is set up.

use std::time::Duration;

use teamster_protocol::model::board::Claimant;
use teamster_protocol::model::limits::{LEADER_GRACE, RECORD_RETRY};
use teamster_protocol::model::roster::{Stall, StartedBy};

/// What the worker is set up to do; fixed for its life.
#[derive(Debug, Clone)]
pub struct Settings {
    /// It, as the board knows it.
    pub me: Claimant,
    /// Whether its agent takes mail as a prompt.
    pub conversation: Conversation,
    /// Who started it.
    pub started_by: StartedBy,
    /// What is done when its agent says nothing.
    pub stall: Stall,
    /// How long it goes on without its leader.
    pub leader_grace: Duration,
    /// How long it waits before it tries again to write what could not be written.
    pub record_retry: Duration,
}

impl Settings {
    /// With the default times.
    pub fn new(me: Claimant, conversation: Conversation, started_by: StartedBy) -> Settings {
        Settings {
            me,
            conversation,
            started_by,
            stall: Stall::default(),
            leader_grace: LEADER_GRACE,
            record_retry: RECORD_RETRY,
        }
    }
}

/// What an agent does with words that are no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// They are a prompt for it.
    Yes,
    /// It has no ear between turns: they are shown in its transcript.
    No,
}
