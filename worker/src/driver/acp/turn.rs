//! One turn of an agent: what it told, and how it ended. The protocol says that a turn ended, and hardly ever that
//! nothing came of it; so what the agent did is counted here.

use std::collections::BTreeMap;

use serde_json::Value;
use teamster_protocol::model::agent::{AgentFault, ToolState, TurnEnd};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

use super::wire::{ToolCallTold, text_of};
use crate::driver::provider::NOTHING_DONE;
use crate::driver::title::{bounded_detail, one_line, readable_args, subject_of, tool_title};
use crate::driver::{AgentNews, TextTail};

/// The number of tool calls of one turn whose titles are kept. A turn that has more loses the titles of earlier ones.
const CALLS_KEPT_MAX: usize = 512;

/// The turn that runs.
#[derive(Debug)]
pub(super) struct AcpTurn {
    prompt: TextId,
    /// Whether the agent did anything that only its model can have caused.
    has_acted: bool,
    /// The end of the last message that the agent said: the result of the turn.
    said: TextTail,
    /// The agent's name for that message.
    message: Option<String>,
    /// Whether a tool was used since that message.
    is_message_over: bool,
    /// Whether the text said last ended a line.
    ends_line: bool,
    calls: BTreeMap<String, AcpToolCall>,
    /// The use of a tool that was refused, if nothing was heard of the model since.
    refused: Option<RefusedUse>,
    /// Whether the agent was told to end it.
    pub(super) is_cancelled: bool,
    /// The price of the session when the turn began, if it is known.
    pub(super) cost_before: Option<u64>,
    /// The tokens of its calls of the model so far, if the agent tells of each.
    calls_usage: Option<TokenUsage>,
}

/// A tool call, put together from what was told of it.
#[derive(Debug, Default)]
struct AcpToolCall {
    tool: Option<String>,
    title: String,
    kind: String,
    status: String,
    input: Option<Value>,
    content: Vec<Value>,
    /// The state that the worker was told last.
    told: Option<ToolState>,
}

/// The use of a tool that somebody refused.
#[derive(Debug)]
struct RefusedUse {
    title: String,
    reason: String,
}

/// A tool call as a question shows it.
pub(super) struct AskedUse {
    pub(super) tool: String,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) subject: String,
}

impl AcpTurn {
    pub(super) fn new(prompt: TextId, cost_before: Option<u64>) -> AcpTurn {
        AcpTurn {
            prompt,
            has_acted: false,
            said: TextTail::default(),
            message: None,
            is_message_over: false,
            ends_line: true,
            calls: BTreeMap::new(),
            refused: None,
            is_cancelled: false,
            cost_before,
            calls_usage: None,
        }
    }

    /// The model was called in it, and used so much.
    pub(super) fn called_model(&mut self, call: TokenUsage) -> Vec<AgentNews> {
        // Even if it had nothing to say.
        let mut news = self.act();
        let usage = self.calls_usage.map_or(call, |before| before.then(call));
        self.calls_usage = Some(usage);
        news.push(AgentNews::Usage(usage));
        news
    }

    /// The agent says the next piece of a message.
    pub(super) fn said(&mut self, content: &Value, message: Option<String>) -> Vec<AgentNews> {
        let Some(text) = text_of(content) else { return Vec::new() };
        if message.is_none() && is_warning(text) {
            return vec![AgentNews::Thought(text.to_owned())];
        }
        let mut news = self.act();
        self.refused = None;
        let is_other = matches!((&self.message, &message), (Some(last), Some(now)) if last != now);
        if is_other || self.is_message_over {
            self.said = TextTail::default();
            if !self.ends_line {
                self.said_to(&mut news, "\n");
                self.said = TextTail::default();
            }
        }
        (self.message, self.is_message_over) = (message, false);
        self.said_to(&mut news, text);
        news
    }

    fn said_to(&mut self, news: &mut Vec<AgentNews>, text: &str) {
        self.said.push(text);
        self.ends_line = text.ends_with('\n');
        news.push(AgentNews::Text(text.to_owned()));
    }

    /// The agent thinks the next piece.
    pub(super) fn thought(&mut self, content: &Value) -> Vec<AgentNews> {
        let Some(text) = text_of(content) else { return Vec::new() };
        let mut news = self.act();
        self.refused = None;
        news.push(AgentNews::Thought(text.to_owned()));
        news
    }

    /// The agent tells of a tool call.
    pub(super) fn called(&mut self, told: ToolCallTold) -> Vec<AgentNews> {
        let mut news = self.act();
        let (id, call) = self.merge(told);
        let state = call.state();
        let is_new = match (call.told, state) {
            (None, ToolState::Running) => call.is_telling(),
            (None, ToolState::Done | ToolState::Failed) => true,
            (Some(ToolState::Running), ToolState::Done | ToolState::Failed) => true,
            (Some(_), _) => false,
        };
        if is_new {
            call.told = Some(state);
            news.push(AgentNews::ToolCall { id, title: call.title(), state });
        }
        news
    }

    /// The agent asks whether it may use a tool: a call of which nothing may have been heard before.
    pub(super) fn asked(&mut self, told: ToolCallTold) -> (Vec<AgentNews>, AskedUse) {
        let mut news = self.act();
        let (id, call) = self.merge(told);
        let title = call.title();
        if call.told.is_none() {
            call.told = Some(ToolState::Running);
            news.push(AgentNews::ToolCall { id, title: title.clone(), state: ToolState::Running });
        }
        let tool = call.tool.clone().unwrap_or_else(|| call.kind_word().to_owned());
        let detail = call.detail();
        // Some agents name the tool alone, and say what it is for beside it.
        let title = match detail.lines().next() {
            Some(first) if title == tool => one_line(&format!("{title}: {first}")),
            Some(_) | None => title,
        };
        let subject = call.input.as_ref().map(subject_of).unwrap_or_default();
        (news, AskedUse { tool, title, detail, subject })
    }

    /// Somebody refused the use of a tool.
    pub(super) fn refuse(&mut self, title: String, reason: String) {
        self.refused = Some(RefusedUse { title, reason });
    }

    /// The agent's model is at work: the prompt is in its context.
    pub(super) fn act(&mut self) -> Vec<AgentNews> {
        if std::mem::replace(&mut self.has_acted, true) {
            return Vec::new();
        }
        vec![AgentNews::Receipt { text: self.prompt, state: ReceiptState::InContext }]
    }

    /// The end of the turn by the agent's reason, and its result.
    pub(super) fn end(self, stop: &str) -> (TurnEnd, String) {
        let failed = |fault, reason: String| (TurnEnd::Failed { reason, fault }, String::new());
        match (stop, &self.refused) {
            ("cancelled", _) if self.is_cancelled => (TurnEnd::Aborted, String::new()),
            // An agent that ends its turn where a tool is refused has not done what it was told.
            ("end_turn" | "cancelled", Some(RefusedUse { title, reason })) => failed(
                AgentFault::Prompt,
                one_line(&format!(
                    "the agent ended the turn when it was not allowed to use a tool ({title}): {reason}"
                )),
            ),
            ("cancelled", None) => (TurnEnd::Aborted, String::new()),
            ("end_turn", None) if self.has_acted => (TurnEnd::Completed, self.said.into_result()),
            ("end_turn", None) => failed(AgentFault::Prompt, NOTHING_DONE.to_owned()),
            ("max_tokens", _) => {
                failed(AgentFault::Prompt, "the answer reached the longest that the model gives".to_owned())
            }
            ("max_turn_requests", _) => failed(
                AgentFault::Prompt,
                "the turn reached the most calls of the model that the agent makes".to_owned(),
            ),
            ("refusal", _) => failed(AgentFault::Prompt, "the model refused to go on".to_owned()),
            (other, _) => failed(
                AgentFault::Agent,
                one_line(&format!("the agent ended the turn for a reason that is not known here: {other}")),
            ),
        }
    }

    /// The calls that run while the turn does not go on: nothing will be heard of them.
    pub(super) fn break_calls_off(&mut self) -> Vec<AgentNews> {
        let calls = std::mem::take(&mut self.calls);
        let left = calls.into_iter().filter(|(_, call)| call.told == Some(ToolState::Running));
        let failed = |(id, call): (String, AcpToolCall)| AgentNews::ToolCall {
            id,
            title: call.title(),
            state: ToolState::Failed,
        };
        left.map(failed).collect()
    }

    /// Takes in what is told of a call.
    fn merge(&mut self, told: ToolCallTold) -> (String, &mut AcpToolCall) {
        let id = told.tool_call_id.clone();
        if !self.calls.contains_key(&id) {
            if self.calls.len() >= CALLS_KEPT_MAX {
                self.calls.clear();
            }
            // Another use of a tool: the model went on, and will say more.
            self.refused = None;
            self.is_message_over = true;
        }
        let call = self.calls.entry(id.clone()).or_default();
        call.take(told);
        (id, call)
    }
}

impl AcpToolCall {
    fn take(&mut self, told: ToolCallTold) {
        if let Some(tool) = told.tool() {
            self.tool = Some(one_line(tool));
        }
        if let Some(title) = told.title.filter(|title| !title.is_empty()) {
            // Many agents begin with the name of the tool, and tell what it is used for a moment later.
            if self.tool.is_none() && self.title.is_empty() && is_one_word(&title) {
                self.tool = Some(title.clone());
            }
            if self.told.is_none() {
                self.title = title;
            }
        }
        let ToolCallTold { kind, status, raw_input, content, .. } = told;
        self.kind = kind.unwrap_or(std::mem::take(&mut self.kind));
        self.status = status.unwrap_or(std::mem::take(&mut self.status));
        self.input = raw_input.or(self.input.take());
        self.content = content.unwrap_or(std::mem::take(&mut self.content));
    }

    fn state(&self) -> ToolState {
        match self.status.as_str() {
            "completed" => ToolState::Done,
            "failed" | "cancelled" => ToolState::Failed,
            _ => ToolState::Running,
        }
    }

    fn kind_word(&self) -> &str {
        if self.kind.is_empty() { "tool" } else { &self.kind }
    }

    /// The tool with its most telling argument, if it has one.
    fn by_argument(&self) -> Option<String> {
        let (tool, input) = (self.tool.as_deref()?, self.input.as_ref()?);
        let title = tool_title(tool, input);
        (title != one_line(tool)).then_some(title)
    }

    /// Whether enough was told of the call that a line about it says something.
    fn is_telling(&self) -> bool {
        let is_titled = !is_one_word(&self.title) && !self.title.ends_with('…');
        self.by_argument().is_some() || is_titled || (self.status == "in_progress" && self.input.is_some())
    }

    fn title(&self) -> String {
        if let Some(title) = self.by_argument() {
            return title;
        }
        match self.tool.as_deref() {
            _ if self.title.is_empty() => one_line(self.tool.as_deref().unwrap_or(self.kind_word())),
            Some(tool) if !self.title.starts_with(tool) => one_line(&format!("{tool} {}", self.title)),
            Some(_) | None => one_line(&self.title),
        }
    }

    /// The arguments in readable form: the agent's own words and changes, else the input as it is.
    fn detail(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for content in &self.content {
            if content["type"] == "diff" {
                let path = content["path"].as_str().unwrap_or_default();
                let (old, new) = (content["oldText"].as_str(), content["newText"].as_str());
                let lines = |mark: &str, text: Option<&str>| -> String {
                    text.unwrap_or_default().lines().map(|line| format!("{mark}{line}\n")).collect()
                };
                parts.push(format!("{path}\n{}{}", lines("-", old), lines("+", new)));
            } else if let Some(text) = text_of(&content["content"]) {
                parts.push(text.to_owned());
            }
        }
        if parts.is_empty() {
            parts.extend(self.input.as_ref().map(readable_args));
        }
        bounded_detail(parts.join("\n").trim_end().to_owned())
    }
}

fn is_one_word(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

/// Whether an agent says this by itself, and not its model: such words belong to no message.
fn is_warning(text: &str) -> bool {
    text.starts_with("Warning:") || text.starts_with("**Warning:**")
}
