//! Texts on their way into the agent: mail, steers and prompts, from the moment the worker has them until it is known
//! what became of them. A message is acknowledged once the agent has it, and never because it merely left this worker.

use std::collections::VecDeque;

use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId, TextRole};

use super::{WorkPhase, WorkerAction, WorkerCore};

/// Why a text is lost with a turn that was stopped.
pub(super) const TURN_ABORTED: &str = "the turn was aborted";
/// Why a text is lost with a worker that ends in order.
pub(super) const WORKER_ENDS: &str = "its worker was told to end";
/// Why a text is lost that waited for a turn of a worker that ended.
const WORKER_ENDED: &str = "its worker ended before a turn took it";

/// A text that waits to be handed to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingText {
    /// The text's name; that of a message is the message's id.
    pub id: TextId,
    /// The sender.
    pub from: Address,
    /// The words.
    pub text: String,
    /// When it is to be handed on: what is urgent is for the turn that runs.
    pub urgency: Urgency,
    /// The progress of the text when it was last told.
    pub state: ReceiptState,
    /// Whether the transcript has it.
    pub shown: TextShown,
}

/// Whether a text is in the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextShown {
    /// The text is in the transcript.
    Yes,
    /// The text is not in the transcript.
    No,
}

impl WaitingText {
    /// The message that it is if it is still to be acknowledged. One that the agent had before its provider took no more is
    /// acknowledged already.
    fn unacknowledged(&self) -> Option<MessageId> {
        self.message().filter(|_| !self.state.is_delivered())
    }

    pub(super) fn is_unacknowledged(&self) -> bool {
        self.unacknowledged().is_some()
    }

    /// The message that it is; nothing for what the lead says by a call.
    pub(super) fn message(&self) -> Option<MessageId> {
        match self.id {
            TextId::Message(id) => Some(id),
            TextId::InTurn { .. } => None,
        }
    }

    /// The text as a part of a prompt.
    pub(super) fn as_prompt(&self) -> String {
        format!("Message from {}:\n{}", self.from, self.text)
    }
}

/// Several texts as one prompt.
pub(super) fn joined(texts: &[WaitingText]) -> String {
    texts.iter().map(WaitingText::as_prompt).collect::<Vec<_>>().join("\n\n")
}

/// A text that the driver was handed, until the turn that it is for has ended.
#[derive(Debug)]
pub(super) struct HandedText {
    /// The progress of the text.
    state: ReceiptState,
    role: TextRole,
    /// The texts it is made of: none for the prompt of a task, whose fate the board tells.
    texts: Vec<WaitingText>,
    /// Messages among them that are not acknowledged.
    unacknowledged: Vec<MessageId>,
    /// Whether the agent was given a turn to take it from its queue.
    nudged: AgentNudged,
}

impl HandedText {
    /// Whether it was said in a turn, and nobody can tell whether the agent took it.
    fn is_open_steer(&self) -> bool {
        self.role == TextRole::Steer && matches!(self.state, ReceiptState::Accepted | ReceiptState::Unconfirmed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentNudged {
    Yes,
    No,
}

impl WorkerCore {
    /// The driver has these; `id` is how it names them.
    pub(super) fn hand(&mut self, id: TextId, role: TextRole, texts: Vec<WaitingText>) {
        let unacknowledged = texts.iter().filter_map(WaitingText::unacknowledged).collect();
        let state = ReceiptState::Accepted;
        self.handed.insert(id, HandedText { state, role, texts, unacknowledged, nudged: AgentNudged::No });
    }

    /// A text has come this far.
    pub(super) fn receipt(&mut self, id: TextId, state: ReceiptState) {
        if state.is_delivered() {
            self.briefing.reached(id);
        }
        let Some(handed) = self.handed.get_mut(&id) else { return };
        if let ReceiptState::Lost { reason } = state {
            let handed = self.handed.remove(&id).expect("it was there a moment ago");
            if handed.role == TextRole::Steer && self.is_interrupted() {
                // An agent that is told to stop throws away what it kept for later: the next prompt of the turn has it.
                return handed.texts.into_iter().rev().for_each(|text| self.texts.push_front(text));
            }
            return self.take_back(handed, reason, TakenBack::Again);
        }
        if !handed.state.advance(state.clone()) {
            return;
        }
        let told = handed.texts.iter_mut().filter_map(|text| text.state.advance(state.clone()).then_some(text.id));
        let told: Vec<TextId> = told.collect();
        let ids = if state.is_delivered() { std::mem::take(&mut handed.unacknowledged) } else { Vec::new() };
        for text in told {
            self.act(WorkerAction::Say(TranscriptText::Receipt { text, state: state.clone() }));
        }
        if !ids.is_empty() {
            self.acknowledge(ids);
        }
    }

    /// Takes back the texts that were said in the turn and that the agent did not take, for another prompt of it.
    pub(super) fn take_steers_back(&mut self) -> Vec<WaitingText> {
        let open = self.handed.extract_if(.., |_, handed| handed.is_open_steer());
        open.flat_map(|(_, handed)| handed.texts).collect()
    }

    /// The texts that were said in the turn and may still come back: the agent did not take them, or keeps them.
    pub(super) fn open_steers(&self) -> impl Iterator<Item = &WaitingText> {
        let is_open = |handed: &&HandedText| {
            handed.role == TextRole::Steer && (handed.is_open_steer() || handed.state == ReceiptState::Queued)
        };
        self.handed.values().filter(is_open).flat_map(|handed| &handed.texts)
    }

    /// The prompt is put again, and has these too.
    pub(super) fn add_to_prompt(&mut self, prompt: TextId, texts: Vec<WaitingText>) {
        let Some(handed) = self.handed.get_mut(&prompt) else {
            return self.hand(prompt, TextRole::Prompt, texts);
        };
        handed.state = ReceiptState::Accepted;
        handed.unacknowledged.extend(texts.iter().filter_map(WaitingText::unacknowledged));
        handed.texts.extend(texts);
    }

    /// Takes the texts of a prompt that is put again back: all but the one that it is of its own.
    pub(super) fn take_from_prompt(&mut self, prompt: TextId) -> Vec<WaitingText> {
        let Some(handed) = self.handed.get_mut(&prompt) else { return Vec::new() };
        let is_own = |text: &WaitingText| matches!(text.id, TextId::InTurn { number: 0, .. });
        let (own, others) = std::mem::take(&mut handed.texts).into_iter().partition(is_own);
        handed.texts = own;
        others
    }

    /// The turn has ended: no text of it is on its way any more, but what the agent keeps in a queue of its own.
    pub(super) fn settle_texts(&mut self, end: &TurnEnd, limited: TurnLimited) {
        let worker_ends = matches!(&self.phase, WorkPhase::Turn(turn) if turn.ends_with_worker());
        let is_full = matches!(&self.phase, WorkPhase::Turn(turn) if turn.is_failed_by_context(end));
        let begins_again = is_full && self.begins_again_if_full();
        let (reached, reason) = match end {
            TurnEnd::Completed => (TextsReached::All, String::new()),
            // The agent could not even read on.
            TurnEnd::Failed { reason, .. } if is_full => {
                (TextsReached::None, format!("the context was full: {reason}"))
            }
            TurnEnd::Failed { fault: AgentFault::Prompt, reason } => (TextsReached::Confirmed, reason.clone()),
            TurnEnd::Failed { reason, .. } | TurnEnd::NotBegun { reason } => (TextsReached::None, reason.clone()),
            TurnEnd::Aborted if worker_ends => (TextsReached::None, WORKER_ENDS.to_owned()),
            TurnEnd::Aborted => (TextsReached::None, TURN_ABORTED.to_owned()),
        };
        let mut again = Vec::new();
        let ids: Vec<TextId> = self.handed.keys().copied().collect();
        for id in ids {
            let handed = self.handed.get_mut(&id).expect("the keys were read a moment ago");
            let answered = match (&handed.state, handed.role, reached) {
                (ReceiptState::Queued, _, _) => {
                    if handed.nudged == AgentNudged::Yes {
                        again.push(id);
                    }
                    continue;
                }
                (_, TextRole::Prompt, TextsReached::All) => true,
                (ReceiptState::Accepted, _, _) => false,
                (ReceiptState::Unconfirmed, _, TextsReached::All | TextsReached::Confirmed) => true,
                (ReceiptState::Unconfirmed, _, TextsReached::None) => false,
                (_, _, TextsReached::All | TextsReached::Confirmed) => true,
                // The agent has it, and nobody answers it: it stays as it was told.
                (_, _, TextsReached::None) if *end == TurnEnd::Aborted && !worker_ends => {
                    self.handed.remove(&id);
                    continue;
                }
                (_, _, TextsReached::None) => false,
            };
            if answered {
                self.receipt(id, ReceiptState::Answered);
                self.handed.remove(&id);
            } else {
                again.push(id);
            }
        }
        let why = if reason.is_empty() { "the turn ended before the agent took it".to_owned() } else { reason };
        for id in again.into_iter().rev() {
            let handed = self.handed.remove(&id).expect("nobody removed it since");
            let what = match (handed.role, limited) {
                (TextRole::Steer, _) => TakenBack::Again,
                (TextRole::Prompt, TurnLimited::No) if begins_again => TakenBack::Again,
                (TextRole::Prompt, TurnLimited::Yes) => TakenBack::Parked,
                // To put the same prompt again could go in a circle.
                (TextRole::Prompt, TurnLimited::No) => TakenBack::NextLife,
            };
            self.take_back(handed, why.clone(), what);
        }
    }

    /// Takes texts back that the agent does not have, or cannot go on with. A message that is not acknowledged is not lost by
    /// that.
    fn take_back(&mut self, handed: HandedText, reason: String, what: TakenBack) {
        for mut text in handed.texts.into_iter().rev() {
            match (text.id, what) {
                // The parked turn is begun again with it.
                (TextId::InTurn { number: 0, .. }, TakenBack::Parked) => {}
                (_, TakenBack::Parked) => self.texts.push_front(text),
                (TextId::Message(id), TakenBack::Again) if handed.unacknowledged.contains(&id) => {
                    self.texts.push_front(text);
                }
                (TextId::Message(id), TakenBack::NextLife) if handed.unacknowledged.contains(&id) => {}
                // The agent had it, and will not answer it any more.
                (TextId::Message(_) | TextId::InTurn { .. }, TakenBack::Again | TakenBack::NextLife) => {
                    let state = ReceiptState::Lost { reason: reason.clone() };
                    if text.state.advance(state.clone()) {
                        self.act(WorkerAction::Say(TranscriptText::Receipt { text: text.id, state }));
                    }
                }
            }
        }
    }

    /// Takes back texts with which no turn is begun: messages that no agent had wait for another turn, or another life, and the
    /// others are lost for this reason.
    pub(super) fn give_back(&mut self, texts: Vec<WaitingText>, reason: &str) {
        let (unread, lost) = texts.into_iter().partition::<Vec<_>, _>(WaitingText::is_unacknowledged);
        unread.into_iter().rev().for_each(|text| self.texts.push_front(text));
        lost.into_iter().for_each(|text| self.lose(text.id, reason));
    }

    /// Tells that a text is lost.
    pub(super) fn lose(&mut self, text: TextId, reason: &str) {
        let state = ReceiptState::Lost { reason: reason.to_owned() };
        self.act(WorkerAction::Say(TranscriptText::Receipt { text, state }));
    }

    /// Whether the agent keeps texts for a turn that it was not given. Each is asked for once.
    pub(super) fn nudge_queued(&mut self) -> bool {
        let mut found = false;
        for handed in self.handed.values_mut() {
            if handed.state == ReceiptState::Queued && handed.nudged == AgentNudged::No {
                handed.nudged = AgentNudged::Yes;
                found = true;
            }
        }
        found
    }

    /// The texts that the agent was given a turn for.
    pub(super) fn nudged_texts(&self) -> Vec<TextId> {
        let nudged = |handed: &&HandedText| handed.state == ReceiptState::Queued && handed.nudged == AgentNudged::Yes;
        self.handed.values().filter(nudged).flat_map(|handed| &handed.texts).map(|text| text.id).collect()
    }

    /// The texts, but for these, that this worker or its agent keeps for a later turn and no mailbox has: all but messages that
    /// are not acknowledged.
    pub(super) fn kept_texts(&self, but: &[TextId]) -> Vec<TextId> {
        let queued = self.handed.values().filter(|handed| handed.state == ReceiptState::Queued);
        let kept = queued.flat_map(|handed| &handed.texts).chain(&self.texts).chain(&self.idle_texts);
        let kept = kept.filter(|text| text.unacknowledged().is_none() && !but.contains(&text.id));
        kept.map(|text| text.id).collect()
    }

    /// Takes back the texts that the agent keeps in a queue of its own, which goes with it.
    pub(super) fn take_queue_back(&mut self) {
        let queued = |handed: &HandedText| handed.state == ReceiptState::Queued;
        let ids: Vec<TextId> = self.handed.iter().filter(|(_, it)| queued(it)).map(|(id, _)| *id).collect();
        for id in ids.into_iter().rev() {
            let handed = self.handed.remove(&id).expect("the keys were read a moment ago");
            handed.texts.into_iter().rev().for_each(|text| self.texts.push_front(text));
        }
    }

    /// The worker ends: texts that were kept for a later turn, and are in no mailbox, are lost.
    pub(super) fn lose_kept_texts(&mut self) {
        for text in self.kept_texts(&[]) {
            self.lose(text, WORKER_ENDED);
        }
    }

    /// How many messages the agent does not have: they wait here or in its queue.
    pub(super) fn unread_len(&self) -> usize {
        let queued = self.handed.values().filter(|handed| handed.state == ReceiptState::Queued);
        let queued: usize = queued.map(|handed| handed.unacknowledged.len()).sum();
        let waiting = |texts: &VecDeque<WaitingText>| texts.iter().filter_map(WaitingText::unacknowledged).count();
        waiting(&self.texts) + waiting(&self.idle_texts) + queued
    }

    /// Writes a message into the transcript, unless it is there.
    pub(super) fn show(&mut self, text: &mut WaitingText) {
        if let (Some(id), TextShown::No) = (text.message(), text.shown) {
            text.shown = TextShown::Yes;
            self.act(WorkerAction::Say(TranscriptText::Mail { id, from: text.from.clone(), text: text.text.clone() }));
        }
    }
}

/// Whether a turn ended by the provider's limit, and is begun again after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnLimited {
    Yes,
    No,
}

/// The texts of a turn that have reached the agent, by how the turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextsReached {
    /// The prompt for sure, and the texts that are unconfirmed.
    All,
    /// The texts that were confirmed, and those that are unconfirmed.
    Confirmed,
    /// No text of the turn is answered any more.
    None,
}

/// The fate of texts that the agent does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenBack {
    /// The messages are handed to the agent again.
    Again,
    /// The texts are a prompt, which the agent is given again after the wait for its provider.
    Parked,
    /// The messages stay unread for the next life of this member.
    NextLife,
}
