//! pi (`pi --mode rpc`), by its own JSON lines: <https://github.com/badlogic/pi-mono>, docs of the coding agent, "RPC mode".
//!
//! | ours | pi's |
//! |---|---|
//! | ready | the answer to `get_state`: pi does not greet |
//! | prompt | `prompt`, refused by pi while it is busy |
//! | steer | `steer`: pi keeps it and says so, and gives it to its model after the tool that runs or the answer that is being written. A `message_start` of the user with the same text shows that the model has it |
//! | abort | `clear_queue` and `abort`: what waits would else come up with the next prompt |
//! | end of a turn | `agent_settled`; in versions before 1.0, which lack it, `agent_end` that no retry follows |
//! | questions | `extension_ui_request` of the kind `confirm`; all others that wait are cancelled, since nobody sees them |
//!
//! Texts that begin with a slash would be run as commands of pi's extensions, so they never begin with one.
//!
//! A conversation of an earlier life may be gone from the disk: then pi ends at once, and is started once more.
//!
//! A turn that failed ends like one that did not: how it ended is told by the `stopReason` of the last message of the
//! assistant. What an answer cost is told with each; the sums are made here.

mod wire;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use teamster_protocol::model::agent::options::AgentLaunch;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{
    AgentFault, AgentSession, Permission, PermissionQuestion, QuestionId, SessionBegin, SessionId, TurnEnd,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

use self::wire::{AnswerPiece, PiLine, PiMessage, StopReason, UiRequest};
use super::lines::{AgentDialect, DialectStep, NonsenseSaid, receipt, tell};
use super::narration::TurnNarration;
use super::provider::{
    NOTHING_DONE, ProviderWait, begins_with_bad_request, begins_with_unavailable, says_any, says_context_full,
    says_no_credit, says_refusal, says_unavailable,
};
use super::slash::never_a_command;
use super::title::{one_line, tool_title};
use super::{AgentNews, AgentSteer, SessionOrigin};

/// The dialect of pi.
#[derive(Debug, Default)]
pub(super) struct PiDialect {
    /// The conversation to begin with.
    origin: SessionOrigin,
    /// The number of commands that were given.
    commands: u64,
    /// The commands that were not answered, by their ids.
    unanswered: BTreeMap<String, PiCommand>,
    turn: Option<PiTurn>,
    narration: TurnNarration,
    /// The conversation, until it was told. One without a message is on no disk, so no later life could go on with it.
    untold_session: Option<AgentSession>,
}

/// A command that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PiCommand {
    /// Asks for the state, to know that pi is ready.
    Greet,
    /// Asks for the state, to know whether anything follows an end.
    LookAfterEnd,
    Prompt(TextId),
    Steer(TextId),
    /// Takes the steers back that pi keeps.
    ClearQueue,
    Abort,
    /// Its answer changes nothing.
    Setting,
}

/// The turn that runs.
#[derive(Debug)]
struct PiTurn {
    prompt: TextId,
    is_prompt_seen: bool,
    /// The steers that pi keeps, in their order.
    kept: VecDeque<(TextId, String)>,
    usage: TokenUsage,
    /// How the last answer of the model ended.
    last_answer: Option<LastAnswer>,
    /// Whether pi is to try again after an error.
    is_retrying: bool,
}

/// The end of an answer of the model.
#[derive(Debug)]
struct LastAnswer {
    stop: StopReason,
    error: String,
    text: String,
}

/// The arguments that come after pi's own command: the model, how much it is to think, the conversation to begin with, and who
/// it is. pi has that in mind for as long as it lives, also when it has put its conversation in few words.
pub(super) fn arguments(launch: &AgentLaunch, origin: &SessionOrigin, identity: Option<&str>) -> Vec<String> {
    let begun = match origin {
        SessionOrigin::New => ("--session", None),
        SessionOrigin::Earlier(session) => ("--session", Some(session.0.as_str())),
        SessionOrigin::CopyOf(session) => ("--fork", Some(session.0.as_str())),
    };
    let given = [
        ("--model", launch.model.as_deref()),
        ("--thinking", launch.effort.as_deref()),
        ("--append-system-prompt", identity),
        begun,
    ];
    let given = given.into_iter().filter_map(|(option, value)| Some([option, value?]));
    given.flatten().map(str::to_owned).collect()
}

impl PiDialect {
    /// For a life that begins with this conversation.
    pub(super) fn new(origin: SessionOrigin) -> PiDialect {
        PiDialect { origin, ..PiDialect::default() }
    }

    /// Writes a command, and keeps in mind what its answer will mean.
    fn command(&mut self, command: PiCommand, mut line: Value) -> DialectStep {
        self.commands += 1;
        let id = format!("t{}", self.commands);
        line["id"] = json!(id);
        self.unanswered.insert(id, command);
        DialectStep::Write(line.to_string())
    }

    fn answered(&mut self, command: PiCommand, answer: wire::PiAnswer) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let failed = (!answer.success).then(|| one_line(answer.error.as_deref().unwrap_or("no reason given")));
        match (command, failed) {
            (PiCommand::Greet, None) => {
                let state: wire::PiState = serde_json::from_value(answer.data)
                    .map_err(|error| NonsenseSaid::new(format!("pi's state is not understood: {error}")))?;
                let (has_messages, id) = (state.has_messages(), SessionId(state.session_id));
                if has_messages {
                    let begun = match self.origin {
                        SessionOrigin::New | SessionOrigin::Earlier(_) => SessionBegin::Resumed,
                        SessionOrigin::CopyOf(_) => SessionBegin::Forked,
                    };
                    return Ok(vec![tell(AgentNews::Ready { session: Some(AgentSession { id, begun }) })]);
                }
                let lost = std::mem::take(&mut self.origin).lost("pi has nothing of it").map(tell);
                self.untold_session = Some(AgentSession { id, begun: SessionBegin::Fresh });
                Ok(lost.into_iter().chain([tell(AgentNews::Ready { session: None })]).collect())
            }
            (PiCommand::Greet, Some(why)) => Err(NonsenseSaid::new(format!("pi does not start: {why}"))),
            (PiCommand::Prompt(id), None) => Ok(vec![receipt(id, ReceiptState::Delivered)]),
            (PiCommand::Prompt(_), Some(why)) if says_any(&why, &["no api key", "/login"]) => {
                let (why, _) = why.split_once(" See: ").unwrap_or((&why, ""));
                let reason = format!(
                    "{why} Start pi once and say /login, or set the variable of its provider, such as \
                     ANTHROPIC_API_KEY"
                );
                Ok(self.end_turn(TurnEnd::Failed { reason, fault: AgentFault::Provider }))
            }
            (PiCommand::Prompt(_), Some(why)) => Ok(self.end_turn(TurnEnd::Failed {
                reason: format!("pi refused the prompt: {why}"),
                fault: AgentFault::Agent,
            })),
            (PiCommand::Steer(_) | PiCommand::Abort | PiCommand::Setting, None) => Ok(Vec::new()),
            (PiCommand::Steer(id), Some(why)) => {
                if let Some(turn) = &mut self.turn {
                    turn.kept.retain(|(kept, _)| *kept != id);
                }
                Ok(vec![receipt(id, ReceiptState::Lost { reason: format!("pi refused it: {why}") })])
            }
            (PiCommand::ClearQueue, None) => Ok(self.lose_kept("the turn ended before pi took it")),
            // Versions before 1.0 do not know the command: pi still keeps the steers, for its next turn.
            (PiCommand::ClearQueue, Some(_)) => Ok(Vec::new()),
            (PiCommand::LookAfterEnd, _) => match &self.turn {
                Some(turn) if !turn.is_retrying => Ok(self.finish()),
                Some(_) | None => Ok(Vec::new()),
            },
            (PiCommand::Abort | PiCommand::Setting, Some(_)) => Ok(Vec::new()),
        }
    }

    /// The steers that pi keeps will not reach its model.
    fn lose_kept(&mut self, why: &str) -> Vec<DialectStep> {
        let kept = self.turn.as_mut().map(|turn| std::mem::take(&mut turn.kept)).unwrap_or_default();
        kept.into_iter().map(|(id, _)| receipt(id, ReceiptState::Lost { reason: why.to_owned() })).collect()
    }

    /// A text of the user is in the conversation: the prompt first, then the steers.
    fn user_said(&mut self, text: &str) -> Vec<DialectStep> {
        let mut steps = Vec::new();
        if let Some(session) = self.untold_session.take() {
            steps.push(tell(AgentNews::Session(session)));
        }
        let Some(turn) = &mut self.turn else { return steps };
        if let Some(at) = turn.kept.iter().position(|(_, kept)| kept == text) {
            let (id, _) = turn.kept.remove(at).expect("it was found there");
            steps.push(receipt(id, ReceiptState::InContext));
        } else if !turn.is_prompt_seen {
            turn.is_prompt_seen = true;
            steps.push(receipt(turn.prompt, ReceiptState::InContext));
        }
        steps
    }

    fn piece_said(&mut self, piece: AnswerPiece) -> Vec<DialectStep> {
        if self.turn.is_none() {
            return Vec::new();
        }
        let told = match piece {
            AnswerPiece::TextDelta { delta } => self.narration.say(delta),
            AnswerPiece::TextEnd {} => self.narration.end_answer(),
            AnswerPiece::ThinkingDelta { delta } if !delta.is_empty() => Some(AgentNews::Thought(delta)),
            AnswerPiece::ThinkingDelta { .. } | AnswerPiece::Other => None,
        };
        told.map(tell).into_iter().collect()
    }

    fn answer_ended(&mut self, message: PiMessage) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        turn.last_answer = Some(LastAnswer {
            stop: message.stop_reason.unwrap_or(StopReason::Other),
            error: message.error_message.clone().unwrap_or_default(),
            text: message.text(),
        });
        let Some(usage) = message.usage else { return Vec::new() };
        turn.usage = usage.added_to(turn.usage);
        vec![tell(AgentNews::Usage(turn.usage))]
    }

    /// pi is to try again by itself, which is told the first time of each turn.
    fn retries(&mut self, error: &str) -> Vec<DialectStep> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        turn.is_retrying = true;
        let why = if error.is_empty() { "its provider does not answer" } else { error };
        self.narration.retry(|| one_line(&format!("pi tries again: {why}"))).map(tell).into_iter().collect()
    }

    /// pi has come to rest. Steers that it keeps are taken back first, where it can give them back.
    fn settle(&mut self) -> Vec<DialectStep> {
        match &self.turn {
            None => Vec::new(),
            Some(turn) if turn.kept.is_empty() => self.finish(),
            Some(_) => {
                let clear = self.command(PiCommand::ClearQueue, json!({"type": "clear_queue"}));
                let look = self.command(PiCommand::LookAfterEnd, json!({"type": "get_state"}));
                vec![clear, look]
            }
        }
    }

    fn finish(&mut self) -> Vec<DialectStep> {
        let Some(turn) = &self.turn else { return Vec::new() };
        let Some(LastAnswer { stop, error, text }) = &turn.last_answer else {
            let reason = "the turn ended without an answer of the model".to_owned();
            return self.end_turn(TurnEnd::Failed { reason, fault: AgentFault::Agent });
        };
        match stop {
            StopReason::Stop if text.is_empty() && !self.narration.has_acted() => {
                self.end_turn(TurnEnd::failed(NOTHING_DONE))
            }
            StopReason::Stop => self.end_turn(TurnEnd::Completed),
            StopReason::Aborted => self.end_turn(TurnEnd::Aborted),
            StopReason::Length => {
                let reason = "the answer reached the longest that the model gives".to_owned();
                self.end_turn(TurnEnd::Failed { reason, fault: AgentFault::Prompt })
            }
            StopReason::ToolUse | StopReason::Pending | StopReason::Other => {
                let reason = "pi ended the turn in the middle of an answer".to_owned();
                self.end_turn(TurnEnd::Failed { reason, fault: AgentFault::Agent })
            }
            StopReason::Error => {
                let reason = one_line(error);
                let (fault, wait) = fault_of(error, &reason);
                let ended = self.end_turn(TurnEnd::Failed { reason, fault });
                wait.map(|wait| tell(wait.into())).into_iter().chain(ended).collect()
            }
        }
    }

    fn end_turn(&mut self, end: TurnEnd) -> Vec<DialectStep> {
        let Some(turn) = self.turn.take() else { return Vec::new() };
        let result = match (&end, turn.last_answer) {
            (TurnEnd::Completed, Some(answer)) => answer.text,
            (_, _) => String::new(),
        };
        vec![tell(AgentNews::TurnEnded { end, result })]
    }

    fn asked(&mut self, request: UiRequest) -> Vec<DialectStep> {
        match request {
            UiRequest::Confirm { id, title, message } if self.turn.is_some() => {
                let tool = title.strip_prefix("teamster:").unwrap_or(&title).to_owned();
                let title = if message.is_empty() { tool.clone() } else { format!("{tool}: {message}") };
                let (question, title) = (QuestionId(id), one_line(&title));
                // The words of whichever extension asks, which are nothing for a rule to allow by.
                let subject = String::new();
                let asked = PermissionQuestion { question, tool, title, detail: message, subject };
                vec![tell(AgentNews::PermissionAsked(asked))]
            }
            UiRequest::Confirm { id, .. }
            | UiRequest::Select { id }
            | UiRequest::Input { id }
            | UiRequest::Editor { id } => {
                let answer = json!({"type": "extension_ui_response", "id": id, "cancelled": true});
                vec![DialectStep::Write(answer.to_string())]
            }
            UiRequest::Other => Vec::new(),
        }
    }
}

impl AgentDialect for PiDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Pi)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        // Steers that come while a tool runs are given together: one at a time, each would cost a call of the model.
        let together = self.command(PiCommand::Setting, json!({"type": "set_steering_mode", "mode": "all"}));
        let greet = self.command(PiCommand::Greet, json!({"type": "get_state"}));
        vec![together, greet]
    }

    fn exited_early(&mut self, how: &str) -> Vec<DialectStep> {
        let Some(lost) = self.origin.lost(how) else { return Vec::new() };
        *self = PiDialect::default();
        [tell(lost), DialectStep::BeginAfresh].into_iter().chain(self.begin()).collect()
    }

    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep> {
        self.narration = TurnNarration::default();
        self.turn = Some(PiTurn {
            prompt: id,
            is_prompt_seen: false,
            kept: VecDeque::new(),
            usage: TokenUsage::default(),
            last_answer: None,
            is_retrying: false,
        });
        vec![self.command(PiCommand::Prompt(id), json!({"type": "prompt", "message": never_a_command(text)}))]
    }

    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep> {
        let AgentSteer { id, text } = steer;
        let Some(turn) = &mut self.turn else {
            let reason = "the turn had ended".to_owned();
            return vec![receipt(id, ReceiptState::Lost { reason })];
        };
        let text = never_a_command(text);
        turn.kept.push_back((id, text.clone()));
        let write = self.command(PiCommand::Steer(id), json!({"type": "steer", "message": text}));
        // pi keeps it in memory until its model gets it, and if it dies before that, the text is lost.
        vec![write, receipt(id, ReceiptState::Queued)]
    }

    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep> {
        let confirmed = match answer {
            Permission::Once | Permission::Always => true,
            Permission::Never { .. } => false,
        };
        let line = json!({"type": "extension_ui_response", "id": question, "confirmed": confirmed});
        vec![DialectStep::Write(line.to_string())]
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        let clear = self.command(PiCommand::ClearQueue, json!({"type": "clear_queue"}));
        let abort = self.command(PiCommand::Abort, json!({"type": "abort"}));
        vec![clear, abort]
    }

    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let line: PiLine = serde_json::from_str(line).map_err(|error| NonsenseSaid::unread(line, error))?;
        Ok(match line {
            PiLine::Response(answer) => {
                let command = answer.id.as_ref().and_then(|id| self.unanswered.remove(id));
                match command {
                    Some(command) => self.answered(command, answer)?,
                    // Versions before 1.0 answer what they do not know without its id.
                    None => Vec::new(),
                }
            }
            PiLine::MessageStart { message } if message.is_of_user() => self.user_said(&message.text()),
            PiLine::MessageUpdate { piece } => self.piece_said(piece),
            PiLine::MessageEnd { message } if message.is_of_assistant() => self.answer_ended(message),
            PiLine::ToolExecutionStart { call, tool, args } => {
                vec![tell(self.narration.begin_call(call, tool_title(&tool, &args)))]
            }
            PiLine::ToolExecutionEnd { call, tool, is_error } => {
                self.narration.end_call(call, is_error, Some(tool)).map(tell).into_iter().collect()
            }
            PiLine::AutoRetryStart { error_message } => self.retries(&error_message),
            PiLine::AgentStart {} => {
                if let Some(turn) = &mut self.turn {
                    turn.is_retrying = false;
                }
                Vec::new()
            }
            // The last try failed as well.
            PiLine::AutoRetryEnd { success: false } => {
                if let Some(turn) = &mut self.turn {
                    turn.is_retrying = false;
                }
                vec![self.command(PiCommand::LookAfterEnd, json!({"type": "get_state"}))]
            }
            PiLine::AgentSettled {} => self.settle(),
            // A version that settles says so later.
            PiLine::AgentEnd { will_retry: None } if self.turn.is_some() => {
                vec![self.command(PiCommand::LookAfterEnd, json!({"type": "get_state"}))]
            }
            PiLine::CompactionEnd { result: Some(_) } => vec![tell(AgentNews::Compacted)],
            PiLine::ExtensionUiRequest(request) => self.asked(request),
            PiLine::MessageStart { .. }
            | PiLine::MessageEnd { .. }
            | PiLine::AgentEnd { .. }
            | PiLine::AutoRetryEnd { .. }
            | PiLine::CompactionEnd { .. }
            | PiLine::Other => Vec::new(),
        })
    }
}

/// The part to blame for an error of the model's provider, which in later versions of pi begins with the status of HTTP; and
/// why the provider serves nothing for now, if that is it.
fn fault_of(error: &str, reason: &str) -> (AgentFault, Option<ProviderWait>) {
    if says_no_credit(error) {
        (AgentFault::Provider, None)
    } else if says_refusal(error) || says_context_full(error) || begins_with_bad_request(error) {
        (AgentFault::Prompt, None)
    } else if begins_with_unavailable(error) || says_unavailable(error) {
        (AgentFault::Provider, Some(ProviderWait::Unavailable { reason: reason.to_owned() }))
    } else {
        (AgentFault::Provider, None)
    }
}

#[cfg(test)]
mod tests;
