//! Agents that speak the Agent Client Protocol, version 1, over standard input and output:
//! <https://agentclientprotocol.com>. opencode, Gemini CLI, Qwen Code, Kimi and many others do.
//!
//! | ours | the protocol's |
//! |---|---|
//! | ready | `initialize`, then `session/resume`, `session/load`, `session/fork` or `session/new`, then the model, effort and mode are chosen |
//! | prompt | `session/prompt`. Its answer is the end of the turn, and no other acknowledges it: the first update that only the model can have caused shows that the model has the text |
//! | steer | `_session/steering` where the agent says that it has it; else the worker keeps the text for the next prompt. A second prompt is never sent into a turn: some agents end the first for it, some merge both, some refuse it |
//! | questions | `session/request_permission`, answered by the kinds of the options that are offered |
//! | abort | the open questions are answered as cancelled, without which some agents hang, then `session/cancel` |
//!
//! The cost of a turn is what the price of the session grew by. Some agents tell the tokens of the last call of a turn only
//! (opencode), or none (Kimi).
//!
//! The types are our own: of the protocol's some two hundred, a dozen matter here, and an agent that adds a kind of update
//! must not break them.

mod fault;
mod start;
mod turn;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde_json::{Value, json};
use teamster_protocol::model::agent::options::AgentLaunch;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, SteerAbility, abilities_of};
use teamster_protocol::model::agent::{AgentFault, AgentSession, Permission, PermissionQuestion, QuestionId, TurnEnd};
use teamster_protocol::model::limits::sizes::{ODD_LINES_MAX, QUESTIONS_OPEN_MAX};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

use self::fault::{PromptFault, is_login_required, login_words, prompt_fault, words_of};
use self::start::{SessionWay, SessionWish, not_chosen, wishes};
use self::turn::{AcpTurn, AskedUse};
use self::wire::{
    PermissionOffer, PermissionRequested, PromptAnswered, SessionChoices, SessionUpdate, SessionUpdated, call_usage,
};
use super::lines::rpc::{METHOD_NOT_FOUND, RpcId, RpcMessage, RpcRefusal, RpcTalk, RpcVersion};
use super::lines::{AgentDialect, DialectStep, NonsenseSaid, receipt, tell};
use super::slash::never_a_command;
use super::title::one_line;
use super::{AgentNews, AgentSteer, SessionOrigin};

/// The dialect of agents that speak the Agent Client Protocol.
#[derive(Debug)]
pub(super) struct AcpDialect {
    talk: RpcTalk<AcpRequest>,
    workspace: String,
    /// The session to begin with, until one is opened.
    origin: SessionOrigin,
    /// What is still to be chosen before the agent is ready.
    wishes: VecDeque<SessionWish>,
    choices: SessionChoices,
    can_resume: bool,
    can_load: bool,
    /// The ways to log in, for people.
    logins: String,
    session: Option<AgentSession>,
    /// A new session, until it was told.
    untold_session: Option<AgentSession>,
    is_ready: bool,
    turn: Option<AcpTurn>,
    questions: BTreeMap<QuestionId, OpenRequest>,
    /// The number of questions that were asked.
    asked: u64,
    /// The price of the session so far, in millionths of a US dollar, if it is known.
    cost: Option<u64>,
    /// The tokens of the context that are in use, as the agent told last.
    context: Option<u64>,
    odd_lines: u32,
}

/// A request of ours that waits for its answer.
#[derive(Debug)]
enum AcpRequest {
    Introduce,
    OpenSession(SessionWay),
    Choose(SessionWish),
    Prompt,
    Steer(TextId),
}

/// A question of the agent that waits for its answer.
#[derive(Debug)]
struct OpenRequest {
    id: RpcId,
    title: String,
    options: Vec<PermissionOffer>,
}

impl AcpDialect {
    /// For an agent in `workspace`, which is to begin with this conversation if it can.
    pub(super) fn new(launch: &AgentLaunch, workspace: &Path, origin: SessionOrigin) -> AcpDialect {
        AcpDialect {
            talk: RpcTalk::new(RpcVersion::Named),
            workspace: workspace.to_string_lossy().into_owned(),
            origin,
            wishes: wishes(launch),
            choices: SessionChoices::default(),
            can_resume: false,
            can_load: false,
            logins: String::new(),
            session: None,
            untold_session: None,
            is_ready: false,
            turn: None,
            questions: BTreeMap::new(),
            asked: 0,
            cost: None,
            context: None,
            odd_lines: 0,
        }
    }

    fn request(&mut self, request: AcpRequest, method: &str, params: Value) -> DialectStep {
        DialectStep::Write(self.talk.request(request, method, params))
    }

    fn session_id(&self) -> Value {
        json!(self.session.as_ref().map(|session| &session.id))
    }

    fn answered(
        &mut self,
        request: AcpRequest,
        outcome: Result<Value, RpcRefusal>,
    ) -> Result<Vec<DialectStep>, NonsenseSaid> {
        match (request, outcome) {
            (AcpRequest::Introduce, Ok(answer)) => self.introduced(answer),
            (AcpRequest::Introduce, Err(why)) if is_login_required(&why) => {
                Err(NonsenseSaid::login_wanted(login_words(&words_of(&why), &self.logins)))
            }
            (AcpRequest::Introduce, Err(why)) => {
                Err(NonsenseSaid::new(format!("the agent refused initialize: {}", words_of(&why))))
            }
            (AcpRequest::OpenSession(way), Ok(answer)) => self.opened(way, answer),
            (AcpRequest::OpenSession(way), Err(why)) => self.not_opened(way, &why),
            (AcpRequest::Choose(_), Ok(answer)) => self.chosen(answer),
            (AcpRequest::Choose(wish), Err(why)) => Err(not_chosen(&wish, &why)),
            (AcpRequest::Prompt, Ok(answer)) => Ok(self.prompt_answered(answer)),
            (AcpRequest::Prompt, Err(why)) => Ok(self.prompt_refused(&why)),
            (AcpRequest::Steer(id), outcome) => Ok(self.steer_answered(id, outcome)),
        }
    }

    fn prompt_answered(&mut self, answer: Value) -> Vec<DialectStep> {
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let answer: PromptAnswered = match serde_json::from_value(answer) {
            Ok(answer) => answer,
            Err(error) => {
                let reason = format!("the agent's answer to the prompt is not understood: {error}");
                return self.end_turn(turn, TurnEnd::Failed { reason, fault: AgentFault::Agent }, String::new());
            }
        };
        let mut steps = Vec::new();
        let spent = match (turn.cost_before, self.cost) {
            // An agent that counts anew in each life begins below what an earlier one had come to.
            (Some(before), Some(now)) => Some(now.checked_sub(before).unwrap_or(now)),
            (_, _) => None,
        };
        if let Some(tokens) = answer.tokens() {
            // The model was called, even if it had nothing to say.
            steps.extend(self.tell_all(turn.act()));
            let usage = TokenUsage { cost_micro_usd: spent, context: self.context, ..tokens };
            steps.push(tell(AgentNews::Usage(usage)));
        }
        if answer.stop_reason != "end_turn" {
            steps.extend(turn.break_calls_off().into_iter().map(tell));
        }
        steps.extend(self.cancel_questions());
        let (end, result) = turn.end(&answer.stop_reason);
        steps.push(tell(AgentNews::TurnEnded { end, result }));
        steps
    }

    fn prompt_refused(&mut self, why: &RpcRefusal) -> Vec<DialectStep> {
        let Some(turn) = self.turn.take() else { return Vec::new() };
        let PromptFault { reason, fault, wait } = prompt_fault(why, &self.logins);
        let wait = wait.map(|wait| tell(wait.into()));
        let ended = self.end_turn(turn, TurnEnd::Failed { reason, fault }, String::new());
        wait.into_iter().chain(ended).collect()
    }

    fn end_turn(&mut self, mut turn: AcpTurn, end: TurnEnd, result: String) -> Vec<DialectStep> {
        let mut steps: Vec<DialectStep> = turn.break_calls_off().into_iter().map(tell).collect();
        steps.extend(self.cancel_questions());
        steps.push(tell(AgentNews::TurnEnded { end, result }));
        steps
    }

    fn steer_answered(&mut self, id: TextId, outcome: Result<Value, RpcRefusal>) -> Vec<DialectStep> {
        let lost = |reason: String| receipt(id, ReceiptState::Lost { reason });
        match outcome {
            Ok(answer) => match answer["outcome"].as_str() {
                Some("injected" | "startedNewTurn") => vec![receipt(id, ReceiptState::Delivered)],
                Some("promptRequired") => vec![lost("the turn had ended".to_owned())],
                Some(_) | None => vec![lost(format!("the agent did not take it: {}", one_line(&answer.to_string())))],
            },
            Err(why) if why.code == METHOD_NOT_FOUND => {
                let reason = "the agent takes no text in a turn, although it says so".to_owned();
                vec![tell(AgentNews::Steering(SteerAbility::NextPrompt)), lost(reason)]
            }
            Err(why) => vec![lost(format!("the agent refused it: {}", words_of(&why)))],
        }
    }

    /// Tells the worker, and first the session if this shows that there is something in it.
    fn tell_all(&mut self, news: Vec<AgentNews>) -> Vec<DialectStep> {
        let has_acted = news.iter().any(|news| matches!(news, AgentNews::Receipt { .. }));
        let session = if has_acted { self.untold_session.take() } else { None };
        session.map(AgentNews::Session).into_iter().chain(news).map(tell).collect()
    }

    fn updated(&mut self, params: Value) -> Result<Vec<DialectStep>, serde_json::Error> {
        let SessionUpdated { session_id, update } = serde_json::from_value(params)?;
        // A session of a helper of the agent, or of nobody.
        if self.session.as_ref().is_some_and(|session| session.id.0 != session_id) {
            return Ok(Vec::new());
        }
        match update {
            SessionUpdate::UsageUpdate(usage) => {
                self.cost = usage.cost_micro_usd().or(self.cost);
                self.context = (usage.used > 0).then_some(usage.used).or(self.context);
                return Ok(Vec::new());
            }
            SessionUpdate::ConfigOptionUpdate { config_options } => {
                self.choices.renew(config_options);
                return Ok(Vec::new());
            }
            // Outside of a turn too: the agent may make room after it.
            SessionUpdate::CompactionUpdate { status } if self.is_ready && status == "completed" => {
                return Ok(vec![tell(AgentNews::Compacted)]);
            }
            SessionUpdate::CompactionUpdate { .. } => return Ok(Vec::new()),
            SessionUpdate::AgentMessageChunk { .. }
            | SessionUpdate::AgentThoughtChunk { .. }
            | SessionUpdate::ToolCall(_)
            | SessionUpdate::ToolCallUpdate(_)
            | SessionUpdate::Plan { .. }
            | SessionUpdate::Other => {}
        }
        // Outside of a turn it is the history of a session that was loaded, or comes too late.
        let Some(turn) = &mut self.turn else { return Ok(Vec::new()) };
        let news = match update {
            SessionUpdate::AgentMessageChunk { content, message_id, meta } => {
                let mut news = turn.said(&content, message_id);
                if let Some(call) = call_usage(&meta) {
                    self.context = call.context.or(self.context);
                    news.extend(turn.called_model(call));
                }
                news
            }
            SessionUpdate::AgentThoughtChunk { content } => turn.thought(&content),
            SessionUpdate::ToolCall(told) | SessionUpdate::ToolCallUpdate(told) => turn.called(told),
            SessionUpdate::Plan { entries } => {
                let mut news = turn.act();
                news.push(AgentNews::Plan(entries.into_iter().map(Into::into).collect()));
                news
            }
            SessionUpdate::UsageUpdate(_)
            | SessionUpdate::ConfigOptionUpdate { .. }
            | SessionUpdate::CompactionUpdate { .. }
            | SessionUpdate::Other => Vec::new(),
        };
        Ok(self.tell_all(news))
    }

    fn asked(&mut self, id: RpcId, method: &str, params: Value) -> Vec<DialectStep> {
        if method != "session/request_permission" {
            return vec![DialectStep::Write(self.talk.refuse_method(&id, method))];
        }
        // Without an answer the agent would wait for ever.
        let Ok(request) = serde_json::from_value::<PermissionRequested>(params) else {
            return vec![self.cancelled(&id)];
        };
        let is_ours = self.session.as_ref().is_some_and(|session| session.id.0 == request.session_id);
        let is_full = self.questions.len() >= QUESTIONS_OPEN_MAX;
        let Some(turn) = self.turn.as_mut().filter(|turn| is_ours && !is_full && !turn.is_cancelled) else {
            return vec![self.cancelled(&id)];
        };
        let (news, AskedUse { tool, title, detail, subject }) = turn.asked(request.tool_call);
        self.asked += 1;
        let question = QuestionId(format!("q{}", self.asked));
        self.questions.insert(question.clone(), OpenRequest { id, title: title.clone(), options: request.options });
        let mut steps = self.tell_all(news);
        steps.push(tell(AgentNews::PermissionAsked(PermissionQuestion { question, tool, title, detail, subject })));
        steps
    }

    fn cancelled(&self, id: &RpcId) -> DialectStep {
        DialectStep::Write(self.talk.answer(id, json!({"outcome": {"outcome": "cancelled"}})))
    }

    /// Answers the questions that nobody will answer any more.
    fn cancel_questions(&mut self) -> Vec<DialectStep> {
        let questions = std::mem::take(&mut self.questions);
        questions.values().map(|question| self.cancelled(&question.id)).collect()
    }

    /// Passes over a line that is no message, or one that makes no sense, unless there were too many.
    fn pass_over(&mut self, line: &str, error: impl std::fmt::Display) -> Result<Vec<DialectStep>, NonsenseSaid> {
        self.odd_lines += 1;
        match self.odd_lines {
            1 => {
                let shown: String = line.chars().take(120).collect();
                let text = format!("the agent wrote what is no message of its protocol, and was passed over: {shown}");
                Ok(vec![tell(AgentNews::Trouble(one_line(&text)))])
            }
            lines if lines > ODD_LINES_MAX => Err(NonsenseSaid::unread(line, error)),
            _ => Ok(Vec::new()),
        }
    }
}

impl AgentDialect for AcpDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Acp)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        self.introduce()
    }

    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep> {
        self.turn = Some(AcpTurn::new(id, self.cost));
        let prompt = [json!({"type": "text", "text": never_a_command(text)})];
        let params = json!({"sessionId": self.session_id(), "prompt": prompt});
        vec![
            self.request(AcpRequest::Prompt, "session/prompt", params),
            // Nothing acknowledges a prompt.
            receipt(id, ReceiptState::Unconfirmed),
        ]
    }

    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep> {
        let AgentSteer { id, text } = steer;
        if self.turn.is_none() {
            return vec![receipt(id, ReceiptState::Lost { reason: "the turn had ended".to_owned() })];
        }
        let params = json!({
            "sessionId": self.session_id(),
            "prompt": [{"type": "text", "text": never_a_command(text)}],
            // Without this, an agent whose turn has just ended would begin one of its own.
            "_meta": {"steering": {"idleBehavior": "promptRequired"}},
        });
        vec![self.request(AcpRequest::Steer(id), "_session/steering", params)]
    }

    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep> {
        let Some(OpenRequest { id, title, options }) = self.questions.remove(&question) else { return Vec::new() };
        // A yes is never made wider than it was given.
        let kinds: &[&str] = match &answer {
            Permission::Once => &["allow_once"],
            Permission::Always => &["allow_always", "allow_once"],
            Permission::Never { .. } => &["reject_once", "reject_always"],
        };
        if let (Permission::Never { reason }, Some(turn)) = (answer, &mut self.turn) {
            turn.refuse(title, reason);
        }
        let option = kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == *kind));
        match option {
            Some(option) => {
                let outcome = json!({"outcome": {"outcome": "selected", "optionId": option.option_id}});
                vec![DialectStep::Write(self.talk.answer(&id, outcome))]
            }
            None => vec![self.cancelled(&id)],
        }
    }

    /// codex-acp does, and the protocol says nothing of it.
    fn leaves_commands(&self) -> bool {
        true
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        turn.is_cancelled = true;
        let mut steps = self.cancel_questions();
        let params = json!({"sessionId": self.session_id()});
        steps.push(DialectStep::Write(self.talk.notice("session/cancel", params)));
        steps
    }

    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let taken = match self.talk.read(line) {
            Ok(RpcMessage::Answer { request, outcome }) => return self.answered(request, outcome),
            Ok(RpcMessage::Request { id, method, params }) => Ok(self.asked(id, &method, params)),
            Ok(RpcMessage::Notice { method, params }) if method == "session/update" => self.updated(params),
            Ok(RpcMessage::Notice { method, params }) if method == "$/cancel_request" => {
                // The agent takes a question back.
                self.questions.retain(|_, question| !question.id.is(&params["requestId"]));
                Ok(Vec::new())
            }
            Ok(RpcMessage::Notice { .. } | RpcMessage::Stray) => Ok(Vec::new()),
            Err(error) => return self.pass_over(line, error),
        };
        taken.or_else(|error| self.pass_over(line, error))
    }
}

#[cfg(test)]
mod tests;
