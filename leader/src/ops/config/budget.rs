//! The budgets in a file of settings: `max-tokens` and the like, of a run and of each member that drives an agent.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{ConfigFault, ConfigProblems, ConfigReport};
use super::merge::length_text;
use super::{PlacedValue, SourcedValue};
use crate::ops::budget::{BudgetError, WantedBudget, parse_count, parse_dollars};
use crate::ops::document::value::{length, wrong_type};
use crate::ops::document::{DocumentNode, DocumentValue};

/// The keys of a budget.
pub(super) const KEYS: [&str; 4] = ["max-tokens", "max-cost", "max-turns", "max-time"];

/// The keys of a section that has a budget besides these.
pub(super) fn with_keys(others: &[&'static str]) -> Vec<&'static str> {
    [others, &KEYS].concat()
}

/// A budget in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Tokens read and written.
    pub max_tokens: Option<PlacedValue<NonZeroU64>>,
    /// The price, in millionths of a US dollar.
    pub max_cost: Option<PlacedValue<NonZeroU64>>,
    /// How many turns may be begun.
    pub max_turns: Option<PlacedValue<NonZeroU64>>,
    /// The time that the turns take together.
    pub max_time: Option<PlacedValue<Duration>>,
}

/// A budget with who gave each of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in BudgetSettings")]
pub struct SourcedBudget {
    pub max_tokens: SourcedValue<Option<NonZeroU64>>,
    pub max_cost: SourcedValue<Option<NonZeroU64>>,
    pub max_turns: SourcedValue<Option<NonZeroU64>>,
    pub max_time: SourcedValue<Option<Duration>>,
}

impl BudgetSettings {
    /// Reads the value of a key, which is one of [`KEYS`]; `line` is the one that the value begins on.
    pub(super) fn read(&mut self, key: &str, node: DocumentNode<'_>, line: usize, problems: &mut ConfigProblems) {
        let placed = |value| PlacedValue { value, line };
        match key {
            "max-tokens" => self.max_tokens = limit("`max-tokens`", node, parse_count, problems).map(placed),
            "max-cost" => self.max_cost = limit("`max-cost`", node, parse_dollars, problems).map(placed),
            "max-turns" => self.max_turns = limit("`max-turns`", node, parse_count, problems).map(placed),
            _ => {
                self.max_time = length("`max-time`", node, problems).map(|value| PlacedValue { value, line });
            }
        }
    }

    /// The limits as somebody wants them.
    pub(in crate::ops) fn wanted(&self) -> WantedBudget {
        let count = |placed: &Option<PlacedValue<NonZeroU64>>| placed.as_ref().map(|placed| placed.value);
        WantedBudget {
            max_tokens: count(&self.max_tokens),
            max_cost_micro_usd: count(&self.max_cost),
            max_turns: count(&self.max_turns),
            max_time: self.max_time.as_ref().map(|placed| placed.value),
        }
    }

    /// The keys that are set, with their values as they are shown.
    pub(super) fn shown(&self) -> Vec<(&'static str, PlacedValue<Value>)> {
        let placed = |line: &usize, value| PlacedValue { value, line: *line };
        let BudgetSettings { max_tokens, max_cost, max_turns, max_time } = self;
        let values = [
            max_tokens.as_ref().map(|PlacedValue { value, line }| placed(line, json!(value))),
            max_cost.as_ref().map(|PlacedValue { value, line }| placed(line, dollars(*value))),
            max_turns.as_ref().map(|PlacedValue { value, line }| placed(line, json!(value))),
            max_time.as_ref().map(|PlacedValue { value, line }| placed(line, json!(length_text(*value)))),
        ];
        KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

impl SourcedBudget {
    /// The limits that hold where nothing else is wanted.
    pub(in crate::ops) fn wanted(&self) -> WantedBudget {
        WantedBudget {
            max_tokens: self.max_tokens.value,
            max_cost_micro_usd: self.max_cost.value,
            max_turns: self.max_turns.value,
            max_time: self.max_time.value,
        }
    }
}

/// A price as it is shown.
pub(super) fn dollars(micro_usd: NonZeroU64) -> Value {
    json!(micro_usd.get() as f64 / 1e6)
}

/// A number, or a text such as `200k`.
fn limit(
    field: &'static str,
    node: DocumentNode<'_>,
    parse: impl FnOnce(&str) -> Result<NonZeroU64, BudgetError>,
    problems: &mut ConfigProblems,
) -> Option<NonZeroU64> {
    match node.value {
        DocumentValue::Number(text) | DocumentValue::Text(text) => parse(&text)
            .map_err(|why| problems.add(Some(node.span), || ConfigReport::of(ConfigFault::BadBudget { field, why })))
            .ok(),
        other @ (DocumentValue::Flag(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "a number, or text like \"200k\"", other.kind());
            None
        }
    }
}
