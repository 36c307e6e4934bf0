//! codex (`codex app-server`), by its JSON-RPC in lines: <https://github.com/openai/codex>, `codex-rs/app-server`, README.
//!
//! | ours | codex's |
//! |---|---|
//! | ready | `initialize`, the login (`account/read`), then `thread/resume`, `thread/fork` or `thread/start`, and a first command in the sandbox |
//! | prompt | `turn/start`, whose answer tells that codex has it |
//! | steer | `turn/steer`: codex keeps it in memory, and gives it to its model after the tool that runs, or at once by cutting off the answer that is being written |
//! | in context | the text is an item of the history (`userMessage`, by our name for it) |
//! | abort | `turn/interrupt`, which codex refuses before `turn/started` |
//! | end of a turn | `turn/completed`, and then the answer to `thread/backgroundTerminals/clean`: codex leaves the commands running that were interrupted or went on in the background |
//! | questions | `item/…/requestApproval` and its kin |
//!
//! A steer that codex has taken and not yet given to its model vanishes when the turn is interrupted, and nothing tells that;
//! so it is queued until it is an item, and else lost with the end of the turn.
//!
//! To ask is the policy `untrusted` of a thread: with `on-request`, the only other one that asks, its model decides what is
//! asked. Texts are no commands here, whatever they begin with: those of codex's terminal are not known to the app server.

mod ask;
mod fault;
mod start;
mod turn;
mod wire;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{AgentFault, AgentSession, Permission, QuestionId, TurnEnd};
use teamster_protocol::model::receipt::{ReceiptState, TextId};

use self::ask::OpenQuestion;
pub(super) use self::start::ThreadWish;
use self::turn::{AfterError, CodexTurn};
use self::wire::{
    ConfigWarned, DeltaTold, ErrorTold, ItemTold, LimitsTold, McpServerTold, PlanTold, ThreadItem, TokenCounts,
    TurnTold, UsageTold,
};
use super::lines::rpc::{RpcMessage, RpcRefusal, RpcTalk, RpcVersion};
use super::lines::{AgentDialect, DialectStep, NonsenseSaid, receipt, tell};
use super::title::one_line;
use super::{AgentNews, AgentSteer};

/// The dialect of codex.
#[derive(Debug)]
pub(super) struct CodexDialect {
    talk: RpcTalk<CodexRequest>,
    wish: ThreadWish,
    /// The version of codex; empty until it is told.
    version: String,
    /// codex's name for the conversation; empty until there is one.
    thread: String,
    /// The conversation, until it was told.
    untold_session: Option<AgentSession>,
    turn: Option<CodexTurn>,
    /// The number of texts that were written.
    texts: u64,
    questions: BTreeMap<QuestionId, OpenQuestion>,
    /// The number of questions that were asked.
    asked: u64,
    /// The tokens that the thread has cost in all its turns.
    total: TokenCounts,
    /// Whether the counts of the thread begin with those of the one it is a copy of, which codex has not told.
    is_copied: bool,
}

/// A request of ours that waits for its answer.
#[derive(Debug)]
enum CodexRequest {
    Introduce,
    ReadAccount,
    ReadConfig,
    /// Begins a thread, or goes on with one or a copy of one.
    OpenThread,
    /// A command in codex's sandbox, to know whether codex can make it.
    TrySandbox,
    StartTurn,
    Steer(TextId),
    /// Ends what the turn had started.
    CleanUp,
    /// Its answer changes nothing.
    Forgotten,
}

impl CodexDialect {
    /// For a thread that is to be like this.
    pub(super) fn new(wish: ThreadWish) -> CodexDialect {
        CodexDialect {
            talk: RpcTalk::new(RpcVersion::Omitted),
            wish,
            version: String::new(),
            thread: String::new(),
            untold_session: None,
            turn: None,
            texts: 0,
            questions: BTreeMap::new(),
            asked: 0,
            total: TokenCounts::default(),
            is_copied: false,
        }
    }

    fn request(&mut self, request: CodexRequest, method: &str, params: Value) -> DialectStep {
        DialectStep::Write(self.talk.request(request, method, params))
    }

    /// A new name for a text: one that was lost is written again under another.
    fn name_text(&mut self, kind: &str) -> String {
        self.texts += 1;
        format!("{kind}#{}", self.texts)
    }

    /// codex's name for the turn that runs.
    fn turn_id(&self) -> Option<String> {
        self.turn.as_ref().and_then(CodexTurn::running_id).map(str::to_owned)
    }

    fn write_steer(&mut self, turn: &str, text: &str, id: Option<TextId>) -> DialectStep {
        let name = self.name_text(&id.map_or_else(|| "reason".to_owned(), |id| id.to_string()));
        let params = json!({"threadId": self.thread, "expectedTurnId": turn, "clientUserMessageId": name,
            "input": [{"type": "text", "text": text}]});
        let request = match (id, &mut self.turn) {
            (Some(id), Some(turn)) => {
                turn.write(name, id);
                CodexRequest::Steer(id)
            }
            (_, _) => CodexRequest::Forgotten,
        };
        self.request(request, "turn/steer", params)
    }

    fn interrupt(&mut self) -> Vec<DialectStep> {
        let Some(turn) = self.turn_id() else { return Vec::new() };
        let params = json!({"threadId": self.thread, "turnId": turn});
        vec![self.request(CodexRequest::Forgotten, "turn/interrupt", params)]
    }

    fn answered(
        &mut self,
        request: CodexRequest,
        outcome: Result<Value, RpcRefusal>,
    ) -> Result<Vec<DialectStep>, NonsenseSaid> {
        match (request, outcome) {
            (CodexRequest::Introduce, Ok(answer)) => self.introduced(answer),
            (CodexRequest::Introduce, Err(why)) => Err(self.refused("initialize", &why)),
            (CodexRequest::ReadAccount, Ok(answer)) => self.account_read(answer),
            (CodexRequest::ReadAccount, Err(why)) => Err(self.refused("account/read", &why)),
            (CodexRequest::ReadConfig, Ok(answer)) => Ok(self.config_read(&answer)),
            (CodexRequest::ReadConfig, Err(why)) => Err(self.refused("config/read", &why)),
            (CodexRequest::OpenThread, Ok(answer)) => self.thread_opened(answer),
            (CodexRequest::OpenThread, Err(why)) => self.thread_not_opened(&why),
            (CodexRequest::TrySandbox, outcome) => self.sandbox_tried(outcome),
            (CodexRequest::StartTurn, Ok(answer)) => Ok(self.turn_accepted(answer)),
            (CodexRequest::StartTurn, Err(why)) => Ok(self.turn_refused(&why)),
            (CodexRequest::Steer(id), outcome) => Ok(self.steer_answered(id, outcome)),
            (CodexRequest::CleanUp, _) => Ok(self.turn.take().map(CodexTurn::tell_end).unwrap_or_default()),
            (CodexRequest::Forgotten, _) => Ok(Vec::new()),
        }
    }

    fn turn_accepted(&mut self, answer: Value) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        if let Some(id) = answer["turn"]["id"].as_str() {
            turn.name(id);
        }
        vec![receipt(turn.prompt, ReceiptState::Delivered)]
    }

    fn turn_refused(&mut self, why: &RpcRefusal) -> Vec<DialectStep> {
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let is_of_prompt = why.message.to_lowercase().contains("input");
        let fault = if is_of_prompt { AgentFault::Prompt } else { AgentFault::Agent };
        turn.fail(TurnEnd::Failed { reason: format!("codex refused the prompt: {}", one_line(&why.message)), fault });
        turn.tell_end()
    }

    fn steer_answered(&mut self, id: TextId, outcome: Result<Value, RpcRefusal>) -> Vec<DialectStep> {
        let state = match outcome {
            Ok(_) => ReceiptState::Queued,
            Err(why) => {
                if let Some(turn) = &mut self.turn {
                    turn.forget(id);
                }
                let reason = if why.message.contains("no active turn") {
                    "the turn had ended".to_owned()
                } else {
                    format!("codex refused it: {}", one_line(&why.message))
                };
                ReceiptState::Lost { reason }
            }
        };
        vec![receipt(id, state)]
    }

    /// codex tells something.
    fn told(&mut self, method: &str, params: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        // The helpers of codex have threads of their own.
        if params["threadId"].as_str().is_some_and(|thread| thread != self.thread) {
            return Ok(Vec::new());
        }
        match method {
            "thread/tokenUsage/updated" => Ok(self.counted(&read(method, params)?)),
            "mcpServer/startupStatus/updated" => Ok(server_started(&read(method, params)?)),
            "configWarning" => Ok(warned_of_config(&read(method, params)?)),
            _ => self.told_in_turn(method, params),
        }
    }

    fn told_in_turn(&mut self, method: &str, params: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let Some(turn) = &mut self.turn else { return Ok(Vec::new()) };
        Ok(match method {
            "turn/started" => {
                let told: TurnTold = read(method, params)?;
                let early = turn.start(&told.turn.id);
                let is_stopping = turn.is_stopping;
                let mut steps: Vec<DialectStep> = early.into_iter().flat_map(|steer| self.steer(steer)).collect();
                if is_stopping {
                    steps.extend(self.interrupt());
                }
                steps
            }
            "turn/completed" => {
                let told: TurnTold = read(method, params)?;
                if !turn.is(&told.turn.id) {
                    return Ok(Vec::new());
                }
                turn.complete(&told.turn);
                self.questions.clear();
                let params = json!({"threadId": self.thread});
                vec![self.request(CodexRequest::CleanUp, "thread/backgroundTerminals/clean", params)]
            }
            "item/started" => {
                let ItemTold { item } = read(method, params)?;
                let session = match item {
                    ThreadItem::UserMessage { .. } => self.untold_session.take().map(AgentNews::Session),
                    _ => None,
                };
                session.map(tell).into_iter().chain(turn.part_began(item)).collect()
            }
            "item/completed" => {
                let ItemTold { item } = read(method, params)?;
                let compacted =
                    matches!(item, ThreadItem::ContextCompaction { .. }).then(|| tell(AgentNews::Compacted));
                turn.part_ended(item).into_iter().chain(compacted).collect()
            }
            "item/agentMessage/delta" => {
                let DeltaTold { delta } = read(method, params)?;
                turn.narration.say(delta).map(tell).into_iter().collect()
            }
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" => {
                let DeltaTold { delta } = read(method, params)?;
                let thought = (!delta.is_empty()).then(|| tell(AgentNews::Thought(delta)));
                thought.into_iter().collect()
            }
            "turn/plan/updated" => {
                let plan: PlanTold = read(method, params)?;
                vec![tell(AgentNews::Plan(plan.into_steps()))]
            }
            "account/rateLimits/updated" => {
                let told: LimitsTold = read(method, params)?;
                turn.limits = told.rate_limits;
                Vec::new()
            }
            "error" => {
                let told: ErrorTold = read(method, params)?;
                // The end of the turn tells one that is final.
                match told.will_retry.then(|| turn.retried(&told.error)) {
                    Some(AfterError::GoOn(news)) => news.map(tell).into_iter().collect(),
                    Some(AfterError::Stop) if turn.is_stopping => Vec::new(),
                    Some(AfterError::Stop) => {
                        turn.is_stopping = true;
                        self.interrupt()
                    }
                    None => Vec::new(),
                }
            }
            "serverRequest/resolved" => {
                // The end of the turn takes it back for all others.
                self.questions.retain(|_, question| !question.id.is(&params["requestId"]));
                Vec::new()
            }
            _ => Vec::new(),
        })
    }

    /// What the thread has cost, told during a turn or, of the turns of earlier lives, when it is gone on with.
    fn counted(&mut self, told: &UsageTold) -> Vec<DialectStep> {
        if let (true, Some(turn)) = (std::mem::take(&mut self.is_copied), &mut self.turn)
            && turn.is(&told.turn_id)
        {
            turn.count_from(told.token_usage.before_last());
        }
        self.total = told.token_usage.total;
        match &mut self.turn {
            Some(turn) if turn.is(&told.turn_id) => turn.count(&told.token_usage).map(tell).into_iter().collect(),
            Some(turn) => {
                turn.count_from(self.total);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

impl AgentDialect for CodexDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Codex)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        self.introduce()
    }

    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep> {
        let name = self.name_text(&id.to_string());
        self.turn = Some(CodexTurn::begin(name.clone(), id, self.total));
        let params = json!({"threadId": self.thread, "clientUserMessageId": name,
            "input": [{"type": "text", "text": text}]});
        vec![self.request(CodexRequest::StartTurn, "turn/start", params)]
    }

    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep> {
        let why = match &mut self.turn {
            Some(turn) => turn.refuses_texts(),
            None => Some("the turn had ended"),
        };
        if let Some(why) = why {
            return vec![receipt(steer.id, ReceiptState::Lost { reason: why.to_owned() })];
        }
        match (self.turn_id(), &mut self.turn) {
            (Some(turn), _) => vec![self.write_steer(&turn, &steer.text, Some(steer.id))],
            (None, Some(turn)) => {
                turn.keep_early(steer);
                Vec::new()
            }
            (None, None) => Vec::new(),
        }
    }

    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep> {
        self.answer_question(&question, &answer)
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        match &mut self.turn {
            Some(turn) if !turn.is_stopping => turn.is_stopping = true,
            Some(_) | None => return Vec::new(),
        }
        self.questions.clear();
        self.interrupt()
    }

    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        match self.talk.read(line) {
            Ok(RpcMessage::Answer { request, outcome }) => self.answered(request, outcome),
            Ok(RpcMessage::Request { id, method, params }) => Ok(self.asked(id, &method, &params)),
            Ok(RpcMessage::Notice { method, params }) => self.told(&method, params),
            Ok(RpcMessage::Stray) => Ok(Vec::new()),
            Err(error) => Err(NonsenseSaid::unread(line, error)),
        }
    }
}

/// The parameters of a message.
fn read<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, NonsenseSaid> {
    serde_json::from_value(params)
        .map_err(|error| NonsenseSaid::new(format!("what codex tells by {method} is not understood: {error}")))
}

/// A server of tools did not start: codex goes on without its tools.
fn server_started(told: &McpServerTold) -> Vec<DialectStep> {
    if told.status != "failed" {
        return Vec::new();
    }
    let text = format!("codex goes on without the tools of its MCP server {}: {}", told.name, one_line(&told.error));
    vec![tell(AgentNews::Trouble(text))]
}

/// codex goes on without a setting that it does not understand. That it brings the program of its sandbox itself is no
/// trouble: the sandbox is tried.
fn warned_of_config(told: &ConfigWarned) -> Vec<DialectStep> {
    if told.summary.contains("bubblewrap") {
        return Vec::new();
    }
    vec![tell(AgentNews::Trouble(format!("codex: {} {}", told.summary, told.details).trim_end().to_owned()))]
}

#[cfg(test)]
mod tests;
