//! What an agent says and does in a turn, put so that a transcript can be read: each answer stands on a line of its own, and
//! each tool call keeps its title until it is over.

use std::collections::BTreeMap;

use teamster_protocol::model::agent::ToolState;

use super::AgentNews;

/// The telling of one turn.
#[derive(Debug, Default)]
pub(super) struct TurnNarration {
    /// Whether the text said last is in the middle of a line.
    is_amid_line: bool,
    /// Whether the agent has said a word or used a tool.
    has_acted: bool,
    /// Whether it was told that the agent tries again.
    has_told_retry: bool,
    /// The titles of the tool calls that run, by their ids.
    calls: BTreeMap<String, String>,
}

impl TurnNarration {
    /// The agent says the next piece of an answer; nothing to tell if the piece is empty.
    pub(super) fn say(&mut self, text: String) -> Option<AgentNews> {
        if text.is_empty() {
            return None;
        }
        self.is_amid_line = !text.ends_with('\n');
        self.has_acted = true;
        Some(AgentNews::Text(text))
    }

    /// Whether the agent has said a word or used a tool in the turn. A turn without either came to nothing.
    pub(super) fn has_acted(&self) -> bool {
        self.has_acted
    }

    /// The agent is to try again by itself after a fault of its provider. That is told in these words, the first time of each
    /// turn.
    pub(super) fn retry(&mut self, told: impl FnOnce() -> String) -> Option<AgentNews> {
        let is_first = !std::mem::replace(&mut self.has_told_retry, true);
        is_first.then(|| AgentNews::Trouble(told()))
    }

    /// The answer is over: what is said next is another one.
    pub(super) fn end_answer(&mut self) -> Option<AgentNews> {
        std::mem::take(&mut self.is_amid_line).then(|| AgentNews::Text("\n".to_owned()))
    }

    /// A tool call begins.
    pub(super) fn begin_call(&mut self, id: String, title: String) -> AgentNews {
        self.has_acted = true;
        self.calls.insert(id.clone(), title.clone());
        AgentNews::ToolCall { id, title, state: ToolState::Running }
    }

    /// A tool call is over. One that was not told to have begun is told of only with a title in place of its own.
    pub(super) fn end_call(&mut self, id: String, has_failed: bool, in_place: Option<String>) -> Option<AgentNews> {
        let title = self.calls.remove(&id).or(in_place)?;
        self.has_acted = true;
        let state = if has_failed { ToolState::Failed } else { ToolState::Done };
        Some(AgentNews::ToolCall { id, title, state })
    }

    /// The calls that run while the turn is over: nothing will be heard of them.
    pub(super) fn break_calls_off(&mut self) -> Vec<AgentNews> {
        let calls = std::mem::take(&mut self.calls).into_iter();
        calls.map(|(id, title)| AgentNews::ToolCall { id, title, state: ToolState::Failed }).collect()
    }
}
