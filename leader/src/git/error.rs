//! The refusals and failures of worktrees: what, where, why, and the way out.

use std::io;
use std::path::{Path, PathBuf};

use teamster_protocol::git::GitStepError;

use super::{HeldPlace, ObjectId, WhyProgram, WorktreeHoldings};

/// Why a worktree could not be made, looked at or removed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No repository holds this directory.
    #[error("not a git repository: {}", dir.display())]
    NotARepository {
        /// The directory in which the search began.
        dir: PathBuf,
    },
    /// `HEAD` is unborn.
    #[error("cannot branch from HEAD of {}: it has no commit yet", repository.display())]
    NoCommit {
        /// The repository.
        repository: PathBuf,
    },
    /// The base names no commit.
    #[error("unknown base `{base}`: it names no commit in {}", repository.display())]
    UnknownBase {
        /// The base as the user wrote it.
        base: String,
        /// The repository.
        repository: PathBuf,
    },
    /// Git does not allow this name.
    #[error("`{branch}` cannot be the name of a branch")]
    BadBranchName {
        /// The name.
        branch: String,
    },
    /// The branch exists and no worktree of ours holds it.
    #[error("branch `{branch}` exists already, at {}", tip.short())]
    BranchExists {
        /// The branch.
        branch: String,
        /// Where it points.
        tip: ObjectId,
    },
    /// `a` and `a/b` cannot both be branches.
    #[error("branch `{branch}` cannot be created beside branch `{other}`")]
    BranchInTheWay {
        /// The branch wanted.
        branch: String,
        /// The branch that is there.
        other: String,
    },
    /// The branch is in use by another worktree.
    #[error("branch `{branch}` is checked out at {}", at.display())]
    BranchCheckedOut {
        /// The branch.
        branch: String,
        /// The worktree that has it.
        at: PathBuf,
    },
    /// The place is not one where a worktree may be made or removed.
    #[error("{} cannot hold a worktree: {why}", path.display())]
    BadPlace {
        /// The path.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// Something that is not the member's worktree is there.
    #[error("{} is not the worktree of `{branch}`: {found}", path.display())]
    NotTheWorktree {
        /// The path.
        path: PathBuf,
        /// The branch expected.
        branch: String,
        /// A description of the thing that is there.
        found: String,
    },
    /// Removing it would lose work.
    #[error("{} holds work that would be lost: {holdings}", path.display())]
    WorktreeHolds {
        /// The worktree.
        path: PathBuf,
        /// The work.
        holdings: Box<WorktreeHoldings>,
    },
    /// A base is given that the worktree does not have, and it can not be moved there.
    #[error("{} can not begin at `{base}`: {held}", path.display())]
    CannotMove {
        /// The worktree.
        path: PathBuf,
        /// The base as the user wrote it.
        base: String,
        /// What keeps it.
        held: HeldPlace,
    },
    /// Holds what no commit of this repository can hold.
    #[error("{} holds {what}, which cannot be kept under a ref", path.display())]
    CannotKeep {
        /// The worktree.
        path: PathBuf,
        /// The thing that no commit can hold.
        what: String,
    },
    /// Someone locked it with `git worktree lock`.
    #[error("worktree {} is locked{}", path.display(), because(reason))]
    WorktreeLocked {
        /// The worktree.
        path: PathBuf,
        /// As given to `git worktree lock`; may be empty.
        reason: String,
    },
    /// The repository needs the `git` program, and it does not run.
    #[error("{} needs the git program ({why}), and `{}` does not run: {source}", repository.display(), program.display())]
    NoProgram {
        /// The repository.
        repository: PathBuf,
        /// The feature that libgit2 cannot serve.
        why: WhyProgram,
        /// The program that was to be run.
        program: PathBuf,
        /// Why it does not run.
        source: io::Error,
    },
    /// A step failed that workers do as well: the `git` program or the file system refused, or the repository's lock is not to
    /// be had.
    #[error(transparent)]
    Step(#[from] GitStepError),
    /// libgit2 refused.
    #[error("{what} {}: {}", path.display(), source.message())]
    Library {
        /// The step that failed.
        what: &'static str,
        /// The path that it was done to.
        path: PathBuf,
        /// The error of libgit2.
        source: git2::Error,
    },
}

impl GitError {
    /// The way out, where there is one: a line for under the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            GitError::NotARepository { .. } => {
                Some("run `git init` there, or do without isolation with `--shared`".into())
            }
            GitError::NoCommit { .. } => {
                Some("make a first commit, for example `git commit --allow-empty -m start`".into())
            }
            GitError::UnknownBase { .. } => Some("`git branch --all` and `git tag` list what can be named".into()),
            GitError::BranchExists { branch, .. } => Some(format!(
                "choose another name, or put the branch away with `git branch -m {branch} NEW` (delete a merged one with `git branch -d {branch}`)"
            )),
            GitError::BranchInTheWay { other, .. } => Some(format!("put it away with `git branch -m {other} NEW`")),
            GitError::BranchCheckedOut { at, .. } => Some(format!("switch {} to another branch first", at.display())),
            GitError::NotTheWorktree { path, .. } => {
                Some(format!("move {} away, or choose another name", path.display()))
            }
            GitError::WorktreeHolds { .. } => {
                Some("commit and merge it, or use `--force`: everything is then first kept under a ref".into())
            }
            GitError::CannotMove { held: HeldPlace::InTheWay(_), path, .. } => {
                Some(format!("move them out of {}, or spawn another name", path.display()))
            }
            GitError::CannotMove { .. } => {
                Some("merge its work, or spawn another name; without --base it goes on where it is".into())
            }
            GitError::CannotKeep { path, .. } => Some(format!("move it out of {} by hand", path.display())),
            GitError::WorktreeLocked { path, .. } => Some(format!("`git worktree unlock {}`", path.display())),
            GitError::NoProgram { .. } => Some("install git, or name it in PATH".into()),
            GitError::Step(error) => error.hint().map(str::to_owned),
            GitError::BadBranchName { .. } | GitError::BadPlace { .. } | GitError::Library { .. } => None,
        }
    }

    pub(super) fn library(what: &'static str, path: &Path, source: git2::Error) -> GitError {
        GitError::Library { what, path: path.to_owned(), source }
    }

    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> GitError {
        GitError::Step(GitStepError::io(what, path, source))
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
