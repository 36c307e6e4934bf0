//! One lock per repository around create and remove, and patience with git processes that are not ours.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use teamster_protocol::host::plain_file;
use teamster_protocol::model::limits::pace::{
    FOREIGN_GIT_WITHIN, REPOSITORY_LOCK_WITHIN, REPOSITORY_LOOK_MAX, REPOSITORY_LOOK_MIN,
};

use super::GitError;
use super::error::IoContext;

/// The lock's file where the file system locks no directory.
const LOCK_FILE: &str = "teamster.lock";
/// The lock of one repository, held until dropped. The kernel drops it with the process, so it never goes stale.
///
/// Locked is the common directory itself: nobody tidies that away, as a lock file may be. Network file systems lock only
/// what is open for writing, which a directory can not be; there a file in it is locked.
pub(super) struct RepositoryLock {
    _locked: File,
}

impl RepositoryLock {
    /// Waits for the lock, at most a minute. Refuses if the common directory can not be read.
    pub(super) fn acquire(common_dir: &Path) -> Result<RepositoryLock, GitError> {
        let mut patience = WaitLimit::new(REPOSITORY_LOCK_WITHIN);
        let directory = File::open(common_dir).about("cannot open", common_dir)?;
        match lock_patiently(&directory, common_dir, &mut patience)? {
            LockTaken::Yes => Ok(RepositoryLock { _locked: directory }),
            LockTaken::NotSupported => RepositoryLock::acquire_file(&common_dir.join(LOCK_FILE), &mut patience),
        }
    }

    fn acquire_file(path: &Path, patience: &mut WaitLimit) -> Result<RepositoryLock, GitError> {
        loop {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).mode(0o600);
            let (file, there) = plain_file::open(&mut options, path).about("cannot open the lock", path)?;
            match lock_patiently(&file, path, patience)? {
                LockTaken::Yes => {}
                LockTaken::NotSupported => {
                    let why = std::io::Error::from_raw_os_error(libc::EOPNOTSUPP);
                    return Err(GitError::io("cannot lock", path, why));
                }
            }
            // The file may have been removed meanwhile: a lock on it would keep nobody out.
            let named = fs::symlink_metadata(path).ok();
            if named.is_some_and(|named| (named.dev(), named.ino()) == (there.dev(), there.ino())) {
                return Ok(RepositoryLock { _locked: file });
            }
        }
    }
}

/// Whether a lock was taken.
enum LockTaken {
    Yes,
    /// The file system locks no such file.
    NotSupported,
}

fn lock_patiently(file: &File, path: &Path, patience: &mut WaitLimit) -> Result<LockTaken, GitError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(LockTaken::Yes),
            Err(TryLockError::WouldBlock) if patience.pause() => {}
            Err(TryLockError::WouldBlock) => {
                return Err(GitError::LockTimeout { lock: path.to_owned(), waited: REPOSITORY_LOCK_WITHIN });
            }
            Err(TryLockError::Error(error)) if error.raw_os_error() == Some(libc::EBADF) => {
                return Ok(LockTaken::NotSupported);
            }
            Err(TryLockError::Error(source)) => return Err(GitError::io("cannot lock", path, source)),
        }
    }
}

/// Does `step` again while it fails only because some other git process holds one of git's own lock files
/// or tidied an empty directory away under it.
pub(super) fn patiently<T>(mut step: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let mut patience = WaitLimit::new(FOREIGN_GIT_WITHIN);
    loop {
        match step() {
            Err(error) if is_passing(&error) && patience.pause() => {
                #[cfg(test)]
                waits::note(error.to_string());
            }
            done => return done,
        }
    }
}

/// The things that were waited for, so that a test can wait until somebody waits.
#[cfg(test)]
pub(super) mod waits {
    use std::sync::{Condvar, Mutex};
    use std::time::{Duration, Instant};

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    pub(super) fn note(what: String) {
        SEEN.lock().unwrap().push(what);
        CHANGED.notify_all();
    }

    /// Blocks until something was waited for whose words have all of these in them.
    pub(in super::super) fn until_one_for(words: &[&str]) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut seen = SEEN.lock().unwrap();
        while !seen.iter().any(|what| words.iter().all(|word| what.contains(word))) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody waits for {words:?}, but for {seen:?}");
            seen = CHANGED.wait_timeout(seen, left).unwrap().0;
        }
    }
}

/// Does `look`, which reads the repository's configuration, again while that is another file afterwards than
/// before. libgit2 asks for the size of a file and then opens it, so of one that git replaces in between it
/// reads a part, or refuses what it read.
pub(super) fn steadily<T>(common_dir: &Path, mut look: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let config = common_dir.join("config");
    let mut patience = WaitLimit::new(FOREIGN_GIT_WITHIN);
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
    let mut patience = WaitLimit::new(FOREIGN_GIT_WITHIN);
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
        GitError::Program { said, .. } => {
            // A registration half made by another process, or pruned before git had locked it; git then
            // cleans up behind itself.
            let registering = said.contains("/worktrees/")
                && (said.contains("No such file or directory") || said.contains("failed to read"));
            registering
                || said.contains(".lock': File exists")
                // A branch that was deleted between git's look at its name and its look at its commit. One that is
                // broken for good is waited for in vain, and then said to be.
                || said.contains("bad object refs/")
                || (said.contains("cannot lock ref") && said.contains("No such file or directory"))
        }
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
        | GitError::CannotKeep { .. }
        | GitError::WorktreeLocked { .. }
        | GitError::LockTimeout { .. }
        | GitError::NoProgram { .. }
        | GitError::Io { .. } => false,
    }
}

struct WaitLimit {
    until: Instant,
    pause: Duration,
}

impl WaitLimit {
    fn new(at_most: Duration) -> WaitLimit {
        WaitLimit { until: Instant::now() + at_most, pause: REPOSITORY_LOOK_MIN }
    }

    /// Waits a little, longer each time; false once there was waiting enough.
    #[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
    fn pause(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(REPOSITORY_LOOK_MAX);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_repository_leaves_nothing_that_could_be_tidied_away() {
        let dir = tempfile::tempdir().unwrap();
        let held = RepositoryLock::acquire(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let other = File::open(dir.path()).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
    }

    #[test]
    fn where_a_directory_can_not_be_locked_the_file_is_locked_that_is_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK_FILE);
        let mut patience = WaitLimit::new(Duration::ZERO);
        let _held = RepositoryLock::acquire_file(&path, &mut patience).unwrap();
        let refused = RepositoryLock::acquire_file(&path, &mut patience).map(|_| ());
        assert!(matches!(refused, Err(GitError::LockTimeout { .. })));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        let refused = RepositoryLock::acquire_file(&path, &mut patience).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("it is a symbolic link, not a file"), "{refused}");
        assert!(!dir.path().join("elsewhere").exists());
    }
}
