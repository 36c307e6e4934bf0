//! The options about how much may be used.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::ops::budget::{WantedBudget, parse_count, parse_dollars};
use crate::ops::duration::parse_duration;

/// How much may be used.
#[derive(Debug, clap::Args)]
pub struct BudgetArgs {
    /// The most tokens it may use, read and written, cached ones too, such as 200k
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub max_tokens: Option<NonZeroU64>,
    /// The most money it may cost, in US dollars, such as 0.50; for agents that tell a price
    #[arg(long, value_name = "USD", value_parser = parse_dollars, allow_negative_numbers = true)]
    pub max_cost: Option<NonZeroU64>,
    /// The most turns it may take
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub max_turns: Option<NonZeroU64>,
    /// The most time its turns may take together, such as 2h
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub max_time: Option<Duration>,
}

impl BudgetArgs {
    /// The wish that the options express.
    pub(super) fn wanted(&self) -> WantedBudget {
        WantedBudget {
            max_tokens: self.max_tokens,
            max_cost_micro_usd: self.max_cost,
            max_turns: self.max_turns,
            max_time: self.max_time,
        }
    }
}
