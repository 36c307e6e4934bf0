//! The lines of Claude Code, as far as they matter here. Fields and kinds that are not named are passed over: Claude Code
//! adds some with every version.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use teamster_protocol::model::usage::TokenUsage;

/// One line of Claude Code.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClaudeLine {
    ControlResponse {
        response: ControlAnswer,
    },
    ControlRequest {
        request_id: String,
        request: ControlAsk,
    },
    ControlCancelRequest {
        request_id: String,
    },
    CommandLifecycle {
        command_uuid: String,
        state: CommandState,
    },
    System(SystemLine),
    StreamEvent {
        event: StreamEvent,
        #[serde(default)]
        parent_tool_use_id: Option<String>,
    },
    Assistant {
        message: ClaudeMessage,
        #[serde(default)]
        error: Option<ApiError>,
        #[serde(default)]
        parent_tool_use_id: Option<String>,
    },
    User {
        message: ClaudeMessage,
        #[serde(default)]
        uuid: Option<String>,
        #[serde(rename = "isReplay", default)]
        is_replay: bool,
    },
    RateLimitEvent {
        rate_limit_info: RateLimit,
    },
    Result(ClaudeResult),
    #[serde(other)]
    Other,
}

/// The answer to a request of ours, or the echo of an answer of ours.
#[derive(Debug, Deserialize)]
pub(super) struct ControlAnswer {
    #[serde(default)]
    pub(super) request_id: String,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// A request of Claude Code.
#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum ControlAsk {
    CanUseTool {
        tool_name: String,
        #[serde(default)]
        input: Value,
        #[serde(default, deserialize_with = "null_as_default")]
        permission_suggestions: Vec<Value>,
    },
    #[serde(other)]
    Other,
}

/// How far a message of ours has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CommandState {
    Queued,
    Started,
    Completed,
    Cancelled,
    #[serde(other)]
    Other,
}

/// A line about the state of Claude Code.
#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum SystemLine {
    Status {
        #[serde(default)]
        status: Option<String>,
        /// The messages with which the model is called.
        #[serde(default, deserialize_with = "null_as_default")]
        user_message_uuids: Vec<String>,
    },
    ApiRetry {
        #[serde(default)]
        error: Option<ApiError>,
        #[serde(default)]
        error_status: Option<u16>,
    },
    /// The conversation was put in few words.
    CompactBoundary {},
    #[serde(other)]
    Other,
}

/// A piece of the stream of the model.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum StreamEvent {
    MessageStart {
        message: StartedMessage,
    },
    ContentBlockDelta {
        delta: BlockDelta,
    },
    ContentBlockStop {},
    MessageDelta {
        #[serde(default, deserialize_with = "null_as_default")]
        usage: MessageUsage,
    },
    #[serde(other)]
    Other,
}

/// A message that the model begins to write.
#[derive(Debug, Deserialize)]
pub(super) struct StartedMessage {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) usage: MessageUsage,
}

/// A piece of what the model writes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum BlockDelta {
    TextDelta {
        text: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    #[serde(other)]
    Other,
}

/// A message of the conversation.
#[derive(Debug, Deserialize)]
pub(super) struct ClaudeMessage {
    /// A text, or a list of blocks.
    #[serde(default)]
    content: Value,
}

/// A block of a message that tells of a tool.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToolBlock {
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        is_error: Option<bool>,
    },
    #[serde(other)]
    Other,
}

impl ClaudeMessage {
    /// The blocks of the message; none of a message that is a text.
    pub(super) fn blocks(self) -> Vec<ToolBlock> {
        match self.content {
            Value::Array(blocks) => blocks.into_iter().filter_map(|block| serde_json::from_value(block).ok()).collect(),
            _ => Vec::new(),
        }
    }
}

/// The cost of one answer of the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct MessageUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl MessageUsage {
    /// The part that was cached, and all that the model read.
    fn read(self) -> (u64, u64) {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        (cached, self.input_tokens.unwrap_or(0) + cached + self.cache_creation_input_tokens.unwrap_or(0))
    }

    /// The cost of the answer, whose first piece told this and whose last one told `last`.
    pub(super) fn ended(self, last: MessageUsage) -> TokenUsage {
        let (cached, input) = self.read();
        let output = last.output_tokens.or(self.output_tokens).unwrap_or(0);
        TokenUsage { input, output, cached, cost_micro_usd: None, context: Some(input + output) }
    }
}

/// An error of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ApiError {
    AuthenticationFailed,
    OauthOrgNotAllowed,
    AccountOnHold,
    VerificationRequired,
    BillingError,
    CloudCredentialError,
    ModelNotFound,
    RateLimit,
    Overloaded,
    ServerError,
    InvalidRequest,
    MaxOutputTokens,
    #[serde(other)]
    Unknown,
}

impl ApiError {
    /// Whether no later try can fare better, so that trying again for minutes helps nobody.
    pub(super) fn is_final(self) -> bool {
        match self {
            ApiError::AuthenticationFailed
            | ApiError::OauthOrgNotAllowed
            | ApiError::AccountOnHold
            | ApiError::VerificationRequired
            | ApiError::BillingError
            | ApiError::CloudCredentialError
            | ApiError::ModelNotFound => true,
            ApiError::RateLimit
            | ApiError::Overloaded
            | ApiError::ServerError
            | ApiError::InvalidRequest
            | ApiError::MaxOutputTokens
            | ApiError::Unknown => false,
        }
    }
}

impl ApiError {
    /// The error for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            ApiError::AuthenticationFailed => "the key or login is not accepted",
            ApiError::OauthOrgNotAllowed => "the organization may not use it",
            ApiError::AccountOnHold => "the account is on hold",
            ApiError::VerificationRequired => "the account has to be verified",
            ApiError::BillingError => "the account has no credit",
            ApiError::CloudCredentialError => "the credentials of the cloud are not accepted",
            ApiError::ModelNotFound => "it has no such model",
            ApiError::RateLimit => "too many requests",
            ApiError::Overloaded => "it is overloaded",
            ApiError::ServerError => "it has a fault of its own",
            ApiError::InvalidRequest => "the request is not valid",
            ApiError::MaxOutputTokens => "the answer is longer than the model gives",
            ApiError::Unknown => "it does not say why",
        }
    }
}

/// The limit of a subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimit {
    #[serde(default)]
    status: String,
    /// In seconds since 1970.
    #[serde(default)]
    resets_at: Option<u64>,
}

impl RateLimit {
    pub(super) fn is_rejected(&self) -> bool {
        self.status == "rejected"
    }

    pub(super) fn until_ms(&self) -> Option<u64> {
        self.resets_at.map(|seconds| seconds.saturating_mul(1000))
    }
}

/// The end of a turn of Claude Code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClaudeResult {
    pub(super) subtype: String,
    pub(super) is_error: bool,
    pub(super) result: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) errors: Vec<String>,
    pub(super) stop_reason: Option<String>,
    terminal_reason: Option<String>,
    pub(super) api_error_status: Option<u16>,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) user_message_uuids: Vec<String>,
    /// The cost of the turn, by the models that were used.
    model_usage_since_last_result: Option<BTreeMap<String, ModelUsage>>,
}

impl ClaudeResult {
    pub(super) fn is_aborted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted"))
    }

    /// The reason that is told, for people.
    pub(super) fn words(&self) -> String {
        match (&self.result, self.errors.is_empty()) {
            (Some(words), _) if !words.is_empty() => words.clone(),
            (_, false) => self.errors.join("; "),
            (_, true) => format!("claude ended the turn with {}", self.subtype),
        }
    }

    /// The cost of the turn; nothing if it is not told.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        let models = self.model_usage_since_last_result.as_ref()?;
        let sum = models.values().fold(TokenUsage::default(), |sum, model| {
            let input = model.input_tokens + model.cache_read_input_tokens + model.cache_creation_input_tokens;
            let price = (model.cost_usd.max(0.0) * 1e6).round() as u64;
            TokenUsage {
                input: sum.input + input,
                output: sum.output + model.output_tokens,
                cached: sum.cached + model.cache_read_input_tokens,
                cost_micro_usd: Some(sum.cost_micro_usd.unwrap_or(0) + price),
                context: None,
            }
        });
        Some(sum)
    }
}

/// The use of one model.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ModelUsage {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
    #[serde(rename = "costUSD")]
    cost_usd: f64,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(value).map(Option::unwrap_or_default)
}
