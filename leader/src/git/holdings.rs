//! What a worktree holds that removing it would lose. "Could not look" is an error, never "nothing there".

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::engine::{Engine, Head};
use super::error::IoContext;
use super::place::Contents;
use super::registry::{self, Registration};
use super::{GitError, ObjectId, Place, Repository};

const NAMED_MAX: usize = 3;

/// Work that is nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Uncommitted files, by path. Ignored files do not count.
    pub changes: Vec<Change>,
    /// A merge, rebase or the like that was begun and not ended.
    pub operation: Option<Operation>,
    /// Commits that no other branch, remote branch or tag leads to, newest first.
    pub unmerged: Vec<ObjectId>,
    /// Submodules initialised in this worktree: their repositories lie inside its registration.
    pub submodules: Vec<PathBuf>,
}

/// An uncommitted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the worktree.
    pub path: PathBuf,
    /// In which way it is uncommitted.
    pub state: ChangeState,
}

/// In which way a file is uncommitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// In the index, not in a commit.
    Staged,
    /// Differs from the index (also: deleted).
    Modified,
    /// Not known to git, and not ignored.
    Untracked,
    /// In conflict.
    Conflicted,
    /// Cannot be read, so nobody knows.
    Unreadable,
    /// Another repository within this one.
    NestedRepository,
}

/// Something begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `git merge`
    Merge,
    /// `git rebase` or `git am`
    Rebase,
    /// `git cherry-pick`
    CherryPick,
    /// `git revert`
    Revert,
    /// `git bisect`
    Bisect,
}

impl Holdings {
    /// Whether removing the worktree would lose nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.operation.is_none() && self.unmerged.is_empty() && self.submodules.is_empty()
    }
}

impl fmt::Display for Holdings {
    /// `2 uncommitted files (a, b), a merge in progress, 1 unmerged commit (1a2b3c4d5e)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.changes.is_empty() {
            let paths = self.changes.iter().map(|change| change.path.display().to_string());
            parts.push(count(self.changes.len(), "uncommitted file", paths));
        }
        if let Some(operation) = self.operation {
            parts.push(format!("a {operation} in progress"));
        }
        if !self.unmerged.is_empty() {
            let commits = self.unmerged.iter().map(|commit| commit.short().to_owned());
            parts.push(count(self.unmerged.len(), "unmerged commit", commits));
        }
        if !self.submodules.is_empty() {
            let paths = self.submodules.iter().map(|path| path.display().to_string());
            parts.push(count(self.submodules.len(), "initialised submodule", paths));
        }
        f.write_str(&if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Merge => "merge",
            Operation::Rebase => "rebase",
            Operation::CherryPick => "cherry-pick",
            Operation::Revert => "revert",
            Operation::Bisect => "bisect",
        })
    }
}

impl Repository {
    /// What removing the worktree at `place` and its `branch` would lose. Nothing is changed. A worktree or
    /// branch that does not exist holds nothing; refuses if something else is at `place`, or if it cannot
    /// be looked at. Takes as long as `git status` does.
    pub fn holdings(&self, place: &Place, branch: &str) -> Result<Holdings, GitError> {
        Ok(self.look(place, branch)?.holdings)
    }

    pub(super) fn look(&self, place: &Place, branch: &str) -> Result<Look, GitError> {
        let registration = registry::find(&self.common_dir, place.path())?;
        let engine = self.engine()?;
        let contents = place.contents()?;
        let linked = match (&registration, contents) {
            (Some(registration), Contents::Linked) => registration.is_linked_back()?,
            (Some(_), Contents::Missing | Contents::Empty | Contents::Other)
            | (None, Contents::Missing | Contents::Empty | Contents::Linked | Contents::Other) => false,
        };
        if !linked && matches!(contents, Contents::Linked | Contents::Other) {
            return Err(GitError::NotTheWorktree {
                path: place.path().to_owned(),
                branch: branch.to_owned(),
                found: "its files belong to no worktree of this repository".to_owned(),
            });
        }

        let tip = engine.branch_tip(branch)?;
        let head = match &registration {
            Some(registration) if registration.is_whole() => Some(engine.head(&registration.admin)?),
            Some(_) | None => None,
        };
        let mut tips: Vec<ObjectId> = tip.iter().cloned().collect();
        if let Some(Head::Detached(commit)) = &head {
            tips.push(commit.clone());
        }
        let others: Vec<ObjectId> = match engine.head(&self.common_dir)? {
            Head::Detached(commit) => vec![commit],
            Head::Branch(_) => Vec::new(),
        };
        let unmerged = if tips.is_empty() { Vec::new() } else { engine.unmerged(&tips, branch, &others)? };
        let mut holdings = Holdings { unmerged, ..Holdings::default() };

        // The commit whose files these are says which engine reads them rightly.
        let at = match &head {
            Some(Head::Detached(commit)) => Some(commit.clone()),
            Some(Head::Branch(branch)) => engine.branch_tip(branch)?,
            None => None,
        };
        let engine = match &at {
            Some(commit) => self.engine_for_files(commit)?,
            None => engine,
        };
        if let Some(registration) = &registration {
            holdings.submodules = submodules(&registration.admin)?;
            if linked && registration.is_unfinished() {
                let strays = if registration.is_whole() { engine.strays(place.path())? } else { Vec::new() };
                let untracked = |path| Change { path, state: ChangeState::Untracked };
                holdings.changes = strays.into_iter().map(untracked).collect();
            } else if linked {
                holdings.changes = engine.changes(place.path())?;
                holdings.operation = operation(&*engine, &registration.admin)?;
            }
        }
        Ok(Look { engine, registration, contents, tip, head: at, holdings })
    }
}

/// All that was seen of a worktree at one time.
pub(super) struct Look {
    pub(super) engine: Box<dyn Engine>,
    pub(super) registration: Option<Registration>,
    pub(super) contents: Contents,
    /// Of the branch.
    pub(super) tip: Option<ObjectId>,
    /// The commit that `HEAD` leads to.
    pub(super) head: Option<ObjectId>,
    pub(super) holdings: Holdings,
}

fn operation(engine: &dyn Engine, admin: &Path) -> Result<Option<Operation>, GitError> {
    for (name, operation) in
        [("rebase-merge", Operation::Rebase), ("rebase-apply", Operation::Rebase), ("BISECT_LOG", Operation::Bisect)]
    {
        if exists(&admin.join(name))? {
            return Ok(Some(operation));
        }
    }
    for (name, operation) in [
        ("MERGE_HEAD", Operation::Merge),
        ("CHERRY_PICK_HEAD", Operation::CherryPick),
        ("REVERT_HEAD", Operation::Revert),
    ] {
        if engine.pseudo_ref(admin, name)?.is_some() {
            return Ok(Some(operation));
        }
    }
    // Between two picks of a series there is no head to be seen, only the rest of the series.
    Ok(if exists(&admin.join("sequencer"))? { Some(Operation::CherryPick) } else { None })
}

fn exists(path: &Path) -> Result<bool, GitError> {
    path.try_exists().about("cannot look at", path)
}

fn submodules(admin: &Path) -> Result<Vec<PathBuf>, GitError> {
    let modules = admin.join("modules");
    let entries = match fs::read_dir(&modules) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.about("cannot look into", &modules)?,
    };
    entries.map(|entry| Ok(entry.about("cannot look into", &modules)?.file_name().into())).collect()
}

fn count(number: usize, noun: &str, names: impl Iterator<Item = String>) -> String {
    let mut named: Vec<String> = names.take(NAMED_MAX).collect();
    if number > named.len() {
        named.push("…".to_owned());
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural} ({})", named.join(", "))
}
