//! The agent: a turn asks the model, does what it calls for, and asks again, until the model calls for nothing more.

use std::collections::BTreeSet;
use std::time::Duration;

use genai::chat::{ChatMessage, ChatRequest, StopReason, ToolCall, ToolResponse};
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::agent::{
    AgentFault, AgentSession, Permission, ProviderLimit, SessionBegin, SessionId, ToolState, TurnEnd,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;
use teamster_worker::driver::script::ScriptNews;
use tokio::time::sleep;

use crate::args::LlmArgs;
use crate::compaction::{compacted, summary_request};
use crate::confined::ConfinedDir;
use crate::conversation::Conversation;
use crate::fault::ModelFault;
use crate::limits::{
    BYTES_PER_TOKEN, CALLS_PER_TURN_MAX, CONTEXT_FULL_PERCENT, FIRST_WAIT, INSTRUCTIONS_BYTES_MAX, SUMMARY_BYTES_MIN,
    TRIES_MAX, WAIT_MAX,
};
use crate::model::{AnswerPiece, ModelAnswer, ModelLink};
use crate::news::{tell, tell_receipt};
use crate::orders::{AgentOrders, TurnBreak};
use crate::tools::{ToolOutcome, ToolUse, offered_tools};

/// The file in which a project tells agents how to work in it.
const INSTRUCTIONS: &str = "AGENTS.md";

/// An agent in its conversation.
#[derive(Debug)]
pub(crate) struct LlmAgent {
    /// Or why there is none, which each turn says.
    model: Result<ModelLink, String>,
    dir: ConfinedDir,
    talk: Conversation,
    system: String,
    /// The tools that were allowed for good.
    allowed: BTreeSet<&'static str>,
}

/// The state of a turn.
#[derive(Debug, Default)]
struct TurnProgress {
    usage: TokenUsage,
    /// What the user said in it.
    texts: Vec<String>,
    /// Texts in the request that runs, of which no answer shows yet that the model has them.
    unseen: Vec<TextId>,
    /// Whether the model did or said anything.
    has_acted: bool,
}

impl TurnProgress {
    /// Adds the use of one answer, and tells the sum.
    fn count(&mut self, answer: &ModelAnswer) {
        self.usage.input += answer.input;
        self.usage.output += answer.output;
        self.usage.cached += answer.cached;
        tell(ScriptNews::Usage(self.usage));
    }
}

/// The reason why a turn ends before the model is done.
#[derive(Debug)]
enum TurnStop {
    Broken,
    Failed { reason: String, fault: AgentFault },
    Limited(ProviderLimit),
}

impl From<TurnBreak> for TurnStop {
    fn from(_: TurnBreak) -> TurnStop {
        TurnStop::Broken
    }
}

impl TurnStop {
    fn failed(fault: AgentFault, reason: impl Into<String>) -> TurnStop {
        TurnStop::Failed { reason: reason.into(), fault }
    }

    /// The conversation can not be written.
    fn unwritten(reason: String) -> TurnStop {
        TurnStop::failed(AgentFault::Place, reason)
    }
}

impl LlmAgent {
    /// Begins or finds the conversation, and says that prompts are taken.
    pub(crate) fn begin(
        args: LlmArgs,
        earlier: Option<SessionId>,
        copy_of: Option<SessionId>,
        identity: Option<String>,
    ) -> Result<LlmAgent, String> {
        let (team, member) = (args.team_dir(), &args.member);
        let here = std::env::current_dir().and_then(|path| ConfinedDir::open(&path));
        let dir = here.map_err(|error| format!("cannot work in the current directory: {error}"))?;
        let found = match (earlier, copy_of) {
            (Some(id), _) => Some((Conversation::resume(&team, member, id), SessionBegin::Resumed)),
            (None, Some(id)) => Some((Conversation::copy(&team, member, &id), SessionBegin::Forked)),
            (None, None) => None,
        };
        let (talk, begun) = match found {
            Some((Ok(talk), begun)) => (talk, begun),
            Some((Err(why), _)) => {
                tell(ScriptNews::SessionLost { why });
                (Conversation::begin(&team, member)?, SessionBegin::Fresh)
            }
            None => (Conversation::begin(&team, member)?, SessionBegin::Fresh),
        };
        let system = system_text(&dir, identity.as_deref());
        tell(ScriptNews::Ready { session: Some(AgentSession { id: talk.id().clone(), begun }) });
        Ok(LlmAgent { model: ModelLink::new(&args), dir, talk, system, allowed: BTreeSet::new() })
    }

    /// Takes one turn, and says how it ended. Fails only if the conversation can not be written any more.
    pub(crate) async fn take_turn(&mut self, orders: &mut AgentOrders, id: TextId, text: String) -> Result<(), String> {
        let mut turn = TurnProgress::default();
        let worked = self.work_on(&mut turn, orders, id, text).await;
        let (end, result) = match worked {
            Ok(result) => (TurnEnd::Completed, result),
            Err(TurnStop::Broken) => (TurnEnd::Aborted, String::new()),
            Err(TurnStop::Failed { reason, fault }) => (TurnEnd::Failed { reason, fault }, String::new()),
            Err(TurnStop::Limited(limit)) => {
                let reason = limit.reason.clone();
                tell(ScriptNews::Limited(limit));
                (TurnEnd::Failed { reason, fault: AgentFault::Provider }, String::new())
            }
        };
        let closed = self.talk.answer_open_calls("the turn ended before this call was done");
        orders.lose_steers("the turn ended before the model was asked again");
        tell(ScriptNews::TurnEnded { end, result });
        closed
    }

    /// Works until the model is done; returns what it said last.
    async fn work_on(
        &mut self,
        turn: &mut TurnProgress,
        orders: &mut AgentOrders,
        id: TextId,
        text: String,
    ) -> Result<String, TurnStop> {
        self.hear(turn, id, text)?;
        for _ in 0..CALLS_PER_TURN_MAX {
            for (id, text) in orders.take_steers() {
                self.hear(turn, id, text)?;
            }
            self.make_room(turn, orders).await?;
            let answer = self.ask(turn, orders).await?;
            turn.has_acted |= !answer.text.is_empty() || !answer.calls.is_empty();
            if !answer.text.is_empty() || !answer.calls.is_empty() {
                self.talk.push(answer.message.clone()).map_err(TurnStop::unwritten)?;
            }
            self.talk.set_tokens(answer.input + answer.output);
            if answer.calls.is_empty() {
                let text = ended_well(answer, turn.has_acted)?;
                if orders.has_steers() {
                    continue;
                }
                return Ok(text);
            }
            for call in &answer.calls {
                let outcome = self.call_tool(call, orders).await?;
                let answer = ChatMessage::from(ToolResponse::from_tool_call(call, outcome.text));
                self.talk.push(answer).map_err(TurnStop::unwritten)?;
            }
        }
        let reason = format!("the model was asked {CALLS_PER_TURN_MAX} times in this turn, and was not done");
        Err(TurnStop::failed(AgentFault::Prompt, reason))
    }

    /// Adds a text of the user.
    fn hear(&mut self, turn: &mut TurnProgress, id: TextId, text: String) -> Result<(), TurnStop> {
        self.talk.push(ChatMessage::user(text.clone())).map_err(TurnStop::unwritten)?;
        tell_receipt(id, ReceiptState::Delivered);
        turn.texts.push(text);
        turn.unseen.push(id);
        Ok(())
    }

    /// Asks the model, more than once where the provider has no room.
    async fn ask(&mut self, turn: &mut TurnProgress, orders: &mut AgentOrders) -> Result<ModelAnswer, TurnStop> {
        let (mut tries, mut is_compacted) = (0, false);
        loop {
            let request = ChatRequest::new(self.talk.messages().to_vec())
                .with_system(self.system.clone())
                .with_tools(offered_tools());
            let model = self.model()?;
            let mut is_amid_line = false;
            let unseen = &mut turn.unseen;
            let telling = |piece: AnswerPiece| {
                // The model speaks, so it has read all of the request.
                unseen.drain(..).for_each(|id| tell_receipt(id, ReceiptState::InContext));
                match piece {
                    AnswerPiece::Text(text) if !text.is_empty() => {
                        is_amid_line = !text.ends_with('\n');
                        tell(ScriptNews::Text(text));
                    }
                    AnswerPiece::Thought(text) if !text.is_empty() => tell(ScriptNews::Thought(text)),
                    AnswerPiece::Text(_) | AnswerPiece::Thought(_) => {}
                }
            };
            let asked = orders.during(model.ask(request, telling)).await;
            if is_amid_line {
                tell(ScriptNews::Text("\n".to_owned()));
            }
            tries += 1;
            match asked? {
                Ok(answer) => {
                    turn.unseen.drain(..).for_each(|id| tell_receipt(id, ReceiptState::InContext));
                    turn.usage.context = Some(answer.input + answer.output);
                    turn.count(&answer);
                    return Ok(answer);
                }
                Err(ModelFault::ContextFull { reason }) if !is_compacted && self.talk.messages().len() > 1 => {
                    is_compacted = true;
                    tell(ScriptNews::Thought(format!("the conversation is too long for the model: {reason}\n")));
                    self.compact(turn, orders).await?;
                }
                Err(fault) => wait_after(fault, tries, orders).await?,
            }
        }
    }

    /// Puts the conversation in few words if it fills the context.
    async fn make_room(&mut self, turn: &mut TurnProgress, orders: &mut AgentOrders) -> Result<(), TurnStop> {
        let full = self.model()?.context_tokens * CONTEXT_FULL_PERCENT / 100;
        // Nothing but this turn's texts: there is nothing to put in fewer words.
        if self.talk.tokens() < full || self.talk.messages().len() <= turn.texts.len() {
            return Ok(());
        }
        self.compact(turn, orders).await
    }

    async fn compact(&mut self, turn: &mut TurnProgress, orders: &mut AgentOrders) -> Result<(), TurnStop> {
        // Half of the context at most, so that the answer has room.
        let mut bytes_max = (self.model()?.context_tokens * BYTES_PER_TOKEN / 2) as usize;
        let mut tries = 0;
        let summary = loop {
            let request = summary_request(self.talk.messages(), bytes_max);
            let model = self.model()?;
            tries += 1;
            match orders.during(model.ask(request, |_| {})).await? {
                Ok(answer) => {
                    turn.count(&answer);
                    if answer.text.trim().is_empty() {
                        let reason = "the context is full, and the model gave no summary of the conversation";
                        return Err(TurnStop::failed(AgentFault::Provider, reason));
                    }
                    break answer.text;
                }
                // Its context is smaller than it was taken to be.
                Err(ModelFault::ContextFull { .. }) if bytes_max > SUMMARY_BYTES_MIN => {
                    (bytes_max, tries) = (bytes_max / 2, 0);
                }
                Err(fault) => wait_after(fault, tries, orders).await?,
            }
        };
        self.talk.replace(compacted(&summary, &turn.texts)).map_err(TurnStop::unwritten)?;
        tell(ScriptNews::Compacted {});
        Ok(())
    }

    /// Does what the model calls for, if it may.
    async fn call_tool(&mut self, call: &ToolCall, orders: &mut AgentOrders) -> Result<ToolOutcome, TurnStop> {
        let id = call.call_id.clone();
        let tool = match ToolUse::parse(call) {
            Ok(tool) => tool,
            Err(why) => {
                tell(ScriptNews::ToolCall { id, title: call.fn_name.clone(), state: ToolState::Failed });
                return Ok(ToolOutcome::failed(why));
            }
        };
        let (title, name) = (tool.title(), tool.tool());
        let state = |state: ToolState| tell(ScriptNews::ToolCall { id: id.clone(), title: title.clone(), state });
        state(ToolState::Running);
        if let Some(question) = tool.question(&id).filter(|_| !self.allowed.contains(name)) {
            tell(ScriptNews::PermissionAsked(question.clone().bounded()));
            match orders.answer_to(&question.question).await {
                Ok(Permission::Once) => {}
                Ok(Permission::Always) => drop(self.allowed.insert(name)),
                Ok(Permission::Never { reason }) => {
                    state(ToolState::Failed);
                    return Ok(ToolOutcome::failed(format!("[not allowed: {reason}]")));
                }
                Err(stop) => {
                    state(ToolState::Failed);
                    return Err(stop.into());
                }
            }
        }
        let hidden = self.model.as_ref().ok().and_then(|model| model.key);
        let done = tool.run(&self.dir, hidden, orders).await;
        let has_failed = done.as_ref().map_or(true, |outcome| outcome.has_failed);
        state(if has_failed { ToolState::Failed } else { ToolState::Done });
        Ok(done?)
    }

    fn model(&self) -> Result<&ModelLink, TurnStop> {
        self.model.as_ref().map_err(|why| TurnStop::failed(AgentFault::Provider, why.clone()))
    }
}

/// Waits before the next try; fails where none is worth it.
async fn wait_after(fault: ModelFault, tries: u32, orders: &mut AgentOrders) -> Result<(), TurnStop> {
    let (wait, reason) = next_try(fault, tries)?;
    tell(ScriptNews::Thought(format!("{reason}; another try follows in {} s\n", wait.as_secs())));
    orders.during(sleep(wait)).await?;
    Ok(())
}

/// How long to wait before the next try, after so many, and why.
fn next_try(fault: ModelFault, tries: u32) -> Result<(Duration, String), TurnStop> {
    let usual = FIRST_WAIT * 2_u32.saturating_pow(tries - 1);
    match fault {
        ModelFault::Busy { wait, reason } => {
            let wait = wait.unwrap_or(usual).max(FIRST_WAIT);
            if wait > WAIT_MAX || tries >= TRIES_MAX {
                let until_ms = (wait > WAIT_MAX).then(|| now_ms() + wait.as_millis() as u64);
                return Err(TurnStop::Limited(ProviderLimit { until_ms, reason }));
            }
            Ok((wait, reason))
        }
        ModelFault::Unreachable { reason } if tries < TRIES_MAX => Ok((usual, reason)),
        ModelFault::Unreachable { reason } => {
            let reason = format!("the provider can not be reached: {reason}");
            Err(TurnStop::failed(AgentFault::Provider, reason))
        }
        ModelFault::ContextFull { reason } => {
            let reason = format!(
                "the prompt is too long for the model: {reason}; if its context is smaller than it is taken to be, say its \
                 size with --agent-arg --context-tokens=N"
            );
            Err(TurnStop::failed(AgentFault::Prompt, reason))
        }
        ModelFault::Refused { reason } => Err(TurnStop::failed(AgentFault::Provider, reason)),
    }
}

/// The text of an answer that calls for nothing; or why the turn has failed with it.
fn ended_well(answer: ModelAnswer, has_acted: bool) -> Result<String, TurnStop> {
    match answer.stop {
        Some(StopReason::MaxTokens(_)) => {
            Err(TurnStop::failed(AgentFault::Prompt, "the answer reached the longest that the model gives"))
        }
        Some(StopReason::ContentFilter(why)) => {
            Err(TurnStop::failed(AgentFault::Prompt, format!("the model refuses to answer ({why})")))
        }
        Some(
            StopReason::Completed(_) | StopReason::ToolCall(_) | StopReason::StopSequence(_) | StopReason::Other(_),
        )
        | None
            if has_acted =>
        {
            Ok(answer.text)
        }
        Some(_) | None => Err(TurnStop::failed(AgentFault::Provider, "the model answered with nothing")),
    }
}

/// What the model is told before everything else.
fn system_text(dir: &ConfinedDir, identity: Option<&str>) -> String {
    let here = dir.path().display();
    let mut text = format!(
        "You are a coding agent. You work in {here}, and files outside of it are not yours. Do what you are asked with your \
tools, look at the outcome, and say in few words what you did when it is done.\n"
    );
    if let Some(identity) = identity {
        text.push_str(&format!("\n{identity}\n"));
    }
    if let Ok(told) = dir.read_text(INSTRUCTIONS) {
        let told = &told[..told.floor_char_boundary(INSTRUCTIONS_BYTES_MAX)];
        text.push_str(&format!("\nThe project says in {INSTRUCTIONS}:\n{told}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_provider_that_names_its_time_parks_until_then_and_one_that_is_not_there_is_given_up() {
        let gone = |tries| next_try(ModelFault::Unreachable { reason: "no route".to_owned() }, tries);
        assert_eq!(gone(3).expect("another try").0, FIRST_WAIT * 4);
        let given_up = gone(TRIES_MAX).expect_err("no further try");
        assert!(matches!(given_up, TurnStop::Failed { fault: AgentFault::Provider, .. }), "{given_up:?}");
        let busy = |wait| ModelFault::Busy { wait, reason: "HTTP 500: no".to_owned() };
        for (wait, tries) in [(None, TRIES_MAX), (Some(WAIT_MAX * 2), 1)] {
            let limited = next_try(busy(wait), tries).expect_err("no further try");
            let TurnStop::Limited(ProviderLimit { until_ms, .. }) = limited else { panic!("{limited:?}") };
            assert_eq!(until_ms.is_some(), wait.is_some(), "without a time only this member waits");
        }
        let full = next_try(ModelFault::ContextFull { reason: "too long".to_owned() }, 1).expect_err("no further try");
        let TurnStop::Failed { reason, .. } = full else { panic!("{full:?}") };
        assert!(reason.contains("--context-tokens"), "{reason}");
    }
}
