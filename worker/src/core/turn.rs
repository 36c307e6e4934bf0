//! One turn of the agent, from its begin to what the board knows of it: what it is for, how it is being ended, and
//! what that means for its task.

use teamster_protocol::model::board::ReleaseWhy;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::mail::Message;
use teamster_protocol::model::notice::{Said, Stop};
use teamster_protocol::model::roster::LeftHow;
use teamster_protocol::model::task::{Claim, Work};
use teamster_protocol::wire::api::Prompted;

use super::event::{AskId, Outcome};
use super::{Action, Answer, Before, Core, Fault, Leave, Phase, Refused, ms};

/// A running turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) number: u64,
    pub(super) since_ms: u64,
    pub(super) what_for: TurnFor,
    pub(super) deadline_ms: Option<u64>,
    /// When the agent was last heard.
    pub(super) heard_ms: u64,
    /// When it was last told that it stalls; nothing once it is heard again.
    pub(super) stalled_ms: Option<u64>,
    /// Set once it was told to end.
    pub(super) ending: Option<Ending>,
}

/// What a turn is for.
#[derive(Debug)]
pub(super) enum TurnFor {
    /// A task of the board.
    Task(Claim),
    /// A prompt of the leader.
    Ask(AskId),
    /// Mail.
    Mail(Vec<Message>),
}

/// Why a turn was told to end.
#[derive(Debug)]
pub(super) enum Ending {
    /// Somebody stopped it.
    Stopped { reason: String },
    /// It took longer than its task may.
    TimedOut,
    /// Its agent said nothing for so long.
    Stalled { quiet_ms: u64 },
    /// Its agent said nothing for so long, and is ended with this worker. The task is given back as that of a dead
    /// worker is, so that an agent that hangs on it again and again fails it.
    Hung { quiet_ms: u64 },
    /// The worker ends.
    Leaving,
    /// It could not begin, and the worker ends for it: what is wrong with its place is wrong for the next task too, and
    /// would fail one after another.
    NotBegun,
}

impl Turn {
    pub(super) fn begin(number: u64, now_ms: u64, what_for: TurnFor, deadline_ms: Option<u64>) -> Turn {
        Turn { number, since_ms: now_ms, what_for, deadline_ms, heard_ms: now_ms, stalled_ms: None, ending: None }
    }

    /// Somebody stops it, even if it is ending because its worker leaves; one that timed out has failed.
    pub(super) fn stop(&mut self, reason: String) {
        match self.ending {
            None | Some(Ending::Leaving) => self.ending = Some(Ending::Stopped { reason }),
            Some(
                Ending::Stopped { .. }
                | Ending::TimedOut
                | Ending::Stalled { .. }
                | Ending::Hung { .. }
                | Ending::NotBegun,
            ) => {}
        }
    }

    pub(super) fn task(&self) -> Option<TaskId> {
        match &self.what_for {
            TurnFor::Task(claim) => Some(claim.id),
            TurnFor::Ask(_) | TurnFor::Mail(_) => None,
        }
    }

    /// What goes to the board; nothing for a turn without a task. A turn that was completed in the same moment
    /// in which it was told to end is completed: that is what happened.
    pub(super) fn outcome(&self, now_ms: u64, stop: &Stop, result: String) -> Option<Outcome> {
        let TurnFor::Task(claim) = &self.what_for else { return None };
        let claim = claim.clone();
        Some(match (stop, &self.ending) {
            (Stop::Completed, _) => Outcome::Complete { claim, result },
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Stopped { reason })) => {
                let partial = if reason.is_empty() { result } else { format!("(stopped: {reason})\n{result}") };
                Outcome::Release { claim, why: ReleaseWhy::Stopped, partial }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Hung { quiet_ms })) => {
                Outcome::Die { claim, cause: said_nothing(*quiet_ms), partial: result }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Stalled { quiet_ms })) => {
                Outcome::Fail { claim, reason: said_nothing(*quiet_ms), result }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::Leaving | Ending::NotBegun)) => {
                Outcome::Release { claim, why: ReleaseWhy::WorkerLeft, partial: result }
            }
            (Stop::Failed { .. } | Stop::Aborted, Some(Ending::TimedOut)) => {
                let seconds = now_ms.saturating_sub(self.since_ms) as f64 / 1000.0;
                Outcome::Fail { claim, reason: format!("timed out after {seconds:.1} s"), result }
            }
            (Stop::Failed { reason }, None) => Outcome::Fail { claim, reason: reason.clone(), result },
            (Stop::Aborted, None) => Outcome::Fail { claim, reason: "the agent broke the turn off".to_owned(), result },
        })
    }
}

fn said_nothing(quiet_ms: u64) -> String {
    format!("its agent said nothing for {:.1} s", quiet_ms as f64 / 1000.0)
}

impl Core {
    pub(super) fn start_turn(&mut self, now_ms: u64, what_for: TurnFor, deadline_ms: Option<u64>, work: Work) {
        self.turns += 1;
        let turn = Turn::begin(self.turns, now_ms, what_for, deadline_ms);
        let (number, task) = (turn.number, turn.task());
        self.phase = Phase::Turn(turn);
        self.act(Action::StartTurn { turn: number, task, work });
    }

    pub(super) fn prompt_taken(&mut self) {
        let Phase::Turn(turn) = &mut self.phase else { return };
        let number = turn.number;
        match &mut turn.what_for {
            TurnFor::Ask(ask) => {
                let ask = *ask;
                self.answer(ask, Ok(Answer::Prompted(Prompted { turn: number })));
            }
            TurnFor::Mail(messages) => {
                let ids = messages.iter().map(|message| message.id).collect();
                self.acknowledge(ids);
            }
            TurnFor::Task(_) => {}
        }
    }

    pub(super) fn prompt_refused(&mut self, now_ms: u64, reason: String, fault: Fault) {
        let Phase::Turn(turn) = &mut self.phase else { return };
        match &mut turn.what_for {
            TurnFor::Ask(ask) => {
                let ask = *ask;
                self.answer(ask, Err(Refused::new(reason.clone())));
            }
            // It was not handed on: it stays unread for the next life, and this one does not try in a circle.
            TurnFor::Mail(_) | TurnFor::Task(_) => {}
        }
        match fault {
            Fault::Prompt => self.turn_ended(now_ms, Stop::Failed { reason }, String::new()),
            Fault::Place => self.not_begun(now_ms, reason),
        }
    }

    /// Its task is for others to do, or for the next life of this member.
    pub(super) fn not_begun(&mut self, now_ms: u64, reason: String) {
        let Phase::Turn(turn) = &mut self.phase else { return };
        turn.ending.get_or_insert(Ending::NotBegun);
        self.leave.get_or_insert(Leave { how: LeftHow::AgentGone { reason: reason.clone() }, approve: None });
        self.turn_ended(now_ms, Stop::Failed { reason }, String::new());
    }

    pub(super) fn turn_ended(&mut self, now_ms: u64, stop: Stop, result: String) {
        if !matches!(self.phase, Phase::Turn(_)) {
            return;
        }
        let Phase::Turn(turn) = std::mem::replace(&mut self.phase, Phase::Claiming(Before::Working)) else {
            unreachable!("it was a turn a moment ago")
        };
        match turn.outcome(now_ms, &stop, result) {
            Some(outcome) => {
                self.act(Action::Record(outcome.clone()));
                self.phase = Phase::Recording { turn, stop, outcome, retry_at_ms: None };
            }
            None => self.turn_closed(now_ms, &turn, stop),
        }
    }

    pub(super) fn recorded(&mut self, now_ms: u64) {
        if !matches!(self.phase, Phase::Recording { .. }) {
            return;
        }
        let Phase::Recording { turn, stop, .. } = std::mem::replace(&mut self.phase, Phase::Claiming(Before::Working))
        else {
            unreachable!("it was recording a moment ago")
        };
        self.turn_closed(now_ms, &turn, stop);
    }

    pub(super) fn not_recorded(&mut self, now_ms: u64, error: String) {
        let retry = ms(self.settings.record_retry);
        if matches!(self.phase, Phase::Recording { .. }) && self.leaves_whatever_happens() {
            // Nobody may ever make room, or put back what was removed.
            self.trouble(format!("how the turn ended was not written down, and its task will be done again: {error}"));
            self.settle(now_ms, Before::Working);
        } else if let Phase::Recording { retry_at_ms, .. } = &mut self.phase {
            let first = retry_at_ms.is_none();
            *retry_at_ms = Some(now_ms + retry);
            if first {
                self.trouble(format!("cannot write down how the turn ended, trying again: {error}"));
            }
        } else if let Phase::Claiming(_) = self.phase {
            self.phase = Phase::Idle;
            self.trouble(format!("cannot look for a task, trying again: {error}"));
        }
    }

    fn turn_closed(&mut self, now_ms: u64, turn: &Turn, stop: Stop) {
        self.act(Action::Say(Said::TurnEnded { turn: turn.number, task: turn.task(), stop }));
        self.settle(now_ms, Before::Working);
    }
}
