//! The control socket of the leader: who connects, and the calls that are served there.

pub mod control;
pub mod server;
