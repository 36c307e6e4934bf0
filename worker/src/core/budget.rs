//! Budgets: a task that has used its own fails, a member that has used its own takes no more. Both are told before.

use teamster_protocol::model::agent::preset::AgentAbility;
use teamster_protocol::model::budget::{BudgetLimit, UsageBudget};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::WorkKind;
use teamster_protocol::model::usage::UsageSum;

use super::allowance::{BudgetOwner, TaskAllowance};
use super::turn::{RunningTurn, TurnFor, TurnStop};
use super::{LeaveReason, WorkPhase, WorkerAction, WorkerCore};

/// The budgets that were told of, each once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ToldBudgets {
    task_nearly: bool,
    member_nearly: bool,
    /// That a budget can not be kept, because the agent does not tell what it uses.
    not_kept: bool,
}

/// A budget with what was used of it before the turn that runs.
struct RunningBudget {
    owner: BudgetOwner,
    budget: UsageBudget,
    before: UsageSum,
}

impl WorkerCore {
    /// Another task is in hand.
    pub(super) fn begin_allowance(&mut self, allowance: TaskAllowance) {
        self.allowance = allowance;
        self.used_at_claim = self.used;
        self.told_budgets.task_nearly = false;
    }

    /// The limit of the task in hand that is reached, so that no turn of it may begin.
    pub(super) fn spent_of_task(&self) -> Option<BudgetLimit> {
        self.allowance.budget.spent(&self.used_by_task())
    }

    /// Makes the worker leave if the member may use no more.
    pub(super) fn leave_if_spent(&mut self) {
        if self.leave.is_none()
            && let Some(limit) = self.settings.budget.spent(&self.used)
        {
            // A life that has used nothing has nothing to tell: the one before it did.
            if self.used != self.used_at_birth {
                self.write_that_spent(limit);
            }
            let how = WorkerEnd::BudgetSpent { reason: limit.to_string() };
            self.leave = Some(LeaveReason { how, approve: None });
        }
    }

    /// Tells the lead that the member takes no more.
    fn write_that_spent(&mut self, limit: BudgetLimit) {
        let me = &self.settings.me.name;
        let text = format!(
            "The budget of {me} is used up: {limit}. It takes no more.\n\
             It goes on with a higher limit: teamster spawn {me}, with --max-tokens and the like"
        );
        self.act(WorkerAction::WriteLead { text });
    }

    /// Stops the turn that runs if it has used up a budget, and warns if it nearly has.
    pub(super) fn check_budgets(&mut self, now_ms: u64) {
        let WorkPhase::Turn(turn) = &self.phase else { return };
        if turn.ending.is_some() {
            return;
        }
        let running = UsageSum::of_turn(turn.usage, now_ms.saturating_sub(turn.since_ms));
        for RunningBudget { owner, budget, before } in self.running_budgets(turn) {
            let used = before.plus(running);
            if let Some(limit) = budget.exceeded(&used) {
                self.stop_for_budget(now_ms, owner, limit);
                return;
            }
            if let Some(limit) = budget.nearly_spent(&used)
                && !std::mem::replace(self.told_nearly(owner), true)
            {
                self.trouble(owner.has_used(limit));
                let task = match owner {
                    BudgetOwner::Task(id) => Some(id),
                    BudgetOwner::Member => None,
                };
                self.act(WorkerAction::TellBudget { task, used: limit.to_string() });
            }
        }
    }

    /// When the time of a budget is to be looked at, while the turn runs.
    pub(super) fn budget_due_ms(&self, turn: &RunningTurn) -> Option<u64> {
        if turn.ending.is_some() {
            return None;
        }
        let due = |running: RunningBudget| {
            let is_warned = match running.owner {
                BudgetOwner::Task(_) => self.told_budgets.task_nearly,
                BudgetOwner::Member => self.told_budgets.member_nearly,
            };
            Some(turn.since_ms.saturating_add(running.budget.look_after_ms(&running.before, is_warned)?))
        };
        self.running_budgets(turn).into_iter().filter_map(due).min()
    }

    /// Says that the budgets of a turn can not be kept if its agent tells nothing that they could be kept by.
    pub(super) fn tell_if_not_kept(&mut self, what_for: &TurnFor, kind: WorkKind) {
        let is_of_task = matches!(what_for, TurnFor::Task(_));
        let needs_usage = self.settings.budget.needs_usage() || (is_of_task && self.allowance.budget.needs_usage());
        if needs_usage && kind == WorkKind::Text && self.settings.abilities.usage == AgentAbility::No {
            self.tell_not_kept("its agent does not tell what it uses, so a budget of tokens or money can not be kept");
        }
    }

    /// Says that a budget of money can not be kept if the turn that ended has used tokens and told no price.
    pub(super) fn tell_if_unpriced(&mut self, turn: &RunningTurn) {
        let of_task = turn.task().and(self.allowance.budget.max_cost_micro_usd);
        if turn.used.unpriced > 0 && (of_task.is_some() || self.settings.budget.max_cost_micro_usd.is_some()) {
            self.tell_not_kept("its agent tells no price, so a budget of money can not be kept");
        }
    }

    fn tell_not_kept(&mut self, what: &str) {
        if !std::mem::replace(&mut self.told_budgets.not_kept, true) {
            self.trouble(what);
        }
    }

    /// The budget that the turn that runs has used up, so that its agent is not to be prompted again in it.
    pub(super) fn spent_in_turn(&self, now_ms: u64) -> Option<(BudgetOwner, BudgetLimit)> {
        let WorkPhase::Turn(turn) = &self.phase else { return None };
        let running = UsageSum::of_turn(turn.usage, now_ms.saturating_sub(turn.since_ms));
        let mut budgets = self.running_budgets(turn).into_iter();
        budgets.find_map(|RunningBudget { owner, budget, before }| {
            budget.exceeded(&before.plus(running)).map(|limit| (owner, limit))
        })
    }

    fn stop_for_budget(&mut self, now_ms: u64, owner: BudgetOwner, limit: BudgetLimit) {
        self.charge_budget(owner, limit);
        // Last: a turn whose agent is not awake is over with that.
        self.abort_turn(now_ms);
    }

    /// The turn that runs ends because a budget is used up.
    pub(super) fn charge_budget(&mut self, owner: BudgetOwner, limit: BudgetLimit) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        turn.ending = Some(TurnStop::OverBudget { owner, limit });
        if owner == BudgetOwner::Member {
            self.trouble(owner.has_used(limit));
            self.write_that_spent(limit);
            let how = WorkerEnd::BudgetSpent { reason: limit.to_string() };
            self.leave.get_or_insert(LeaveReason { how, approve: None });
        }
    }

    fn running_budgets(&self, turn: &RunningTurn) -> Vec<RunningBudget> {
        let of_task = turn.task().map(|id| RunningBudget {
            owner: BudgetOwner::Task(id),
            budget: self.allowance.budget,
            before: self.used_by_task(),
        });
        let of_member = RunningBudget { owner: BudgetOwner::Member, budget: self.settings.budget, before: self.used };
        of_task.into_iter().chain([of_member]).collect()
    }

    /// The use of all attempts at the task in hand, without the turn that runs.
    fn used_by_task(&self) -> UsageSum {
        self.allowance.used.plus(self.used.since(self.used_at_claim))
    }

    fn told_nearly(&mut self, owner: BudgetOwner) -> &mut bool {
        match owner {
            BudgetOwner::Task(_) => &mut self.told_budgets.task_nearly,
            BudgetOwner::Member => &mut self.told_budgets.member_nearly,
        }
    }
}
