//! Placeholder.

pub mod log;
pub mod watch;
