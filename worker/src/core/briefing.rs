//! The words that stand before the work of a prompt: who the agent is, where no other way tells it that, and what was said
//! before, where it can not go on with its conversation. They are told until the agent has them, and no second time.

use teamster_protocol::model::agent::{AgentSession, SessionBegin};
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::task::WorkKind;

use super::{AgentBriefing, WorkerCore};

/// The words that an agent is still to be told.
#[derive(Debug)]
pub(super) struct PromptBriefing {
    words: AgentBriefing,
    identity: IdentityKnown,
    /// Whether this conversation begins with a summary.
    has_recap: bool,
    /// The prompt that was begun with the words, until the agent has them.
    carrier: Option<TextId>,
}

/// Whether the agent knows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdentityKnown {
    /// The agent has not been heard in this life; one that goes on with its conversation was told in an earlier one.
    ByEarlierLife,
    /// The agent was not told, or may have forgotten it.
    No,
    /// The agent was told.
    Yes,
}

impl PromptBriefing {
    /// For a life in which these are to be told.
    pub(super) fn new(words: AgentBriefing) -> PromptBriefing {
        PromptBriefing {
            has_recap: words.recap.is_some(),
            words,
            identity: IdentityKnown::ByEarlierLife,
            carrier: None,
        }
    }

    /// The conversation begins with this summary.
    pub(super) fn begin_with(&mut self, recap: Option<String>) {
        self.has_recap = recap.is_some();
        self.words.recap = recap;
        self.may_be_forgotten();
    }

    /// The agent has come to its conversation in this way: in one that goes on it has been told who it is, and in a copy of
    /// another's it has been told who that one is.
    pub(super) fn goes_on(&mut self, begun: SessionBegin) {
        match begun {
            SessionBegin::Resumed | SessionBegin::Loaded if self.identity == IdentityKnown::ByEarlierLife => {
                self.identity = IdentityKnown::Yes;
            }
            SessionBegin::Resumed | SessionBegin::Loaded => {}
            SessionBegin::Fresh | SessionBegin::Summarized | SessionBegin::Forked => self.may_be_forgotten(),
        }
    }

    /// The agent has put its conversation in few words, and who it is may not be among them.
    pub(super) fn may_be_forgotten(&mut self) {
        self.identity = IdentityKnown::No;
        self.carrier = None;
    }

    /// The words that the agent has not been told.
    fn untold(&self) -> Vec<&str> {
        let AgentBriefing { identity, recap } = &self.words;
        let identity = identity.as_deref().filter(|_| self.identity != IdentityKnown::Yes);
        identity.into_iter().chain(recap.as_deref()).collect()
    }

    /// The agent has a text. If the words stood before that, they have been told.
    pub(super) fn reached(&mut self, text: TextId) {
        if self.carrier == Some(text) {
            self.carrier = None;
            self.identity = IdentityKnown::Yes;
            self.words.recap = None;
        }
    }
}

impl WorkerCore {
    /// The words that go before the work of this prompt. A command is the shell's, which is told nothing.
    pub(super) fn words_before(&mut self, prompt: TextId, kind: WorkKind) -> Option<String> {
        if kind == WorkKind::Command {
            return None;
        }
        let words = self.briefing.untold();
        if words.is_empty() {
            return None;
        }
        let words = words.join("\n\n");
        self.briefing.carrier = Some(prompt);
        Some(words)
    }

    /// How many bytes such words add to a prompt at most.
    pub(super) fn words_before_bytes(&self, kind: WorkKind) -> usize {
        match kind {
            WorkKind::Command => 0,
            WorkKind::Text => self.briefing.untold().iter().map(|words| words.len() + "\n\n".len()).sum(),
        }
    }

    /// The agent can not go on with its conversation, and begins another one.
    pub(super) fn session_lost(&mut self, why: String, recap: Option<String>) {
        let memory = match &recap {
            Some(_) => "a new one begins with a summary of it",
            None => "a new one begins, without any memory of it",
        };
        self.trouble(format!("{why}; {memory}"));
        self.briefing.begin_with(recap);
    }

    /// How the agent came to its conversation, as the agent itself can not know it.
    pub(super) fn begun_as_briefed(&self, session: AgentSession) -> AgentSession {
        match session.begun {
            SessionBegin::Fresh if self.briefing.has_recap => {
                AgentSession { begun: SessionBegin::Summarized, ..session }
            }
            SessionBegin::Fresh
            | SessionBegin::Summarized
            | SessionBegin::Resumed
            | SessionBegin::Loaded
            | SessionBegin::Forked => session,
        }
    }
}
