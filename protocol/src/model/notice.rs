//! The news of a worker about itself: each entry is a line of its transcript, and those without a text of their own are
//! notices to all subscribers. A notice carries ids; the state is on disk.

use serde::{Deserialize, Serialize};

use crate::model::agent::{
    AgentSession, Permission, PermissionBy, PermissionQuestion, PlanStep, QuestionId, ToolState, TurnEnd,
};
use crate::model::id::{Address, MessageId, TaskId};
use crate::model::receipt::{ReceiptState, TextId};
use crate::model::task::TaskWork;
use crate::model::usage::{TokenUsage, UsageSum};

/// One line of a transcript, `turns/<member>/<turn>.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptEntry {
    /// The number of the entry, counted over all transcripts of the member, from 1, without a gap.
    pub seq: u64,
    /// The time of the entry.
    pub at_ms: u64,
    /// The news itself.
    #[serde(flatten)]
    pub what: TranscriptText,
}

/// A transcript entry without its texts, for subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The [`TranscriptEntry::seq`] of the entry it is taken from. Entries without a notice leave gaps.
    pub seq: u64,
    /// The time of the entry.
    pub at_ms: u64,
    /// The news itself.
    #[serde(flatten)]
    pub what: NoticeKind,
}

/// The news that a transcript records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum TranscriptText {
    /// The agent can take a prompt.
    Ready,
    /// The agent has a conversation of this name.
    Session { session: AgentSession },
    /// A turn began with this work. The texts are those that the prompt is made of, none for the work of a task. All turns
    /// of the member before it have used `used_before`: whoever wants the sum need not read their files.
    TurnStarted {
        turn: u64,
        task: Option<TaskId>,
        #[serde(flatten)]
        work: TaskWork,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        texts: Vec<TextId>,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used_before: UsageSum,
    },
    /// The agent was told this before the work of the turn: who it is, or what was said before its conversation began.
    Briefed { text: String },
    /// The agent has put its conversation in few words, to make room.
    Compacted,
    /// The agent said this.
    Text { text: String },
    /// The agent thought this.
    Thought { text: String },
    /// The agent uses a tool. Comes again, with the same id, when the state changes.
    ToolCall { id: String, title: String, state: ToolState },
    /// The agent has this plan. A later one takes its place.
    Plan { steps: Vec<PlanStep> },
    /// The agent asks for permission, and waits until then for the lead; if nothing is said of a time, the answer follows at
    /// once.
    PermissionAsked {
        #[serde(flatten)]
        asked: PermissionQuestion,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
    },
    /// A question for permission was answered, or taken back.
    PermissionAnswered { question: QuestionId, answer: Permission, by: PermissionBy },
    /// The turn has cost this much so far.
    Usage { turn: u64, usage: TokenUsage },
    /// The agent was steered.
    Steered { id: TextId, from: Address, text: String },
    /// A message was handed on.
    Mail { id: MessageId, from: Address, text: String },
    /// A text has come this far on its way into the agent.
    Receipt { text: TextId, state: ReceiptState },
    /// The agent has said nothing for so long.
    Stalled { turn: u64, quiet_ms: u64 },
    /// The agent was interrupted in the turn, because something was to be said at once, and is prompted again with this.
    Interrupted { turn: u64, prompt: String },
    /// The lead asked for the end of the turn.
    AskedToStop {
        turn: u64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The lead asked the worker to end.
    AskedToEnd {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The turn ended, and has used so much.
    TurnEnded {
        turn: u64,
        task: Option<TaskId>,
        end: TurnEnd,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// The provider takes no more for now: the member waits until then, and keeps its task. The turn is the one that is
    /// begun again after the wait.
    Parked {
        task: Option<TaskId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u64>,
        until_ms: u64,
        reason: String,
    },
    /// The worker found nothing to claim.
    Waiting,
    /// The agent's process is not there until the next turn: there is nothing to do for it.
    Asleep,
    /// Something went wrong; the text says what, and how the worker deals with it.
    Trouble { text: String },
    /// This many bytes of output were not kept, because the transcript is full.
    Cut { bytes: u64 },
    /// The worker ends.
    Leaving { reason: String },
}

impl TranscriptText {
    /// Whether the member is in no turn after this entry: the turn has ended, or its worker lives anew, waits or leaves.
    pub fn ends_turn(&self) -> bool {
        match self {
            TranscriptText::Ready
            | TranscriptText::TurnEnded { .. }
            | TranscriptText::Parked { .. }
            | TranscriptText::Waiting
            | TranscriptText::Leaving { .. } => true,
            TranscriptText::TurnStarted { .. }
            | TranscriptText::Session { .. }
            | TranscriptText::Asleep
            | TranscriptText::Briefed { .. }
            | TranscriptText::Compacted
            | TranscriptText::Text { .. }
            | TranscriptText::Thought { .. }
            | TranscriptText::ToolCall { .. }
            | TranscriptText::Plan { .. }
            | TranscriptText::PermissionAsked { .. }
            | TranscriptText::PermissionAnswered { .. }
            | TranscriptText::Usage { .. }
            | TranscriptText::Steered { .. }
            | TranscriptText::Mail { .. }
            | TranscriptText::Receipt { .. }
            | TranscriptText::Stalled { .. }
            | TranscriptText::Interrupted { .. }
            | TranscriptText::AskedToStop { .. }
            | TranscriptText::AskedToEnd { .. }
            | TranscriptText::Trouble { .. }
            | TranscriptText::Cut { .. } => false,
        }
    }
}

/// The news that a notice carries: those of [`TranscriptText`] that are no output of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in TranscriptText")]
pub enum NoticeKind {
    Ready,
    Session { session: AgentSession },
    TurnStarted { turn: u64, task: Option<TaskId> },
    PermissionAsked { question: QuestionId },
    PermissionAnswered { question: QuestionId, by: PermissionBy },
    Steered { id: TextId, from: Address },
    Mail { id: MessageId },
    Receipt { text: TextId, state: ReceiptState },
    Stalled { turn: u64, quiet_ms: u64 },
    Interrupted { turn: u64 },
    AskedToStop { turn: u64 },
    AskedToEnd,
    TurnEnded { turn: u64, task: Option<TaskId>, end: TurnEnd },
    Parked { task: Option<TaskId>, until_ms: u64 },
    Waiting,
    Asleep,
    Trouble { text: String },
    Leaving { reason: String },
}

impl TranscriptEntry {
    /// The notice of this entry; nothing for what the agent says, which is read from the transcript.
    pub fn notice(&self) -> Option<Notice> {
        let what = match &self.what {
            TranscriptText::Ready => NoticeKind::Ready,
            TranscriptText::Session { session } => NoticeKind::Session { session: session.clone() },
            TranscriptText::TurnStarted { turn, task, .. } => NoticeKind::TurnStarted { turn: *turn, task: *task },
            TranscriptText::PermissionAsked { asked, .. } => {
                NoticeKind::PermissionAsked { question: asked.question.clone() }
            }
            TranscriptText::PermissionAnswered { question, by, .. } => {
                NoticeKind::PermissionAnswered { question: question.clone(), by: *by }
            }
            TranscriptText::Steered { id, from, .. } => NoticeKind::Steered { id: *id, from: from.clone() },
            TranscriptText::Mail { id, .. } => NoticeKind::Mail { id: *id },
            TranscriptText::Receipt { text, state } => NoticeKind::Receipt { text: *text, state: state.clone() },
            TranscriptText::Stalled { turn, quiet_ms } => NoticeKind::Stalled { turn: *turn, quiet_ms: *quiet_ms },
            TranscriptText::Interrupted { turn, .. } => NoticeKind::Interrupted { turn: *turn },
            TranscriptText::AskedToStop { turn, .. } => NoticeKind::AskedToStop { turn: *turn },
            TranscriptText::AskedToEnd { .. } => NoticeKind::AskedToEnd,
            TranscriptText::TurnEnded { turn, task, end, .. } => {
                NoticeKind::TurnEnded { turn: *turn, task: *task, end: end.clone() }
            }
            TranscriptText::Parked { task, until_ms, .. } => NoticeKind::Parked { task: *task, until_ms: *until_ms },
            TranscriptText::Waiting => NoticeKind::Waiting,
            TranscriptText::Asleep => NoticeKind::Asleep,
            TranscriptText::Trouble { text } => NoticeKind::Trouble { text: text.clone() },
            TranscriptText::Leaving { reason } => NoticeKind::Leaving { reason: reason.clone() },
            TranscriptText::Briefed { .. }
            | TranscriptText::Compacted
            | TranscriptText::Text { .. }
            | TranscriptText::Thought { .. }
            | TranscriptText::ToolCall { .. }
            | TranscriptText::Plan { .. }
            | TranscriptText::Usage { .. }
            | TranscriptText::Cut { .. } => return None,
        };
        Some(Notice { seq: self.seq, at_ms: self.at_ms, what })
    }
}
