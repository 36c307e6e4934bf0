//! The contract between a Teamster leader and its workers.
//!
//! - [`model`]: the things in a team, and their rules. Pure: no clock, file or process.
//! - [`store`]: the logs on disk, who lives, and how a change is noticed.
//! - [`team`]: decisions over a team's store: claim, complete, post, enroll.
//! - [`wire`]: the calls between processes, and the peer that carries them.
//! - [`git`]: steps on a repository that leader and workers do in the same way.
//! - [`host`]: the machine: processes, the clock, settings, where a team's files are.

pub mod git;
pub mod host;
pub mod model;
pub mod store;
pub mod team;
pub mod wire;
