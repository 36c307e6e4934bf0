//! The messages of codex, as far as they matter here. Fields and kinds that are not named are passed over: codex adds some
//! with every version. `codex app-server generate-ts --out DIR` prints all of them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use teamster_protocol::model::agent::{PlanState, PlanStep};
use teamster_protocol::model::usage::TokenUsage;

/// The answer to `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodexIntroduced {
    /// Our own name, a slash, and the version of codex.
    #[serde(default)]
    user_agent: String,
}

impl CodexIntroduced {
    /// The version of codex; empty if it is not told.
    pub(super) fn version(&self) -> &str {
        let after = self.user_agent.split_once('/').map_or("", |(_, after)| after);
        after.split_whitespace().next().unwrap_or_default()
    }
}

/// The answer to `account/read`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AccountRead {
    account: Value,
    requires_openai_auth: bool,
}

impl AccountRead {
    /// Whether the provider wants a login and nobody has logged in.
    pub(super) fn lacks_login(&self) -> bool {
        self.requires_openai_auth && self.account.is_null()
    }
}

/// The answer to `thread/start` and `thread/resume`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadOpened {
    pub(super) thread: ThreadNamed,
    /// When codex asks: a word, or a table of its own.
    #[serde(default)]
    pub(super) approval_policy: Value,
    #[serde(default)]
    pub(super) sandbox: Value,
}

/// A thread by its name.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadNamed {
    pub(super) id: String,
}

impl ThreadOpened {
    /// Whether codex runs its commands in a sandbox of its own.
    pub(super) fn has_sandbox(&self) -> bool {
        matches!(self.sandbox["type"].as_str(), Some("readOnly" | "workspaceWrite"))
    }
}

/// The answer to `command/exec`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandTried {
    pub(super) exit_code: i64,
    #[serde(default)]
    pub(super) stderr: String,
}

/// A turn, as its answer, its beginning and its end tell of it.
#[derive(Debug, Deserialize)]
pub(super) struct TurnTold {
    pub(super) turn: TurnShown,
}

/// What is told of a turn.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TurnShown {
    pub(super) id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) items: Vec<Value>,
    pub(super) status: String,
    pub(super) error: Option<TurnError>,
}

impl TurnShown {
    /// The last message of the agent; empty if there is none.
    pub(super) fn answer(&self) -> &str {
        let mut messages = self.items.iter().filter(|item| item["type"] == "agentMessage");
        messages.next_back().and_then(|item| item["text"].as_str()).unwrap_or_default()
    }
}

/// An error of a turn.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TurnError {
    pub(super) message: String,
    /// The kind of the error: a word, or a table whose only key is the word.
    pub(super) codex_error_info: Value,
    pub(super) additional_details: Option<String>,
}

impl TurnError {
    /// The kind of the error; empty if it has none.
    pub(super) fn kind(&self) -> &str {
        let info = &self.codex_error_info;
        let key = || info.as_object().and_then(|table| table.keys().next()).map(String::as_str);
        info.as_str().or_else(key).unwrap_or_default()
    }

    /// The status of the provider's answer, if that was the error.
    pub(super) fn status(&self) -> Option<u64> {
        let table = self.codex_error_info.as_object()?;
        table.values().find_map(|fields| fields["httpStatusCode"].as_u64())
    }
}

/// `error`: an error of the turn that runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorTold {
    pub(super) error: TurnError,
    #[serde(default)]
    pub(super) will_retry: bool,
}

/// `item/started` and `item/completed`.
#[derive(Debug, Deserialize)]
pub(super) struct ItemTold {
    pub(super) item: ThreadItem,
}

/// One part of a turn.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ThreadItem {
    #[serde(rename_all = "camelCase")]
    UserMessage {
        /// Our own name for the text.
        #[serde(default)]
        client_id: Option<String>,
    },
    AgentMessage {},
    #[serde(rename_all = "camelCase")]
    CommandExecution {
        id: String,
        #[serde(default)]
        command: String,
        #[serde(default, deserialize_with = "null_as_default")]
        command_actions: Vec<Value>,
        #[serde(default)]
        status: String,
    },
    FileChange {
        id: String,
        #[serde(default, deserialize_with = "null_as_default")]
        changes: Vec<FileChanged>,
        #[serde(default)]
        status: String,
    },
    McpToolCall {
        id: String,
        #[serde(default)]
        server: String,
        #[serde(default)]
        tool: String,
        #[serde(default)]
        arguments: Value,
        #[serde(default)]
        status: String,
    },
    WebSearch {
        id: String,
        #[serde(default, deserialize_with = "null_as_default")]
        query: String,
    },
    CollabAgentToolCall {
        id: String,
        #[serde(default)]
        tool: Value,
        #[serde(default, deserialize_with = "null_as_default")]
        prompt: String,
        #[serde(default)]
        status: String,
    },
    ContextCompaction {
        id: String,
    },
    #[serde(other)]
    Other,
}

/// One file that a patch changes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileChanged {
    pub(super) path: String,
    pub(super) diff: String,
}

/// A piece of what the agent says or thinks.
#[derive(Debug, Deserialize)]
pub(super) struct DeltaTold {
    #[serde(default)]
    pub(super) delta: String,
}

/// `turn/plan/updated`.
#[derive(Debug, Deserialize)]
pub(super) struct PlanTold {
    #[serde(default)]
    plan: Vec<PlanStepTold>,
}

/// A step of a plan.
#[derive(Debug, Deserialize)]
struct PlanStepTold {
    #[serde(default)]
    step: String,
    #[serde(default)]
    status: String,
}

impl PlanTold {
    /// The plan as the worker is told.
    pub(super) fn into_steps(self) -> Vec<PlanStep> {
        let state = |status: &str| match status {
            "completed" => PlanState::Done,
            "inProgress" => PlanState::Active,
            _ => PlanState::Pending,
        };
        self.plan.into_iter().map(|told| PlanStep { state: state(&told.status), text: told.step }).collect()
    }
}

/// `thread/tokenUsage/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageTold {
    #[serde(default)]
    pub(super) turn_id: String,
    pub(super) token_usage: ThreadUsage,
}

/// The tokens of a thread.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct ThreadUsage {
    /// Those of all its turns.
    pub(super) total: TokenCounts,
    /// Those of the last call of the model.
    pub(super) last: TokenCounts,
}

/// Counts of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TokenCounts {
    total_tokens: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
}

impl TokenCounts {
    /// What was counted since there were so many.
    fn since(self, before: TokenCounts) -> TokenCounts {
        TokenCounts {
            total_tokens: self.total_tokens.saturating_sub(before.total_tokens),
            input_tokens: self.input_tokens.saturating_sub(before.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_sub(before.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_sub(before.output_tokens),
        }
    }
}

impl ThreadUsage {
    /// The cost of a turn that began when the thread had cost `before`.
    pub(super) fn since(&self, before: TokenCounts) -> TokenUsage {
        let used = self.total.since(before);
        TokenUsage {
            input: used.input_tokens,
            output: used.output_tokens,
            cached: used.cached_input_tokens,
            cost_micro_usd: None,
            context: (self.last.total_tokens > 0).then_some(self.last.total_tokens),
        }
    }

    /// The counts of the thread before the last call of the model.
    pub(super) fn before_last(&self) -> TokenCounts {
        self.total.since(self.last)
    }
}

/// `account/rateLimits/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LimitsTold {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) rate_limits: AccountLimits,
}

/// The limits of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct AccountLimits {
    primary: Option<LimitWindow>,
    secondary: Option<LimitWindow>,
}

/// One of the windows of time in which an account has a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LimitWindow {
    used_percent: f64,
    /// In seconds since 1970.
    resets_at: Option<u64>,
}

impl AccountLimits {
    /// The time at which the last of the windows that are used up begins anew; nothing if none is, or if that is not told.
    pub(super) fn full_until_ms(&self) -> Option<u64> {
        let windows = [self.primary, self.secondary].into_iter().flatten();
        let full = windows.filter(|window| window.used_percent >= 100.0);
        full.filter_map(|window| window.resets_at).max().map(|seconds| seconds.saturating_mul(1000))
    }
}

/// `mcpServer/startupStatus/updated`.
#[derive(Debug, Deserialize)]
pub(super) struct McpServerTold {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) error: String,
}

/// `configWarning`.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigWarned {
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) details: String,
}

pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    value: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(value).map(Option::unwrap_or_default)
}
