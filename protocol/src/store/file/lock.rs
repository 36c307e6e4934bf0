//! The locks of a log: who appends locks the log's own file, and who makes or mends a log locks the file beside it too.
//!
//! Agents do remove files that look like stale locks. A log is nothing that looks like one, and a lock on a log that was
//! removed or replaced is worth nothing to its holder anyway: whoever holds it looks which file has the name, before
//! anything is decided, and locks that one if it is another.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    LogError,
    mark::{self, LogMark},
    tail::{self, LogTail},
};
use crate::host::crash::point;
use crate::host::plain_file;
use crate::model::limits::pace::LOG_LOCK_PAUSE;

/// A log's file, locked until this is dropped, also when a decision panics.
#[derive(Debug)]
pub(super) struct LogHeld {
    file: Arc<File>,
    identity: (u64, u64),
}

impl LogHeld {
    /// Locks the file of a tail: waits for the process that is at it, microseconds, or a moment while a new generation
    /// begins, or as long as very many others take who were faster. Not for ever: a writer that was stopped in the middle
    /// must not stop everybody, the leader that could end it least of all.
    pub(super) fn wait_for(tail: &LogTail, limit: Duration) -> Result<LogHeld, LogError> {
        wait_for(&tail.file, &tail.path, &tail.path, limit)?;
        point("log locked");
        Ok(LogHeld { file: Arc::clone(&tail.file), identity: tail.identity })
    }

    /// Locks a file that nobody else has open, before it gets its name.
    pub(super) fn of_new_file(file: File, path: &Path) -> Result<LogHeld, LogError> {
        let there = file.metadata().map_err(LogError::io("look at", path))?;
        wait_for(&file, path, path, Duration::ZERO)?;
        Ok(LogHeld { file: Arc::new(file), identity: tail::identity(&there) })
    }

    /// Locks the file that has the path of a log now, whatever is in it; nothing if there is none.
    pub(super) fn of_path(path: &Path, limit: Duration) -> Result<Option<LogHeld>, LogError> {
        loop {
            let (file, there) = match plain_file::open(&mut tail::options(tail::FileAccess::Append), path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(LogError::io("open", path)(error)),
            };
            wait_for(&file, path, path, limit)?;
            let named = fs::symlink_metadata(path).ok().map(|named| tail::identity(&named));
            if named == Some(tail::identity(&there)) {
                return Ok(Some(LogHeld { file: Arc::new(file), identity: tail::identity(&there) }));
            }
        }
    }

    /// Whether the locked file is the one that this tail reads.
    pub(super) fn is_of(&self, tail: &LogTail) -> bool {
        self.identity == tail.identity
    }
}

impl Drop for LogHeld {
    fn drop(&mut self) {
        // Unlocked rather than closed: a child that is between fork and exec shares the description.
        if let Err(error) = self.file.unlock() {
            tracing::error!(%error, "cannot unlock a log");
        }
    }
}

/// The lock file beside a log. It is held by whoever makes the log or mends it, and has the log's mark.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
    log: PathBuf,
}

/// The lock file of a log, locked until this is dropped.
pub(super) struct LockFileHeld<'a>(&'a File);

impl LockFile {
    /// Opens the lock file of the log at that path, and makes it if it is not there.
    pub(super) fn open(log: &Path) -> Result<LockFile, LogError> {
        let path = mark::lock_path(log);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let (file, _) = plain_file::open(&mut options, &path).map_err(LogError::io("open", &path))?;
        Ok(LockFile { file, path, log: log.to_owned() })
    }

    /// Waits for whoever makes or mends the log.
    pub(super) fn hold(&self, limit: Duration) -> Result<LockFileHeld<'_>, LogError> {
        wait_for(&self.file, &self.path, &self.log, limit)?;
        Ok(LockFileHeld(&self.file))
    }

    /// As [`LockFile::hold`], until this is dropped.
    pub(super) fn hold_for_life(&self, limit: Duration) -> Result<(), LogError> {
        wait_for(&self.file, &self.path, &self.log, limit)
    }

    /// Writes down how far the log has come. The step that it is about is done and durable, so that this fails is no
    /// failure of it: the log is watched less closely until the next one.
    pub(super) fn raise_mark(&mut self, mark: LogMark) {
        if let Err(error) = self.find_again().and_then(|()| mark::raise_mark(&self.file, mark)) {
            tracing::warn!(file = %self.path.display(), %error, "cannot write down how far a log has come");
        }
        point("log marked");
    }

    /// Writes down how far a log has come that was mended, also if that is less than before.
    pub(super) fn write_mark(&self, mark: LogMark) -> Result<(), LogError> {
        mark::write_mark(&self.file, mark).map_err(LogError::io("write", &self.path))
    }

    /// Opens the file that has the path now: the one that is open may have been tidied away.
    fn find_again(&mut self) -> io::Result<()> {
        let named = fs::symlink_metadata(&self.path).ok().map(|named| tail::identity(&named));
        // A team that was removed is not begun anew.
        if named != Some(tail::identity(&self.file.metadata()?)) && self.log.exists() {
            let found = LockFile::open(&self.log).map_err(io::Error::other)?;
            self.file = found.file;
        }
        Ok(())
    }
}

impl Drop for LockFileHeld<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "cannot unlock the lock file of a log");
        }
    }
}

/// Locks a file within a limit, which begins anew while the log at `log` changes: then nobody hangs.
fn wait_for(file: &File, path: &Path, log: &Path, limit: Duration) -> Result<(), LogError> {
    let mut patience = None;
    for round in 0_u32.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(LogError::io("lock", path)(error)),
            Err(TryLockError::WouldBlock) => {
                if round < AT_ONCE {
                    thread::yield_now();
                    continue;
                }
                let (now, written) = (Instant::now(), written(log));
                let patience = patience.get_or_insert(LockPatience { limit, until: now + limit, written });
                if patience.is_over(now, written) {
                    let why = format!("another process has held it for {} s, and may hang", limit.as_secs());
                    let error = io::Error::new(io::ErrorKind::TimedOut, why);
                    return Err(LogError::io("lock", path)(error));
                }
                give_way(round - AT_ONCE);
            }
        }
    }
    Ok(())
}

/// The inode and the length of a log's file.
type LogExtent = Option<(u64, u64)>;

fn written(log: &Path) -> LogExtent {
    fs::metadata(log).ok().map(|found| (found.ino(), found.len()))
}

/// The patience with those who hold a lock: it ends when none of them has written for too long.
struct LockPatience {
    limit: Duration,
    until: Instant,
    written: LogExtent,
}

impl LockPatience {
    fn is_over(&mut self, now: Instant, written: LogExtent) -> bool {
        if written != self.written {
            (self.until, self.written) = (now + self.limit, written);
        }
        now >= self.until
    }
}

/// How often a lock is tried again while its holder is most likely about to let go.
const AT_ONCE: u32 = 200;

/// Lets the holder of a lock get on, for ever longer: few find it soon after it was let go, and two hundred that looked
/// every 200 µs would leave the holder no processor.
#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
fn give_way(round: u32) {
    thread::sleep(LOG_LOCK_PAUSE * (1 << (round / 4).min(4)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_let_go_is_waited_for_only_so_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("board.jsonl");
        File::create(&path).unwrap();
        let held = LogHeld::of_path(&path, Duration::ZERO).unwrap();
        let error = LogHeld::of_path(&path, Duration::from_millis(20)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("board.jsonl: another process has held it for 0 s, and may hang"), "{error}");
        drop(held);
        assert!(LogHeld::of_path(&path, Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn patience_begins_anew_while_others_write() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let mut patience = LockPatience { limit: second, until: begun + second, written: Some((1, 100)) };
        assert!(!patience.is_over(begun, Some((1, 100))));
        assert!(!patience.is_over(begun + second, Some((1, 200))), "somebody had the lock, and wrote");
        assert!(!patience.is_over(begun + second * 3 / 2, Some((1, 200))));
        assert!(patience.is_over(begun + second * 2, Some((1, 200))), "nobody has written for a second");
        assert!(!patience.is_over(begun + second * 2, Some((2, 50))), "the next generation has begun");
    }
}
