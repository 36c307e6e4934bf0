//! The steps that both engines, libgit2 and the `git` program, can do: each method is one look or one step.

use std::fmt;
use std::path::{Path, PathBuf};

use super::registry::WorktreeRegistration;
use super::{GitError, ObjectId, UncommittedFile, WhyProgram};

/// The engine that made or looked at a worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineUsed {
    /// The library, in this process.
    Libgit2,
    /// The `git` program, because libgit2 would have done harm.
    GitProgram(WhyProgram),
}

impl fmt::Display for EngineUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineUsed::Libgit2 => f.write_str("libgit2"),
            EngineUsed::GitProgram(why) => write!(f, "the git program ({why})"),
        }
    }
}

/// The place that a worktree's `HEAD` leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorktreeHead {
    /// `HEAD` is on this branch, which need not exist.
    Branch(String),
    /// `HEAD` is on no branch, but at this commit.
    Detached(ObjectId),
}

impl fmt::Display for WorktreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorktreeHead::Branch(branch) => write!(f, "on branch `{branch}`"),
            WorktreeHead::Detached(commit) => write!(f, "on no branch, at {}", commit.short()),
        }
    }
}

/// The files of a worktree, written as trees but not yet part of any commit.
pub(super) struct FilesSnapshot {
    /// All files that are not ignored.
    pub(super) files: ObjectId,
    /// The index; `None` if it is in conflict, which no tree can hold.
    pub(super) staged: Option<ObjectId>,
}

pub(super) trait GitEngine {
    fn used(&self) -> EngineUsed;

    /// The commit that `revision` names, seen from where the repository was found.
    fn resolve(&self, revision: &str) -> Result<Option<ObjectId>, GitError>;
    fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, GitError>;
    fn branch_tip(&self, branch: &str) -> Result<Option<ObjectId>, GitError>;
    /// A branch whose name is that of a directory `branch` would be in, or would be in a directory of
    /// `branch`'s name.
    fn branch_in_the_way(&self, branch: &str) -> Result<Option<String>, GitError>;
    /// `admin` is a worktree's registration, or the common directory for the main one.
    fn head(&self, admin: &Path) -> Result<WorktreeHead, GitError>;
    /// How many commits `tip` has that `base` has not.
    fn ahead(&self, base: &ObjectId, tip: &ObjectId) -> Result<usize, GitError>;
    /// Commits that only `tips` lead to: no branch but `except`, no remote branch, no tag, nor `others`.
    fn unmerged(&self, tips: &[ObjectId], except: &str, others: &[ObjectId]) -> Result<Vec<ObjectId>, GitError>;

    /// Registers a worktree, locked as being made, and links it; no file is written and no branch created.
    fn register(&self, path: &Path, branch: &str, base: &ObjectId) -> Result<WorktreeRegistration, GitError>;
    /// Puts the unfinished worktree's `HEAD` on `branch` without touching files.
    fn attach(&self, registration: &WorktreeRegistration, branch: &str) -> Result<(), GitError>;
    /// Refuses if the ref exists.
    fn create_ref(&self, name: &str, commit: &ObjectId, why: &str) -> Result<(), GitError>;
    /// Refuses if it no longer points at `expected`.
    fn delete_branch(&self, branch: &str, expected: &ObjectId) -> Result<(), GitError>;

    /// Writes the files and the index of the commit that the worktree's `HEAD` names, over what is there.
    fn check_out(&self, worktree: &Path) -> Result<(), GitError>;
    /// The uncommitted files, sorted by path: by their contents where git does not look at them.
    fn changes(&self, worktree: &Path) -> Result<Vec<UncommittedFile>, GitError>;
    /// Files in an unfinished worktree that its commit has not: nothing that we wrote.
    fn strays(&self, worktree: &Path) -> Result<Vec<PathBuf>, GitError>;
    fn snapshot(&self, worktree: &Path) -> Result<FilesSnapshot, GitError>;
    fn commit_tree(&self, tree: &ObjectId, parents: &[ObjectId], message: &str) -> Result<ObjectId, GitError>;
    /// A ref such as `MERGE_HEAD` of one worktree.
    fn pseudo_ref(&self, admin: &Path, name: &str) -> Result<Option<ObjectId>, GitError>;
}
