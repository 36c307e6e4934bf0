//! Claude Code (`claude -p`), by its JSON lines both ways and its control requests:
//! <https://code.claude.com/docs/en/headless>, and the types of `@anthropic-ai/claude-agent-sdk`.
//!
//! | ours | Claude Code's |
//! |---|---|
//! | ready | the answer to `initialize` |
//! | prompt | a message of the user with a UUID of ours; its `command_lifecycle` tells that Claude has it |
//! | steer | the same. Claude keeps it in memory and gives it to its model after the tool that runs, or, where none does, in a turn of its own after this one |
//! | in context | the model is called with these UUIDs (`status`), and answers (`message_start`) |
//! | abort | `interrupt` with `cancel_queued`: what waits would else run at once |
//! | end of a turn | `result`, once no steer waits: turns of its own that Claude makes for steers are a part of ours |
//! | questions | `can_use_tool` |
//!
//! A conversation has the UUID that this life was given, so that its name is known before it exists; it exists, and a
//! later life can go on with it, once the model has answered.
//!
//! One that an earlier life had may be gone from the disk: then Claude ends at once with a `result`, and is started once more.
//!
//! By itself Claude goes on when a turn is over: for commands in the background, and at times that it set. Nobody would see
//! that or know its price, and the next task would run beside it, so all of that is switched off.
//!
//! Texts that begin with a slash would be taken as commands of Claude Code, so they never begin with one.

mod end;
mod turn;
mod wire;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teamster_protocol::model::agent::options::AgentLaunch;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{
    AgentSession, Permission, PermissionQuestion, QuestionId, SessionBegin, SessionId,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId, TextRole};

use self::end::ReachedLimit;
use self::turn::ClaudeTurn;
use self::wire::{
    BlockDelta, ClaudeLine, ClaudeMessage, ClaudeResult, CommandState, ControlAnswer, ControlAsk, RateLimit,
    StreamEvent, SystemLine, ToolBlock,
};
use super::lines::{AgentDialect, DialectStep, NonsenseSaid, receipt, tell};
use super::slash::never_a_command;
use super::title::{one_line, readable_args, subject_of, tool_title};
use super::{AgentNews, AgentSteer, SessionOrigin};

/// The tool by which Claude lets people choose. A permission to use it would choose nothing, so it is never asked for.
const ASK_USER: &str = "AskUserQuestion";

/// The answer to whoever wants people to choose.
const NOBODY_CHOOSES: &str = "nobody is there to choose: decide yourself, and say what you decided";

/// Switches off commands in the background. Set before the variables of the user, who may want them.
pub(super) const VARIABLE: (&str, &str) = ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1");

/// The tools by which Claude wakes itself later.
const WAKING_TOOLS: &str = "ScheduleWakeup,CronCreate,Monitor";

/// One life of the program.
#[derive(Debug, Clone)]
pub(super) struct ClaudeLife {
    /// A new UUID: the conversation's name if it is a new one, and the origin of the names of the messages.
    pub(super) id: String,
    /// The conversation to begin with.
    pub(super) origin: SessionOrigin,
}

impl ClaudeLife {
    /// The same life with a new conversation.
    pub(super) fn afresh(&self) -> ClaudeLife {
        ClaudeLife { id: self.id.clone(), origin: SessionOrigin::New }
    }
}

/// The dialect of Claude Code.
#[derive(Debug)]
pub(super) struct ClaudeDialect {
    life: ClaudeLife,
    is_ready: bool,
    /// The number of messages that were written.
    messages: u64,
    /// The number of requests that were made.
    requests: u64,
    turn: Option<ClaudeTurn>,
    /// The questions that wait for an answer, by their ids.
    questions: BTreeMap<String, AskedTool>,
    /// The conversation, until it was told.
    untold_session: Option<AgentSession>,
}

/// A tool that Claude asks to use.
#[derive(Debug)]
struct AskedTool {
    input: Value,
    /// What Claude offers to remember.
    suggestions: Vec<Value>,
}

/// The arguments that come after Claude Code's own command. Questions are always asked here: the member's setting, which
/// answers them, is the worker's to know. So that it knows who it is for as long as it lives, that is added to what it is told
/// before any conversation.
pub(super) fn arguments(launch: &AgentLaunch, life: &ClaudeLife, identity: Option<&str>) -> Vec<String> {
    let fixed = "-p --input-format stream-json --output-format stream-json --verbose --include-partial-messages \
                 --replay-user-messages --permission-prompt-tool stdio --permission-mode default";
    let (own, other) = match &life.origin {
        SessionOrigin::New => (Some(life.id.as_str()), None),
        SessionOrigin::Earlier(session) => (None, Some(session.0.as_str())),
        // The copy has a name of its own.
        SessionOrigin::CopyOf(session) => (Some(life.id.as_str()), Some(session.0.as_str())),
    };
    let given = [
        ("--session-id", own),
        ("--resume", other),
        ("--model", launch.model.as_deref()),
        ("--effort", launch.effort.as_deref()),
        ("--append-system-prompt", identity),
    ];
    let given = given.into_iter().filter_map(|(option, value)| Some([option, value?])).flatten();
    let fixed = fixed.split_whitespace().chain(["--disallowed-tools", WAKING_TOOLS]);
    let copied = (own.is_some() && other.is_some()).then_some("--fork-session");
    fixed.chain(given).chain(copied).map(str::to_owned).collect()
}

impl ClaudeDialect {
    /// For this life.
    pub(super) fn new(life: ClaudeLife) -> ClaudeDialect {
        let own = || SessionId(life.id.clone());
        let untold_session = match &life.origin {
            SessionOrigin::New => AgentSession { id: own(), begun: SessionBegin::Fresh },
            SessionOrigin::Earlier(id) => AgentSession { id: id.clone(), begun: SessionBegin::Resumed },
            SessionOrigin::CopyOf(_) => AgentSession { id: own(), begun: SessionBegin::Forked },
        };
        ClaudeDialect {
            life,
            is_ready: false,
            messages: 0,
            requests: 0,
            turn: None,
            questions: BTreeMap::new(),
            untold_session: Some(untold_session),
        }
    }

    /// A new name for a message: the life's, with the number of the message in the place of its end. Not the text's own,
    /// for a text that was lost is written again, and Claude passes over a name that it has seen.
    fn name_message(&mut self) -> String {
        self.messages += 1;
        let origin = self.life.id.get(..24).expect("a UUID has 36 characters, all of them ASCII");
        format!("{origin}{:012x}", self.messages)
    }

    fn request(&mut self, request: Value) -> DialectStep {
        self.requests += 1;
        let id = format!("t{}", self.requests);
        DialectStep::Write(json!({"type": "control_request", "request_id": id, "request": request}).to_string())
    }

    fn interrupt(&mut self) -> DialectStep {
        self.request(json!({"subtype": "interrupt", "cancel_queued": true}))
    }

    fn begin_afresh(&mut self) -> Vec<DialectStep> {
        *self = ClaudeDialect::new(self.life.afresh());
        [DialectStep::BeginAfresh].into_iter().chain(self.begin()).collect()
    }

    /// Only the answer to the first request means something; all others are told by what follows from them.
    fn answered(&mut self, answer: ControlAnswer) -> Result<Vec<DialectStep>, NonsenseSaid> {
        if self.is_ready || answer.request_id != "t1" {
            return Ok(Vec::new());
        }
        if let Some(why) = answer.error {
            return Err(NonsenseSaid::new(format!("claude does not start: {}", one_line(&why))));
        }
        self.is_ready = true;
        let session = match self.life.origin {
            SessionOrigin::Earlier(_) => self.untold_session.take(),
            SessionOrigin::New | SessionOrigin::CopyOf(_) => None,
        };
        Ok(vec![tell(AgentNews::Ready { session })])
    }

    /// The model answers, so the conversation is on disk.
    fn model_answers(&mut self) -> Vec<DialectStep> {
        let told = self.untold_session.take().map(|session| tell(AgentNews::Session(session)));
        let reached = self.turn.as_mut().map(ClaudeTurn::model_answers).unwrap_or_default();
        told.into_iter().chain(reached).collect()
    }

    fn lifecycle(&mut self, uuid: &str, state: CommandState) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        match state {
            CommandState::Queued => turn.held(uuid).into_iter().collect(),
            CommandState::Started => turn.taken(uuid).into_iter().collect(),
            CommandState::Cancelled => {
                let mut steps: Vec<DialectStep> = turn.cancelled(uuid).into_iter().collect();
                steps.extend(self.end_if_over());
                steps
            }
            CommandState::Completed | CommandState::Other => Vec::new(),
        }
    }

    fn system(&mut self, line: SystemLine) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        match line {
            SystemLine::Status { status, user_message_uuids } if status.as_deref() == Some("requesting") => {
                turn.model_called(&user_message_uuids)
            }
            // Claude would try again for three minutes.
            SystemLine::ApiRetry { error: Some(error), error_status } if error.is_final() && !turn.is_stopping => {
                turn.stop_by_provider(error, error_status);
                vec![self.interrupt()]
            }
            SystemLine::ApiRetry { error, error_status } => {
                turn.retried(error, error_status).map(tell).into_iter().collect()
            }
            SystemLine::CompactBoundary {} => vec![tell(AgentNews::Compacted)],
            SystemLine::Status { .. } | SystemLine::Other => Vec::new(),
        }
    }

    fn streamed(&mut self, event: StreamEvent) -> Vec<DialectStep> {
        if let StreamEvent::MessageStart { message } = &event {
            let usage = message.usage;
            let steps = self.model_answers();
            if let Some(turn) = &mut self.turn {
                turn.answer = usage;
            }
            return steps;
        }
        let Some(turn) = &mut self.turn else { return Vec::new() };
        let told = match event {
            StreamEvent::ContentBlockDelta { delta: BlockDelta::TextDelta { text } } => turn.narration.say(text),
            StreamEvent::ContentBlockDelta { delta: BlockDelta::ThinkingDelta { thinking } }
                if !thinking.is_empty() =>
            {
                Some(AgentNews::Thought(thinking))
            }
            StreamEvent::ContentBlockStop {} => turn.narration.end_answer(),
            StreamEvent::MessageDelta { usage } => Some(AgentNews::Usage(turn.answer_ended(usage))),
            StreamEvent::MessageStart { .. } | StreamEvent::ContentBlockDelta { .. } | StreamEvent::Other => None,
        };
        told.map(tell).into_iter().collect()
    }

    /// The tools of a message that is complete. Those of Claude's own helpers are told too: nothing else tells that Claude
    /// is at work while it waits for them.
    fn tools_used(&mut self, message: ClaudeMessage) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        let told = message.blocks().into_iter().filter_map(|block| match block {
            ToolBlock::ToolUse { id, name, input } => Some(turn.narration.begin_call(id, title_of(&name, &input))),
            ToolBlock::ToolResult { tool_use_id, is_error } => {
                turn.narration.end_call(tool_use_id, is_error == Some(true), None)
            }
            ToolBlock::Other => None,
        });
        told.map(tell).collect()
    }

    fn limited(&mut self, limit: &RateLimit) {
        if let Some(turn) = &mut self.turn {
            turn.provider.limit = limit.is_rejected().then(|| ReachedLimit { until_ms: limit.until_ms() });
        }
    }

    fn asked(&mut self, id: String, ask: ControlAsk) -> Vec<DialectStep> {
        match ask {
            ControlAsk::CanUseTool { tool_name, input, .. } if self.turn.is_none() => {
                let reason = format!("nobody asked for anything, so {} is not used", title_of(&tool_name, &input));
                vec![control_answer(&id, denial(&reason))]
            }
            ControlAsk::CanUseTool { tool_name, .. } if tool_name == ASK_USER => {
                vec![control_answer(&id, denial(NOBODY_CHOOSES))]
            }
            ControlAsk::CanUseTool { tool_name, input, permission_suggestions } => {
                let asked = PermissionQuestion {
                    question: QuestionId(id.clone()),
                    title: title_of(&tool_name, &input),
                    detail: readable_args(&input),
                    subject: subject_of(&input),
                    tool: tool_name,
                };
                self.questions.insert(id, AskedTool { input, suggestions: permission_suggestions });
                vec![tell(AgentNews::PermissionAsked(asked))]
            }
            // Nothing else was offered to it, and it waits for an answer.
            ControlAsk::Other => {
                let response = json!({"subtype": "error", "request_id": id, "error": "nobody is there to answer this"});
                vec![DialectStep::Write(json!({"type": "control_response", "response": response}).to_string())]
            }
        }
    }

    /// Claude has ended a turn: ours, a part of ours, or one that it began by itself.
    fn ended(&mut self, result: ClaudeResult) -> Result<Vec<DialectStep>, NonsenseSaid> {
        if !self.is_ready {
            // It has no such conversation any more.
            return match self.life.origin.lost(&one_line(&result.words())) {
                Some(lost) => Ok([tell(lost)].into_iter().chain(self.begin_afresh()).collect()),
                None => Err(NonsenseSaid::new(format!("claude does not start: {}", one_line(&result.words())))),
            };
        }
        let Some(turn) = &mut self.turn else { return Ok(Vec::new()) };
        if !turn.is_its_result(&result) {
            return Ok(Vec::new());
        }
        let usage = turn.part_ended(result);
        let mut steps = Vec::new();
        if usage.input > 0 || usage.output > 0 {
            steps.push(tell(AgentNews::Usage(usage)));
        }
        steps.extend(self.end_if_over());
        Ok(steps)
    }

    fn end_if_over(&mut self) -> Vec<DialectStep> {
        let Some(ended) = self.turn.as_mut().and_then(ClaudeTurn::take_end) else { return Vec::new() };
        self.turn = None;
        self.questions.clear();
        let wait = ended.wait.map(|wait| tell(wait.into()));
        let over = tell(AgentNews::TurnEnded { end: ended.end, result: ended.result });
        wait.into_iter().chain([over]).collect()
    }
}

impl AgentDialect for ClaudeDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Claude)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        vec![self.request(json!({"subtype": "initialize"}))]
    }

    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep> {
        let uuid = self.name_message();
        let line = user_message(&uuid, text);
        self.turn = Some(ClaudeTurn::begin(uuid, id));
        vec![line]
    }

    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep> {
        let AgentSteer { id, text } = steer;
        let uuid = self.name_message();
        let why = match &mut self.turn {
            Some(turn) if !turn.is_stopping => {
                turn.write(uuid.clone(), id, TextRole::Steer);
                return vec![user_message(&uuid, text), receipt(id, ReceiptState::Queued)];
            }
            Some(_) => "the turn is being stopped",
            None => "the turn had ended",
        };
        vec![receipt(id, ReceiptState::Lost { reason: why.to_owned() })]
    }

    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep> {
        // Claude has taken back a question that is not found.
        let Some(asked) = self.questions.remove(&question.0) else { return Vec::new() };
        let AskedTool { input, suggestions } = asked;
        let answer = match answer {
            Permission::Never { reason } => denial(&reason),
            Permission::Once => json!({"behavior": "allow", "updatedInput": input}),
            Permission::Always => {
                let rules: Vec<Value> = suggestions.into_iter().filter_map(session_rule).collect();
                json!({"behavior": "allow", "updatedInput": input, "updatedPermissions": rules})
            }
        };
        vec![control_answer(&question.0, answer)]
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        if let Some(turn) = &mut self.turn {
            turn.is_stopping = true;
        }
        vec![self.interrupt()]
    }

    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let line: ClaudeLine = serde_json::from_str(line).map_err(|error| NonsenseSaid::unread(line, error))?;
        Ok(match line {
            ClaudeLine::ControlResponse { response } => self.answered(response)?,
            ClaudeLine::ControlRequest { request_id, request } => self.asked(request_id, request),
            // The end of the turn takes it back for all others.
            ClaudeLine::ControlCancelRequest { request_id } => {
                self.questions.remove(&request_id);
                Vec::new()
            }
            ClaudeLine::CommandLifecycle { command_uuid, state } => self.lifecycle(&command_uuid, state),
            ClaudeLine::System(line) => self.system(line),
            ClaudeLine::StreamEvent { event, parent_tool_use_id: None } => self.streamed(event),
            ClaudeLine::Assistant { message, error, parent_tool_use_id } => {
                if let (Some(turn), None) = (&mut self.turn, parent_tool_use_id) {
                    turn.provider.error = error;
                }
                self.tools_used(message)
            }
            ClaudeLine::User { uuid: Some(uuid), is_replay: true, .. } => {
                self.turn.as_mut().and_then(|turn| turn.taken(&uuid)).into_iter().collect()
            }
            ClaudeLine::User { message, .. } => self.tools_used(message),
            ClaudeLine::RateLimitEvent { rate_limit_info } => {
                self.limited(&rate_limit_info);
                Vec::new()
            }
            ClaudeLine::Result(result) => self.ended(result)?,
            ClaudeLine::StreamEvent { .. } | ClaudeLine::Other => Vec::new(),
        })
    }
}

/// A message of the user.
fn user_message(uuid: &str, text: String) -> DialectStep {
    let message = json!({"role": "user", "content": [{"type": "text", "text": never_a_command(text)}]});
    let line = json!({"type": "user", "message": message, "parent_tool_use_id": null, "uuid": uuid});
    DialectStep::Write(line.to_string())
}

/// An answer to a request of Claude Code.
fn control_answer(id: &str, answer: Value) -> DialectStep {
    let response = json!({"subtype": "success", "request_id": id, "response": answer});
    DialectStep::Write(json!({"type": "control_response", "response": response}).to_string())
}

fn denial(reason: &str) -> Value {
    json!({"behavior": "deny", "message": reason})
}

/// A tool call in one line.
fn title_of(tool: &str, input: &Value) -> String {
    match input["questions"][0]["question"].as_str() {
        Some(question) if tool == ASK_USER => one_line(&format!("{tool} {question}")),
        Some(_) | None => tool_title(tool, input),
    }
}

/// The rule that Claude offers to remember, for this conversation only: as it offers it, the rule would be written into the
/// workspace. Its other offers would change what else is asked.
fn session_rule(mut offer: Value) -> Option<Value> {
    let is_rule = offer["type"] == "addRules" && offer["behavior"] == "allow";
    is_rule.then(|| {
        offer["destination"] = json!("session");
        offer
    })
}

#[cfg(test)]
mod tests;
