//! Mending a log in the hands of others. The damaged file is copied beside itself first; then what is whole in it
//! becomes the next generation, by the steps that every log takes when it grows, so that whoever has the old file
//! open follows.
//!
//! The steps are ordered so that a crash between any two leaves what a second repair finishes: until the last of
//! them the path names the damaged file, and after it the mended one.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    LogError, LogFold,
    append::{sync_directory, write_new_file},
    check,
    line::{self, LogHeader},
    lock::{LockFile, LogHeld},
    mark::{self, LogMark},
    mend::{self, ExaminedLog, NextGeneration},
    paths::{next_path, old_path},
    tail::{FileAccess, LogTail, options},
};
use crate::host::plain_file;
use crate::model::id::LEAD;
use crate::model::limits::pace::REPAIR_LOCK_WITHIN;

/// The outcome of a repair of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairedLog {
    /// The log needed nothing.
    Nothing,
    /// An unfinished last record was cut off.
    Cut {
        /// The size of what was cut off.
        bytes: u64,
        /// Where the file is as it was.
        backup: PathBuf,
    },
    /// All that is whole is in a new generation.
    Mended {
        /// Records that were carried over.
        kept: u64,
        /// Lines that nobody can read, by their numbers in the backup.
        lost_lines: Vec<u64>,
        /// Numbers whose record is lost; an empty record stands for each.
        filled: u64,
        /// Where the file is as it was.
        backup: PathBuf,
    },
    /// The file was gone, and was made anew of the generation before.
    Restored {
        /// Records that were carried over.
        kept: u64,
    },
    /// Something else than a file stood in the place of the log, and was moved aside. There is no log now, and nothing to
    /// make one of.
    Cleared {
        /// The place where it is now.
        backup: PathBuf,
    },
    /// The old generation could not be read; nobody needs it.
    SetAside {
        /// The place where the old generation is now.
        backup: PathBuf,
    },
}

/// Why a log was not repaired. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The log could not be read or written, or is not ours to mend.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Somebody else holds the lock for longer than an append takes.
    #[error("{} is held by another process, so {} was left alone", lock.display(), path.display())]
    Busy {
        /// The log.
        path: PathBuf,
        /// The lock file of the log.
        lock: PathBuf,
    },
    /// A newer program wrote a part of it.
    #[error("{}:{line}: format version {found}\nrepair it with the newer teamster that wrote it", path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// The line that says so.
        line: u64,
        /// The version of the format that the log says.
        found: u32,
    },
}

/// Mends the log at `path`: cuts an unfinished last record, carries all whole records over if any line is damaged,
/// and makes a missing file anew from the generation before it. A sound log is left alone.
///
/// Takes the log's lock, waiting for at most 2 s. Whatever is changed was copied to `<file>.<now_ms>.bak` and synced
/// before. Whoever has the log open reads on in the mended one, and is told each record that it had not been told.
pub fn repair<F: LogFold>(path: &Path, now_ms: u64) -> Result<RepairedLog, RepairError> {
    repair_carrying::<F>(path, now_ms, |_| Vec::new())
}

/// As [`repair`], for a log whose lost records say what must not be forgotten: `carry` is given the state that is left
/// and says which facts are to be added. They are there before anybody reads on.
pub fn repair_carrying<F: LogFold>(
    path: &Path,
    now_ms: u64,
    carry: impl FnOnce(&F) -> Vec<F::Fact>,
) -> Result<RepairedLog, RepairError> {
    let held = hold_locks(path)?;
    let known = mark::read_mark(path)?;
    let cleared = set_aside_what_is_no_file(path, now_ms)?;
    let old = match check::read(&old_path(path)) {
        // Nobody reads there, and a repair of the old generation sets it aside.
        Err(LogError::NotAFile { .. }) => None,
        old => old?,
    };
    let repair = LogRepair { path, known, now_ms, lock: &held.lock };
    let Some(bytes) = check::read(path)? else {
        return match old {
            Some(old) => Ok(RepairedLog::Restored { kept: repair.restore::<F>(&old, carry)?.kept }),
            None => Ok(cleared.map_or(RepairedLog::Nothing, |backup| RepairedLog::Cleared { backup })),
        };
    };
    let found = check::examine::<F>(path, &bytes, known)?;
    refuse_newer(path, &found)?;
    if found.is_sound() {
        if found.torn_bytes == 0 {
            return Ok(RepairedLog::Nothing);
        }
        let backup = back_up(path, &bytes, now_ms)?;
        cut(path, found.end as u64)?;
        return Ok(RepairedLog::Cut { bytes: found.torn_bytes as u64, backup });
    }
    let lost = found.damage.iter().filter(|(_, damage)| damage.is_of_the_line());
    let lost_lines = lost.map(|(line, _)| *line).collect();
    let backup = back_up(path, &bytes, now_ms)?;
    let kept = match old {
        // Nothing is left of this generation, and the one before it holds all up to its beginning.
        Some(old) if found.is_lost() => repair.restore::<F>(&old, carry)?,
        old => {
            let before = old.and_then(|old| Some(check::examine::<F>(path, &old, None).ok()?.header?.generation));
            let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let generation = found.generation(first_line, before);
            repair.put_in_place::<F>(&found, generation, carry)?
        }
    };
    Ok(RepairedLog::Mended { kept: kept.kept, lost_lines, filled: kept.filled, backup })
}

/// Begins the log at `path` with these facts, if there is none and nothing that [`repair`] could make it of. Whether it
/// did. The file has its name only once all of it is there.
pub fn begin<F: LogFold>(path: &Path, now_ms: u64, facts: &[F::Fact]) -> Result<bool, RepairError> {
    let held = hold_locks(path)?;
    if check::read(path)?.is_some() || check::read(&old_path(path))?.is_some() {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    line::write_header(&mut bytes, &LogHeader::first(F::KIND, now_ms));
    if !facts.is_empty() {
        line::write_record(&mut bytes, 1, now_ms, LEAD, facts).map_err(LogError::io("write", path))?;
    }
    let next = next_path(path);
    write_new_file(&next, &bytes)?;
    let (state, next_seq) = read_whole::<F>(&next)?;
    let mark = LogMark::new(now_ms, next_seq, state.highest_id());
    LogRepair { path, known: None, now_ms, lock: &held.lock }.replace(mark)?;
    Ok(true)
}

/// Moves the generation before the present one aside if it is damaged, or no file. Readers that lag can do without it. A
/// file is left alone while it is all that is left of the log.
pub fn repair_old<F: LogFold>(path: &Path, now_ms: u64) -> Result<RepairedLog, RepairError> {
    let _held = hold_locks(path)?;
    let old = old_path(path);
    if let Some(backup) = set_aside_what_is_no_file(&old, now_ms)? {
        return Ok(RepairedLog::SetAside { backup });
    }
    if check::read(path)?.is_none() {
        return Ok(RepairedLog::Nothing);
    }
    let Some(bytes) = check::read(&old)? else { return Ok(RepairedLog::Nothing) };
    let found = check::examine::<F>(&old, &bytes, None)?;
    refuse_newer(&old, &found)?;
    if found.is_sound() {
        return Ok(RepairedLog::Nothing);
    }
    let backup = backup_path(&old, now_ms);
    fs::rename(&old, &backup).map_err(LogError::io("set aside", &old))?;
    sync_directory(path)?;
    Ok(RepairedLog::SetAside { backup })
}

/// Removes the next generation that a crash left half-written beside the log at `path`; whether there was one. Left
/// alone while the log waits for it.
pub fn clear_leftover<F: LogFold>(path: &Path) -> Result<bool, RepairError> {
    let next = next_path(path);
    if !next.exists() {
        return Ok(false);
    }
    let _held = hold_locks(path)?;
    if let Some(bytes) = check::read(path)?
        && check::examine::<F>(path, &bytes, None)?.sealed
    {
        return Ok(false);
    }
    match fs::remove_file(&next) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LogError::io("remove", &next)(error).into()),
    }
}

/// Where a file is kept as it was before it was changed at `now_ms`.
pub fn backup_path(path: &Path, now_ms: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{now_ms}.bak"));
    name.into()
}

/// Copies a file beside itself, for its owner only, and makes the copy survive a loss of power.
pub fn back_up(path: &Path, bytes: &[u8], now_ms: u64) -> Result<PathBuf, LogError> {
    let mut at_ms = now_ms;
    let (backup, mut file) = loop {
        let backup = backup_path(path, at_ms);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&backup) {
            Ok(file) => break (backup, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => at_ms += 1,
            Err(error) => return Err(LogError::io("create", &backup)(error)),
        }
    };
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        // A part of a copy is none, and takes the room that the next try needs.
        let _ = fs::remove_file(&backup);
        return Err(LogError::io("write", &backup)(error));
    }
    sync_directory(path)?;
    Ok(backup)
}

/// All locks of a log, until this is dropped: that of who makes or mends it, and that of who writes to it.
struct AllHeld {
    /// Dropped before the file that it is about.
    _log: Option<LogHeld>,
    lock: LockFile,
}

fn hold_locks(path: &Path) -> Result<AllHeld, RepairError> {
    let busy = |held: PathBuf| {
        move |error: LogError| match error {
            LogError::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
                RepairError::Busy { path: path.to_owned(), lock: held }
            }
            error => error.into(),
        }
    };
    let lock = LockFile::open(path)?;
    lock.hold_for_life(REPAIR_LOCK_WITHIN).map_err(busy(mark::lock_path(path)))?;
    let log = match LogHeld::of_path(path, REPAIR_LOCK_WITHIN) {
        // No log, but something that no writer opens either.
        Err(LogError::NotAFile { .. }) => None,
        held => held.map_err(busy(path.to_owned()))?,
    };
    Ok(AllHeld { _log: log, lock })
}

fn refuse_newer(path: &Path, found: &ExaminedLog<'_>) -> Result<(), RepairError> {
    match found.newer {
        Some((line, found)) => Err(RepairError::Newer { path: path.to_owned(), line, found }),
        None => Ok(()),
    }
}

/// The records that were kept and filled in, for the report.
struct KeptRecords {
    kept: u64,
    filled: u64,
}

/// One repair: the facts that each of its steps needs.
struct LogRepair<'a> {
    path: &'a Path,
    /// How far the log is known to have come.
    known: Option<LogMark>,
    now_ms: u64,
    /// Held for as long as this lives.
    lock: &'a LockFile,
}

impl LogRepair<'_> {
    /// Makes the log anew of the generation before it, whose bytes these are.
    fn restore<F: LogFold>(
        &self,
        old: &[u8],
        carry: impl FnOnce(&F) -> Vec<F::Fact>,
    ) -> Result<KeptRecords, RepairError> {
        let found = check::examine::<F>(&old_path(self.path), old, None)?;
        refuse_newer(self.path, &found)?;
        let first_line = old.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // The lost file was of the generation after it.
        let generation = found.generation(first_line, None) + 1;
        let (kept, mark) = self.write_next::<F>(&found, generation + 1, carry)?;
        self.replace(mark)?;
        Ok(kept)
    }

    /// The steps of `rotate.rs`, from what is whole instead of from a state.
    fn put_in_place<F: LogFold>(
        &self,
        found: &ExaminedLog<'_>,
        generation: u32,
        carry: impl FnOnce(&F) -> Vec<F::Fact>,
    ) -> Result<KeptRecords, RepairError> {
        let (kept, mark) = self.write_next::<F>(found, generation + 1, carry)?;
        let path = self.path;
        // A reader that is past the damage learns by the seal that the log goes on in another file.
        if found.torn_bytes > 0 {
            cut(path, found.end as u64)?;
        }
        if !found.sealed {
            let mut seal = Vec::new();
            line::write_seal(&mut seal, generation + 1);
            let (file, _) =
                plain_file::open(&mut options(FileAccess::Append), path).map_err(LogError::io("open", path))?;
            (&file).write_all(&seal).map_err(LogError::io("append to", path))?;
        }
        self.replace(mark)?;
        Ok(kept)
    }

    /// The next generation whole and on the disk, under a name that nobody reads, and how far the log has come by it.
    fn write_next<F: LogFold>(
        &self,
        found: &ExaminedLog<'_>,
        generation: u32,
        carry: impl FnOnce(&F) -> Vec<F::Fact>,
    ) -> Result<(KeptRecords, LogMark), LogError> {
        let began_ms = found.header.as_ref().map(LogHeader::log_began_ms).or(self.known.map(|known| known.began_ms));
        let began_ms = began_ms.unwrap_or(self.now_ms);
        let known_next_seq = self.known.filter(|known| known.began_ms == began_ms).map_or(0, |known| known.next_seq);
        let of_next = NextGeneration { generation, began_ms, known_next_seq, now_ms: self.now_ms };
        let mut mended = mend::mend(found, F::KIND, of_next);
        let next = next_path(self.path);
        write_new_file(&next, &mended.bytes)?;
        let (mut state, mut next_seq) = read_whole::<F>(&next)?;
        let facts = carry(&state);
        if !facts.is_empty() {
            line::write_record(&mut mended.bytes, next_seq, self.now_ms, LEAD, &facts)
                .map_err(LogError::io("write", &next))?;
            write_new_file(&next, &mended.bytes)?;
            (state, next_seq) = read_whole::<F>(&next)?;
        }
        let mark = LogMark::new(began_ms, next_seq, state.highest_id());
        Ok((KeptRecords { kept: mended.kept, filled: mended.filled }, mark))
    }

    /// Gives the mended log its name. From then on it is known to have come as far as it has, and no further: numbers too
    /// many to be filled are given up.
    fn replace(&self, mark: LogMark) -> Result<(), LogError> {
        // Locked before it has its name, so that nobody writes there before the mark is written.
        let next = next_path(self.path);
        let (file, _) =
            plain_file::open(&mut options(FileAccess::Append), &next).map_err(LogError::io("open", &next))?;
        let _held = LogHeld::of_new_file(file, &next)?;
        replace(self.path)?;
        self.lock.write_mark(mark)
    }
}

/// Moves what stands in the place of a log and is no file out of the way, under the name of a backup. Tells the name.
fn set_aside_what_is_no_file(path: &Path, now_ms: u64) -> Result<Option<PathBuf>, LogError> {
    match plain_file::open_to_read(path) {
        Err(error) if plain_file::not_plain(&error).is_some() => {
            let backup = backup_path(path, now_ms);
            fs::rename(path, &backup).map_err(LogError::io("set aside", path))?;
            sync_directory(path)?;
            Ok(Some(backup))
        }
        // Whatever else is wrong is said where it is read.
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Reads the new file whole, since a file that nobody can read must never take the name. Returns the state and the number of the next record.
fn read_whole<F: LogFold>(next: &Path) -> Result<(F, u64), LogError> {
    let mut tail =
        LogTail::open::<F>(next, FileAccess::Read)?.ok_or_else(|| LogError::Removed { path: next.to_owned() })?;
    let mut state: F = tail.read_snapshot()?;
    let length = tail.length()?;
    tail.read_on(length, &mut state, &mut None)?;
    Ok((state, tail.next_seq))
}

fn replace(path: &Path) -> Result<(), LogError> {
    fs::rename(next_path(path), path).map_err(LogError::io("replace", path))?;
    sync_directory(path)
}

fn cut(path: &Path, end: u64) -> Result<(), LogError> {
    let (file, _) = plain_file::open(&mut options(FileAccess::Append), path).map_err(LogError::io("open", path))?;
    file.set_len(end).and_then(|()| file.sync_all()).map_err(LogError::io("cut", path))
}
