//! Placeholder.

pub mod log;
pub mod watch;
pub mod peer;
