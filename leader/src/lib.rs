//! Placeholder.

pub mod duration;
pub mod plan;
pub mod print;
pub mod git;
