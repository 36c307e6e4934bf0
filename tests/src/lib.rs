//! What the tests, the trials and the benchmark share: they drive both cores and the real programs.

pub mod acp;
pub mod bench;
mod chance;
pub mod crash;
mod edits;
pub mod fuzz;
pub mod granted;
pub mod greedy;
pub mod hermetic;
pub mod linear;
pub mod load;
pub mod matrix;
pub mod model_server;
pub mod outside;
pub mod processes;
pub mod scripted;
pub mod sim;
pub mod spec;
pub mod storm;
pub mod team;
pub mod trial;
