//! Takes a member's worktree and branch away, and loses nothing by it.
//!
//! The files leave in one rename and are deleted at leisure; then the registration, then the branch. Each
//! part that a crash left is found by the next call.

use std::collections::BTreeSet;
use std::path::PathBuf;

use git2::{Config, ErrorCode};

use teamster_protocol::git::RepositoryLock;
use teamster_protocol::host::clock;
use teamster_protocol::host::crash::point;

use super::engine::GitEngine;
use super::holdings::WorktreeLook;
use super::patience::patiently;
use super::place::PlaceContents;
use super::registry;
use super::{GitError, ObjectId, Repository, UncommittedState, WorktreeHoldings, WorktreePlace};

const KEPT_REFS: &str = "refs/teamster/kept";

/// The care for work that is nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalCare {
    /// Refuse to remove a worktree that holds such work.
    IfSafe,
    /// Keep all such work under a ref first.
    KeepingUnderRef,
}

/// A worktree that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedWorktree {
    /// Where the work is now, if there was any.
    pub kept: Option<KeptWork>,
    /// The files, no longer a worktree: delete this directory when there is time (or `sweep_trash` will).
    pub trash: Option<PathBuf>,
}

/// Work that was kept when its worktree was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWork {
    /// `refs/teamster/kept/<branch>/<unix ms>`. Its commit holds all files as they were; its parents are the
    /// worktree's commit, the branch's tip if it is another, what was being merged, and what was staged.
    pub reference: String,
    /// The commit that the reference points to.
    pub commit: ObjectId,
    /// A description of the work.
    pub holdings: WorktreeHoldings,
}

impl Repository {
    /// Removes the worktree at `place` and its `branch`; it is no error if either does not exist. The caller must see
    /// to it that no process works in the worktree. Refuses a worktree locked by `git worktree lock`, a branch checked
    /// out elsewhere, and, unless told to keep it, a worktree that holds work. Nested repositories, initialised
    /// submodules and unreadable files cannot be kept under a ref and are refused either way.
    pub fn remove_worktree(
        &self,
        place: &WorktreePlace,
        branch: &str,
        removal: RemovalCare,
    ) -> Result<RemovedWorktree, GitError> {
        let _lock = RepositoryLock::acquire(&self.common_dir)?;
        let look = self.look(place, branch)?;
        if let Some(registration) = &look.registration
            && !registration.is_unfinished()
            && let Some(reason) = &registration.locked
        {
            return Err(GitError::WorktreeLocked { path: place.path().to_owned(), reason: reason.clone() });
        }
        if let Some(at) = self.where_checked_out(&*look.engine, branch)?
            && at != place.path()
        {
            return Err(GitError::BranchCheckedOut { branch: branch.to_owned(), at });
        }
        let kept = match (look.holdings.is_empty(), removal) {
            (true, RemovalCare::IfSafe | RemovalCare::KeepingUnderRef) => None,
            (false, RemovalCare::IfSafe) => {
                let holdings = Box::new(look.holdings);
                return Err(GitError::WorktreeHolds { path: place.path().to_owned(), holdings });
            }
            (false, RemovalCare::KeepingUnderRef) => Some(keep(place, branch, &look)?),
        };
        point("kept, nothing removed");

        let trash = match look.contents {
            PlaceContents::Missing => None,
            PlaceContents::Empty | PlaceContents::Linked | PlaceContents::Other => Some(place.discard()?),
        };
        point("files in the trash");
        match &look.registration {
            Some(registration) => registration.drop_entry(&self.common_dir)?,
            // The entry may have left the list, and its remover died then.
            None => registry::clear_leftovers(&self.common_dir)?,
        }
        point("registration dropped");
        if let Some(tip) = &look.tip {
            patiently(|| look.engine.delete_branch(branch, tip))?;
        }
        point("branch deleted");
        // A later branch of this name would inherit where this one was pushed to.
        patiently(|| self.forget_settings(branch))?;
        Ok(RemovedWorktree { kept, trash })
    }
}

impl Repository {
    fn forget_settings(&self, branch: &str) -> Result<(), GitError> {
        let file = self.common_dir.join("config");
        let failed = |source| GitError::library("cannot change", &file, source);
        let mut config = Config::open(&file).map_err(failed)?;
        let section = format!("branch.{branch}.");
        let mut names = BTreeSet::new();
        config
            .entries(None)
            .and_then(|entries| {
                entries.for_each(|entry| {
                    names.extend(entry.name().ok().filter(|name| name.starts_with(&section)).map(str::to_owned));
                })
            })
            .map_err(failed)?;
        for name in names {
            match config.remove_multivar(&name, ".*") {
                // The setting stands in a file that is included, which is not for us to change.
                Err(error) if error.code() != ErrorCode::NotFound => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn keep(place: &WorktreePlace, branch: &str, look: &WorktreeLook) -> Result<KeptWork, GitError> {
    let holdings = look.holdings.clone();
    refuse_what_no_commit_holds(place, look)?;

    let engine = &*look.engine;
    let mut parents: Vec<ObjectId> = Vec::new();
    let mut add_parent = |parent: Option<ObjectId>| {
        if let Some(parent) = parent.filter(|parent| !parents.contains(parent)) {
            parents.push(parent);
        }
    };
    add_parent(look.head.clone());
    add_parent(look.tip.clone());
    let mut files = None;
    if let Some(registration) = &look.registration
        && (holdings.operation.is_some() || !holdings.changes.is_empty())
    {
        for name in ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"] {
            add_parent(engine.pseudo_ref(&registration.admin, name)?);
        }
        let snapshot = engine.snapshot(place.path())?;
        let committed = look.head.as_ref().map(|head| engine.tree_of(head)).transpose()?;
        let staged = snapshot.staged.filter(|staged| *staged != snapshot.files && Some(staged) != committed.as_ref());
        if let Some(staged) = staged {
            let before: Vec<ObjectId> = look.head.iter().cloned().collect();
            add_parent(Some(engine.commit_tree(&staged, &before, &format!("what was staged in {branch}"))?));
        }
        files = Some(snapshot.files);
    }

    let commit = match (files, parents.as_slice()) {
        (None, [only]) => only.clone(),
        (files, parents) => {
            let first = parents.first().map(|first| engine.tree_of(first)).transpose()?;
            let tree = files.or(first).expect("there is work, so there are files or a commit");
            engine.commit_tree(&tree, parents, &format!("kept from {branch}: {holdings}"))?
        }
    };
    let reference = create_kept_ref(engine, branch, &commit)?;
    tracing::info!(branch, reference, %commit, "kept before removal: {holdings}");
    Ok(KeptWork { reference, commit, holdings })
}

fn refuse_what_no_commit_holds(place: &WorktreePlace, look: &WorktreeLook) -> Result<(), GitError> {
    let refuse = |what: String| Err(GitError::CannotKeep { path: place.path().to_owned(), what });
    if let Some(submodule) = look.holdings.submodules.first() {
        return refuse(format!("the initialised submodule {}", submodule.display()));
    }
    for change in &look.holdings.changes {
        match change.state {
            UncommittedState::NestedRepository => {
                return refuse(format!("another repository in {}", change.path.display()));
            }
            UncommittedState::Unreadable => {
                return refuse(format!("the unreadable {}", change.path.display()));
            }
            UncommittedState::Staged
            | UncommittedState::Modified
            | UncommittedState::Untracked
            | UncommittedState::Conflicted => {}
        }
    }
    match (&look.registration, look.holdings.changes.first()) {
        (Some(registration), Some(change)) if registration.is_unfinished() => {
            refuse(format!("{} amid a checkout that was never finished", change.path.display()))
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

fn create_kept_ref(engine: &dyn GitEngine, branch: &str, commit: &ObjectId) -> Result<String, GitError> {
    let mut at_ms = clock::now_ms();
    loop {
        let reference = format!("{KEPT_REFS}/{branch}/{at_ms}");
        if engine.resolve(&reference)?.is_none() {
            patiently(|| engine.create_ref(&reference, commit, "teamster: kept before removal"))?;
            return Ok(reference);
        }
        at_ms += 1;
    }
}
