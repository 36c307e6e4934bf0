//! Whose budget it is, what a task may use, and how that is said.

use teamster_protocol::model::budget::{BudgetLimit, UsageBudget};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::usage::UsageSum;

/// What a task may use, and what its earlier attempts have used of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskAllowance {
    /// The most that all attempts together may use.
    pub budget: UsageBudget,
    /// The use of the attempts before this one.
    pub used: UsageSum,
}

/// A budget that limits what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetOwner {
    Task(TaskId),
    Member,
}

impl BudgetOwner {
    pub(super) fn has_used(self, limit: BudgetLimit) -> String {
        match self {
            BudgetOwner::Task(id) => format!("task {id} has used {limit} of its budget"),
            BudgetOwner::Member => format!("this member has used {limit} of its budget"),
        }
    }
}

/// The reason for people.
pub(super) fn used_up(limit: BudgetLimit) -> String {
    format!("its budget is used up: {limit}")
}
