//! The work in a worktree that a removal would lose. "Could not look" is an error, never "nothing there".

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use teamster_protocol::git::IoContext;

use super::engine::{GitEngine, WorktreeHead};
use super::place::PlaceContents;
use super::registry::{self, WorktreeRegistration};
use super::{GitError, ObjectId, Repository, WorktreePlace};

const NAMED_MAX: usize = 3;

/// Work that is nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorktreeHoldings {
    /// Uncommitted files, by path. Ignored files do not count, but for repositories with commits of their own among them.
    pub changes: Vec<UncommittedFile>,
    /// A merge, rebase or the like that was begun and not ended.
    pub operation: Option<GitOperation>,
    /// Commits that no other branch, remote branch or tag leads to, newest first.
    pub unmerged: Vec<ObjectId>,
    /// Submodules initialised in this worktree: their repositories lie inside its registration.
    pub submodules: Vec<PathBuf>,
}

/// An uncommitted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncommittedFile {
    /// The path of the file, relative to the worktree.
    pub path: PathBuf,
    /// The way in which it is uncommitted.
    pub state: UncommittedState,
}

/// The way in which a file is uncommitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UncommittedState {
    /// The file is in the index, not in a commit.
    Staged,
    /// The file differs from the index, or was deleted.
    Modified,
    /// The file is not known to git, and not ignored.
    Untracked,
    /// The file is in conflict.
    Conflicted,
    /// The file can not be read, so nobody knows.
    Unreadable,
    /// Another repository within this one.
    NestedRepository,
}

/// Something begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitOperation {
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

impl WorktreeHoldings {
    /// Whether removing the worktree would lose nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.operation.is_none() && self.unmerged.is_empty() && self.submodules.is_empty()
    }
}

impl fmt::Display for WorktreeHoldings {
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

impl fmt::Display for GitOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GitOperation::Merge => "merge",
            GitOperation::Rebase => "rebase",
            GitOperation::CherryPick => "cherry-pick",
            GitOperation::Revert => "revert",
            GitOperation::Bisect => "bisect",
        })
    }
}

impl Repository {
    /// The work that removing the worktree at `place` and its `branch` would lose. Nothing is changed. A worktree or
    /// branch that does not exist holds nothing; refuses if something else is at `place`, or if it cannot
    /// be looked at. Takes as long as `git status` does.
    pub fn holdings(&self, place: &WorktreePlace, branch: &str) -> Result<WorktreeHoldings, GitError> {
        Ok(self.look(place, branch)?.holdings)
    }

    pub(super) fn look(&self, place: &WorktreePlace, branch: &str) -> Result<WorktreeLook, GitError> {
        let registration = registry::find(&self.common_dir, place.path())?;
        let engine = self.engine()?;
        let contents = place.contents()?;
        let linked = match (&registration, contents) {
            (Some(registration), PlaceContents::Linked) => registration.is_linked_back()?,
            (Some(_), PlaceContents::Missing | PlaceContents::Empty | PlaceContents::Other)
            | (None, PlaceContents::Missing | PlaceContents::Empty | PlaceContents::Linked | PlaceContents::Other) => {
                false
            }
        };
        if !linked && matches!(contents, PlaceContents::Linked | PlaceContents::Other) {
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
        if let Some(WorktreeHead::Detached(commit)) = &head {
            tips.push(commit.clone());
        }
        let others: Vec<ObjectId> = match engine.head(&self.common_dir)? {
            WorktreeHead::Detached(commit) => vec![commit],
            WorktreeHead::Branch(_) => Vec::new(),
        };
        let unmerged = if tips.is_empty() { Vec::new() } else { engine.unmerged(&tips, branch, &others)? };
        let mut holdings = WorktreeHoldings { unmerged, ..WorktreeHoldings::default() };

        // The commit whose files these are says which engine reads them rightly.
        let at = match &head {
            Some(WorktreeHead::Detached(commit)) => Some(commit.clone()),
            Some(WorktreeHead::Branch(branch)) => engine.branch_tip(branch)?,
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
                let untracked = |path| UncommittedFile { path, state: UncommittedState::Untracked };
                holdings.changes = strays.into_iter().map(untracked).collect();
            } else if linked {
                holdings.changes = engine.changes(place.path())?;
                holdings.operation = operation(&*engine, &registration.admin)?;
            }
        }
        Ok(WorktreeLook { engine, registration, contents, tip, head: at, holdings })
    }
}

/// All that was seen of a worktree at one time.
pub(super) struct WorktreeLook {
    pub(super) engine: Box<dyn GitEngine>,
    pub(super) registration: Option<WorktreeRegistration>,
    pub(super) contents: PlaceContents,
    /// The commit that the branch points to.
    pub(super) tip: Option<ObjectId>,
    /// The commit that `HEAD` leads to.
    pub(super) head: Option<ObjectId>,
    pub(super) holdings: WorktreeHoldings,
}

fn operation(engine: &dyn GitEngine, admin: &Path) -> Result<Option<GitOperation>, GitError> {
    for (name, operation) in [
        ("rebase-merge", GitOperation::Rebase),
        ("rebase-apply", GitOperation::Rebase),
        ("BISECT_LOG", GitOperation::Bisect),
    ] {
        if exists(&admin.join(name))? {
            return Ok(Some(operation));
        }
    }
    for (name, operation) in [
        ("MERGE_HEAD", GitOperation::Merge),
        ("CHERRY_PICK_HEAD", GitOperation::CherryPick),
        ("REVERT_HEAD", GitOperation::Revert),
    ] {
        if engine.pseudo_ref(admin, name)?.is_some() {
            return Ok(Some(operation));
        }
    }
    // Between two picks of a series there is no head to be seen, only the rest of the series.
    Ok(if exists(&admin.join("sequencer"))? { Some(GitOperation::CherryPick) } else { None })
}

fn exists(path: &Path) -> Result<bool, GitError> {
    Ok(path.try_exists().about("cannot look at", path)?)
}

fn submodules(admin: &Path) -> Result<Vec<PathBuf>, GitError> {
    let modules = admin.join("modules");
    let entries = match fs::read_dir(&modules) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.about("cannot look into", &modules)?,
    };
    entries.map(|entry| Ok(entry.about("cannot look into", &modules)?.file_name().into())).collect()
}

pub(super) fn count(number: usize, noun: &str, names: impl Iterator<Item = String>) -> String {
    let mut named: Vec<String> = names.take(NAMED_MAX).collect();
    if number > named.len() {
        named.push("…".to_owned());
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural} ({})", named.join(", "))
}
