//! A turn of ours: one turn of Claude Code for its prompt, and one more for every steer that came while no tool ran.

use std::collections::BTreeMap;

use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::receipt::{ReceiptState, TextId, TextRole};
use teamster_protocol::model::usage::TokenUsage;

use super::end::{ProviderWords, end_of};
use super::wire::{ApiError, ClaudeResult, MessageUsage};
use crate::driver::lines::{DialectStep, receipt};
use crate::driver::narration::TurnNarration;
use crate::driver::provider::{NOTHING_DONE, ProviderWait};
use crate::driver::{AgentNews, TextTail};

/// The turn that runs.
#[derive(Debug)]
pub(super) struct ClaudeTurn {
    /// Its texts, by the names of their messages.
    texts: BTreeMap<String, WrittenText>,
    /// What the provider told since the last part of the turn ended.
    pub(super) provider: ProviderWords,
    /// Whether it was interrupted.
    pub(super) is_stopping: bool,
    pub(super) narration: TurnNarration,
    /// The cost of the answer that is being written, as its first piece told it.
    pub(super) answer: MessageUsage,
    /// The cost of the parts that have ended.
    settled: TokenUsage,
    /// The cost of the part that runs.
    open: TokenUsage,
    /// The end of the last part; nothing while one runs.
    ended: Option<TurnOver>,
    /// The first failure, which no later part makes good.
    failed: Option<TurnOver>,
}

/// A text that was written to Claude Code.
#[derive(Debug)]
struct WrittenText {
    id: TextId,
    role: TextRole,
    reached: TextReached,
}

/// How far a text has come, as far as Claude Code told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TextReached {
    /// The text is on its way.
    Written,
    /// Claude keeps it.
    Held,
    /// The text is a part of the conversation.
    Taken,
    /// The model was called with it.
    Called,
    /// The model answers.
    Answering,
}

/// The end of a turn, as it is told.
#[derive(Debug, Clone)]
pub(super) struct TurnOver {
    pub(super) end: TurnEnd,
    pub(super) result: String,
    pub(super) wait: Option<ProviderWait>,
}

impl ClaudeTurn {
    /// The turn of a prompt that is written with this name.
    pub(super) fn begin(uuid: String, id: TextId) -> ClaudeTurn {
        let mut turn = ClaudeTurn {
            texts: BTreeMap::new(),
            provider: ProviderWords::default(),
            is_stopping: false,
            narration: TurnNarration::default(),
            answer: MessageUsage::default(),
            settled: TokenUsage::default(),
            open: TokenUsage::default(),
            ended: None,
            failed: None,
        };
        turn.write(uuid, id, TextRole::Prompt);
        turn
    }

    /// A text is written with this name.
    pub(super) fn write(&mut self, uuid: String, id: TextId, role: TextRole) {
        self.texts.insert(uuid, WrittenText { id, role, reached: TextReached::Written });
    }

    /// Claude keeps a text. A prompt is delivered by that: no turn comes before its own.
    pub(super) fn held(&mut self, uuid: &str) -> Option<DialectStep> {
        self.reach(uuid, TextReached::Held)
    }

    /// Claude takes a text into its conversation, in the part that runs or in a new one.
    pub(super) fn taken(&mut self, uuid: &str) -> Option<DialectStep> {
        let step = self.reach(uuid, TextReached::Taken);
        if step.is_some() {
            self.ended = None;
        }
        step
    }

    /// The model is called with these.
    pub(super) fn model_called(&mut self, uuids: &[String]) -> Vec<DialectStep> {
        let taken: Vec<DialectStep> = uuids.iter().filter_map(|uuid| self.taken(uuid)).collect();
        for uuid in uuids {
            self.reach(uuid, TextReached::Called);
        }
        taken
    }

    /// The model answers what it was called with.
    pub(super) fn model_answers(&mut self) -> Vec<DialectStep> {
        let called = self.texts.iter().filter(|(_, text)| text.reached == TextReached::Called);
        let called: Vec<String> = called.map(|(uuid, _)| uuid.clone()).collect();
        called.iter().filter_map(|uuid| self.reach(uuid, TextReached::Answering)).collect()
    }

    fn reach(&mut self, uuid: &str, reached: TextReached) -> Option<DialectStep> {
        let text = self.texts.get_mut(uuid)?;
        if text.reached >= reached {
            return None;
        }
        let before = std::mem::replace(&mut text.reached, reached);
        let is_delivered = |reached| match text.role {
            TextRole::Prompt => reached >= TextReached::Held,
            TextRole::Steer => reached >= TextReached::Taken,
        };
        let state = match reached {
            TextReached::Answering => ReceiptState::InContext,
            _ if is_delivered(reached) && !is_delivered(before) => ReceiptState::Delivered,
            TextReached::Written | TextReached::Held | TextReached::Taken | TextReached::Called => return None,
        };
        Some(receipt(text.id, state))
    }

    /// Claude gives a text back that it kept. Of one that its model has, that only tells that its turn was broken off.
    pub(super) fn cancelled(&mut self, uuid: &str) -> Option<DialectStep> {
        let text = self.texts.get(uuid).filter(|text| text.reached < TextReached::Taken)?;
        match text.role {
            // No turn was begun for it, so no result comes.
            TextRole::Prompt => {
                self.ended = Some(TurnOver { end: TurnEnd::Aborted, result: String::new(), wait: None });
                None
            }
            TextRole::Steer => {
                let lost = ReceiptState::Lost { reason: "the turn was stopped before claude took it".to_owned() };
                self.texts.remove(uuid).map(|text| receipt(text.id, lost))
            }
        }
    }

    /// Whether Claude speaks of this turn, and not of one that it began by itself.
    pub(super) fn is_its_result(&self, result: &ClaudeResult) -> bool {
        match &result.user_message_uuids[..] {
            [] => self.texts.values().any(|text| text.reached >= TextReached::Taken),
            uuids => uuids.iter().any(|uuid| self.texts.contains_key(uuid)),
        }
    }

    /// A part of the turn has ended. Returns the cost of the turn.
    pub(super) fn part_ended(&mut self, result: ClaudeResult) -> TokenUsage {
        for uuid in &result.user_message_uuids {
            self.reach(uuid, TextReached::Taken);
        }
        let (end, wait) = end_of(&result, std::mem::take(&mut self.provider));
        let said = match end {
            TurnEnd::Completed => result_of(result.result.as_deref().unwrap_or_default()),
            TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } | TurnEnd::Aborted => String::new(),
        };
        let over = TurnOver { end, result: said, wait };
        if let TurnEnd::Failed { .. } = over.end {
            self.failed.get_or_insert(over.clone());
        }
        self.ended = Some(over);
        let open = std::mem::take(&mut self.open);
        let context = open.context.or(self.settled.context);
        self.settled = TokenUsage { context, ..sum(self.settled, result.usage().unwrap_or(open)) };
        self.settled
    }

    /// The turn is to end for this error of the provider.
    pub(super) fn stop_by_provider(&mut self, error: ApiError, status: Option<u16>) {
        self.is_stopping = true;
        let reason = format!("the provider refuses: {}", with_status(error.words(), status));
        let end = TurnEnd::Failed { reason, fault: AgentFault::Provider };
        self.failed.get_or_insert(TurnOver { end, result: String::new(), wait: None });
    }

    /// Claude tries again by itself. Returns what to tell of it: the first time of each turn.
    pub(super) fn retried(&mut self, error: Option<ApiError>, status: Option<u16>) -> Option<AgentNews> {
        let why = error.map_or("its provider does not answer", ApiError::words);
        self.narration.retry(|| format!("claude tries again: {}", with_status(why, status)))
    }

    /// The end of the turn, if it is over: nothing of it runs, and no steer waits.
    pub(super) fn take_end(&mut self) -> Option<TurnOver> {
        let waits = |text: &WrittenText| text.role == TextRole::Steer && text.reached < TextReached::Taken;
        if self.ended.is_none() || self.texts.values().any(waits) {
            return None;
        }
        let mut ended = self.ended.take()?;
        if ended.end == TurnEnd::Completed && ended.result.is_empty() && !self.narration.has_acted() {
            ended.end = TurnEnd::failed(NOTHING_DONE);
        }
        Some(self.failed.take().unwrap_or(ended))
    }

    /// An answer of the model is complete. Returns the cost of the turn so far, without the price of this part, which is
    /// told at its end.
    pub(super) fn answer_ended(&mut self, last: MessageUsage) -> TokenUsage {
        let answer = std::mem::take(&mut self.answer).ended(last);
        self.open = TokenUsage { context: answer.context, ..sum(self.open, answer) };
        TokenUsage { context: self.open.context, ..sum(self.settled, self.open) }
    }
}

/// The costs together, but for the context.
fn sum(a: TokenUsage, b: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: a.input + b.input,
        output: a.output + b.output,
        cached: a.cached + b.cached,
        cost_micro_usd: match (a.cost_micro_usd, b.cost_micro_usd) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        },
        context: None,
    }
}

/// Words about a fault, with the status of HTTP if it was told.
fn with_status(words: &str, status: Option<u16>) -> String {
    match status {
        Some(status) => format!("{words}, status {status}"),
        None => words.to_owned(),
    }
}

/// The last answer as the result of the turn.
fn result_of(answer: &str) -> String {
    let mut tail = TextTail::default();
    tail.push(answer);
    tail.into_result()
}
