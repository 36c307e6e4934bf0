//! One teammate: reads its mail, claims tasks, drives an agent.

pub mod driver;
pub mod process;
