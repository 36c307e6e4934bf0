//! The members that are in a turn, and the askers that wait for a turn to end.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::MemberName;

use super::member::{FoundLink, MemberPhase, TurnOpen, TurnWaiter};
use super::{AskId, LeaderAnswer, LeaderCore};

impl LeaderCore {
    /// The turn that a member is in, as far as its worker told.
    pub fn open_turn(&self, name: &MemberName) -> Option<TurnOpen> {
        self.members.get(name)?.worker()?.turn
    }

    pub(super) fn turn_started(&mut self, name: &MemberName, turn: TurnOpen) {
        if let Some(worker) = self.members.get_mut(name).and_then(MemberPhase::worker_mut) {
            worker.turn = Some(turn);
        }
    }

    pub(super) fn turn_ended(&mut self, name: &MemberName, turn: u64, stop: TurnEnd) {
        if let Some(worker) = self.members.get_mut(name).and_then(MemberPhase::worker_mut) {
            worker.turn = None;
            worker.last_turn = Some((turn, stop));
        }
    }

    pub(super) fn await_turn_end(&mut self, ask: AskId, name: MemberName, turn: u64) {
        self.turn_waiters.push(TurnWaiter { ask, name, turn });
    }

    /// Answers the calls that wait for turns which are over: a turn ended, or its worker did, or the link to it is
    /// lost. A worker that is starting may be in its first turn before it is known to be ready.
    pub(super) fn answer_turn_waiters(&mut self) {
        if self.turn_waiters.is_empty() {
            return;
        }
        for TurnWaiter { ask, name, turn } in std::mem::take(&mut self.turn_waiters) {
            let end = match self.members.get(&name) {
                None | Some(MemberPhase::Preparing { .. } | MemberPhase::Restarting { .. }) => Some(None),
                Some(MemberPhase::Starting { .. }) => None,
                Some(MemberPhase::Running(worker) | MemberPhase::Ending { worker, .. }) => match &worker.last_turn {
                    Some((ended, stop)) if *ended == turn => Some(Some(stop.clone())),
                    Some((ended, _)) if *ended > turn => Some(None),
                    Some(_) | None => match worker.link() {
                        FoundLink::Lost => Some(None),
                        FoundLink::Trying | FoundLink::Linked => None,
                    },
                },
            };
            match end {
                Some(end) => self.answer(ask, Ok(LeaderAnswer::TurnEnded(end))),
                None => self.turn_waiters.push(TurnWaiter { ask, name, turn }),
            }
        }
    }
}
