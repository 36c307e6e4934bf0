//! One teammate: reads its mail, claims tasks, drives an agent.

pub mod cell;
pub mod core;
pub mod driver;
mod hands;
pub mod life;
