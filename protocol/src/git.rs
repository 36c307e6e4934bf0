//! Steps on a git repository that a leader and its workers must do in the same way: run the program, lock the repository,
//! merge two commits without a worktree.
//!
//! - [`GitRunner`] runs the `git` program, cut off from the terminal, from the variables of this process and from hooks.
//! - [`RepositoryLock`] orders those who register worktrees and create branches, among all processes.
//! - [`RestingPlace`] is a worktree in which nobody works, and that is moved from one commit to another.
//! - [`merge_commits`] and [`commit_tree`] work in the object database alone: no worktree, index or ref is touched.
//!
//! Everything here blocks, on the disk and on other processes: call it off the event loop. Nothing here knows of teams.

mod error;
mod lock;
mod merge;
mod runner;
#[cfg(test)]
mod tests;
mod travel;

pub use error::{GitStepError, IoContext, remove_if_there};
pub use lock::{GitPatience, RepositoryLock, patiently};
pub use merge::{MergeOutcome, commit_tree, merge_base, merge_commits};
pub use runner::{GitRunner, GitVersion, first_line, path_of, records};
pub use travel::{RestingPlace, TravelOutcome};

/// The author of commits for which git knows no identity, so that none need be configured.
pub const KEEPER_NAME: &str = "Teamster";
/// The address of that author.
pub const KEEPER_ADDRESS: &str = "teamster@localhost";
