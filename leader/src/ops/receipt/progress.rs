//! How far one text has come, as the transcript of its member tells it. Pure.

use serde::{Deserialize, Serialize};
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};

/// The end of a text's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum TextFate {
    /// The turn that had the text ended after it.
    Answered,
    /// The agent had the text, and the turn that it began has failed.
    Failed {
        /// The reason, in one line.
        reason: String,
    },
    /// The agent had the text, and its turn ended before it answered.
    Unanswered,
    /// The text will not reach the agent any more.
    Lost {
        /// The reason, in one line.
        reason: String,
    },
    /// The text is in the mailbox, for the next worker: none runs, or the turn that was to begin with it was stopped.
    InMailbox,
}

/// How the worker went that had the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerGone {
    /// The worker has left.
    Left,
    /// The worker has died.
    Died,
}

/// A text that is followed.
#[derive(Debug)]
pub(super) struct TextProgress {
    text: TextId,
    state: ReceiptState,
    part: TextPart,
    fate: Option<TextFate>,
}

/// The part of the text in the turn that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextPart {
    /// The turn began with the text.
    Prompt,
    /// The text is said in the turn, or waits for another.
    Other,
}

impl TextProgress {
    pub(super) fn of(text: TextId) -> TextProgress {
        TextProgress { text, state: ReceiptState::Accepted, part: TextPart::Other, fate: None }
    }

    /// Takes the next entry of the transcript. Returns the state of the text if it has come further.
    pub(super) fn take(&mut self, said: &TranscriptText) -> Option<ReceiptState> {
        match said {
            TranscriptText::TurnStarted { texts, .. } => {
                self.part = if texts.contains(&self.text) { TextPart::Prompt } else { TextPart::Other };
                None
            }
            TranscriptText::Receipt { text, state } if *text == self.text => {
                self.state.advance(state.clone()).then(|| self.reached())
            }
            TranscriptText::TurnEnded { end, .. } => {
                self.turn_ended(end);
                None
            }
            TranscriptText::Receipt { .. }
            | TranscriptText::Ready
            | TranscriptText::Session { .. }
            | TranscriptText::Briefed { .. }
            | TranscriptText::Compacted
            | TranscriptText::Text { .. }
            | TranscriptText::Thought { .. }
            | TranscriptText::ToolCall { .. }
            | TranscriptText::Plan { .. }
            | TranscriptText::PermissionAsked { .. }
            | TranscriptText::PermissionAnswered { .. }
            | TranscriptText::Usage { .. }
            | TranscriptText::Steered { .. }
            | TranscriptText::Mail { .. }
            | TranscriptText::Stalled { .. }
            | TranscriptText::Interrupted { .. }
            | TranscriptText::AskedToStop { .. }
            | TranscriptText::AskedToEnd { .. }
            | TranscriptText::Parked { .. }
            | TranscriptText::Waiting
            | TranscriptText::Asleep
            | TranscriptText::Trouble { .. }
            | TranscriptText::Cut { .. }
            | TranscriptText::Leaving { .. } => None,
        }
    }

    fn reached(&mut self) -> ReceiptState {
        match (&self.state, self.part) {
            (ReceiptState::Lost { reason }, _) => self.end(TextFate::Lost { reason: reason.clone() }),
            (ReceiptState::Answered, TextPart::Other) => self.end(TextFate::Answered),
            // The end of its turn follows, which may be a failure.
            (ReceiptState::Answered, TextPart::Prompt)
            | (
                ReceiptState::Accepted
                | ReceiptState::Queued
                | ReceiptState::Unconfirmed
                | ReceiptState::Delivered
                | ReceiptState::InContext,
                _,
            ) => {}
        }
        self.state.clone()
    }

    fn turn_ended(&mut self, end: &TurnEnd) {
        match (&self.state, self.part, end) {
            (ReceiptState::Answered, _, TurnEnd::Failed { reason, .. } | TurnEnd::NotBegun { reason }) => {
                self.end(TextFate::Failed { reason: reason.clone() });
            }
            (ReceiptState::Answered, _, TurnEnd::Completed | TurnEnd::Aborted) => self.end(TextFate::Answered),
            // A turn that the provider's limit ended is begun again with its prompt.
            (
                ReceiptState::Delivered | ReceiptState::InContext,
                TextPart::Prompt,
                TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. },
            ) => {}
            // Were it to be answered, that would have been told before the end of the turn.
            (ReceiptState::Delivered | ReceiptState::InContext, _, _) => self.end(TextFate::Unanswered),
            // The turn was stopped before the agent had it: a message is put to the agent again by the next worker only, and of
            // other texts it was told before that they are lost.
            (ReceiptState::Accepted | ReceiptState::Unconfirmed, TextPart::Prompt, TurnEnd::Aborted) => {
                self.end(TextFate::InMailbox);
            }
            (
                ReceiptState::Accepted | ReceiptState::Queued | ReceiptState::Unconfirmed | ReceiptState::Lost { .. },
                _,
                _,
            ) => {}
        }
    }

    fn end(&mut self, fate: TextFate) {
        self.fate.get_or_insert(fate);
    }

    /// The end of the text's way, once it is known. Without a worker no more is to come than the transcript has.
    pub(super) fn fate(&self, gone: Option<WorkerGone>) -> Option<TextFate> {
        if self.fate.is_some() {
            return self.fate.clone();
        }
        let gone = gone?;
        Some(match (self.text, &self.state) {
            (_, ReceiptState::Answered) => TextFate::Answered,
            (TextId::Message(_), state) if !state.is_delivered() => TextFate::InMailbox,
            (TextId::Message(_) | TextId::InTurn { .. }, _) => {
                let reason = match gone {
                    WorkerGone::Left => "its worker has left",
                    WorkerGone::Died => "its worker died",
                };
                TextFate::Lost { reason: reason.to_owned() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::agent::AgentFault;
    use teamster_protocol::model::id::MessageId;
    use teamster_protocol::model::task::TaskWork;

    use super::*;

    fn prompt() -> TextId {
        TextId::prompt_of(3)
    }

    fn begun(texts: &[TextId]) -> TranscriptText {
        let (work, texts, used_before) = (TaskWork::run("make"), texts.to_vec(), Default::default());
        TranscriptText::TurnStarted { turn: 3, task: None, work, texts, used_before }
    }

    fn receipt(text: TextId, state: ReceiptState) -> TranscriptText {
        TranscriptText::Receipt { text, state }
    }

    fn ended(end: TurnEnd) -> TranscriptText {
        TranscriptText::TurnEnded { turn: 3, task: None, end, used: Default::default() }
    }

    fn limited() -> TurnEnd {
        TurnEnd::Failed { reason: "used up".to_owned(), fault: AgentFault::Provider }
    }

    fn fate(text: TextId, said: &[TranscriptText]) -> Option<TextFate> {
        let mut progress = TextProgress::of(text);
        said.iter().for_each(|said| drop(progress.take(said)));
        progress.fate(None)
    }

    #[test]
    fn a_prompt_is_answered_with_the_end_of_its_turn() {
        let id = prompt();
        let mut said = vec![begun(&[id]), receipt(id, ReceiptState::Delivered), receipt(id, ReceiptState::Answered)];
        assert_eq!(fate(id, &said), None);
        said.push(ended(TurnEnd::failed("exit status 2")));
        assert_eq!(fate(id, &said), Some(TextFate::Failed { reason: "exit status 2".to_owned() }));
        said.pop();
        said.push(ended(TurnEnd::Completed));
        assert_eq!(fate(id, &said), Some(TextFate::Answered));
    }

    #[test]
    fn a_steer_is_answered_or_its_turn_ends_without_an_answer() {
        let id = TextId::InTurn { turn: 3, number: 1 };
        let delivered = [begun(&[prompt()]), receipt(id, ReceiptState::InContext)];
        let then = |more: TranscriptText| fate(id, &[&delivered[..], &[more]].concat());
        assert_eq!(then(receipt(prompt(), ReceiptState::Answered)), None, "that is another text");
        assert_eq!(then(receipt(id, ReceiptState::Answered)), Some(TextFate::Answered));
        assert_eq!(then(ended(TurnEnd::Aborted)), Some(TextFate::Unanswered));
        assert_eq!(then(ended(TurnEnd::failed("timed out after 2.0 s"))), Some(TextFate::Unanswered));
        let lost = ReceiptState::Lost { reason: "it died".to_owned() };
        assert_eq!(then(receipt(id, lost)), Some(TextFate::Lost { reason: "it died".to_owned() }));
    }

    #[test]
    fn a_prompt_that_waits_for_its_provider_is_followed_into_the_next_turn() {
        let id = prompt();
        let mut said = vec![begun(&[id]), receipt(id, ReceiptState::Delivered), ended(limited())];
        assert_eq!(fate(id, &said), None);
        said.extend([begun(&[id]), receipt(id, ReceiptState::Answered), ended(TurnEnd::Completed)]);
        assert_eq!(fate(id, &said), Some(TextFate::Answered));
    }

    #[test]
    fn without_a_worker_a_message_waits_and_other_texts_are_lost() {
        let message = TextId::Message(MessageId::from_parts(1, 2));
        let gone = |text: TextId, said: &[TranscriptText]| {
            let mut progress = TextProgress::of(text);
            said.iter().for_each(|said| drop(progress.take(said)));
            progress.fate(Some(WorkerGone::Died))
        };
        let lost = || Some(TextFate::Lost { reason: "its worker died".to_owned() });
        assert_eq!(gone(message, &[]), Some(TextFate::InMailbox));
        assert_eq!(gone(message, &[receipt(message, ReceiptState::Queued)]), Some(TextFate::InMailbox));
        assert_eq!(gone(message, &[receipt(message, ReceiptState::Delivered)]), lost());
        assert_eq!(gone(prompt(), &[]), lost());
        let answered = [begun(&[prompt()]), receipt(prompt(), ReceiptState::Answered)];
        assert_eq!(gone(prompt(), &answered), Some(TextFate::Answered));
    }
}
