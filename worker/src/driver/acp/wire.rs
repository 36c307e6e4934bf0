//! The messages of the Agent Client Protocol, as far as they matter here. Fields and kinds that are not named are passed
//! over: agents add their own, and the protocol grows.

use serde::Deserialize;
use serde_json::Value;
use teamster_protocol::model::agent::{PlanState, PlanStep};
use teamster_protocol::model::usage::TokenUsage;

use crate::driver::title::one_line;

/// The code of the error that asks for a login.
pub(super) const LOGIN_REQUIRED: i64 = -32000;

/// The answer to `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentIntroduced {
    pub(super) protocol_version: Value,
    #[serde(default)]
    agent_capabilities: Value,
    #[serde(default)]
    auth_methods: Vec<Value>,
    #[serde(default, rename = "_meta")]
    meta: Value,
}

impl AgentIntroduced {
    /// Whether a conversation can be gone on with, without its history being told again.
    pub(super) fn can_resume(&self) -> bool {
        !self.agent_capabilities["sessionCapabilities"]["resume"].is_null()
    }

    /// Whether a conversation can be gone on with, its history being told again.
    pub(super) fn can_load(&self) -> bool {
        self.agent_capabilities["loadSession"] == true
    }

    /// Whether a conversation can be begun as a copy of another.
    pub(super) fn can_fork(&self) -> bool {
        !self.agent_capabilities["sessionCapabilities"]["fork"].is_null()
    }

    /// Whether the agent takes a text in the middle of a turn by `_session/steering`.
    pub(super) fn can_steer(&self) -> bool {
        self.meta["steering"]["supported"] == true
    }

    /// The ways to log in, in one line for people.
    pub(super) fn logins(&self) -> String {
        let logins: Vec<String> = self.auth_methods.iter().take(4).map(login).collect();
        logins.join("; or ")
    }
}

/// One way to log in: a command if the agent names one, else its own words.
fn login(method: &Value) -> String {
    let name = method["name"].as_str().or(method["id"].as_str()).unwrap_or("a login of the agent's own");
    let terminal = &method["_meta"]["terminal-auth"];
    if let Some(command) = terminal["command"].as_str() {
        let args = terminal["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let words: Vec<&str> = std::iter::once(command).chain(args).collect();
        return one_line(&format!("{name}: run {}", words.join(" ")));
    }
    let about = method["description"].as_str().filter(|about| !about.is_empty());
    match about {
        Some(about) => one_line(&format!("{name}: {about}")),
        None => one_line(name),
    }
}

/// The answer to the opening of a session.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SessionOpened {
    pub(super) session_id: Option<String>,
    pub(super) config_options: Option<Vec<Value>>,
    models: Value,
    modes: Value,
}

/// The choices that a session offers, as the agent told them last.
#[derive(Debug, Default)]
pub(super) struct SessionChoices {
    /// The options of the newer way, of which each has a category.
    options: Vec<Value>,
    /// The models and modes of the older way.
    models: Value,
    modes: Value,
}

/// One thing of a session that can be chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionChoice {
    pub(super) way: ChoiceWay,
    pub(super) current: String,
    /// The values and their names for people.
    pub(super) values: Vec<(String, String)>,
}

/// The request by which something is chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChoiceWay {
    /// `session/set_config_option` with this id.
    ConfigOption(String),
    /// `session/set_model`.
    SetModel,
    /// `session/set_mode`.
    SetMode,
}

impl SessionChoices {
    /// Takes all that a session offers when it is opened.
    pub(super) fn take_all(&mut self, opened: SessionOpened) {
        let SessionOpened { config_options, models, modes, .. } = opened;
        *self = SessionChoices { options: config_options.unwrap_or_default(), models, modes };
    }

    /// The agent tells all of its options anew.
    pub(super) fn renew(&mut self, options: Option<Vec<Value>>) {
        if let Some(options) = options {
            self.options = options;
        }
    }

    /// The model.
    pub(super) fn model(&self) -> Option<SessionChoice> {
        let older = || older_choice(&self.models, ChoiceWay::SetModel, "availableModels", "modelId", "currentModelId");
        self.option("model").or_else(older)
    }

    /// How much the model is to think.
    pub(super) fn effort(&self) -> Option<SessionChoice> {
        self.option("thought_level")
    }

    /// The mode, of which one may ask before each use of a tool.
    pub(super) fn mode(&self) -> Option<SessionChoice> {
        let older = older_choice(&self.modes, ChoiceWay::SetMode, "availableModes", "id", "currentModeId");
        older.or_else(|| self.option("mode"))
    }

    fn option(&self, category: &str) -> Option<SessionChoice> {
        let option = self.options.iter().find(|option| option["category"] == category)?;
        let id = option["id"].as_str()?.to_owned();
        let mut values = Vec::new();
        for value in option["options"].as_array()? {
            match value["options"].as_array() {
                Some(group) => values.extend(group.iter().filter_map(|value| named(value, "value"))),
                None => values.extend(named(value, "value")),
            }
        }
        let current = option["currentValue"].as_str().unwrap_or_default().to_owned();
        Some(SessionChoice { way: ChoiceWay::ConfigOption(id), current, values })
    }
}

fn older_choice(told: &Value, way: ChoiceWay, list: &str, id: &str, current: &str) -> Option<SessionChoice> {
    let values = told[list].as_array()?.iter().filter_map(|value| named(value, id)).collect();
    Some(SessionChoice { way, current: told[current].as_str().unwrap_or_default().to_owned(), values })
}

fn named(value: &Value, id: &str) -> Option<(String, String)> {
    let id = value[id].as_str()?;
    Some((id.to_owned(), value["name"].as_str().unwrap_or(id).to_owned()))
}

impl SessionChoice {
    /// The value that a person means by this word: the value itself, or its name.
    pub(super) fn value(&self, wanted: &str) -> Option<&str> {
        let exact = self.values.iter().find(|(value, _)| value == wanted);
        let by_name = || self.values.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        exact.or_else(by_name).map(|(value, _)| value.as_str())
    }

    /// The values, for people.
    pub(super) fn offered(&self) -> String {
        let shown: Vec<&str> = self.values.iter().take(20).map(|(value, _)| value.as_str()).collect();
        let more = self.values.len() - shown.len();
        let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{and_more}", shown.join(", "))
    }
}

/// The parameters of `session/update`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionUpdated {
    pub(super) session_id: String,
    pub(super) update: SessionUpdate,
}

/// One update of a session.
#[derive(Debug, Deserialize)]
#[serde(tag = "sessionUpdate", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum SessionUpdate {
    AgentMessageChunk {
        #[serde(default)]
        content: Value,
        #[serde(default)]
        message_id: Option<String>,
        #[serde(default, rename = "_meta")]
        meta: Value,
    },
    AgentThoughtChunk {
        #[serde(default)]
        content: Value,
    },
    ToolCall(ToolCallTold),
    ToolCallUpdate(ToolCallTold),
    Plan {
        #[serde(default)]
        entries: Vec<PlanEntry>,
    },
    UsageUpdate(UsageTold),
    ConfigOptionUpdate {
        #[serde(default)]
        config_options: Option<Vec<Value>>,
    },
    /// The agent puts its conversation in few words.
    CompactionUpdate {
        #[serde(default)]
        status: String,
    },
    #[serde(other)]
    Other,
}

/// The tokens of a call of the model, as qwen tells them beside a message, and those of the context if that was no call of a helper;
/// nothing if this tells of none.
pub(super) fn call_usage(meta: &Value) -> Option<TokenUsage> {
    let told = TurnUsage::deserialize(meta.get("usage")?).ok()?.tokens();
    let sum = told.input.saturating_add(told.output);
    let context = meta["parentToolCallId"].is_null().then_some(sum);
    (sum > 0).then_some(TokenUsage { context, ..told })
}

/// What an agent tells of a tool call; each time only what is new.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ToolCallTold {
    pub(super) tool_call_id: String,
    pub(super) title: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
    pub(super) raw_input: Option<Value>,
    pub(super) content: Option<Vec<Value>>,
    #[serde(rename = "_meta")]
    meta: Value,
}

impl ToolCallTold {
    /// The tool's own name, if the agent tells it.
    pub(super) fn tool(&self) -> Option<&str> {
        self.name.as_deref().or(self.meta["toolName"].as_str())
    }
}

/// One step of a plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PlanEntry {
    content: String,
    status: String,
}

impl From<PlanEntry> for PlanStep {
    fn from(entry: PlanEntry) -> PlanStep {
        let state = match entry.status.as_str() {
            "in_progress" => PlanState::Active,
            "completed" => PlanState::Done,
            _ => PlanState::Pending,
        };
        PlanStep { text: one_line(&entry.content), state }
    }
}

/// The state of the session's context and the price of the session so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageTold {
    pub(super) used: u64,
    cost: Option<CostTold>,
}

/// A price.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CostTold {
    amount: f64,
    currency: String,
}

impl UsageTold {
    /// The price of the session so far, in millionths of a US dollar.
    pub(super) fn cost_micro_usd(&self) -> Option<u64> {
        let cost = self.cost.as_ref().filter(|cost| cost.currency == "USD")?;
        Some((cost.amount.max(0.0) * 1e6).round() as u64)
    }
}

/// The answer to `session/prompt`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptAnswered {
    pub(super) stop_reason: String,
    #[serde(default)]
    usage: Option<TurnUsage>,
    #[serde(default, rename = "_meta")]
    meta: Value,
}

/// The tokens of a turn, or of a call of the model.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TurnUsage {
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_read_tokens: Option<u64>,
    cached_write_tokens: Option<u64>,
}

impl TurnUsage {
    fn tokens(&self) -> TokenUsage {
        let cached = self.cached_read_tokens.unwrap_or(0);
        // Some agents count what came from the cache into the input, others beside it. The total has all of it.
        let apart = self.input_tokens.saturating_add(cached).saturating_add(self.cached_write_tokens.unwrap_or(0));
        let input = match self.total_tokens.checked_sub(self.output_tokens) {
            Some(input) if input >= self.input_tokens => input.min(apart),
            Some(_) | None => apart,
        };
        TokenUsage { input, output: self.output_tokens, cached, ..TokenUsage::default() }
    }
}

impl PromptAnswered {
    /// The tokens of the turn; nothing if the agent tells of none.
    pub(super) fn tokens(&self) -> Option<TokenUsage> {
        let told = match &self.usage {
            Some(usage) => usage.tokens(),
            None => {
                let count = &self.meta["quota"]["token_count"];
                let tokens = |name: &str| count[name].as_u64().unwrap_or(0);
                TokenUsage { input: tokens("input_tokens"), output: tokens("output_tokens"), ..TokenUsage::default() }
            }
        };
        (told.input + told.output > 0).then_some(told)
    }
}

/// The parameters of `session/request_permission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionRequested {
    pub(super) session_id: String,
    #[serde(default)]
    pub(super) tool_call: ToolCallTold,
    #[serde(default)]
    pub(super) options: Vec<PermissionOffer>,
}

/// One answer that the agent offers to its question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionOffer {
    pub(super) option_id: String,
    #[serde(default)]
    pub(super) kind: String,
}

/// The text of a content block; nothing for pictures, sounds and links.
pub(super) fn text_of(content: &Value) -> Option<&str> {
    content["text"].as_str().filter(|text| !text.is_empty())
}
