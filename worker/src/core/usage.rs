//! The sums of what turns use: of the turn that runs, of the attempt in hand, and of the member in all its lives.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::usage::{TokenUsage, UsageSum};

use super::allowance::used_up;
use super::event::AttemptEnd;
use super::text::TurnLimited;
use super::turn::{RunningTurn, TurnStop};
use super::{WorkPhase, WorkerAction, WorkerCore};

impl WorkerCore {
    /// The agent tells what its turn has used so far. Outside of a turn there is none that it could be of.
    pub(super) fn turn_used(&mut self, now_ms: u64, usage: TokenUsage) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let usage = turn.used_by_then.map_or(usage, |before| before.then(usage));
        turn.usage = Some(usage);
        let turn = turn.number;
        self.act(WorkerAction::Say(TranscriptText::Usage { turn, usage }));
        self.check_budgets(now_ms);
    }

    /// The turn is over: its use is known, and is part of the member's.
    /// One that a provider's limit ended is begun again, and counts as a turn only then.
    pub(super) fn count_turn(&mut self, now_ms: u64, turn: &mut RunningTurn, limited: TurnLimited) {
        turn.used = UsageSum::of_turn(turn.usage, now_ms.saturating_sub(turn.since_ms));
        match limited {
            TurnLimited::Yes => turn.used.turns = 0,
            TurnLimited::No => {}
        }
        self.used = self.used.plus(turn.used);
        self.tell_if_unpriced(turn);
    }

    /// Orders the record of an attempt's end, with the use of all turns since its claim.
    pub(super) fn record(&mut self, attempt: AttemptEnd) {
        let used = self.used.since(self.used_at_claim);
        self.act(WorkerAction::Record { attempt, used });
    }

    pub(super) fn say_turn_end(&mut self, turn: &RunningTurn, end: TurnEnd) {
        if let (Some(TurnStop::OverBudget { limit, .. }), Some(id)) = (&turn.ending, turn.task())
            && turn.used.is_empty()
        {
            // None of its turns has begun.
            return self.trouble(format!("task {id} is not begun: {}", used_up(*limit)));
        }
        let (number, task, used) = (turn.number, turn.task(), turn.used);
        self.act(WorkerAction::Say(TranscriptText::TurnEnded { turn: number, task, end, used }));
    }
}
