//! The lines between the worker and a scripted agent, as types.

use serde::{Deserialize, Serialize};
use teamster_protocol::model::agent::{
    AgentSession, Permission, PermissionQuestion, PlanStep, ProviderLimit, QuestionId, SessionId, ToolState, TurnEnd,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

use crate::driver::AgentNews;

/// An order to the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the module above says what each is")]
pub enum ScriptOrder {
    Start {
        session: Option<SessionId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy_of: Option<SessionId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<String>,
    },
    Prompt {
        id: TextId,
        text: String,
    },
    Steer {
        id: TextId,
        text: String,
    },
    Permit {
        question: QuestionId,
        answer: Permission,
    },
    Abort {},
}

/// News from the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the module above says what each is")]
pub enum ScriptNews {
    Ready { session: Option<AgentSession> },
    SessionLost { why: String },
    Compacted {},
    Session(AgentSession),
    Text(String),
    Thought(String),
    ToolCall { id: String, title: String, state: ToolState },
    Plan(Vec<PlanStep>),
    PermissionAsked(PermissionQuestion),
    Usage(TokenUsage),
    Receipt { text: TextId, state: ReceiptState },
    Limited(ProviderLimit),
    Unavailable { reason: String },
    TurnEnded { end: TurnEnd, result: String },
}

impl From<ScriptNews> for AgentNews {
    fn from(news: ScriptNews) -> AgentNews {
        match news {
            ScriptNews::Ready { session } => AgentNews::Ready { session },
            ScriptNews::SessionLost { why } => AgentNews::SessionLost { why },
            ScriptNews::Compacted {} => AgentNews::Compacted,
            ScriptNews::Session(session) => AgentNews::Session(session),
            ScriptNews::Text(text) => AgentNews::Text(text),
            ScriptNews::Thought(text) => AgentNews::Thought(text),
            ScriptNews::ToolCall { id, title, state } => AgentNews::ToolCall { id, title, state },
            ScriptNews::Plan(steps) => AgentNews::Plan(steps),
            ScriptNews::PermissionAsked(asked) => AgentNews::PermissionAsked(asked),
            ScriptNews::Usage(usage) => AgentNews::Usage(usage),
            ScriptNews::Receipt { text, state } => AgentNews::Receipt { text, state },
            ScriptNews::Limited(limit) => AgentNews::Limited(limit),
            ScriptNews::Unavailable { reason } => AgentNews::Unavailable { reason },
            ScriptNews::TurnEnded { end, result } => AgentNews::TurnEnded { end, result },
        }
    }
}
