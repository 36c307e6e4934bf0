//! Mending a log in the hands of others. The damaged file is copied beside itself first; then what is whole in it
//! becomes the next generation, by the steps that every log takes when it grows, so that whoever has the old file
//! open follows.
//!
//! The steps are ordered so that a crash between any two leaves what a second repair finishes: until the last of
//! them the path names the damaged file, and after it the mended one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    Fold, LogError, VERSION,
    append::sync_directory,
    check,
    line::{self, Header},
    mend::{self, Examined},
    rotate::{next_path, old_path},
    tail::{Access, Tail, options},
};
use crate::host::plain_file;
use crate::model::id::LEAD;

/// How long a writer may hold the lock; it does so for the time of one append.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How often the lock is tried meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// What was done to a log, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It needed nothing.
    Nothing,
    /// An unfinished last record was cut off.
    Cut {
        /// Its size.
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
    /// The old generation could not be read; nobody needs it.
    SetAside {
        /// Where it is now.
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
        /// Its lock.
        lock: PathBuf,
    },
    /// A newer program wrote a part of it.
    #[error("{}:{line}: format version {found}\nrepair it with the newer teamster that wrote it", path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// The line that says so.
        line: u64,
        /// Its version.
        found: u32,
    },
}

/// Mends the log at `path`: cuts an unfinished last record, carries all whole records over if any line is damaged,
/// and makes a missing file anew from the generation before it. A sound log is left alone.
///
/// Takes the log's lock, waiting for at most 2 s. Whatever is changed was copied to `<file>.<now_ms>.bak` and synced
/// before. Whoever has the log open reads on in the mended one, and is told each record that it had not been told.
pub fn repair<F: Fold>(path: &Path, now_ms: u64) -> Result<Repaired, RepairError> {
    repair_carrying::<F>(path, now_ms, |_| Vec::new())
}

/// As [`repair`], for a log whose lost records say what must not be forgotten: `carry` is given the state that is left
/// and says which facts are to be added. They are there before anybody reads on.
pub fn repair_carrying<F: Fold>(
    path: &Path,
    now_ms: u64,
    carry: impl FnOnce(&F) -> Vec<F::Fact>,
) -> Result<Repaired, RepairError> {
    let _held = hold(path)?;
    let old = check::read(&old_path(path))?;
    let Some(bytes) = check::read(path)? else {
        return match old {
            Some(old) => restore::<F>(path, &old, now_ms, carry),
            None => Ok(Repaired::Nothing),
        };
    };
    let found = check::examine::<F>(path, &bytes)?;
    refuse_newer(path, &found)?;
    if found.is_sound() {
        if found.torn_bytes == 0 {
            return Ok(Repaired::Nothing);
        }
        let backup = back_up(path, &bytes, now_ms)?;
        cut(path, found.end as u64)?;
        return Ok(Repaired::Cut { bytes: found.torn_bytes as u64, backup });
    }
    let before = old.and_then(|old| Some(check::examine::<F>(path, &old).ok()?.header?.generation));
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let generation = found.generation(first_line, before);
    let backup = back_up(path, &bytes, now_ms)?;
    let kept = put_in_place::<F>(path, &found, generation, now_ms, carry)?;
    let lost = found.damage.iter().filter(|(_, damage)| damage.is_of_the_line());
    let lost_lines = lost.map(|(line, _)| *line).collect();
    Ok(Repaired::Mended { kept: kept.kept, lost_lines, filled: kept.filled, backup })
}

/// Begins the log at `path` with these facts, if there is none and nothing that [`repair`] could make it of. Whether it
/// did. The file has its name only once all of it is there.
pub fn begin<F: Fold>(path: &Path, now_ms: u64, facts: &[F::Fact]) -> Result<bool, RepairError> {
    let _held = hold(path)?;
    if check::read(path)?.is_some() || check::read(&old_path(path))?.is_some() {
        return Ok(false);
    }
    let header = Header { v: VERSION, log: F::KIND.to_owned(), generation: 1, next_seq: 1, at_ms: now_ms };
    let mut bytes = Vec::new();
    line::write_header(&mut bytes, &header);
    if !facts.is_empty() {
        line::write_record(&mut bytes, 1, now_ms, LEAD, facts);
    }
    write_whole(&next_path(path), &bytes)?;
    replace(path)?;
    Ok(true)
}

/// Moves the generation before the present one aside if it is damaged. Readers that lag can do without it. Left alone
/// while it is all that is left of the log.
pub fn repair_old<F: Fold>(path: &Path, now_ms: u64) -> Result<Repaired, RepairError> {
    let _held = hold(path)?;
    if check::read(path)?.is_none() {
        return Ok(Repaired::Nothing);
    }
    let old = old_path(path);
    let Some(bytes) = check::read(&old)? else { return Ok(Repaired::Nothing) };
    let found = check::examine::<F>(&old, &bytes)?;
    refuse_newer(&old, &found)?;
    if found.is_sound() {
        return Ok(Repaired::Nothing);
    }
    let backup = backup_path(&old, now_ms);
    fs::rename(&old, &backup).map_err(LogError::io("set aside", &old))?;
    sync_directory(path)?;
    Ok(Repaired::SetAside { backup })
}

/// Removes the next generation that a crash left half-written beside the log at `path`; whether there was one. Left
/// alone while the log waits for it.
pub fn clear_leftover<F: Fold>(path: &Path) -> Result<bool, RepairError> {
    let next = next_path(path);
    if !next.exists() {
        return Ok(false);
    }
    let _held = hold(path)?;
    if let Some(bytes) = check::read(path)?
        && check::examine::<F>(path, &bytes)?.sealed
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

/// The log's lock, until it is dropped.
fn hold(path: &Path) -> Result<File, RepairError> {
    let lock = path.with_extension("lock");
    let (file, _) =
        plain_file::open(options(Access::Append).create(true), &lock).map_err(LogError::io("open", &lock))?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => wait(),
            Err(TryLockError::WouldBlock) => return Err(RepairError::Busy { path: path.to_owned(), lock }),
            Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &lock)(error).into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
fn wait() {
    sleep(LOCK_RETRY);
}

fn refuse_newer(path: &Path, found: &Examined<'_>) -> Result<(), RepairError> {
    match found.newer {
        Some((line, found)) => Err(RepairError::Newer { path: path.to_owned(), line, found }),
        None => Ok(()),
    }
}

fn restore<F: Fold>(
    path: &Path,
    old: &[u8],
    now_ms: u64,
    carry: impl FnOnce(&F) -> Vec<F::Fact>,
) -> Result<Repaired, RepairError> {
    let found = check::examine::<F>(&old_path(path), old)?;
    refuse_newer(path, &found)?;
    let first_line = old.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // The lost file was of the generation after it.
    let generation = found.generation(first_line, None) + 1;
    let kept = write_next::<F>(path, &found, generation + 1, now_ms, carry)?;
    replace(path)?;
    Ok(Repaired::Restored { kept: kept.kept })
}

/// What is kept, for the report.
struct Kept {
    kept: u64,
    filled: u64,
}

/// The steps of `rotate.rs`, from what is whole instead of from a state.
fn put_in_place<F: Fold>(
    path: &Path,
    found: &Examined<'_>,
    generation: u32,
    now_ms: u64,
    carry: impl FnOnce(&F) -> Vec<F::Fact>,
) -> Result<Kept, RepairError> {
    let kept = write_next::<F>(path, found, generation + 1, now_ms, carry)?;
    // Whoever has read past what is damaged now learns by the seal that it is to go on elsewhere.
    if found.torn_bytes > 0 {
        cut(path, found.end as u64)?;
    }
    if !found.sealed {
        let mut seal = Vec::new();
        line::write_seal(&mut seal, generation + 1);
        let (file, _) = plain_file::open(&mut options(Access::Append), path).map_err(LogError::io("open", path))?;
        (&file).write_all(&seal).map_err(LogError::io("append to", path))?;
    }
    replace(path)?;
    Ok(kept)
}

/// The next generation whole and on the disk, under a name that nobody reads.
fn write_next<F: Fold>(
    path: &Path,
    found: &Examined<'_>,
    generation: u32,
    now_ms: u64,
    carry: impl FnOnce(&F) -> Vec<F::Fact>,
) -> Result<Kept, LogError> {
    let mut mended = mend::mend(found, F::KIND, generation, now_ms);
    let next = next_path(path);
    write_whole(&next, &mended.bytes)?;
    let (state, next_seq) = read_whole::<F>(&next)?;
    let facts = carry(&state);
    if !facts.is_empty() {
        line::write_record(&mut mended.bytes, next_seq, now_ms, LEAD, &facts);
        write_whole(&next, &mended.bytes)?;
        read_whole::<F>(&next)?;
    }
    Ok(Kept { kept: mended.kept, filled: mended.filled })
}

fn write_whole(next: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let (file, _) =
        plain_file::open(options(Access::Append).create(true), next).map_err(LogError::io("create", next))?;
    file.set_len(0)
        .and_then(|()| (&file).write_all(bytes))
        .and_then(|()| file.sync_all())
        .map_err(LogError::io("write", next))
}

/// What nobody could read again must never take the name. Returns the state and the number of the next record.
fn read_whole<F: Fold>(next: &Path) -> Result<(F, u64), LogError> {
    let mut tail = Tail::open::<F>(next, Access::Read)?.ok_or_else(|| LogError::Removed { path: next.to_owned() })?;
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
    let (file, _) = plain_file::open(&mut options(Access::Append), path).map_err(LogError::io("open", path))?;
    file.set_len(end).and_then(|()| file.sync_all()).map_err(LogError::io("cut", path))
}
