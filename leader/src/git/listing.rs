//! The worktrees that git has on its list, and taking one off whose directory is gone.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use teamster_protocol::git::{IoContext, RepositoryLock};

use super::{GitError, Repository, registry};

/// One worktree on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredWorktree {
    /// Its directory.
    pub path: PathBuf,
    /// The reason, if it is locked, by a person or because its files are still being written.
    pub locked: Option<String>,
}

/// The outcome for the entry of a worktree that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgetOutcome {
    /// The entry is off the list. Its branch is where it was.
    Yes,
    /// The entry was not on the list, or its directory is there.
    NotMissing,
    /// The entry is locked, or holds what is nowhere else: a commit on no branch, a submodule's repository.
    Holds,
}

impl Repository {
    /// All worktrees on the list but the main one. Reads a few small files for each.
    pub fn worktrees(&self) -> Result<Vec<RegisteredWorktree>, GitError> {
        let entries = registry::all(&self.common_dir)?.into_iter();
        Ok(entries.map(|entry| RegisteredWorktree { path: entry.path, locked: entry.locked }).collect())
    }

    /// Makes the worktrees under `root` lead here again after the repository was moved, as `git worktree repair` does.
    /// Returns how many that were. A worktree whose link leads to a repository that is there is left alone.
    pub fn repair_links(&self, root: &Path) -> Result<usize, GitError> {
        let Ok(root) = root.canonicalize() else { return Ok(0) };
        let _lock = RepositoryLock::acquire(&self.common_dir)?;
        let mut repaired = 0;
        for entry in registry::all(&self.common_dir)? {
            if entry.path.parent() == Some(&root) && entry.is_link_broken()? {
                entry.write_link()?;
                repaired += 1;
            }
        }
        Ok(repaired)
    }

    /// Takes a worktree off the list whose directory is gone, as `git worktree prune` does, but never one whose
    /// entry itself leads to work.
    pub fn forget_missing(&self, missing: &RegisteredWorktree) -> Result<ForgetOutcome, GitError> {
        let _lock = RepositoryLock::acquire(&self.common_dir)?;
        let Some(entry) = registry::find(&self.common_dir, &missing.path)? else {
            return Ok(ForgetOutcome::NotMissing);
        };
        match fs::symlink_metadata(&entry.path) {
            Ok(_) => return Ok(ForgetOutcome::NotMissing),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(GitError::io("cannot look at", &entry.path, source)),
        }
        // With what it was in gone too (not mounted?), nothing can be said about it.
        if let Some(within) = entry.path.parent() {
            fs::read_dir(within).about("cannot look into", within)?;
        }
        let head = registry::read_path(&entry.admin.join("HEAD"))?;
        let on_branch = head.is_some_and(|head| head.as_os_str().as_encoded_bytes().starts_with(b"ref: "));
        let modules = entry.admin.join("modules");
        let submodules = modules.try_exists().about("cannot look at", &modules)?;
        if entry.locked.is_some() || !on_branch || submodules {
            return Ok(ForgetOutcome::Holds);
        }
        entry.drop_entry(&self.common_dir)?;
        Ok(ForgetOutcome::Yes)
    }
}
