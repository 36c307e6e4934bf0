//! Patience with git processes that are not ours, for the program and for the library.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use teamster_protocol::git::{self, GitPatience, IoContext};

use super::GitError;

/// Does `step` again while it fails only because some other git process holds one of git's own lock files
/// or tidied an empty directory away under it.
pub(super) fn patiently<T>(step: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let is_passing = |error: &GitError| {
        let passes = is_passing(error);
        #[cfg(test)]
        if passes {
            waits::note(error.to_string());
        }
        passes
    };
    git::patiently(is_passing, step)
}

/// Does `look`, which reads the repository's configuration, again while that is another file afterwards than
/// before. libgit2 asks for the size of a file and then opens it, so of one that git replaces in between it
/// reads a part, or refuses what it read.
pub(super) fn steadily<T>(common_dir: &Path, mut look: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let config = common_dir.join("config");
    let mut patience = GitPatience::for_foreign_git();
    loop {
        let before = identity(&config);
        let seen = look();
        if identity(&config) == before || !patience.pause() {
            return seen;
        }
    }
}

/// Changes whenever a file is replaced or written. `None` without a file.
fn identity(path: &Path) -> Option<[i64; 6]> {
    let file = fs::metadata(path).ok()?;
    let inode = file.ino().cast_signed();
    let size = file.size().cast_signed();
    Some([inode, size, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
}

/// Waits for the end of whoever holds this lock file of git's. One left by a crash is waited for in vain,
/// and is then no concern of ours.
pub(super) fn wait_until_gone(lock: &Path) -> Result<(), GitError> {
    let mut patience = GitPatience::for_foreign_git();
    while lock.try_exists().about("cannot look at", lock)? && patience.pause() {
        #[cfg(test)]
        waits::note(lock.display().to_string());
    }
    Ok(())
}

fn is_passing(error: &GitError) -> bool {
    match error {
        GitError::Library { source, .. } => {
            source.code() == git2::ErrorCode::Locked
                || (source.class() == git2::ErrorClass::Os && source.message().contains("No such file"))
                // A file that was replaced by a shorter one, see `steadily`.
                || (source.class() == git2::ErrorClass::Filesystem && source.message().starts_with("could not read"))
        }
        GitError::Step(error) => error.is_passing(),
        GitError::NotARepository { .. }
        | GitError::NoCommit { .. }
        | GitError::UnknownBase { .. }
        | GitError::BadBranchName { .. }
        | GitError::BranchExists { .. }
        | GitError::BranchInTheWay { .. }
        | GitError::BranchCheckedOut { .. }
        | GitError::BadPlace { .. }
        | GitError::NotTheWorktree { .. }
        | GitError::WorktreeHolds { .. }
        | GitError::CannotMove { .. }
        | GitError::CannotKeep { .. }
        | GitError::WorktreeLocked { .. }
        | GitError::NoProgram { .. } => false,
    }
}

/// The things that were waited for, so that a test can wait until somebody waits.
#[cfg(test)]
pub(super) mod waits {
    use std::sync::{Condvar, Mutex};
    use std::time::Instant;

    use teamster_protocol::model::limits::pace::REPOSITORY_LOCK_WITHIN;

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    pub(super) fn note(what: String) {
        SEEN.lock().unwrap().push(what);
        CHANGED.notify_all();
    }

    /// Blocks until something was waited for whose words have all of these in them.
    pub(in super::super) fn until_one_for(words: &[&str]) {
        let until = Instant::now() + REPOSITORY_LOCK_WITHIN;
        let mut seen = SEEN.lock().unwrap();
        while !seen.iter().any(|what| words.iter().all(|word| what.contains(word))) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody waits for {words:?}, but for {seen:?}");
            seen = CHANGED.wait_timeout(seen, left).unwrap().0;
        }
    }
}
