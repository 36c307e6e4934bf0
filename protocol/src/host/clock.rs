//! The only place that reads a clock or draws a random number; everywhere else both are arguments.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ulid::Ulid;

use crate::model::id::MessageId;
use crate::model::limits::pace::CLOCK_SET_MIN;

/// Milliseconds since the Unix epoch; 0 if the clock stands before it.
pub fn now_ms() -> u64 {
    now().as_millis() as u64
}

/// The same in microseconds, for logs that are to tell how long a step took.
pub fn now_us() -> u64 {
    now().as_micros() as u64
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Tells when the clock of the day was set, by the one that nobody can set. A machine that slept counts as that.
#[derive(Debug)]
pub struct ClockChanges {
    day_ms: u64,
    at: Instant,
}

impl ClockChanges {
    /// Begins to watch the clock: changes from now on are told.
    pub fn watch() -> ClockChanges {
        ClockChanges { day_ms: now_ms(), at: Instant::now() }
    }

    /// By how much it was set since the last look, in milliseconds; nothing if it was not.
    pub fn look(&mut self) -> Option<i64> {
        let now = ClockChanges::watch();
        let by_ms = set_by(self.day_ms, now.day_ms, now.at.duration_since(self.at));
        *self = now;
        by_ms
    }
}

fn set_by(before_ms: u64, now_ms: u64, past: Duration) -> Option<i64> {
    let due_ms = before_ms.saturating_add(past.as_millis() as u64);
    let by_ms = i64::try_from(i128::from(now_ms) - i128::from(due_ms)).ok()?;
    (u128::from(by_ms.unsigned_abs()) >= CLOCK_SET_MIN.as_millis()).then_some(by_ms)
}

/// A new message id, from the time and 80 random bits.
pub fn new_message_id() -> MessageId {
    MessageId::from_parts(now_ms(), Ulid::generate().random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_drifts() {
        let second = Duration::from_secs(1);
        assert_eq!(set_by(10_000, 11_003, second), None);
        assert_eq!(set_by(10_000, 3_611_000, second), Some(3_600_000));
        assert_eq!(set_by(3_610_000, 11_000, second), Some(-3_600_000));
        assert_eq!(set_by(0, u64::MAX, second), None, "no clock is that far off");
        let mut settings = ClockChanges::watch();
        assert_eq!(settings.look(), None);
        settings.day_ms += 60_000;
        assert!(settings.look().is_some_and(|by_ms| by_ms <= -59_000));
        assert_eq!(settings.look(), None, "it is told once");
    }
}
