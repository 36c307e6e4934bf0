//! The budget of a run: what its tasks use together, those that run as far as they are.

use std::time::Duration;

use teamster_protocol::model::limits::pace::BUDGET_LOOK;
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::transcript;
use teamster_protocol::team::TeamError;

use super::Run;
use super::news::RunEvent;
use super::tally::TaskTally;
use crate::ops::error::run::RunError;

/// What was told of the budget.
#[derive(Debug, Default)]
pub(super) struct RunBudget {
    is_nearly_told: bool,
}

/// Where a run stands with its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetStanding {
    Left,
    Spent,
}

impl Run<'_> {
    /// Looks whether the run has used up its budget, and tells of it; and before, once, that it nearly has.
    pub(super) fn look_at_budget(&mut self, tally: &TaskTally) -> Result<BudgetStanding, RunError> {
        let budget = self.options.budget;
        if budget.is_empty() {
            return Ok(BudgetStanding::Left);
        }
        let used = self.used(tally)?;
        // The last turn that is allowed may run to its end.
        let spent = if tally.running.is_empty() { budget.spent(&used) } else { budget.exceeded(&used) };
        if let Some(limit) = spent {
            self.tell(RunEvent::BudgetSpent { used: limit.to_string() });
            return Ok(BudgetStanding::Spent);
        }
        if let Some(limit) = budget.nearly_spent(&used)
            && !std::mem::replace(&mut self.budget.is_nearly_told, true)
        {
            self.tell(RunEvent::BudgetNearlySpent { used: limit.to_string() });
        }
        Ok(BudgetStanding::Left)
    }

    /// How long until the next look. Nobody is told when an agent uses something, so it is looked for.
    pub(super) fn budget_look(&self, tally: &TaskTally) -> Option<Duration> {
        (!self.options.budget.is_empty() && !tally.running.is_empty()).then_some(BUDGET_LOOK)
    }

    fn used(&self, tally: &TaskTally) -> Result<UsageSum, RunError> {
        let mut used = self.events.used();
        for (owner, since_ms) in tally.running.values() {
            let running = transcript::used_since(&self.options.dir.turns(owner), *since_ms);
            used = used.plus(running.map_err(TeamError::from)?);
        }
        Ok(used)
    }
}
