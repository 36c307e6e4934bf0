//! Placeholder.

pub mod duration;
pub mod print;
