//! The right to append: lock, read what is new, decide, write once.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};

use super::{
    Durability, FactOffset, FactStamp, LogError, LogFold, LogReader, LogRecord, RefreshedLog, TransactError,
    line::{self, LogHeader},
    lock::{LockFile, LogHeld},
    mark::LogMark,
    paths::next_path,
    tail::{self, FileAccess, LogTail, NamedFile, RecordListener, TailPhase},
};
use crate::host::crash::{point, point_amid};
use crate::host::plain_file::{self, read_full};
use crate::host::settings;
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;
use crate::model::limits::{GENERATION_BYTES_MAX, LOG_LOCK_WITHIN};

/// A log with the right to append to it. One handle serves one thread; any number of handles, in any number
/// of processes, may be open on one log.
#[derive(Debug)]
pub struct Log<F> {
    lock: LockFile,
    writer: LogWriter<F>,
}

/// All that needs the log to be locked.
#[derive(Debug)]
pub(super) struct LogWriter<F> {
    pub(super) reader: LogReader<F>,
    pub(super) generation_bytes_max: u64,
    /// After a rotation that failed: the size from which it is tried again.
    pub(super) rotate_past: u64,
    pub(super) line: Vec<u8>,
    /// How long those who hold the lock may write nothing.
    lock_within: Duration,
}

impl<F: LogFold> Log<F> {
    /// Opens a log, creates it (mode 0600) if it is not there, and folds all of it.
    ///
    /// `now_ms` goes into the header of a created file. Beside it is a lock file, with the extension
    /// `lock`. Blocks for the time of reading, and of the lock if the file must be created. Fails as
    /// [`LogReader::open`] does, and if the directory is missing or may not be written.
    pub fn open(path: impl Into<PathBuf>, now_ms: u64) -> Result<Self, LogError> {
        let path = path.into();
        let lock = LockFile::open(&path)?;
        Self::of(lock, LogReader::open_for(path, FileAccess::Append)?, now_ms)
    }

    /// The same, but what `reader`, which was opened by [`LogReader::open_to_append`], has read is not read again.
    pub fn open_read(mut reader: LogReader<F>, now_ms: u64) -> Result<Self, LogError> {
        let lock = LockFile::open(&reader.path)?;
        reader.catch_up(&mut None)?;
        Self::of(lock, reader, now_ms)
    }

    fn of(mut lock: LockFile, mut reader: LogReader<F>, now_ms: u64) -> Result<Self, LogError> {
        if reader.tail.is_none() {
            let held = lock.hold(LOG_LOCK_WITHIN)?;
            create::<F>(&reader.path, now_ms)?;
            drop(held);
            lock.raise_mark(LogMark::new(now_ms, 1, 0));
            reader.catch_up(&mut None)?;
        }
        let generation_bytes_max = settings::generation_bytes_max().unwrap_or(GENERATION_BYTES_MAX);
        let writer =
            LogWriter { reader, generation_bytes_max, rotate_past: 0, line: Vec::new(), lock_within: LOG_LOCK_WITHIN };
        Ok(Self { lock, writer })
    }

    /// Sets the size in bytes past which this handle starts a new generation, instead of
    /// what the environment or [`GENERATION_BYTES_MAX`] says.
    pub fn set_generation_bytes_max(&mut self, bytes: u64) {
        self.writer.generation_bytes_max = bytes;
    }

    /// Sets how long a step waits for others who hold the lock and write nothing, instead of [`LOG_LOCK_WITHIN`].
    pub fn set_lock_within(&mut self, limit: Duration) {
        self.writer.lock_within = limit;
    }

    /// As [`LogReader::state`].
    pub fn state(&self) -> &F {
        self.writer.reader.state()
    }

    /// As [`LogReader::path`].
    pub fn path(&self) -> &Path {
        self.writer.reader.path()
    }

    /// As [`LogReader::next_seq`].
    pub fn next_seq(&self) -> u64 {
        self.writer.reader.next_seq()
    }

    /// As [`LogReader::refresh`]. Records that this handle appended itself are never told, nor those that
    /// [`Self::transact`] read on its way.
    pub fn refresh(&mut self, tell: impl FnMut(&LogRecord<F::Fact>)) -> Result<RefreshedLog, LogError> {
        self.writer.reader.refresh(tell)
    }

    /// As [`LogReader::read_at`].
    pub fn read_at(&self, offset: FactOffset) -> Result<LogRecord<F::Fact>, LogError> {
        self.writer.reader.read_at(offset)
    }

    /// Decides on the newest state and appends the facts of the decision, as `by` and at `now_ms`.
    ///
    /// Between `decide` and the append nobody else writes. No facts means that nothing is written. On
    /// [`TransactError::Refused`] and [`TransactError::Log`] nothing was written and the state is that of the others;
    /// on [`TransactError::NotDurable`] the decision stands. Blocks while another process holds the lock, and
    /// for the disk if `durability` asks for it.
    pub fn transact<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, TransactError<E>> {
        self.transact_with(by, now_ms, durability, &mut None, decide)
    }

    /// As [`Self::transact`], for a handle that must miss no record: `tell` is called, as by
    /// [`Self::refresh`], with each record of others that is read on the way.
    pub fn transact_telling<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        mut tell: impl FnMut(&LogRecord<F::Fact>),
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, TransactError<E>> {
        self.transact_with(by, now_ms, durability, &mut Some(&mut tell), decide)
    }

    fn transact_with<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        tell: &mut RecordListener<'_, F::Fact>,
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, TransactError<E>> {
        let held = self.writer.prepare(now_ms, tell)?;
        let (facts, value) = decide(self.writer.reader.state()).map_err(TransactError::Refused)?;
        if facts.is_empty() {
            return Ok(value);
        }
        self.writer.append(by, now_ms, facts)?;
        self.writer.rotate_if_grown(now_ms);
        drop(held);
        point("log unlocked");
        self.make_durable(durability)?;
        Ok(value)
    }

    /// Makes what this handle has appended with less survive what `durability` says. For a decision whose readers
    /// are to be let go first: [`Self::transact`] does it at once. Fails with [`TransactError::NotDurable`] only.
    pub fn make_durable<E>(&mut self, durability: Durability) -> Result<(), TransactError<E>> {
        match (durability, &self.writer.reader.tail) {
            (Durability::Power, Some(tail)) => {
                let not_durable = |source| TransactError::NotDurable { path: tail.path.clone(), source };
                tail.file.sync_data().map_err(not_durable)?;
                point("log synced");
                let highest_id = self.writer.reader.state().highest_id();
                self.lock.raise_mark(LogMark::new(tail.log_began_ms, tail.next_seq, highest_id));
                Ok(())
            }
            (Durability::Power, None) | (Durability::Process, _) => Ok(()),
        }
    }

    #[cfg(test)]
    pub(super) fn writer(&mut self) -> &mut LogWriter<F> {
        &mut self.writer
    }
}

impl<F: LogFold> LogWriter<F> {
    /// Locks the log, reads up to its end, finishes what a dead writer began, and makes sure that an append lands there.
    fn prepare(&mut self, now_ms: u64, tell: &mut RecordListener<'_, F::Fact>) -> Result<LogHeld, LogError> {
        let mut held = self.lock_open_file()?;
        loop {
            self.reader.catch_up(tell)?;
            let path = &self.reader.path;
            let removed = || LogError::Removed { path: path.clone() };
            let tail = self.reader.tail.as_ref().ok_or_else(removed)?;
            if !held.is_of(tail) {
                // Another generation has begun while this waited for its turn, or another file was put there.
                drop(held);
                held = self.lock_open_file()?;
                continue;
            }
            match self.reader.named {
                NamedFile::This { bytes } if bytes == tail.end => {}
                NamedFile::This { .. } => {
                    let found = tail.file.metadata().map_err(LogError::io("read", path))?;
                    if found.len() < tail.end {
                        return Err(LogError::Shrank { path: path.clone(), bytes: found.len() });
                    }
                    if found.len() > tail.end && !cut_torn(tail, found.len())? {
                        continue;
                    }
                }
                NamedFile::Another | NamedFile::None => return Err(removed()),
            }
            match tail.phase {
                TailPhase::News => return Ok(held),
                TailPhase::Sealed | TailPhase::Snapshot { .. } => held = self.finish_rotation(now_ms)?,
            }
        }
    }

    fn lock_open_file(&self) -> Result<LogHeld, LogError> {
        let tail = self.reader.tail.as_ref().ok_or_else(|| LogError::Removed { path: self.reader.path.clone() })?;
        LogHeld::wait_for(tail, self.lock_within)
    }

    fn append(&mut self, by: &str, at_ms: u64, facts: Vec<F::Fact>) -> Result<(), LogError> {
        let Self { reader, line, .. } = self;
        let tail = reader.tail.as_mut().expect("`prepare` has found the file");
        line.clear();
        let places = line::write_record(line, tail.next_seq, at_ms, by, &facts)
            .map_err(LogError::io("append to", &tail.path))?;
        append_line(tail, line)?;
        let seq = tail.next_seq;
        tail.next_seq += 1;
        let stamp = FactStamp { seq, at_ms, by, offset: tail.step_over(line.len()) };
        tail::apply_all(&mut reader.state, facts, &places, stamp);
        // One long mail must not hold its size in every process for good.
        line.shrink_to(64 * 1024);
        Ok(())
    }
}

/// Appends one line in one write; on failure cuts what a short write has left.
pub(super) fn append_line(tail: &LogTail, line: &[u8]) -> Result<(), LogError> {
    if line.len() > LOG_LINE_BYTES_MAX {
        return Err(LogError::TooLong { path: tail.path.clone(), bytes: line.len() });
    }
    point_amid("line half appended", || drop((&*tail.file).write_all(&line[..line.len() / 2])));
    (&*tail.file).write_all(line).map_err(|source| {
        if let Err(error) = tail.file.set_len(tail.end) {
            tracing::warn!(
                file = %tail.path.display(), %error,
                "cannot cut a half-written record; the next writer will"
            );
        }
        LogError::io("append to", &tail.path)(source)
    })?;
    point("line appended");
    Ok(())
}

/// Makes the names in a file's directory survive a loss of power.
pub(super) fn sync_directory(of: &Path) -> Result<(), LogError> {
    let directory = match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(LogError::io("sync", directory))
}

/// Cuts what follows the last newline. `false` if a whole line is there after all, and must be read first.
fn cut_torn(tail: &LogTail, length: u64) -> Result<bool, LogError> {
    let failed = |doing| LogError::io(doing, &tail.path);
    let bytes = usize::try_from(length - tail.end).unwrap_or(usize::MAX);
    let mut torn = vec![0; bytes.min(LOG_LINE_BYTES_MAX)];
    let got = read_full(&tail.file, &mut torn, tail.end).map_err(LogError::read(&tail.path))?;
    if tail::line_length(&torn[..got]).is_some() {
        return Ok(false);
    }
    tracing::warn!(
        file = %tail.path.display(), bytes,
        "cut an unfinished record that a crash or a full disk has left"
    );
    tail.file.set_len(tail.end).map_err(failed("cut"))?;
    point("torn line cut");
    Ok(true)
}

/// Makes the first generation, unless another process was faster. The lock is held. The file gets its name only once its
/// header is on the disk, so that one without a header is never a log that is just being made.
fn create<F: LogFold>(path: &Path, now_ms: u64) -> Result<(), LogError> {
    if LogTail::open::<F>(path, FileAccess::Read)?.is_some() {
        return Ok(());
    }
    let mut line = Vec::new();
    line::write_header(&mut line, &LogHeader::first(F::KIND, now_ms));
    let next = next_path(path);
    write_new_file(&next, &line).map_err(|error| match error {
        // The name of the log tells more than that of a file which nobody knows.
        LogError::Io { source, .. } => LogError::io("create", path)(source),
        error => error,
    })?;
    point("header synced");
    // Where the lock file was tidied away, another process may make the log at this moment.
    match renameat2(AT_FDCWD, &next, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        // A file system that can not refuse.
        Err(Errno::EINVAL) => fs::rename(&next, path).map_err(LogError::io("create", path))?,
        Err(errno) => return Err(LogError::io("create", path)(errno.into())),
    }
    point("log named");
    sync_directory(path)?;
    point("log created");
    Ok(())
}

/// Writes a file whole and onto the disk, in the place of what a crash may have left of it.
pub(super) fn write_new_file(path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    let file =
        plain_file::create_anew(&mut tail::options(FileAccess::Append), path).map_err(LogError::io("create", path))?;
    point_amid("file half written", || drop((&file).write_all(&bytes[..bytes.len() / 2])));
    (&file).write_all(bytes).and_then(|()| file.sync_all()).map_err(LogError::io("write", path))?;
    Ok(file)
}
