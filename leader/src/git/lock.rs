//! One lock per repository around create and remove, and patience with git processes that are not ours.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::GitError;
use super::error::IoContext;

/// Never unlinked: two holders of two files of one name would both believe they are alone.
const LOCK_FILE: &str = "teamster.lock";
const LOCK_WAIT_MAX: Duration = Duration::from_secs(60);
const FOREIGN_WAIT_MAX: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Held until dropped; the kernel drops it with the process, so it never goes stale.
pub(super) struct RepositoryLock {
    _file: File,
}

impl RepositoryLock {
    /// Waits for the lock, at most a minute. Refuses if the common directory is not writable.
    pub(super) fn acquire(common_dir: &Path) -> Result<RepositoryLock, GitError> {
        let path = common_dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .about("cannot open the lock", &path)?;
        let mut patience = WaitLimit::new(LOCK_WAIT_MAX);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(RepositoryLock { _file: file }),
                Err(TryLockError::WouldBlock) if patience.pause() => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(GitError::LockTimeout { lock: path, waited: LOCK_WAIT_MAX });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(GitError::io("cannot lock", &path, source));
                }
            }
        }
    }
}

/// Does `step` again while it fails only because some other git process holds one of git's own lock files
/// or tidied an empty directory away under it.
pub(super) fn patiently<T>(mut step: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let mut patience = WaitLimit::new(FOREIGN_WAIT_MAX);
    loop {
        match step() {
            Err(error) if is_passing(&error) && patience.pause() => {}
            done => return done,
        }
    }
}

/// Does `look`, which reads the repository's configuration, again while that is another file afterwards than
/// before. libgit2 asks for the size of a file and then opens it, so of one that git replaces in between it
/// reads a part, or refuses what it read.
pub(super) fn steadily<T>(common_dir: &Path, mut look: impl FnMut() -> Result<T, GitError>) -> Result<T, GitError> {
    let config = common_dir.join("config");
    let mut patience = WaitLimit::new(FOREIGN_WAIT_MAX);
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
    let mut patience = WaitLimit::new(FOREIGN_WAIT_MAX);
    while lock.try_exists().about("cannot look at", lock)? && patience.pause() {}
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
        WaitLimit { until: Instant::now() + at_most, pause: PAUSE_MIN }
    }

    /// Waits a little, longer each time; false once there was waiting enough.
    #[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
    fn pause(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}
