//! The mark of a log: how far the log is known to have come, kept in the file of its lock.
//!
//! A log that was cut at the end of a line, or replaced by an older copy, reads as whole, and would give its numbers a
//! second time. So whoever has synced a record writes down here how far the log was then. The mark is written after
//! the sync, and costs a hundredth of that; a loss of power can therefore leave a mark that lags, never one that is
//! ahead. What was written and not synced is not covered, nor is a log whose lock file was removed.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{LogError, VERSION};
use crate::host::plain_file;

/// The size of a mark with its padding: a file of this size is written in one piece, and never grows again.
const MARK_BYTES: usize = 128;

/// How far a log is known to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogMark {
    v: u32,
    /// When the log began: the mark of a log that was removed says nothing about the one that was made after it.
    pub(super) began_ms: u64,
    /// The number that the next record had.
    pub(super) next_seq: u64,
    /// The answer of [`LogFold::highest_id`](super::LogFold::highest_id).
    pub(super) highest_id: u64,
}

impl LogMark {
    pub(super) fn new(began_ms: u64, next_seq: u64, highest_id: u64) -> LogMark {
        LogMark { v: VERSION, began_ms, next_seq, highest_id }
    }

    /// Whether records of that log are missing, if it ends before the record of that number.
    pub(super) fn proves_loss(&self, began_ms: u64, next_seq: u64) -> bool {
        self.began_ms == began_ms && next_seq < self.next_seq
    }
}

/// Where the lock of a log is.
pub(super) fn lock_path(log: &Path) -> PathBuf {
    log.with_extension("lock")
}

/// The mark of the log at that path. Without a lock file there is none, nor in one that holds something else.
pub(super) fn read_mark(log: &Path) -> Result<Option<LogMark>, LogError> {
    let path = lock_path(log);
    match plain_file::open_to_read(&path) {
        Ok((file, _)) => parse_mark(&file).map_err(LogError::io("read", &path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("open", &path)(error)),
    }
}

/// Writes a mark into an open lock file, unless one is there that says more of the same log.
pub(super) fn raise_mark(lock: &File, mark: LogMark) -> io::Result<()> {
    match parse_mark(lock)? {
        Some(there) if there.began_ms == mark.began_ms && there.next_seq >= mark.next_seq => Ok(()),
        Some(_) | None => write_mark(lock, mark),
    }
}

/// Writes a mark into an open lock file, whatever is there.
pub(super) fn write_mark(lock: &File, mark: LogMark) -> io::Result<()> {
    let mut line = serde_json::to_vec(&mark).expect("a mark is plain data");
    line.resize(MARK_BYTES - 1, b' ');
    line.push(b'\n');
    lock.write_all_at(&line, 0)
}

fn parse_mark(lock: &File) -> io::Result<Option<LogMark>> {
    let mut bytes = [0; MARK_BYTES];
    let got = plain_file::read_full(lock, &mut bytes, 0)?;
    let mark: Option<LogMark> = serde_json::from_slice(&bytes[..got]).ok();
    Ok(mark.filter(|mark| mark.v <= VERSION))
}

/// The highest id that the log at that path is known to have given, by the mark beside it; 0 without one.
pub fn highest_marked_id(log: &Path) -> Result<u64, LogError> {
    Ok(read_mark(log)?.map_or(0, |mark| mark.highest_id))
}

/// Whether the log at that path is known to have had records, by the mark beside it.
pub fn is_marked(log: &Path) -> Result<bool, LogError> {
    Ok(read_mark(log)?.is_some_and(|mark| mark.next_seq > 1))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    #[test]
    fn a_mark_is_raised_and_never_lowered_but_for_another_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("board.jsonl");
        assert_eq!(read_mark(&log).unwrap(), None);
        fs::write(lock_path(&log), "").unwrap();
        assert_eq!(read_mark(&log).unwrap(), None);
        let lock = OpenOptions::new().read(true).write(true).open(lock_path(&log)).unwrap();
        for (mark, due) in [
            (LogMark::new(5, 7, 3), LogMark::new(5, 7, 3)),
            (LogMark::new(5, 6, 2), LogMark::new(5, 7, 3)),
            (LogMark::new(5, u64::MAX, u64::MAX), LogMark::new(5, u64::MAX, u64::MAX)),
            (LogMark::new(u64::MAX, 2, 1), LogMark::new(u64::MAX, 2, 1)),
        ] {
            raise_mark(&lock, mark).unwrap();
            assert_eq!(read_mark(&log).unwrap(), Some(due));
            assert_eq!(fs::metadata(lock_path(&log)).unwrap().len(), MARK_BYTES as u64);
        }
        fs::write(lock_path(&log), "4711\n").unwrap();
        assert_eq!(read_mark(&log).unwrap(), None, "a note of somebody else is no mark");
    }
}
