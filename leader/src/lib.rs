//! The leader of a team of coding agents, and its command line.

pub mod args;
pub mod core;
pub mod doctor;
pub mod duration;
pub mod front;
pub mod git;
pub mod io;
pub mod plan;
pub mod print;
mod restart;
pub mod serve;
pub mod warden;
pub mod why;
