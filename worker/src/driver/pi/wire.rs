//! The lines of pi, as far as they matter here. Fields and kinds that are not named are passed over: pi adds some with
//! every version.

use serde::Deserialize;
use serde_json::Value;
use teamster_protocol::model::usage::TokenUsage;

/// One line of pi.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum PiLine {
    Response(PiAnswer),
    MessageStart {
        message: PiMessage,
    },
    MessageUpdate {
        #[serde(rename = "assistantMessageEvent")]
        piece: AnswerPiece,
    },
    MessageEnd {
        message: PiMessage,
    },
    ToolExecutionStart {
        #[serde(rename = "toolCallId")]
        call: String,
        #[serde(rename = "toolName")]
        tool: String,
        #[serde(default)]
        args: Value,
    },
    ToolExecutionEnd {
        #[serde(rename = "toolCallId")]
        call: String,
        #[serde(rename = "toolName")]
        tool: String,
        #[serde(rename = "isError", default)]
        is_error: bool,
    },
    AgentStart {},
    AgentEnd {
        #[serde(rename = "willRetry")]
        will_retry: Option<bool>,
    },
    AgentSettled {},
    AutoRetryStart {
        #[serde(rename = "errorMessage", default)]
        error_message: String,
    },
    AutoRetryEnd {
        success: bool,
    },
    CompactionEnd {
        /// The summary and its size; nothing of one that failed.
        #[serde(default)]
        result: Option<Value>,
    },
    ExtensionUiRequest(UiRequest),
    #[serde(other)]
    Other,
}

/// The answer to a command.
#[derive(Debug, Deserialize)]
pub(super) struct PiAnswer {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
}

/// The part of pi's state that is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PiState {
    pub(super) session_id: String,
    #[serde(default)]
    message_count: u64,
}

impl PiState {
    pub(super) fn has_messages(&self) -> bool {
        self.message_count > 0
    }
}

/// A piece of an answer that is being written.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum AnswerPiece {
    TextDelta {
        delta: String,
    },
    TextEnd {},
    ThinkingDelta {
        delta: String,
    },
    #[serde(other)]
    Other,
}

/// A message of the conversation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PiMessage {
    role: String,
    /// A text, or a list of parts.
    #[serde(default)]
    content: Value,
    #[serde(default)]
    pub(super) usage: Option<PiUsage>,
    #[serde(default)]
    pub(super) stop_reason: Option<StopReason>,
    #[serde(default)]
    pub(super) error_message: Option<String>,
}

impl PiMessage {
    pub(super) fn is_of_user(&self) -> bool {
        self.role == "user"
    }

    pub(super) fn is_of_assistant(&self) -> bool {
        self.role == "assistant"
    }

    /// The texts of the message, put together.
    pub(super) fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => String::new(),
        }
    }
}

/// How an answer of the model ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StopReason {
    Stop,
    Length,
    ToolUse,
    Error,
    Aborted,
    Pending,
    #[serde(other)]
    Other,
}

/// The cost of one answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct PiUsage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cost: PiCost,
}

/// Prices in US dollars.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct PiCost {
    total: f64,
}

impl PiUsage {
    /// The sum with what the turn had cost before. Of the context, the last answer tells how full it is.
    pub(super) fn added_to(self, before: TokenUsage) -> TokenUsage {
        let input = self.input + self.cache_read + self.cache_write;
        let price = (self.cost.total.max(0.0) * 1e6).round() as u64;
        TokenUsage {
            input: before.input + input,
            output: before.output + self.output,
            cached: before.cached + self.cache_read,
            cost_micro_usd: Some(before.cost_micro_usd.unwrap_or(0) + price),
            context: Some(input + self.output),
        }
    }
}

/// A question of an extension of pi's.
#[derive(Debug, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub(super) enum UiRequest {
    Confirm {
        id: String,
        #[serde(default)]
        title: String,
        #[serde(default)]
        message: String,
    },
    Select {
        id: String,
    },
    Input {
        id: String,
    },
    Editor {
        id: String,
    },
    #[serde(other)]
    Other,
}
