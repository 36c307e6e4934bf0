//! Work that `git status` does not tell of. A file with the bit assume-unchanged or skip-worktree is not looked at, a
//! file whose size and time were put back looks unchanged where the configuration trusts only these, and a repository
//! inside a directory of tracked files is passed over. Before a worktree is removed, the contents count instead.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use teamster_protocol::git::{IoContext, path_of};

use super::branch::EVERY_BRANCH;
use super::{GitError, UncommittedFile, UncommittedState};

/// The mode of an entry of the index that stands for a commit of another repository.
pub(super) const GITLINK_MODE: u32 = 0o160_000;

/// How far git's note of a file's size and time is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatTrust {
    /// Git notes the time of the last change of the inode too, which nobody can put back.
    Full,
    /// The configuration leaves that out, so every file has to be read.
    None,
}

/// An entry of a worktree's index, as far as hidden work is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrackedFile {
    /// Relative to the worktree, as git stores it.
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    /// Whether git was told not to look at the file.
    pub(super) unwatched: bool,
    /// Whether the entry is half of a conflict, which git shows in any case.
    pub(super) conflicted: bool,
}

impl TrackedFile {
    /// Whether the file has to be compared by its contents. A file that is not there holds nothing, as in a sparse
    /// checkout, where git itself left it out.
    pub(super) fn needs_reading(&self, worktree: &Path, trust: StatTrust) -> Result<bool, GitError> {
        let suspect = self.unwatched || trust == StatTrust::None;
        if self.conflicted || self.mode == GITLINK_MODE || !suspect {
            return Ok(false);
        }
        is_there(&worktree.join(path_of(&self.path)))
    }

    /// Whether git was told not to look at the file, and it is not there.
    pub(super) fn is_left_out(&self, worktree: &Path) -> Result<bool, GitError> {
        Ok(self.unwatched && !self.conflicted && !is_there(&worktree.join(path_of(&self.path)))?)
    }
}

/// Repositories that lie among tracked files, where git does not tell of them: in a directory that holds a tracked file,
/// or in a submodule whose repository is not kept by the one around it.
pub(super) fn nested_repositories(worktree: &Path, tracked: &[TrackedFile]) -> Result<Vec<UncommittedFile>, GitError> {
    let mut found = Vec::new();
    // Of entries in the order of the index, so that a directory's own come together.
    let mut last: Option<PathBuf> = None;
    for file in tracked {
        let path = path_of(&file.path);
        let nested = if file.mode == GITLINK_MODE {
            // A file `.git` leads to a repository that is kept elsewhere, which is looked at by itself.
            is_directory(&worktree.join(&path).join(".git"))?.then_some(path)
        } else {
            let mut nested = None;
            for above in path.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty()) {
                if last.as_deref().is_some_and(|last| last.starts_with(above)) {
                    break;
                }
                if is_there(&worktree.join(above).join(".git"))? {
                    nested = Some(above.to_owned());
                }
            }
            last = path.parent().map(Path::to_owned);
            nested
        };
        found.extend(nested.map(|path| UncommittedFile { path, state: UncommittedState::NestedRepository }));
    }
    Ok(found)
}

/// Repositories with commits of their own that lie where git does not look, most often in an ignored directory. `known` are
/// the changes that were found already. A copy of what a remote has, as a build may fetch it, is as lost as any ignored file.
pub(super) fn ignored_repositories(
    worktree: &Path,
    known: &[UncommittedFile],
) -> Result<Vec<UncommittedFile>, GitError> {
    let mut found = Vec::new();
    let mut todo = vec![worktree.to_owned()];
    while let Some(dir) = todo.pop() {
        let entries = match fs::read_dir(&dir) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            entries => entries.about("cannot look into", &dir)?,
        };
        let mut below = Vec::new();
        let mut is_repository = false;
        for entry in entries {
            let entry = entry.about("cannot look into", &dir)?;
            if !entry.file_type().about("cannot look at", &entry.path())?.is_dir() {
                continue;
            }
            match entry.file_name() == ".git" {
                true => is_repository = true,
                false => below.push(entry.path()),
            }
        }
        let path = dir.strip_prefix(worktree).expect("the walk began there").to_owned();
        let is_known = || known.iter().any(|change| change.path == path);
        if is_repository && !path.as_os_str().is_empty() && !is_known() && has_own_commits(&dir) {
            found.push(UncommittedFile { path, state: UncommittedState::NestedRepository });
            continue;
        }
        todo.extend(below);
    }
    Ok(found)
}

/// Whether a repository has commits, also in a stash, that none of its remotes is known to have. One that can not be looked
/// at may have.
fn has_own_commits(dir: &Path) -> bool {
    let look = || -> Result<bool, git2::Error> {
        let repository = git2::Repository::open(dir)?;
        let mut walk = repository.revwalk()?;
        for name in ["HEAD", "refs/stash"] {
            match repository.find_reference(name).and_then(|reference| reference.resolve()) {
                Ok(found) => walk.push(found.peel_to_commit()?.id())?,
                // No commit was made on the branch that is checked out, or nothing was stashed.
                Err(error) if error.code() == git2::ErrorCode::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        walk.push_glob(EVERY_BRANCH)?;
        walk.hide_glob("refs/remotes/*")?;
        // The tags came with the rest, or name what a branch has.
        if !repository.remotes()?.is_empty() {
            walk.hide_glob("refs/tags/*")?;
        }
        walk.next().transpose().map(|commit| commit.is_some())
    };
    look().unwrap_or(true)
}

fn is_there(path: &Path) -> Result<bool, GitError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(source) => Err(GitError::io("cannot look at", path, source)),
    }
}

fn is_directory(path: &Path) -> Result<bool, GitError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(source) => Err(GitError::io("cannot look at", path, source)),
    }
}
