//! A turn that is interrupted, because the lead wants something said at once to an agent that reads it only after its turn:
//! the agent is told to stop, and is prompted again in the same turn, with what it was asked, what it had said by then, and
//! the text. To the board, to budgets and to who waits for the turn's end nothing has ended.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::{SteerAnswer, SteerHaste, SteerHasteMade};

use super::mail::said_steer;
use super::prompt_parts::{PromptParts, bytes_of};
use super::text::{TextShown, WaitingText};
use super::turn::{InterruptedTurn, RunningTurn, TurnFor, TurnStop};
use super::{AskRefused, CallId, WorkPhase, WorkerAction, WorkerAnswer, WorkerCore};

impl WorkerCore {
    /// Interrupts the turn that runs, so that its agent is told this text at once.
    pub(super) fn interrupt_turn(&mut self, now_ms: u64, call: CallId, text: String, haste: SteerHaste) {
        let is_held = self.is_held();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        if !turn.reads_text() {
            let name = &self.settings.me.name;
            let refused = AskRefused::new("it runs a command, which can not be begun again with a text");
            let hint = format!("end it with teamster stop {name}, or, if it reads, say it without --now");
            return self.answer(call, Err(refused.with_hint(hint)));
        }
        let (id, state) = (turn.name_text(), ReceiptState::Queued);
        let (from, urgency) = (Address::Lead, Urgency::Now);
        let text = WaitingText { id, from, text, urgency, state: state.clone(), shown: TextShown::No };
        if haste == SteerHaste::Now
            && let Err(refused) = self.must_fit(&text)
        {
            return self.answer(call, Err(refused));
        }
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let was_interrupted = turn.ending.is_some();
        if !is_held {
            turn.ending = Some(TurnStop::Interrupted);
        }
        self.act(WorkerAction::Say(said_steer(&text)));
        self.act(WorkerAction::Say(TranscriptText::Receipt { text: id, state: state.clone() }));
        self.texts.push_back(text);
        let haste = Some(if is_held { SteerHasteMade::Joined } else { SteerHasteMade::Interrupted });
        self.answer(call, Ok(WorkerAnswer::Steered(SteerAnswer { text: id, state, haste })));
        match (is_held, was_interrupted) {
            // It was not prompted yet, and is with this.
            (true, _) => self.join_texts(None),
            (false, false) => self.abort_turn(now_ms),
            // It goes along with the text before.
            (false, true) => {}
        }
    }

    /// Refuses a text with which the prompt of the turn would be longer than its agent takes.
    fn must_fit(&self, text: &WaitingText) -> Result<(), AskRefused> {
        let WorkPhase::Turn(turn) = &self.phase else { return Ok(()) };
        let waiting = self.texts.iter().chain(self.open_steers()).filter(|text| text.message().is_none());
        let texts: usize = waiting.chain([text]).map(bytes_of).sum();
        let (bytes, bytes_max) = (turn.bytes_again() + texts, self.prompt_room(turn));
        if bytes <= bytes_max {
            return Ok(());
        }
        let refused = AskRefused::new(format!(
            "with this its turn would go on with a prompt of {bytes} bytes, and its agent takes {bytes_max} at most"
        ));
        let name = &self.settings.me.name;
        Err(refused.with_hint(format!("say it in fewer words, or without --now; teamster stop {name} ends the turn")))
    }

    /// The longest prompt with which the turn that runs can go on.
    fn prompt_room(&self, turn: &RunningTurn) -> usize {
        self.settings.prompt_bytes_max.saturating_sub(self.words_before_bytes(turn.work.kind()))
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
            // The texts are handed on after the turn, or lost with an agent that did not obey.
            TurnEnd::Completed | TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } => return InterruptedTurn::Over,
        }
        if let Some((owner, limit)) = self.spent_in_turn(now_ms) {
            self.charge_budget(owner, limit);
            return InterruptedTurn::Over;
        }
        let WorkPhase::Turn(turn) = &mut self.phase else { return InterruptedTurn::Over };
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

    /// Makes the texts whose turn it is a part of the turn's prompt, with what the agent had said to the prompt as it was;
    /// nothing if it was not prompted. What can wait, and what has no room, is handed on after the turn.
    fn join_texts(&mut self, said: Option<&str>) {
        let open = self.take_steers_back();
        let (urgent, mut waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.texts).into_iter().partition(|text| text.urgency == Urgency::Now);
        let urgent: Vec<WaitingText> = open.into_iter().chain(urgent).collect();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let mut parts = turn.parts.take().unwrap_or_else(|| PromptParts::of(&turn.work));
        if let Some(said) = said {
            parts.heard(said);
        }
        let WorkPhase::Turn(turn) = &self.phase else { return };
        let bytes_max = self.prompt_room(turn);
        let mut room = bytes_max.saturating_sub(parts.bytes());
        let mut has_room = |text: &WaitingText| {
            let left = room.checked_sub(bytes_of(text));
            left.map(|left| room = left).is_some()
        };
        // The lead was told that its own have room.
        let own: Vec<bool> = urgent.iter().map(|text| text.message().is_none() && has_room(text)).collect();
        let fits: Vec<bool> =
            urgent.iter().zip(own).map(|(text, own)| own || (text.message().is_some() && has_room(text))).collect();
        let (mut joined, mut kept) = (Vec::new(), Vec::new());
        for (mut text, fits) in urgent.into_iter().zip(fits) {
            if fits {
                self.show(&mut text);
                parts.add(&text);
                joined.push(text);
            } else {
                kept.push(text);
            }
        }
        kept.append(&mut waiting);
        self.texts = kept.into();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        turn.work = TaskWork::Prompt(parts.prompt(bytes_max));
        turn.parts = Some(parts);
        let prompt = TextId::prompt_of(turn.number);
        self.add_to_prompt(prompt, joined);
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
                | WorkerEnd::Killed
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
