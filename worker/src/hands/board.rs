//! The worker's hands on the board: claim, write down how a turn ended, give back the tasks of the dead.

use teamster_protocol::host::crash::point;
use teamster_protocol::model::board::{Board, BoardFact, WorkerDeath};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::sweep::SweepReach;
use teamster_protocol::model::task::BoardRefusal;
use teamster_protocol::model::task::{ReleaseWhy, TaskClaim};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::TeamError;

use super::{WorkerHands, is_written};
use crate::core::{AttemptEnd, ClaimedTask, TaskAllowance, WorkerEvent};

impl WorkerHands {
    pub(super) fn claim_next(&mut self) -> WorkerEvent {
        if let Some(error) = self.why_no_task() {
            return WorkerEvent::NotRecorded { error };
        }
        if let Err(error) = self.give_back() {
            return WorkerEvent::NotRecorded { error: error.to_string() };
        }
        if let Some(limited @ WorkerEvent::AccountLimited(_)) = self.heed_limit() {
            return limited;
        }
        let claim = match self.team.claim_next(&self.me) {
            Ok(Some(claim)) => claim,
            Ok(None) => return WorkerEvent::Claimed(None),
            Err(error) => return WorkerEvent::NotRecorded { error: error.to_string() },
        };
        point("task claimed, not read");
        match self.team.new_task(claim.id) {
            Ok(task) => {
                let (budget, timeout_ms) = (task.budget, task.timeout_ms);
                let used = match self.used_before(&claim, budget) {
                    Ok(used) => used,
                    Err(error) => return self.claimed_unread(claim, &error),
                };
                let allowance = TaskAllowance { budget, used };
                WorkerEvent::Claimed(Some(ClaimedTask { claim, work: task.work, timeout_ms, allowance }))
            }
            Err(error) => self.claimed_unread(claim, &error),
        }
    }

    /// The use of the attempts before this one. Nobody asks for it where no budget limits the task.
    fn used_before(&self, claim: &TaskClaim, budget: UsageBudget) -> Result<UsageSum, TeamError> {
        if budget.is_empty() || claim.attempt <= 1 {
            return Ok(UsageSum::default());
        }
        Ok(self.team.task_view(claim.id)?.used())
    }

    fn claimed_unread(&mut self, claim: TaskClaim, error: &TeamError) -> WorkerEvent {
        let error = format!("task {} cannot be read and was stopped: {error}", claim.id);
        self.unreleased.push(claim);
        match self.give_back() {
            Ok(()) => WorkerEvent::NotRecorded { error },
            Err(why) => WorkerEvent::NotRecorded { error: format!("{error}; it will be given back: {why}") },
        }
    }

    /// Gives back the claims on tasks that could not be read. As stopped ones: free, the next worker would fail
    /// over them in the same breath.
    fn give_back(&mut self) -> Result<(), TeamError> {
        while let Some(claim) = self.unreleased.last().cloned() {
            let partial = "(its text could not be read)".to_owned();
            let release = |board: &Board| Ok((vec![board.release(&claim, ReleaseWhy::Stopped, partial)?], ()));
            match self.team.decide(Durability::Process, release) {
                Err(error) if !matches!(error, TeamError::Refused(_)) && !is_written(&error) => return Err(error),
                Ok(()) | Err(_) => drop(self.unreleased.pop()),
            }
        }
        Ok(())
    }

    pub(super) fn record(&mut self, attempt: AttemptEnd, used: UsageSum) -> WorkerEvent {
        let claim = match &attempt {
            AttemptEnd::Complete { claim, .. }
            | AttemptEnd::Fail { claim, .. }
            | AttemptEnd::Release { claim, .. }
            | AttemptEnd::Die { claim, .. } => claim,
        };
        let id = claim.id;
        point("about to record");
        let written = self.team.decide(self.durability, |board| Ok((vec![fact(board, attempt)?.with_usage(used)], ())));
        point("recorded");
        match written {
            Ok(()) => WorkerEvent::Recorded,
            Err(TeamError::Refused(why)) => WorkerEvent::RecordRefused { why: why.to_string() },
            Err(error) if is_written(&error) => {
                self.trouble(format!("the end of task {id} is written, but may not survive a loss of power: {error}"));
                WorkerEvent::Recorded
            }
            Err(error) => WorkerEvent::NotRecorded { error: error.to_string() },
        }
    }

    /// Takes the worker off the list of those that wait. If that fails, it is rung once for nothing.
    pub(crate) fn away(&mut self) {
        let me = &self.me.name;
        if let Err(error) = self.team.decide(Durability::Process, |board| Ok((board.away(me), ()))) {
            tracing::warn!("cannot write down that {me} does not wait: {error}");
        }
    }

    pub(super) fn sweep(&mut self, reach: SweepReach) {
        let me = &self.me.name;
        let swept = match reach {
            SweepReach::Ring => self.team.sweep_ring(me),
            SweepReach::Whole => self.team.sweep(|name| name == me),
        };
        match swept {
            Ok(buried) => {
                self.complaints.over("sweep");
                for name in buried {
                    self.trouble(format!("the worker of {name} is dead: what it held was given back"));
                }
            }
            Err(error) => self.complain("sweep", format!("cannot look for dead workers, trying again: {error}")),
        }
    }
}

fn fact(board: &Board, attempt: AttemptEnd) -> Result<BoardFact, BoardRefusal> {
    match attempt {
        AttemptEnd::Complete { claim, result } => board.complete(&claim, result),
        AttemptEnd::Fail { claim, reason, result } => board.fail(&claim, reason, result),
        AttemptEnd::Release { claim, why, partial } => board.release(&claim, why, partial),
        AttemptEnd::Die { claim, cause, partial } => {
            board.die(&claim, WorkerDeath { cause: Some(&cause), last_words: &partial, used: Default::default() })
        }
    }
}
