//! One lock per repository around all that creates and removes, and patience with git processes that are not ours.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::plain_file;
use crate::model::limits::pace::{
    FOREIGN_GIT_WITHIN, REPOSITORY_LOCK_WITHIN, REPOSITORY_LOOK_MAX, REPOSITORY_LOOK_MIN,
};
use nix::libc;

use super::{GitStepError, IoContext};

/// The lock's file where the file system locks no directory.
const LOCK_FILE: &str = "teamster.lock";
/// The lock of one repository, held until dropped. The kernel drops it with the process, so it never goes stale.
///
/// Locked is the common directory itself: nobody tidies that away, as a lock file may be. Network file systems lock only
/// what is open for writing, which a directory can not be; there a file in it is locked.
pub struct RepositoryLock {
    _locked: File,
}

impl RepositoryLock {
    /// Waits for the lock, at most a minute. Refuses if the common directory can not be read.
    pub fn acquire(common_dir: &Path) -> Result<RepositoryLock, GitStepError> {
        let mut patience = GitPatience::new(REPOSITORY_LOCK_WITHIN);
        let directory = File::open(common_dir).about("cannot open", common_dir)?;
        match lock_patiently(&directory, common_dir, &mut patience)? {
            LockTaken::Yes => Ok(RepositoryLock { _locked: directory }),
            LockTaken::NotSupported => RepositoryLock::acquire_file(&common_dir.join(LOCK_FILE), &mut patience),
        }
    }

    fn acquire_file(path: &Path, patience: &mut GitPatience) -> Result<RepositoryLock, GitStepError> {
        loop {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).mode(0o600);
            let (file, there) = plain_file::open(&mut options, path).about("cannot open the lock", path)?;
            match lock_patiently(&file, path, patience)? {
                LockTaken::Yes => {}
                LockTaken::NotSupported => {
                    let why = std::io::Error::from_raw_os_error(libc::EOPNOTSUPP);
                    return Err(GitStepError::io("cannot lock", path, why));
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

fn lock_patiently(file: &File, path: &Path, patience: &mut GitPatience) -> Result<LockTaken, GitStepError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(LockTaken::Yes),
            Err(TryLockError::WouldBlock) if patience.pause() => {}
            Err(TryLockError::WouldBlock) => {
                return Err(GitStepError::LockTimeout { lock: path.to_owned(), waited: REPOSITORY_LOCK_WITHIN });
            }
            Err(TryLockError::Error(error)) if error.raw_os_error() == Some(libc::EBADF) => {
                return Ok(LockTaken::NotSupported);
            }
            Err(TryLockError::Error(source)) => return Err(GitStepError::io("cannot lock", path, source)),
        }
    }
}

/// Does `step` again while it fails by what `is_passing`: some other git process holds one of git's own lock files, or
/// tidied an empty directory away under it. At most ten seconds; then the last failure is the answer.
pub fn patiently<T, E>(is_passing: impl Fn(&E) -> bool, mut step: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let mut patience = GitPatience::for_foreign_git();
    loop {
        match step() {
            Err(error) if is_passing(&error) && patience.pause() => {}
            done => return done,
        }
    }
}

/// A wait for another git process that tells nobody when it ends: short looks, longer each time, up to a limit.
pub struct GitPatience {
    until: Instant,
    pause: Duration,
}

impl GitPatience {
    /// For a git process that is not ours: at most ten seconds.
    pub fn for_foreign_git() -> GitPatience {
        GitPatience::new(FOREIGN_GIT_WITHIN)
    }

    fn new(at_most: Duration) -> GitPatience {
        GitPatience { until: Instant::now() + at_most, pause: REPOSITORY_LOOK_MIN }
    }

    /// Blocks a little, longer each time; false once there was waiting enough.
    #[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
    pub fn pause(&mut self) -> bool {
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
        let mut patience = GitPatience::new(Duration::ZERO);
        let _held = RepositoryLock::acquire_file(&path, &mut patience).unwrap();
        let refused = RepositoryLock::acquire_file(&path, &mut patience).map(|_| ());
        assert!(matches!(refused, Err(GitStepError::LockTimeout { .. })));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        let refused = RepositoryLock::acquire_file(&path, &mut patience).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("it is a symbolic link, not a file"), "{refused}");
        assert!(!dir.path().join("elsewhere").exists());
    }
}
