//! The files in `logs/`: what leader and workers say on standard error, in bounds however long they live.
//!
//! A file that is full is copied beside itself and emptied. It is never renamed: it stays open in other processes, in
//! a warden or in what an agent left behind, and they append at its new end. Only what a process says through
//! [`StderrLines`] is counted, and all that writes without end does so by that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::sys::stat::{self, SFlag};
use nix::unistd;

use crate::host::plain_file;
use crate::model::limits::{LOG_TAIL_BYTES_MAX, STDERR_LOG_BYTES_MAX};

/// Where this process's standard error goes, if it is one of these files.
static MINE: OnceLock<PathBuf> = OnceLock::new();

/// Opens a file for the standard error of a process that is to be started, and empties it if it is full.
pub fn open(path: &Path) -> io::Result<File> {
    if let Some(logs) = path.parent() {
        plain_file::must_be_directory(logs)?;
    }
    let mut options = OpenOptions::new();
    let (file, there) = plain_file::open(options.append(true).create(true).mode(0o600), path)?;
    if there.len() >= STDERR_LOG_BYTES_MAX {
        empty(path)?;
    }
    Ok(file)
}

/// Where the file is while it was full last.
pub fn old_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

/// The last lines that were written to the file after its first `from` bytes, without empty ones: at most so many, and of
/// [`LOG_TAIL_BYTES_MAX`] bytes. A line of our own log comes without its time, level and module.
pub fn last_lines(path: &Path, from: u64, lines_max: usize) -> io::Result<String> {
    let (file, there) = plain_file::open_to_read(path)?;
    let length = there.len();
    // The file may have been full and emptied meanwhile, and be shorter.
    let from = if from > length { 0 } else { from };
    let mut bytes = vec![0; LOG_TAIL_BYTES_MAX as usize];
    let got = plain_file::read_full(&file, &mut bytes, from.max(length.saturating_sub(LOG_TAIL_BYTES_MAX)))?;
    bytes.truncate(got);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(lines_max)..];
    Ok(last.iter().map(|line| message_of(line)).collect::<Vec<_>>().join("\n"))
}

/// The message of a line of our own log, without the time, level and module before it; any other line as it is.
fn message_of(line: &str) -> &str {
    const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    let message = || {
        let (time, rest) = line.split_once(' ')?;
        let (level, rest) = rest.trim_start().split_once(' ')?;
        let (module, message) = rest.split_once(": ")?;
        let is_ours = time.ends_with('Z') && time.contains('T') && LEVELS.contains(&level) && !module.contains(' ');
        is_ours.then_some(message)
    };
    message().unwrap_or(line)
}

/// Tells that this process's standard error may be that file: then [`StderrLines`] keeps it in bounds. A file that somebody
/// else has redirected it to is theirs, and left alone.
pub fn is_mine(path: PathBuf) {
    // The first one counts: a process has one log.
    let _ = MINE.set(path);
}

/// Standard error, as a writer of whole lines.
#[derive(Debug, Clone, Copy)]
pub struct StderrLines;

impl Write for StderrLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if let Some(path) = MINE.get()
            && let Err(error) = mind(path, &stderr)
        {
            // Not by the log, which is what writes here.
            writeln!(stderr, "cannot keep {} in bounds: {error}", path.display())?;
        }
        stderr.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Empties the file at `path` if it is full and `open` is that file.
fn mind(path: &Path, open: impl AsFd) -> io::Result<()> {
    let found = stat::fstat(&open)?;
    let is_file = found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
    if !is_file || found.st_size.unsigned_abs() < STDERR_LOG_BYTES_MAX {
        return Ok(());
    }
    let named = match std::fs::metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if (named.dev(), named.ino()) != (found.st_dev, found.st_ino) {
        return Ok(());
    }
    empty(path).inspect_err(|_| {
        // This needs no descriptor: there may be none left.
        let _ = unistd::ftruncate(&open, 0);
    })
}

/// Keeps the end of a full file as the old one, and empties it. It is emptied also if it can not be kept: a limit that
/// holds only while the disk has room would be none, and here it makes room.
fn empty(path: &Path) -> io::Result<()> {
    let (file, _) = plain_file::open(OpenOptions::new().read(true).write(true), path)?;
    // Two that find it full at once, a leader and its warden: the second would keep next to nothing as the old one.
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let length = file.metadata()?.len();
    if length < STDERR_LOG_BYTES_MAX {
        return Ok(());
    }
    let kept = keep(&file, length, &old_path(path));
    file.set_len(0)?;
    kept
}

fn keep(file: &File, length: u64, old: &Path) -> io::Result<()> {
    let mut last = vec![0; STDERR_LOG_BYTES_MAX as usize];
    file.read_exact_at(&mut last, length - STDERR_LOG_BYTES_MAX)?;
    let mut options = OpenOptions::new();
    let (mut file, _) = plain_file::open(options.write(true).create(true).mode(0o600), old)?;
    // Not by opening: what is not known to be a plain file is not emptied.
    file.set_len(0)?;
    file.write_all(&last)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn full(path: &Path, end: &str) {
        let text = format!("{}{end}", "x".repeat(STDERR_LOG_BYTES_MAX as usize));
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_full_file_is_emptied_when_a_process_starts_and_whoever_has_it_open_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.log");
        let mut before = open(&path).unwrap();
        full(&path, "the last\n");
        let mut after = open(&path).unwrap();
        before.write_all(b"one\n").unwrap();
        after.write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let old = fs::read_to_string(old_path(&path)).unwrap();
        assert_eq!((old.len() as u64, old.ends_with("the last\n")), (STDERR_LOG_BYTES_MAX, true));
    }

    #[test]
    fn the_last_lines_are_those_of_this_life() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.log");
        let mut log = open(&path).unwrap();
        log.write_all(b"an old trouble\n").unwrap();
        let from = log.metadata().unwrap().len();
        assert_eq!(last_lines(&path, from, 3).unwrap(), "");
        log.write_all(b"one\n\ntwo\nthree\n").unwrap();
        assert_eq!(last_lines(&path, from, 9).unwrap(), "one\ntwo\nthree");
        assert_eq!(last_lines(&path, from, 2).unwrap(), "two\nthree");
        log.set_len(4).unwrap();
        assert_eq!(last_lines(&path, from, 9).unwrap(), "an o", "the file was begun anew");
    }

    #[test]
    fn a_last_line_of_our_log_is_its_message() {
        for (line, told) in [
            ("2026-02-03T04:05:06.789012Z ERROR our::life::start: the disk is full: 3", "the disk is full: 3"),
            ("2026-02-03T04:05:06.789012Z  WARN our: it is late pid=7", "it is late pid=7"),
            (
                "2026-02-03T04:05:06Z ERROR it is of another program: no",
                "2026-02-03T04:05:06Z ERROR it is of another program: no",
            ),
            ("error: no such agent", "error: no such agent"),
            ("", ""),
        ] {
            assert_eq!(message_of(line), told);
        }
    }

    #[test]
    fn one_that_lives_for_long_empties_its_own_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let (path, theirs) = (dir.path().join("leader.log"), dir.path().join("theirs.log"));
        let mine = open(&path).unwrap();
        mind(&path, &mine).unwrap();
        full(&path, "");
        full(&theirs, "");
        mind(&path, File::open(&theirs).unwrap()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), STDERR_LOG_BYTES_MAX);
        mind(&path, &mine).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(fs::metadata(&theirs).unwrap().len(), STDERR_LOG_BYTES_MAX);
    }

    #[test]
    fn what_can_not_be_kept_is_no_reason_to_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.log");
        let open = open(&path).unwrap();
        full(&path, "");
        fs::create_dir(old_path(&path)).unwrap();
        assert!(mind(&path, &open).is_err(), "it is told");
        assert_eq!(open.metadata().unwrap().len(), 0);
    }
}
