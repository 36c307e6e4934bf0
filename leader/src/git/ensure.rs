//! Makes a member's worktree, or finds again what a crash left of it.
//!
//! The order makes every half of it recognisable: the registration comes first (locked with our reason, in one rename),
//! then the link, the branch, the files, and last the lock goes. A worktree that has our lock was never handed to
//! anyone and may be completed; a branch without a registration is not ours.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use git2::Reference;
use teamster_protocol::git::{GitStepError, RepositoryLock};
use teamster_protocol::host::crash::point;
use teamster_protocol::wire::api::{BaseStanding, WorktreeFound};

use super::branch::branch_ref;
use super::engine::{EngineUsed, GitEngine, WorktreeHead};
use super::patience::patiently;
use super::place::{PlaceContents, delete_tree};
use super::registry::{self, WorktreeRegistration};
use super::{GitError, ObjectId, Repository, WorktreePlace};

/// A worktree that is wanted.
#[derive(Clone, Debug)]
pub struct WorktreeSpec {
    /// The place of the worktree.
    pub place: WorktreePlace,
    /// Its branch, such as `teamster/<team>/<member>`; created with it, and so must not exist.
    pub branch: String,
    /// Any revision to branch from; `HEAD` of where the repository was found, if not given.
    pub base: Option<String>,
    /// What becomes of one that is there.
    pub found: WorktreeFound,
}

/// A worktree that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Where it is.
    pub path: PathBuf,
    /// The branch that is checked out there.
    pub branch: String,
    /// The branch's tip.
    pub tip: ObjectId,
    /// The engine that made it, and the reason.
    pub engine: EngineUsed,
    /// Whether it is new.
    pub origin: WorktreeOrigin,
    /// Where one stands that was there, if there is something to say about it.
    pub base: Option<BaseStanding>,
}

/// Whether a worktree is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorktreeOrigin {
    /// The worktree was made now.
    Created,
    /// A part of it was there; the rest was made now.
    Resumed,
    /// The worktree was there, with its work.
    Found,
}

impl Repository {
    /// Makes the worktree, completes one that a crash left half made, or finds a complete one. Nothing is touched in that,
    /// unless it holds no work and is to begin at the base: then it is moved there, and nobody may work in it. Calling it
    /// again is harmless. Takes as long as writing the files takes; the registration is done under the repository's lock, and
    /// so is a move, with the look before it.
    ///
    /// Refuses an unborn `HEAD`, an unknown base, a branch that exists (unless the worktree at this very
    /// place is its own), a place that holds anything else, and a base that is given if the worktree has work and not that
    /// base. When it fails, what it made is undone.
    pub fn ensure_worktree(&self, spec: &WorktreeSpec) -> Result<Worktree, GitError> {
        let branch = spec.branch.as_str();
        if branch.starts_with('-') || !Reference::is_valid_name(&branch_ref(branch)) {
            return Err(GitError::BadBranchName { branch: branch.to_owned() });
        }
        let base = self.base_of(spec)?;
        let engine = self.engine_for_files(&base)?;
        let used = engine.used();
        if let EngineUsed::GitProgram(why) = &used {
            tracing::info!(branch, %why, "worktree by the git program");
        }

        let made = {
            let _lock = RepositoryLock::acquire(&self.common_dir)?;
            point("repository locked");
            let is_new = registry::find(&self.common_dir, spec.place.path())?.is_none();
            let enrolled = self.enrol(&*engine, spec, &base);
            if enrolled.is_err() && is_new {
                self.undo(&*engine, spec, &base);
            }
            enrolled?
        };
        if made.origin != WorktreeOrigin::Found {
            point("worktree enrolled, no files");
            let written = patiently(|| engine.check_out(spec.place.path())).and_then(|()| {
                point("checked out, unfinished");
                made.registration.finish()
            });
            point("worktree finished");
            // A worktree that was resumed may be older than this call: it stays, to be resumed again.
            if written.is_err() && made.origin == WorktreeOrigin::Created {
                let _lock = RepositoryLock::acquire(&self.common_dir)?;
                self.undo(&*engine, spec, &base);
            }
            written?;
        }
        let standing = match made.origin {
            WorktreeOrigin::Created => None,
            WorktreeOrigin::Resumed | WorktreeOrigin::Found => self.base_step(spec, &made.registration, &made.tip)?,
        };
        let tip = match &standing {
            Some(BaseStanding::Moved { to, .. }) => to.clone(),
            Some(BaseStanding::Behind { .. }) | None => made.tip,
        };
        Ok(Worktree {
            path: spec.place.path().to_owned(),
            branch: branch.to_owned(),
            tip,
            engine: used,
            origin: made.origin,
            base: standing,
        })
    }

    /// The commit whose files are there or will be. The base may be gone by the time its worktree is found again.
    fn base_of(&self, spec: &WorktreeSpec) -> Result<ObjectId, GitError> {
        let engine = self.engine()?;
        if registry::find(&self.common_dir, spec.place.path())?.is_some()
            && let Some(tip) = engine.branch_tip(&spec.branch)?
        {
            return Ok(tip);
        }
        self.resolve(&*engine, spec.base.as_deref())
    }

    /// Everything but the files. Under the repository's lock.
    fn enrol(
        &self,
        engine: &dyn GitEngine,
        spec: &WorktreeSpec,
        base: &ObjectId,
    ) -> Result<EnrolledWorktree, GitError> {
        let (path, branch) = (spec.place.path(), spec.branch.as_str());
        let (registration, origin) = match registry::find(&self.common_dir, path)? {
            Some(found) if found.is_whole() => match self.look_again(engine, spec, &found)? {
                Some(enrolled) => return Ok(enrolled),
                None => (found, WorktreeOrigin::Resumed),
            },
            Some(found) if found.is_unfinished() => {
                // Git was killed while registering. No file was written yet, nor the branch created.
                self.clear_place(spec)?;
                found.drop_entry(&self.common_dir)?;
                (self.register(engine, spec, base)?, WorktreeOrigin::Created)
            }
            Some(found) => {
                return Err(self.other_worktree(spec, format!("its registration {} is damaged", found.admin.display())));
            }
            None => (self.register(engine, spec, base)?, WorktreeOrigin::Created),
        };

        point("worktree registered");
        if engine.head(&registration.admin)? != WorktreeHead::Branch(branch.to_owned()) {
            patiently(|| engine.attach(&registration, branch))?;
            point("on its branch");
        }
        let tip = match engine.branch_tip(branch)? {
            Some(tip) => tip,
            None => {
                let name = branch_ref(branch);
                patiently(|| engine.create_ref(&name, base, "teamster: a member's branch"))?;
                point("branch created");
                base.clone()
            }
        };
        Ok(EnrolledWorktree { registration, tip, origin })
    }

    /// At a registration that is there: complete (`Some`), or made ready to be completed (`None`).
    fn look_again(
        &self,
        engine: &dyn GitEngine,
        spec: &WorktreeSpec,
        found: &WorktreeRegistration,
    ) -> Result<Option<EnrolledWorktree>, GitError> {
        let branch = spec.branch.as_str();
        let contents = spec.place.contents()?;
        let linked = contents == PlaceContents::Linked && found.is_linked_back()?;
        if !linked && matches!(contents, PlaceContents::Linked | PlaceContents::Other) {
            return Err(self.other_worktree(spec, "its files belong to no worktree of this repository".to_owned()));
        }
        let head = engine.head(&found.admin)?;
        let on_branch = head == WorktreeHead::Branch(branch.to_owned());
        if found.is_unfinished() {
            // Before it is put on its branch, one made by the git program is detached.
            if !on_branch && let WorktreeHead::Branch(_) = head {
                return Err(self.other_worktree(spec, head.to_string()));
            }
            found.clear_stale_locks()?;
            if !linked {
                found.write_link()?;
            }
            return Ok(None);
        }
        let tip = engine.branch_tip(branch)?;
        match (linked, tip) {
            // An agent may have left it on another branch or amid a rebase: that is its work.
            (true, Some(tip)) => {
                self.finish_move(spec, found)?;
                let tip = engine.branch_tip(branch)?.unwrap_or(tip);
                Ok(Some(EnrolledWorktree { registration: found.clone(), tip, origin: WorktreeOrigin::Found }))
            }
            // Someone deleted the directory. What was committed is still there.
            (false, Some(_)) if on_branch && found.locked.is_none() => {
                found.reopen()?;
                found.write_link()?;
                Ok(None)
            }
            (true | false, Some(_) | None) => Err(self.other_worktree(spec, head.to_string())),
        }
    }

    fn register(
        &self,
        engine: &dyn GitEngine,
        spec: &WorktreeSpec,
        base: &ObjectId,
    ) -> Result<WorktreeRegistration, GitError> {
        let branch = spec.branch.as_str();
        if let Some(at) = self.where_checked_out(engine, branch)? {
            return Err(GitError::BranchCheckedOut { branch: branch.to_owned(), at });
        }
        if let Some(tip) = engine.branch_tip(branch)? {
            return Err(GitError::BranchExists { branch: branch.to_owned(), tip });
        }
        if let Some(other) = engine.branch_in_the_way(branch)? {
            return Err(GitError::BranchInTheWay { branch: branch.to_owned(), other });
        }
        match spec.place.contents()? {
            PlaceContents::Missing | PlaceContents::Empty => {}
            PlaceContents::Linked | PlaceContents::Other => {
                return Err(self.other_worktree(spec, "there are files".to_owned()));
            }
        }
        patiently(|| engine.register(spec.place.path(), branch, base))
    }

    /// The worktree, the main one included, that is on `branch`.
    pub(super) fn where_checked_out(&self, engine: &dyn GitEngine, branch: &str) -> Result<Option<PathBuf>, GitError> {
        let wanted = WorktreeHead::Branch(branch.to_owned());
        if engine.head(&self.common_dir)? == wanted {
            return Ok(Some(self.top_level.clone()));
        }
        for entry in registry::all(&self.common_dir)? {
            let head = match engine.head(&entry.admin) {
                Ok(head) => head,
                // Being made or pruned by another process, or damaged: it is on no branch then.
                Err(_) if !entry.is_whole() => continue,
                // The entry became whole between the two looks, or is really unreadable.
                Err(_) => match engine.head(&entry.admin) {
                    // Neither a ref nor an id stands there, as after a power cut.
                    Err(GitError::Step(GitStepError::Io { source, .. })) if source.kind() == ErrorKind::InvalidData => {
                        continue;
                    }
                    head => head?,
                },
            };
            if head == wanted {
                return Ok(Some(entry.path));
            }
        }
        Ok(None)
    }

    /// Takes back the steps of a failed call: nothing in the worktree was ever anyone's. Anything that cannot be taken
    /// back is left locked as unfinished, for the next call. To be called under the repository's lock.
    fn undo(&self, engine: &dyn GitEngine, spec: &WorktreeSpec, base: &ObjectId) {
        let undone = || -> Result<(), GitError> {
            let Some(found) = registry::find(&self.common_dir, spec.place.path())? else {
                return Ok(());
            };
            if !found.is_unfinished() {
                return Ok(());
            }
            let ours = found.is_whole() && engine.head(&found.admin)? == WorktreeHead::Branch(spec.branch.clone());
            if found.is_whole()
                && spec.place.contents()? == PlaceContents::Linked
                && !engine.strays(&found.path)?.is_empty()
            {
                return Ok(());
            }
            if spec.place.contents()? != PlaceContents::Missing {
                delete_tree(&spec.place.discard()?)?;
            }
            found.drop_entry(&self.common_dir)?;
            if ours && engine.branch_tip(&spec.branch)?.as_ref() == Some(base) {
                patiently(|| engine.delete_branch(&spec.branch, base))?;
            }
            Ok(())
        };
        if let Err(error) = undone() {
            tracing::warn!(branch = spec.branch, %error, "a half-made worktree stays behind");
        }
    }

    fn clear_place(&self, spec: &WorktreeSpec) -> Result<(), GitError> {
        match spec.place.contents()? {
            PlaceContents::Missing | PlaceContents::Empty => Ok(()),
            PlaceContents::Linked if holds_only_link(spec.place.path())? => delete_tree(&spec.place.discard()?),
            PlaceContents::Linked | PlaceContents::Other => {
                Err(self.other_worktree(spec, "there are files".to_owned()))
            }
        }
    }

    fn other_worktree(&self, spec: &WorktreeSpec, found: String) -> GitError {
        GitError::NotTheWorktree { path: spec.place.path().to_owned(), branch: spec.branch.clone(), found }
    }
}

struct EnrolledWorktree {
    registration: WorktreeRegistration,
    tip: ObjectId,
    origin: WorktreeOrigin,
}

fn holds_only_link(path: &Path) -> Result<bool, GitError> {
    let entries = std::fs::read_dir(path).map_err(|source| GitError::io("cannot look into", path, source))?;
    Ok(entries.flatten().all(|entry| entry.file_name() == ".git"))
}
