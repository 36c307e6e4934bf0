//! The only place that reads a clock or draws a random number; everywhere else both are arguments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ulid::Ulid;

use crate::id::MessageId;

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

/// A new message id, from the time and 80 random bits.
pub fn new_message_id() -> MessageId {
    MessageId::from_parts(now_ms(), Ulid::generate().random())
}
