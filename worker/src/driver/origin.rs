//! The origin of the conversation with which an agent begins.

use teamster_protocol::model::agent::SessionId;

use super::AgentNews;

/// The conversation that an agent is to begin with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SessionOrigin {
    /// A new one.
    #[default]
    New,
    /// The one that an earlier life of the agent had.
    Earlier(SessionId),
    /// A copy of another's, which goes on without this one.
    CopyOf(SessionId),
}

impl SessionOrigin {
    /// The news that this conversation can not be had, for a reason in words; nothing of a new one.
    pub(super) fn lost(&self, words: &str) -> Option<AgentNews> {
        let why = match self {
            SessionOrigin::New => return None,
            SessionOrigin::Earlier(session) => format!("session {session} can not be gone on with: {words}"),
            SessionOrigin::CopyOf(session) => format!("session {session} can not be copied: {words}"),
        };
        Some(AgentNews::SessionLost { why })
    }
}
