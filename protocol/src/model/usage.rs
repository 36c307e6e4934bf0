//! What a turn has used, as its agent tells it, and what turns have used together: for an attempt, a task, a member or a
//! run.

use serde::{Deserialize, Serialize};

/// The cost of a turn so far, as far as the agent tells. Counts are of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens that the model read.
    pub input: u64,
    /// Tokens that the model wrote.
    pub output: u64,
    /// The part of `input` that came from the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// The price in millionths of a US dollar; nothing if the agent does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
    /// Tokens of the context window that are in use; nothing if the agent does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
}

impl TokenUsage {
    /// The use of two parts of one turn, this one and then that. A price that only one of them told is the sum's.
    pub fn then(self, that: TokenUsage) -> TokenUsage {
        let cost = [self.cost_micro_usd, that.cost_micro_usd].into_iter().flatten().reduce(u64::saturating_add);
        TokenUsage {
            input: self.input.saturating_add(that.input),
            output: self.output.saturating_add(that.output),
            cached: self.cached.saturating_add(that.cached),
            cost_micro_usd: cost,
            context: that.context.or(self.context),
        }
    }
}

/// A sum over turns. A turn counts whether its agent tells of tokens or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageSum {
    /// The number of turns.
    pub turns: u64,
    /// How long the turns took together.
    pub time_ms: u64,
    /// Tokens that the model read.
    #[serde(skip_serializing_if = "is_zero")]
    pub input: u64,
    /// Tokens that the model wrote.
    #[serde(skip_serializing_if = "is_zero")]
    pub output: u64,
    /// The part of `input` that came from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// The price of the turns whose agent told one, in millionths of a US dollar.
    #[serde(skip_serializing_if = "is_zero")]
    pub cost_micro_usd: u64,
    /// The number of turns that used tokens and told no price: the true price is higher.
    #[serde(skip_serializing_if = "is_zero")]
    pub unpriced: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is known of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownCost {
    /// Nothing was told, or nothing was used.
    Nothing,
    /// All of the price, in millionths of a US dollar.
    Whole(u64),
    /// The price of some of the turns: the others told none.
    AtLeast(u64),
}

impl UsageSum {
    /// The sum of one turn.
    pub fn of_turn(usage: Option<TokenUsage>, time_ms: u64) -> UsageSum {
        let told = usage.unwrap_or_default();
        let has_used = told.input + told.output > 0;
        UsageSum {
            turns: 1,
            time_ms,
            input: told.input,
            output: told.output,
            cached: told.cached,
            cost_micro_usd: told.cost_micro_usd.unwrap_or(0),
            unpriced: u64::from(has_used && told.cost_micro_usd.is_none()),
        }
    }

    /// Whether there was no turn.
    pub fn is_empty(&self) -> bool {
        *self == UsageSum::default()
    }

    /// All tokens, read and written.
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What is known of the price.
    pub fn cost(&self) -> KnownCost {
        match (self.cost_micro_usd, self.unpriced) {
            (0, _) => KnownCost::Nothing,
            (cost, 0) => KnownCost::Whole(cost),
            (cost, _) => KnownCost::AtLeast(cost),
        }
    }

    /// Both together.
    pub fn plus(self, other: UsageSum) -> UsageSum {
        UsageSum {
            turns: self.turns.saturating_add(other.turns),
            time_ms: self.time_ms.saturating_add(other.time_ms),
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
            cost_micro_usd: self.cost_micro_usd.saturating_add(other.cost_micro_usd),
            unpriced: self.unpriced.saturating_add(other.unpriced),
        }
    }

    /// What was added to an earlier sum to make this one.
    pub fn since(self, before: UsageSum) -> UsageSum {
        UsageSum {
            turns: self.turns.saturating_sub(before.turns),
            time_ms: self.time_ms.saturating_sub(before.time_ms),
            input: self.input.saturating_sub(before.input),
            output: self.output.saturating_sub(before.output),
            cached: self.cached.saturating_sub(before.cached),
            cost_micro_usd: self.cost_micro_usd.saturating_sub(before.cost_micro_usd),
            unpriced: self.unpriced.saturating_sub(before.unpriced),
        }
    }
}

impl std::iter::Sum for UsageSum {
    fn sum<I: Iterator<Item = UsageSum>>(sums: I) -> UsageSum {
        sums.fold(UsageSum::default(), UsageSum::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_that_not_every_turn_told_is_the_least_it_can_be() {
        let turn = |tokens, cost| {
            let told = TokenUsage { input: tokens, output: 1, cost_micro_usd: cost, ..TokenUsage::default() };
            UsageSum::of_turn(Some(told), 10)
        };
        assert_eq!(turn(5, Some(7)).cost(), KnownCost::Whole(7));
        assert_eq!(turn(5, None).cost(), KnownCost::Nothing);
        assert_eq!(turn(5, None).plus(turn(5, Some(7))).cost(), KnownCost::AtLeast(7));
        // A command uses no tokens, and hides no price.
        let with_command = turn(5, Some(7)).plus(UsageSum::of_turn(None, 10));
        assert_eq!((with_command.cost(), with_command.turns, with_command.time_ms), (KnownCost::Whole(7), 2, 20));
    }

    #[test]
    fn a_sum_without_what_it_began_with_is_what_was_added() {
        let (before, added) = (UsageSum::of_turn(None, 3), UsageSum { input: 9, ..UsageSum::of_turn(None, 4) });
        assert_eq!(before.plus(added).since(before), added);
        assert_eq!([before, added].into_iter().sum::<UsageSum>(), before.plus(added));
    }
}
