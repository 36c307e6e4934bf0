//! The store of a team: its logs on disk, the state that is folded from them, who lives, and how a change is noticed.

pub mod file;
pub mod presence;
pub mod transcript;
pub mod watch;
