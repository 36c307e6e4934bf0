//! Budgets: how much a task or a member may use.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::model::limits::BUDGET_WARN_PERCENT;
use crate::model::usage::UsageSum;

/// The most that may be used, of whatever is limited. A budget of 0 can not be written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageBudget {
    /// Tokens read and written, those from the provider's cache too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<NonZeroU64>,
    /// The price, in millionths of a US dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_micro_usd: Option<NonZeroU64>,
    /// How many turns may be begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<NonZeroU64>,
    /// The time that the turns take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_time_ms: Option<NonZeroU64>,
}

/// A limit of a budget, and how much of it was used. The display is `1012 of 1000 tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimit {
    kind: BudgetKind,
    used: u64,
    max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BudgetKind {
    Tokens,
    Cost,
    Turns,
    Time,
}

impl UsageBudget {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == UsageBudget::default()
    }

    /// Whether the agent has to tell what it uses, or the budget can not be kept.
    pub fn needs_usage(&self) -> bool {
        self.max_tokens.is_some() || self.max_cost_micro_usd.is_some()
    }

    /// The first limit that is reached, so that no other turn may begin.
    pub fn spent(&self, used: &UsageSum) -> Option<BudgetLimit> {
        self.limits(used).find(|limit| limit.used >= limit.max)
    }

    /// The first limit that is reached while the last turn of the sum runs. That turn itself is one of those that are allowed.
    pub fn exceeded(&self, used: &UsageSum) -> Option<BudgetLimit> {
        self.limits(used).find(|limit| match limit.kind {
            BudgetKind::Turns => limit.used > limit.max,
            BudgetKind::Tokens | BudgetKind::Cost | BudgetKind::Time => limit.used >= limit.max,
        })
    }

    /// The first limit of which so much is used that somebody should know.
    pub fn nearly_spent(&self, used: &UsageSum) -> Option<BudgetLimit> {
        self.limits(used).find(|limit| limit.used >= warn_at(limit.max))
    }

    /// The limits with what was used of each.
    pub fn limits(&self, used: &UsageSum) -> impl Iterator<Item = BudgetLimit> + use<> {
        let all = [
            (BudgetKind::Tokens, used.tokens(), self.max_tokens),
            (BudgetKind::Cost, used.cost_micro_usd, self.max_cost_micro_usd),
            (BudgetKind::Turns, used.turns, self.max_turns),
            (BudgetKind::Time, used.time_ms, self.max_time_ms),
        ];
        all.into_iter().filter_map(|(kind, used, max)| Some(BudgetLimit { kind, used, max: max?.get() }))
    }

    /// How long a turn may run until its time is to be looked at again: until the warning if it is `unwarned`, else until
    /// the end. Of the time, `used` was used before the turn. Nothing if the time is not limited.
    pub fn look_after_ms(&self, used: &UsageSum, is_warned: bool) -> Option<u64> {
        let max = self.max_time_ms?.get();
        let until = if is_warned { max } else { warn_at(max) };
        Some(until.saturating_sub(used.time_ms))
    }
}

/// The part of a limit at which its owner is warned.
fn warn_at(max: u64) -> u64 {
    (u128::from(max) * u128::from(BUDGET_WARN_PERCENT)).div_ceil(100) as u64
}

impl fmt::Display for BudgetLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BudgetLimit { kind, used, max } = self;
        match kind {
            BudgetKind::Tokens => write!(f, "{used} of {max} tokens"),
            BudgetKind::Cost => write!(f, "${:.4} of ${:.4}", *used as f64 / 1e6, *max as f64 / 1e6),
            BudgetKind::Turns => write!(f, "{used} of {max} turns"),
            BudgetKind::Time => write!(f, "{:.1} s of {:.1} s", *used as f64 / 1e3, *max as f64 / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(tokens: u64, turns: u64) -> UsageBudget {
        UsageBudget { max_tokens: NonZeroU64::new(tokens), max_turns: NonZeroU64::new(turns), ..UsageBudget::default() }
    }

    fn used(turns: u64, tokens: u64) -> UsageSum {
        UsageSum { turns, input: tokens, ..UsageSum::default() }
    }

    fn shown(limit: Option<BudgetLimit>) -> Option<String> {
        limit.map(|limit| limit.to_string())
    }

    #[test]
    fn the_last_turn_that_is_allowed_may_run_and_none_may_begin_after_it() {
        let two = budget(0, 2);
        assert_eq!(two.spent(&used(1, 0)), None);
        assert_eq!(two.exceeded(&used(2, 0)), None);
        assert_eq!(shown(two.spent(&used(2, 0))).as_deref(), Some("2 of 2 turns"));
        assert_eq!(shown(two.exceeded(&used(3, 0))).as_deref(), Some("3 of 2 turns"));
    }

    #[test]
    fn tokens_end_a_turn_and_are_warned_of_before() {
        let hundred = budget(100, 0);
        assert_eq!(hundred.nearly_spent(&used(1, 79)), None);
        assert_eq!(shown(hundred.nearly_spent(&used(1, 80))).as_deref(), Some("80 of 100 tokens"));
        assert_eq!(hundred.exceeded(&used(1, 99)), None);
        assert_eq!(shown(hundred.exceeded(&used(1, 101))).as_deref(), Some("101 of 100 tokens"));
        assert_eq!(UsageBudget::default().exceeded(&used(u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn a_budget_of_nothing_can_not_be_read() {
        let read = |text| serde_json::from_str::<UsageBudget>(text);
        assert!(read(r#"{"max_tokens":0}"#).is_err());
        assert_eq!(read("{}").unwrap(), UsageBudget::default());
        assert_eq!(read(r#"{"max_tokens":100}"#).unwrap(), budget(100, 0));
    }

    #[test]
    fn time_is_looked_at_for_the_warning_and_for_the_end() {
        let second = UsageBudget { max_time_ms: NonZeroU64::new(1_000), ..UsageBudget::default() };
        let before = UsageSum { turns: 1, time_ms: 300, ..UsageSum::default() };
        assert_eq!(second.look_after_ms(&before, false), Some(500));
        assert_eq!(second.look_after_ms(&before, true), Some(700));
        assert_eq!(budget(1, 1).look_after_ms(&before, false), None);
    }
}
