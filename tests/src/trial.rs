//! What the trials of a whole team share: crash points, the kill storm and the load drive real programs and are told
//! afterwards, by what lies on the disk and runs on the machine, whether every promise was kept.

use std::error::Error;

pub mod census;
pub mod order;
pub mod team;
pub mod witness;

/// What a step of a trial gives, or why it broke.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
