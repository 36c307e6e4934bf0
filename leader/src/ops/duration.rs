//! Lengths of time as people type them, one notation for plans and command-line flags alike.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};
use teamster_protocol::model::agent::options::IdleLimit;
use teamster_protocol::model::limits::sizes::DURATION_HOURS_MAX;

use crate::ops::text::{shorten, show_controls};

const DURATION_BYTES_MAX: usize = 100;

/// Why a text is not a length of time. The message repeats the text and shows how to write it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing, or only blanks, was given.
    #[error("a duration is missing, write for example 90s, 10m, 1h30m or 500ms")]
    Missing,
    /// A number alone: seconds and milliseconds are both plausible, so neither is assumed.
    #[error("`{0}` has no unit, write for example {0}s, {0}m or {0}ms")]
    NoUnit(String),
    /// Not a length of time at all.
    #[error("`{0}` is not a duration, write for example 90s, 10m, 1h30m or 500ms")]
    Unreadable(String),
    /// Zero, which as a limit would forbid everything.
    #[error("`{0}` is no time at all, a duration must be longer than zero")]
    Zero(String),
    /// The length of time is over [`DURATION_HOURS_MAX`].
    #[error("`{0}` is longer than a year ({DURATION_HOURS_MAX}h)")]
    TooLong(String),
}

/// Reads `90s`, `10m`, `1h30m`, `500ms`, `1h 30m` or `2 hours`.
///
/// Refuses a number without a unit, zero, a negative length, units above hours (a day is not always 24
/// hours) and anything longer than [`DURATION_HOURS_MAX`]. Fits clap's `value_parser`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DurationError::Missing);
    }
    let shown = || shorten(&show_controls(text), 40).into_owned();
    if text.len() > DURATION_BYTES_MAX {
        return Err(DurationError::Unreadable(shown()));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NoUnit(shown()));
    }
    let length = SpanParser::new().parse_unsigned_duration(text).map_err(|_| DurationError::Unreadable(shown()))?;
    if length.is_zero() {
        return Err(DurationError::Zero(shown()));
    }
    if length > Duration::from_secs(DURATION_HOURS_MAX * 3600) {
        return Err(DurationError::TooLong(shown()));
    }
    Ok(length)
}

/// Reads `never` or what [`parse_duration`] reads.
pub fn parse_idle_limit(text: &str) -> Result<IdleLimit, DurationError> {
    if text.trim() == NEVER {
        return Ok(IdleLimit::Never);
    }
    parse_duration(text).map(IdleLimit::after)
}

/// Writes such a limit so that [`parse_idle_limit`] reads back the same.
pub fn format_idle_limit(limit: IdleLimit) -> String {
    limit.length().map_or_else(|| NEVER.to_owned(), format_duration)
}

/// The word for no end of waiting.
pub(crate) const NEVER: &str = "never";

/// Writes a length so that [`parse_duration`] reads back the same: `1h30m`, `500ms`.
///
/// Exact to the nanosecond; for reading at a glance there is [`crate::ops::text::humane`].
pub fn format_duration(length: Duration) -> String {
    SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::None).unsigned_duration_to_string(&length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        for (text, millis) in [
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            (" 1h 30m ", 5_400_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("2 hours", 7_200_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        let said: Vec<String> = ["", "90", "soon", "-5s", "0s", "9000h", "1d", "5s ago", "1s\u{1b}[2J"]
            .iter()
            .map(|text| parse_duration(text).expect_err(text).to_string())
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        a duration is missing, write for example 90s, 10m, 1h30m or 500ms
        `90` has no unit, write for example 90s, 90m or 90ms
        `soon` is not a duration, write for example 90s, 10m, 1h30m or 500ms
        `-5s` is not a duration, write for example 90s, 10m, 1h30m or 500ms
        `0s` is no time at all, a duration must be longer than zero
        `9000h` is longer than a year (8760h)
        `1d` is not a duration, write for example 90s, 10m, 1h30m or 500ms
        `5s ago` is not a duration, write for example 90s, 10m, 1h30m or 500ms
        `1s\u{1b}[2J` is not a duration, write for example 90s, 10m, 1h30m or 500ms
        "#);
    }

    #[test]
    fn what_is_written_reads_back() {
        for length in [Duration::from_millis(500), Duration::from_secs(5400), Duration::new(3661, 1_002_003)] {
            assert_eq!(parse_duration(&format_duration(length)), Ok(length));
        }
        insta::assert_snapshot!(format_duration(Duration::from_millis(5_400_250)), @"1h30m250ms");
    }
}
