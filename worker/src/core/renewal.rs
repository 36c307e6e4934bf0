//! A conversation that fills the agent's context would fail each further turn. An agent that could not make room in it by
//! itself is ended, and begins its next turn with a new conversation and a summary of the old one.

use teamster_protocol::model::agent::{AgentFault, TurnEnd};

use super::sleep::AgentSleep;
use super::turn::RunningTurn;
use super::{WorkPhase, WorkerAction, WorkerCore};

impl RunningTurn {
    /// Whether a full context has failed the turn, which ends so.
    pub(super) fn is_failed_by_context(&self, end: &TurnEnd) -> bool {
        let is_failed = matches!(end, TurnEnd::Failed { fault: AgentFault::Prompt, .. });
        is_failed && self.is_context_full
    }
}

impl WorkerCore {
    /// Whether what met a full context is begun again in a new conversation: once, and by an agent that goes on.
    pub(super) fn begins_again_if_full(&self) -> bool {
        let is_ending = matches!(&self.phase, WorkPhase::Turn(turn) if turn.ending.is_some());
        !self.is_renewed && !is_ending && self.leave.is_none() && self.agent == AgentSleep::Awake
    }

    /// The agent's context is full; the end of the turn follows.
    pub(super) fn context_full(&mut self) {
        if let WorkPhase::Turn(turn) = &mut self.phase {
            turn.is_context_full = turn.reads_text();
        }
    }

    /// Renews the conversation if the turn, which is over, was failed by a full context. Its task goes back, and is begun again
    /// in the new one; but once, for it may be the work itself that no context holds.
    pub(super) fn renew_if_full(&mut self, turn: &mut RunningTurn, end: &TurnEnd) {
        match end {
            TurnEnd::Completed if turn.reads_text() => self.is_renewed = false,
            TurnEnd::Failed { .. } if turn.is_failed_by_context(end) && turn.ending.is_none() => {
                turn.goes_back = !self.is_renewed;
                // A worker that ends leaves the conversation to the next life, which meets the same.
                if self.leave.is_some() || self.agent != AgentSleep::Awake {
                    return;
                }
                self.is_renewed = true;
                self.take_queue_back();
                self.agent = AgentSleep::FallingAsleep;
                self.act(WorkerAction::RenewConversation);
                self.act(WorkerAction::PutAgentToSleep);
            }
            TurnEnd::Completed | TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } | TurnEnd::Aborted => {}
        }
    }
}
