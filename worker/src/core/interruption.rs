//! A turn that is interrupted, because the lead wants something said at once to an agent that reads it only after its turn:
//! the agent is told to stop, and is prompted again in the same turn, with what it was asked, what it had said by then, and
//! the text. To the board, to budgets and to who waits for the turn's end nothing has ended.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::SteerAnswer;

use super::mail::said_steer;
use super::recap::{ending, quoted};
use super::text::{TextShown, WaitingText, joined};
use super::turn::{InterruptedTurn, TurnFor, TurnStop};
use super::{AskRefused, CallId, WorkPhase, WorkerAction, WorkerAnswer, WorkerCore};

/// The last words of a prompt that is put again with texts.
const GO_ON: &str = "Go on with what you were asked, and heed this.";

impl WorkerCore {
    /// Interrupts the turn that runs, so that its agent is told this text at once.
    pub(super) fn interrupt_turn(&mut self, now_ms: u64, call: CallId, text: String) {
        let is_held = self.is_held();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        if !turn.reads_text() {
            let name = &self.settings.me.name;
            let refused = AskRefused::new("it runs a command, which can not be begun again with a text");
            let hint = format!("end it with teamster stop {name}, or, if it reads, say it without --now");
            return self.answer(call, Err(refused.with_hint(hint)));
        }
        let (id, state) = (turn.name_text(), ReceiptState::Queued);
        let text = WaitingText { id, from: Address::Lead, text, state: state.clone(), shown: TextShown::No };
        let was_interrupted = turn.ending.is_some();
        if !is_held {
            turn.ending = Some(TurnStop::Interrupted);
        }
        self.act(WorkerAction::Say(said_steer(&text)));
        self.act(WorkerAction::Say(TranscriptText::Receipt { text: id, state: state.clone() }));
        self.texts.push_back(text);
        self.answer(call, Ok(WorkerAnswer::Steered(SteerAnswer { text: id, state })));
        match (is_held, was_interrupted) {
            // It was not prompted yet, and is with this.
            (true, _) => self.join_texts(None),
            (false, false) => self.abort_turn(now_ms),
            // It goes along with the text before.
            (false, true) => {}
        }
    }

    /// The agent has ended the turn that runs. If that was interrupted, the agent is prompted again.
    pub(super) fn go_on_if_interrupted(&mut self, now_ms: u64, end: &TurnEnd, said: &str) -> InterruptedTurn {
        if !self.is_interrupted() {
            return InterruptedTurn::Over;
        }
        let (may_go_on, is_leaving) = (self.may_go_on(), self.leave.is_some());
        let WorkPhase::Turn(turn) = &mut self.phase else { return InterruptedTurn::Over };
        turn.ending = None;
        match end {
            TurnEnd::Aborted => {}
            // The texts are handed on after the turn.
            TurnEnd::Completed | TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } => return InterruptedTurn::Over,
        }
        let is_limited = turn.limit.is_some();
        // A worker that ends does not wait for its provider, either: the task goes back.
        if !may_go_on || (is_limited && is_leaving) {
            turn.ending = Some(TurnStop::Leaving);
            return InterruptedTurn::Over;
        }
        turn.used_by_then = turn.usage;
        self.join_texts(Some(said));
        if is_limited {
            // The prompt as it is now is given after the wait.
            return InterruptedTurn::Over;
        }
        let WorkPhase::Turn(turn) = &mut self.phase else { return InterruptedTurn::Over };
        let questions = std::mem::take(&mut turn.questions);
        turn.heard(now_ms);
        let (number, task, work) = (turn.number, turn.task(), turn.work.clone());
        self.take_questions_back(questions);
        self.act(WorkerAction::Say(TranscriptText::Interrupted { turn: number, prompt: work.text().to_owned() }));
        let before = self.words_before(TextId::prompt_of(number), work.kind());
        self.act(WorkerAction::PromptAgent { turn: number, task, before, work });
        InterruptedTurn::GoesOn
    }

    /// Makes the texts that wait a part of the turn's prompt, with what the agent had said to the prompt as it was; nothing if
    /// it was not prompted.
    fn join_texts(&mut self, said: Option<&str>) {
        let mut texts: Vec<WaitingText> = std::mem::take(&mut self.texts).into();
        texts.iter_mut().for_each(|text| self.show(text));
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let prompt = TextId::prompt_of(turn.number);
        texts.splice(0..0, self.take_steers_back());
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        turn.work = TaskWork::Prompt(prompt_again(turn.work.text(), said, &texts));
        self.add_to_prompt(prompt, texts);
    }

    /// The turn that runs is begun again after a wait, with the texts that became a part of its prompt.
    pub(super) fn carry_texts(&mut self) {
        let WorkPhase::Turn(turn) = &self.phase else { return };
        match turn.what_for {
            TurnFor::Task(_) | TurnFor::Call { .. } => {
                let carried = self.take_from_prompt(TextId::prompt_of(turn.number));
                let WorkPhase::Turn(turn) = &mut self.phase else { return };
                turn.carried = carried;
            }
            // Its texts wait again, and are handed on like any.
            TurnFor::Texts | TurnFor::Queued => {}
        }
    }

    /// Whether the turn that runs was interrupted, and its agent has not ended it yet.
    pub(super) fn is_interrupted(&self) -> bool {
        matches!(&self.phase, WorkPhase::Turn(turn) if matches!(turn.ending, Some(TurnStop::Interrupted)))
    }

    /// Whether a turn can be gone on with: not if the worker is to end without it.
    fn may_go_on(&self) -> bool {
        match self.leave.as_ref().map(|leave| &leave.how) {
            None | Some(WorkerEnd::Shutdown | WorkerEnd::LeaderGone) => true,
            Some(
                WorkerEnd::Terminated
                | WorkerEnd::AgentGone { .. }
                | WorkerEnd::ProviderRefused { .. }
                | WorkerEnd::BudgetSpent { .. }
                | WorkerEnd::Died { .. }
                | WorkerEnd::NotStarted { .. }
                | WorkerEnd::GivenUp { .. },
            ) => false,
        }
    }
}

/// The prompt of a turn that was interrupted, for an agent that may have forgotten what it was asked.
fn prompt_again(asked: &str, said: Option<&str>, texts: &[WaitingText]) -> String {
    let begun = said.map(|said| match said.trim() {
        "" => "You had begun with this, and were interrupted.".to_owned(),
        said => format!("You had begun with this, and were interrupted. You had said:\n{}", quoted(&ending(said))),
    });
    let parts = [asked.to_owned()].into_iter().chain(begun).chain([joined(texts), GO_ON.to_owned()]);
    parts.collect::<Vec<_>>().join("\n\n")
}
