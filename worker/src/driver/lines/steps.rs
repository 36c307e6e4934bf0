//! The steps of a dialect, taken apart for the tests of each.

use serde_json::Value;

use super::dialect::{AgentDialect, DialectStep};
use crate::driver::AgentNews;

/// The news that are told.
pub(crate) fn news(steps: Vec<DialectStep>) -> Vec<AgentNews> {
    let told = steps.into_iter().filter_map(|step| match step {
        DialectStep::Tell(news) => Some(news),
        DialectStep::Write(_) | DialectStep::BeginAfresh => None,
    });
    told.collect()
}

/// The messages that are written.
pub(crate) fn written(steps: &[DialectStep]) -> Vec<Value> {
    let written = steps.iter().filter_map(|step| match step {
        DialectStep::Write(line) => Some(serde_json::from_str(line).expect("what is written is JSON")),
        DialectStep::Tell(_) | DialectStep::BeginAfresh => None,
    });
    written.collect()
}

/// The news of a line that the program writes.
pub(crate) fn told(dialect: &mut impl AgentDialect, line: &str) -> Vec<AgentNews> {
    news(dialect.take_line(line).expect("the dialect understands it"))
}

/// The news of all these lines; blank ones are passed over.
pub(crate) fn told_all(dialect: &mut impl AgentDialect, lines: &str) -> Vec<AgentNews> {
    lines.lines().filter(|line| !line.trim().is_empty()).flat_map(|line| told(dialect, line.trim())).collect()
}
