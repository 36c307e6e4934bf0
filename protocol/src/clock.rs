//! The only place that reads a clock or draws a random number; everywhere else both are arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use ulid::Ulid;

use crate::id::MessageId;

/// Milliseconds since the Unix epoch; 0 if the clock stands before it.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_millis() as u64)
}

/// A new message id, from the time and 80 random bits.
pub fn new_message_id() -> MessageId {
    MessageId::from_parts(now_ms(), Ulid::generate().random())
}
