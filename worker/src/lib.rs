//! One teammate: reads its mail, claims tasks, drives an agent.

pub mod args;
pub mod cell;
pub mod core;
pub mod driver;
mod io;
pub mod process;
pub mod run;
