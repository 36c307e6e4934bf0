//! An isolated worktree for each member, so that agents who edit the same files do not meet.
//!
//! The work is done through libgit2; a repository that libgit2 cannot serve without harm (see [`WhyProgram`]) is served
//! by the `git` program, and the answer says so. The present state is read from the disk each time and never
//! remembered: a step looks, does one thing, and the next one looks again, so a crash at any point is resumed by the
//! same call. There is no fall-back to the shared tree.
//!
//! - One `flock` in the common directory orders create and remove among all processes; files are checked
//!   out outside of it.
//! - While its files are being written, a worktree is locked with a reason of ours. `git worktree prune`
//!   leaves it alone, and missing files are never mistaken for deletions.
//! - The user's `HEAD` and index are not written, nor the repository's configuration but for the settings of a
//!   branch that is removed.
//! - Submodules are not initialised: their directories stay empty in the worktree, as with
//!   `git worktree add`.
//!
//! Everything here blocks on the disk; call it off the event loop. Bringing a member's branch back is not
//! part of this module's present: it belongs beside `ensure` and `remove`, under the same lock.

mod base;
mod branch;
mod configuration;
mod engine;
mod ensure;
mod error;
mod hidden;
mod holdings;
mod libgit2;
mod listing;
mod marker;
mod patience;
mod place;
mod program;
mod registry;
mod remove;
mod survey;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use teamster_protocol::git::IoContext;

use git2::Config;

pub use base::HeldPlace;
pub use branch::member_branch;
pub use engine::EngineUsed;
pub use ensure::{Worktree, WorktreeOrigin, WorktreeSpec};
pub use error::GitError;
pub use holdings::{GitOperation, UncommittedFile, UncommittedState, WorktreeHoldings};
pub use listing::{ForgetOutcome, RegisteredWorktree};
pub use marker::{TeamMark, TeamMarkFile, UnreadMarks};
pub use place::{WorktreePlace, sweep_trash};
pub use remove::{KeptWork, RemovalCare, RemovedWorktree};
pub use survey::WhyProgram;
pub use teamster_protocol::model::object_id::ObjectId;

use engine::GitEngine;
use libgit2::Libgit2Engine;
use patience::steadily;
use program::ProgramEngine;

/// Where a branch stands, for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchSummary {
    /// The commit the branch points at.
    pub tip: ObjectId,
    /// How many commits it has that the base has not.
    pub ahead: usize,
}

/// A repository, found once. Holds paths only, so it is cheap to clone and never stale.
#[derive(Clone, Debug)]
pub struct Repository {
    git_dir: PathBuf,
    common_dir: PathBuf,
    top_level: PathBuf,
    program: PathBuf,
}

impl Repository {
    /// Finds the repository that `dir` belongs to: `dir` may be anywhere in a work tree, in a linked
    /// worktree (then it is the repository that worktree belongs to) or in a bare repository. Refuses
    /// with [`GitError::NotARepository`]. Reads a few small files.
    pub fn discover(dir: &Path) -> Result<Repository, GitError> {
        let dir = dir.canonicalize().about("cannot look into", dir)?;
        let none: [&str; 0] = [];
        let git_dir = match git2::Repository::discover_path(&dir, none) {
            Ok(found) => found,
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                return Err(GitError::NotARepository { dir });
            }
            Err(source) => {
                return Err(GitError::library("cannot find the repository of", &dir, source));
            }
        };
        let git_dir = git_dir.canonicalize().about("cannot look into", &git_dir)?;
        let common_dir = match registry::read_path(&git_dir.join("commondir"))? {
            Some(common) => {
                let common = git_dir.join(common);
                common.canonicalize().about("cannot look into", &common)?
            }
            None => git_dir.clone(),
        };
        let top_level = top_level(&common_dir)?;
        Ok(Repository { git_dir, common_dir, top_level, program: PathBuf::from("git") })
    }

    /// The directory shared by all worktrees (`.git` of the main one), canonical.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The main work tree, canonical, also when the repository was found from a linked worktree. Of a
    /// bare repository, which has none, the repository itself.
    pub fn top_level(&self) -> &Path {
        &self.top_level
    }

    /// The work tree that the repository was found from: a linked worktree's, or the main one. Of a bare repository,
    /// which has none, the repository itself.
    pub fn work_tree(&self) -> Result<PathBuf, GitError> {
        if self.git_dir == self.common_dir {
            return Ok(self.top_level.clone());
        }
        let link = self.git_dir.join("gitdir");
        match registry::read_path(&link)? {
            Some(path) => {
                let path = self.git_dir.join(path);
                let above = path.parent().unwrap_or(&path);
                Ok(above.canonicalize().about("cannot look into", above)?)
            }
            None => Ok(self.top_level.clone()),
        }
    }

    /// Where `branch` stands against `base` (any revision; `HEAD` if not given). `None` if there is no such
    /// branch. Refuses a base that does not exist.
    pub fn branch_summary(&self, branch: &str, base: Option<&str>) -> Result<Option<BranchSummary>, GitError> {
        let engine = self.engine()?;
        let Some(tip) = engine.branch_tip(branch)? else {
            return Ok(None);
        };
        let base = self.resolve(&*engine, base)?;
        let ahead = engine.ahead(&base, &tip)?;
        Ok(Some(BranchSummary { tip, ahead }))
    }

    /// How many commits `base` (any revision; `HEAD` if not given) has that `branch` has not; none if there is no such branch.
    /// Refuses a base that does not exist.
    pub fn lacks(&self, branch: &str, base: Option<&str>) -> Result<usize, GitError> {
        let engine = self.engine()?;
        let Some(tip) = engine.branch_tip(branch)? else { return Ok(0) };
        engine.ahead(&tip, &self.resolve(&*engine, base)?)
    }

    /// The engine that can read this repository at all, by its configuration.
    fn engine(&self) -> Result<Box<dyn GitEngine>, GitError> {
        match self.open()? {
            EngineChoice::Needs(why) => self.program_engine(why),
            EngineChoice::Library(library) => Ok(Box::new(library)),
        }
    }

    /// The engine that can read and write the files of `commit` as the user's git would.
    fn engine_for_files(&self, commit: &ObjectId) -> Result<Box<dyn GitEngine>, GitError> {
        let library = match self.open()? {
            EngineChoice::Needs(why) => return self.program_engine(why),
            EngineChoice::Library(library) => library,
        };
        match survey::by_attributes(&library, &self.common_dir, commit)? {
            Some(why) => self.program_engine(why),
            None => Ok(Box::new(library)),
        }
    }

    fn open(&self) -> Result<EngineChoice, GitError> {
        steadily(&self.common_dir, || match survey::by_configuration(&self.common_dir)? {
            Some(why) => Ok(EngineChoice::Needs(why)),
            None => Libgit2Engine::open(&self.git_dir, &self.common_dir).map(EngineChoice::Library),
        })
    }

    fn program_engine(&self, why: WhyProgram) -> Result<Box<dyn GitEngine>, GitError> {
        Ok(Box::new(ProgramEngine::find(&self.program, &self.git_dir, &self.common_dir, &self.top_level, why)?))
    }

    fn resolve(&self, engine: &dyn GitEngine, base: Option<&str>) -> Result<ObjectId, GitError> {
        let repository = self.top_level.clone();
        engine.resolve(base.unwrap_or("HEAD"))?.ok_or_else(|| match base {
            Some(base) => GitError::UnknownBase { base: base.to_owned(), repository },
            None => GitError::NoCommit { repository },
        })
    }
}

/// The engine for a repository, as its configuration decides.
enum EngineChoice {
    Library(Libgit2Engine),
    Needs(WhyProgram),
}

fn top_level(common_dir: &Path) -> Result<PathBuf, GitError> {
    let file = common_dir.join("config");
    let config =
        steadily(common_dir, || Config::open(&file).map_err(|source| GitError::library("cannot read", &file, source)))?;
    if config.get_bool("core.bare").unwrap_or(false) {
        return Ok(common_dir.to_owned());
    }
    // A submodule's repository lies far from its work tree and names it.
    if let Ok(named) = config.get_path("core.worktree") {
        let named = common_dir.join(named);
        return Ok(named.canonicalize().about("cannot look into", &named)?);
    }
    match (common_dir.file_name(), common_dir.parent()) {
        (Some(name), Some(parent)) if name == ".git" => Ok(parent.to_owned()),
        (Some(_) | None, Some(_) | None) => Ok(common_dir.to_owned()),
    }
}
