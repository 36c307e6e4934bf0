//! Parking: a provider takes no more for now. That fails nothing: the member waits, keeps its task, and goes on by itself.

use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::agent::{AgentFault, ProviderLimit, TurnEnd};
use teamster_protocol::model::limits::{PARK_DEFAULT, PARK_MIN, PROVIDER_TRIES_MAX, PROVIDER_WAIT_MIN};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::WorkerEnd;

use super::limit::StandingLimit;
use super::text::{TURN_ABORTED, WORKER_ENDS};
use super::turn::{RunningTurn, TurnFor, TurnStop};
use super::{BeforeClaim, ClaimedTask, LeaveReason, WorkPhase, WorkerAction, WorkerCore, ms};

/// A wait for the provider.
#[derive(Debug)]
pub(super) struct ParkedUntil {
    pub(super) until_ms: u64,
    pub(super) reason: String,
    /// The work to go on with when the time is reached.
    pub(super) work: Option<ParkedWork>,
}

/// The work that a parked worker keeps in hand.
#[derive(Debug)]
pub(super) enum ParkedWork {
    /// A turn that the limit ended.
    Turn(Box<RunningTurn>),
    /// A task that was claimed in the moment of the limit, and not begun.
    Task(ClaimedTask),
}

impl WorkerCore {
    /// The provider takes no more; what runs is ended by the agent.
    pub(super) fn limited(&mut self, now_ms: u64, limit: ProviderLimit) {
        let mut limit = StandingLimit::told(limit, now_ms);
        limit.until_ms = limit.until_ms.max(now_ms.saturating_add(ms(PARK_MIN)));
        if let WorkPhase::Turn(turn) = &mut self.phase {
            turn.limit = Some(limit.clone());
        }
        self.act(WorkerAction::TellLimit { until_ms: limit.until_ms, reason: limit.reason.clone() });
        self.heed_if_longer(limit);
        self.settle_if_free(now_ms);
    }

    /// Keeps the longer of two limits: another member of the account may have been told another one.
    fn heed_if_longer(&mut self, limit: StandingLimit) {
        if self.limit.as_ref().is_none_or(|known| known.until_ms < limit.until_ms) {
            self.limit = Some(limit);
        }
    }

    /// The provider has no room, and the agent has given up to try again: this worker does, later and later, and in the end
    /// gives up too. That is told to no other member: who has no room for one may have room for another.
    pub(super) fn provider_unavailable(&mut self, now_ms: u64, reason: String) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        self.tries += 1;
        if self.tries >= PROVIDER_TRIES_MAX || self.settings.on_limit == OnLimit::End {
            return;
        }
        let wait_ms = ms(PROVIDER_WAIT_MIN).saturating_mul(1 << (self.tries - 1)).min(ms(PARK_DEFAULT));
        let reason = format!("{reason} (try {} of {PROVIDER_TRIES_MAX})", self.tries);
        let limit = StandingLimit { until_ms: now_ms.saturating_add(wait_ms), reason };
        turn.limit = Some(limit.clone());
        self.heed_if_longer(limit);
    }

    /// Makes the worker leave if a limit holds that it does not wait for.
    pub(super) fn leave_if_limited(&mut self, now_ms: u64) {
        if self.leave.is_none()
            && self.settings.on_limit == OnLimit::End
            && let Some(StandingLimit { reason, .. }) = self.holding_limit(now_ms)
        {
            self.leave = Some(LeaveReason { how: WorkerEnd::ProviderRefused { reason }, approve: None });
        }
    }

    /// A task was claimed in the moment of the limit.
    pub(super) fn claimed_under_limit(&mut self, now_ms: u64, task: ClaimedTask, limit: StandingLimit) {
        match self.settings.on_limit {
            OnLimit::Park => {
                self.park(limit, Some(ParkedWork::Task(task)));
                self.settle_if_free(now_ms);
            }
            OnLimit::End => {
                let ClaimedTask { claim, work, timeout_ms, allowance: _ } = task;
                let mut turn = RunningTurn::begin(self.turns, now_ms, TurnFor::Task(claim), timeout_ms, work);
                turn.ending = Some(TurnStop::Leaving);
                self.leave_if_limited(now_ms);
                self.end_turn_of(now_ms, turn, TurnEnd::Aborted, String::new());
            }
        }
    }

    /// The end of a turn that a limit ended, for a worker that does not wait for it: the fault is the provider's, whatever the
    /// agent says.
    pub(super) fn end_by_limit(&self, end: TurnEnd, limit: &StandingLimit) -> TurnEnd {
        match end {
            TurnEnd::Failed { reason, fault: AgentFault::Provider } => {
                TurnEnd::Failed { reason, fault: AgentFault::Provider }
            }
            TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } | TurnEnd::Aborted | TurnEnd::Completed => {
                TurnEnd::Failed { reason: limit.reason.clone(), fault: AgentFault::Provider }
            }
        }
    }

    /// Counts a turn that was ended by a provider without room, or begins to count anew. Returns the end as it is told.
    pub(super) fn count_try(&mut self, end: TurnEnd) -> TurnEnd {
        match end {
            TurnEnd::Failed { reason, fault: AgentFault::Provider } if self.tries >= PROVIDER_TRIES_MAX => {
                let reason = format!("{reason} (tried {} times)", self.tries);
                TurnEnd::Failed { reason, fault: AgentFault::Provider }
            }
            TurnEnd::Failed { fault: AgentFault::Provider, .. } | TurnEnd::Aborted | TurnEnd::NotBegun { .. } => end,
            TurnEnd::Completed
            | TurnEnd::Failed { fault: AgentFault::Prompt | AgentFault::Place | AgentFault::Agent, .. } => {
                self.tries = 0;
                end
            }
        }
    }

    /// The account is limited, as some member of it was told. A turn that runs goes on: should its provider refuse to, its own
    /// agent will say so.
    pub(super) fn account_limited(&mut self, now_ms: u64, limit: ProviderLimit) {
        let limit = StandingLimit::told(limit, now_ms);
        let until_ms = limit.until_ms;
        self.heed_if_longer(limit);
        match &self.phase {
            WorkPhase::Claiming(before) => self.settle(now_ms, *before),
            WorkPhase::Parked(parked) if parked.until_ms < until_ms && self.leave.is_none() => {
                self.wait_is_over(now_ms)
            }
            WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Turn(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Parked(_)
            | WorkPhase::Left(_) => self.settle_if_free(now_ms),
        }
    }

    /// The provider takes more again, or somebody says so.
    pub(super) fn limit_lifted(&mut self, now_ms: u64) {
        self.limit = None;
        if let WorkPhase::Parked(_) = self.phase {
            self.unpark(now_ms);
        }
    }

    /// The time is reached that the worker waited for. By now another limit may hold.
    pub(super) fn wait_is_over(&mut self, now_ms: u64) {
        match self.holding_limit(now_ms) {
            Some(limit) => self.go_on_waiting(limit),
            None => self.unpark(now_ms),
        }
    }

    /// Waits for another limit than that which the wait began with.
    fn go_on_waiting(&mut self, limit: StandingLimit) {
        let work = self.take_parked();
        self.park(limit, work);
    }

    /// The limit that holds now.
    pub(super) fn holding_limit(&mut self, now_ms: u64) -> Option<StandingLimit> {
        if self.limit.as_ref().is_some_and(|limit| limit.until_ms <= now_ms) {
            self.limit = None;
        }
        self.limit.clone()
    }

    /// Parks with a turn that the limit ended.
    pub(super) fn park_turn(&mut self, limit: StandingLimit, turn: RunningTurn) {
        self.park(limit, Some(ParkedWork::Turn(Box::new(turn))));
    }

    pub(super) fn park(&mut self, limit: StandingLimit, work: Option<ParkedWork>) {
        let task = match &work {
            Some(ParkedWork::Turn(turn)) => turn.task(),
            Some(ParkedWork::Task(task)) => Some(task.claim.id),
            None => None,
        };
        let turn = match &work {
            Some(ParkedWork::Turn(turn)) => Some(turn.number),
            Some(ParkedWork::Task(_)) | None => None,
        };
        let StandingLimit { until_ms, reason } = limit;
        self.act(WorkerAction::Say(TranscriptText::Parked { task, turn, until_ms, reason: reason.clone() }));
        self.phase = WorkPhase::Parked(ParkedUntil { until_ms, reason, work });
    }

    /// The wait is over.
    pub(super) fn unpark(&mut self, now_ms: u64) {
        self.limit = None;
        self.leave_if_spent();
        if self.leave.is_some() {
            return self.end_parked(now_ms, TurnStop::Leaving);
        }
        match self.take_parked() {
            Some(ParkedWork::Turn(turn)) => {
                let RunningTurn { what_for, timeout_ms, work, carried, parts, .. } = *turn;
                match what_for {
                    // The texts wait again, and are handed on like any.
                    TurnFor::Texts | TurnFor::Queued => self.settle(now_ms, BeforeClaim::Working),
                    TurnFor::Task(_) | TurnFor::Call { .. } => {
                        self.start_turn_with(now_ms, what_for, timeout_ms, work, carried);
                        if let WorkPhase::Turn(turn) = &mut self.phase {
                            turn.parts = parts;
                        }
                    }
                }
            }
            Some(ParkedWork::Task(task)) => self.start_task(now_ms, task),
            None => self.settle(now_ms, BeforeClaim::Working),
        }
    }

    /// Somebody stops what is parked, or the worker ends: the attempt is over. Nothing if nothing of the board is in hand.
    pub(super) fn end_parked(&mut self, now_ms: u64, ending: TurnStop) {
        let turn = match self.take_parked() {
            Some(ParkedWork::Turn(turn)) => Some(*turn),
            Some(ParkedWork::Task(ClaimedTask { claim, work, timeout_ms, allowance: _ })) => {
                Some(RunningTurn::begin(self.turns, now_ms, TurnFor::Task(claim), timeout_ms, work))
            }
            None => None,
        };
        match turn {
            Some(mut turn) => {
                let own = match turn.what_for {
                    TurnFor::Call { text, .. } => Some(text),
                    TurnFor::Task(_) | TurnFor::Texts | TurnFor::Queued => None,
                };
                let reason = match &ending {
                    TurnStop::Leaving => WORKER_ENDS,
                    TurnStop::Interrupted => unreachable!("a turn that waits for its provider is not interrupted"),
                    TurnStop::Stopped { .. }
                    | TurnStop::TimedOut
                    | TurnStop::Stalled { .. }
                    | TurnStop::Hung { .. }
                    | TurnStop::OverBudget { .. } => TURN_ABORTED,
                };
                own.into_iter().for_each(|text| self.lose(text, reason));
                let carried = std::mem::take(&mut turn.carried);
                self.give_back(carried, reason);
                turn.ending = Some(ending);
                self.end_turn_of(now_ms, turn, TurnEnd::Aborted, String::new());
            }
            None => self.settle(now_ms, BeforeClaim::Working),
        }
    }

    fn take_parked(&mut self) -> Option<ParkedWork> {
        match &mut self.phase {
            WorkPhase::Parked(parked) => parked.work.take(),
            WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Claiming(_)
            | WorkPhase::Turn(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Left(_) => None,
        }
    }
}
