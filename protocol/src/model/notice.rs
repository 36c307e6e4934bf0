//! What a worker says of itself as it goes: each entry is a line of its transcript, and those without a text
//! of their own are notices to whoever subscribed. A notice carries ids; the state is on disk.

use serde::{Deserialize, Serialize};

use crate::model::id::{Address, MessageId, TaskId};

/// One line of a transcript, `turns/<member>/<turn>.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted over all transcripts of the member, from 1, without a gap.
    pub seq: u64,
    /// When.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Said,
}

/// A notice: the same without the texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The [`Entry::seq`] of the entry it is taken from: not without gaps.
    pub seq: u64,
    /// When.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Noted,
}

/// What a transcript says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum Said {
    /// The agent can take a prompt.
    Ready,
    /// A turn began with this prompt.
    TurnStarted { turn: u64, task: Option<TaskId>, prompt: String },
    /// The agent said this.
    Text { text: String },
    /// The agent used a tool.
    ToolCall { name: String, detail: String },
    /// The agent was steered.
    Steered { from: Address, text: String },
    /// A message was handed on.
    Mail { id: MessageId, from: Address, text: String },
    /// The agent has said nothing for so long.
    Stalled { turn: u64, quiet_ms: u64 },
    /// The turn ended.
    TurnEnded { turn: u64, task: Option<TaskId>, stop: Stop },
    /// It found nothing to claim.
    Waiting,
    /// Something did not go as it should; the text says what and what is done about it.
    Trouble { text: String },
    /// So much output was not kept, the transcript being full.
    Cut { bytes: u64 },
    /// The worker ends.
    Leaving { reason: String },
}

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in Said")]
pub enum Noted {
    Ready,
    TurnStarted { turn: u64, task: Option<TaskId> },
    Steered { from: Address },
    Mail { id: MessageId },
    Stalled { turn: u64, quiet_ms: u64 },
    TurnEnded { turn: u64, task: Option<TaskId>, stop: Stop },
    Waiting,
    Trouble { text: String },
    Leaving { reason: String },
}

/// Why a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The agent finished it.
    Completed,
    /// The agent ended it without success.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was aborted.
    Aborted,
}

impl Entry {
    /// The notice of this entry; nothing for what the agent says, which is read from the transcript.
    pub fn notice(&self) -> Option<Notice> {
        let what = match &self.what {
            Said::Ready => Noted::Ready,
            Said::TurnStarted { turn, task, .. } => Noted::TurnStarted { turn: *turn, task: *task },
            Said::Steered { from, .. } => Noted::Steered { from: from.clone() },
            Said::Mail { id, .. } => Noted::Mail { id: *id },
            Said::Stalled { turn, quiet_ms } => Noted::Stalled { turn: *turn, quiet_ms: *quiet_ms },
            Said::TurnEnded { turn, task, stop } => Noted::TurnEnded { turn: *turn, task: *task, stop: stop.clone() },
            Said::Waiting => Noted::Waiting,
            Said::Trouble { text } => Noted::Trouble { text: text.clone() },
            Said::Leaving { reason } => Noted::Leaving { reason: reason.clone() },
            Said::Text { .. } | Said::ToolCall { .. } | Said::Cut { .. } => return None,
        };
        Some(Notice { seq: self.seq, at_ms: self.at_ms, what })
    }
}
