//! The leader of a team of coding agents, and its command line.

pub mod api;
pub mod core;
pub mod daemon;
pub mod front;
pub mod git;
pub mod ops;
pub mod verb;
pub mod warden;
