//! Budgets as people type them: tokens, money, turns and time.

use std::num::NonZeroU64;
use std::time::Duration;

use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::usage::UsageSum;

use crate::ops::text::{shorten, show_controls};

/// The wish for a budget. What is not given is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedBudget {
    /// Tokens read and written.
    pub max_tokens: Option<NonZeroU64>,
    /// The price, in millionths of a US dollar.
    pub max_cost_micro_usd: Option<NonZeroU64>,
    /// How many turns may be begun.
    pub max_turns: Option<NonZeroU64>,
    /// The time that the turns take together.
    pub max_time: Option<Duration>,
}

impl WantedBudget {
    /// The budget as it is kept.
    pub fn budget(self) -> UsageBudget {
        let WantedBudget { max_tokens, max_cost_micro_usd, max_turns, max_time } = self;
        // A length below a millisecond is one: a duration is never zero.
        let ms = |time: Duration| NonZeroU64::new((time.as_millis() as u64).max(1));
        UsageBudget { max_tokens, max_cost_micro_usd, max_turns, max_time_ms: max_time.and_then(ms) }
    }

    /// The lower limit of both, of each thing that either limits.
    pub(super) fn lowest(self, other: WantedBudget) -> WantedBudget {
        fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        WantedBudget {
            max_tokens: lower(self.max_tokens, other.max_tokens),
            max_cost_micro_usd: lower(self.max_cost_micro_usd, other.max_cost_micro_usd),
            max_turns: lower(self.max_turns, other.max_turns),
            max_time: lower(self.max_time, other.max_time),
        }
    }

    /// The same for a member that had one: it keeps of that what nothing else is wanted for.
    pub fn over(self, before: UsageBudget) -> UsageBudget {
        let wanted = self.budget();
        UsageBudget {
            max_tokens: wanted.max_tokens.or(before.max_tokens),
            max_cost_micro_usd: wanted.max_cost_micro_usd.or(before.max_cost_micro_usd),
            max_turns: wanted.max_turns.or(before.max_turns),
            max_time_ms: wanted.max_time_ms.or(before.max_time_ms),
        }
    }
}

/// Why a text is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Nothing may be used: nothing would ever be done.
    #[error("`{0}` is a budget of nothing: it must be above 0")]
    Zero(String),
    /// The text is no count.
    #[error("`{0}` is not a count, write for example 50, 200k or 1.5M")]
    NoCount(String),
    /// The text is no amount of money.
    #[error("`{0}` is not an amount in US dollars, write for example 5 or 0.50")]
    NoMoney(String),
}

/// Reads a count of tokens or turns: `50`, `200k`, `1.5M`.
pub fn parse_count(text: &str) -> Result<NonZeroU64, BudgetError> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1.0), |number| (number, 1e6)),
    };
    positive(number, unit, text, BudgetError::NoCount).and_then(|count| match count.fract() == 0.0 {
        true => whole(count, text, BudgetError::NoCount),
        false => Err(BudgetError::NoCount(shown(text))),
    })
}

/// Reads an amount in US dollars, `5`, `0.50` or `$0.50`, to millionths of a dollar.
pub fn parse_dollars(text: &str) -> Result<NonZeroU64, BudgetError> {
    let text = text.trim();
    let number = text.strip_prefix('$').unwrap_or(text);
    let micro = positive(number, 1e6, text, BudgetError::NoMoney)?.round();
    whole(micro, text, BudgetError::NoMoney)
}

fn positive(number: &str, unit: f64, text: &str, error: fn(String) -> BudgetError) -> Result<f64, BudgetError> {
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(value) if is_plain && value == 0.0 => Err(BudgetError::Zero(shown(text))),
        // As many digits as a number of this kind keeps exactly.
        Ok(value) if is_plain && value * unit < 9e15 => Ok((value * unit * 1e3).round() / 1e3),
        Ok(_) | Err(_) => Err(error(shown(text))),
    }
}

fn whole(value: f64, text: &str, error: fn(String) -> BudgetError) -> Result<NonZeroU64, BudgetError> {
    NonZeroU64::new(value as u64).ok_or_else(|| error(shown(text)))
}

fn shown(text: &str) -> String {
    shorten(&show_controls(text), 40).into_owned()
}

/// A budget and what was used of it, for people: `812 of 1000 tokens, 3 of 5 turns`.
pub fn budget_text(budget: &UsageBudget, used: &UsageSum) -> String {
    budget.limits(used).map(|limit| limit.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_money_are_read_and_nothing_is_refused_by_name() {
        let count = |text| parse_count(text).map(NonZeroU64::get).map_err(|error| error.to_string());
        assert_eq!([count("50"), count("200k"), count("1.5M")], [Ok(50), Ok(200_000), Ok(1_500_000)]);
        let money = |text| parse_dollars(text).map(NonZeroU64::get).map_err(|error| error.to_string());
        assert_eq!([money("5"), money("$0.50"), money("0.0044")], [Ok(5_000_000), Ok(500_000), Ok(4_400)]);
        let refused: Vec<String> = ["0", "0k", "-1", "1.5", "many", "", "1e9", "99999999999999999999"]
            .map(|text| count(text).unwrap_err())
            .into_iter()
            .chain(["0", "0.00", "-1", "5 EUR", "0.0000001"].map(|text| money(text).unwrap_err()))
            .collect();
        insta::assert_snapshot!(refused.join("\n"), @"
        `0` is a budget of nothing: it must be above 0
        `0k` is a budget of nothing: it must be above 0
        `-1` is not a count, write for example 50, 200k or 1.5M
        `1.5` is not a count, write for example 50, 200k or 1.5M
        `many` is not a count, write for example 50, 200k or 1.5M
        `` is not a count, write for example 50, 200k or 1.5M
        `1e9` is not a count, write for example 50, 200k or 1.5M
        `99999999999999999999` is not a count, write for example 50, 200k or 1.5M
        `0` is a budget of nothing: it must be above 0
        `0.00` is a budget of nothing: it must be above 0
        `-1` is not an amount in US dollars, write for example 5 or 0.50
        `5 EUR` is not an amount in US dollars, write for example 5 or 0.50
        `0.0000001` is not an amount in US dollars, write for example 5 or 0.50
        ");
    }
}
