//! The right to append: lock, read what is new, decide, write once.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    Durability, Fold, GENERATION_BYTES_MAX, LINE_BYTES_MAX, LogError, Offset, Reader, Record, Refreshed, Stamp,
    Transact,
    line::{self, LogHeader},
    mark::{self, Mark},
    rotate::next_path,
    tail::{self, FileAccess, LogTail, NamedFile, RecordListener, TailPhase},
};
use crate::host::crash::{point, point_amid};
use crate::host::plain_file::{self, read_full};
use crate::host::settings;
use crate::model::limits::LOG_LOCK_WITHIN;

/// A log with the right to append to it. One handle serves one thread; any number of handles, in any number
/// of processes, may be open on one log.
#[derive(Debug)]
pub struct Log<F> {
    lock: LogLock,
    writer: LogWriter<F>,
}

/// The lock's file, which is never unlinked: a lock on a removed file would exclude nobody.
#[derive(Debug)]
struct LogLock {
    file: File,
    path: PathBuf,
    /// The log that holders of the lock write to: while its file changes, none of them hangs.
    log: PathBuf,
    /// How long they may do nothing.
    within: Duration,
}

/// All that needs the lock to be held.
#[derive(Debug)]
pub(super) struct LogWriter<F> {
    pub(super) reader: Reader<F>,
    pub(super) generation_bytes_max: u64,
    /// After a rotation that failed: the size from which it is tried again.
    pub(super) rotate_past: u64,
    pub(super) line: Vec<u8>,
}

/// Releases the lock, also when a decision panics.
struct HeldLogLock<'a>(&'a File);

impl<F: Fold> Log<F> {
    /// Opens a log, creates it (mode 0600) if it is not there, and folds all of it.
    ///
    /// `now_ms` goes into the header of a created file. The lock is a file beside it, with the extension
    /// `lock`. Blocks for the time of reading, and of the lock if the file must be created. Fails as
    /// [`Reader::open`] does, and if the directory is missing or may not be written.
    pub fn open(path: impl Into<PathBuf>, now_ms: u64) -> Result<Self, LogError> {
        let path = path.into();
        let lock = LogLock::open(path.clone())?;
        let mut reader = Reader::open_for(path, FileAccess::Append)?;
        if reader.tail.is_none() {
            let _held = lock.hold()?;
            create::<F>(&reader.path, now_ms)?;
            lock.raise_mark(Mark::new(now_ms, 1, 0));
            reader.catch_up(&mut None)?;
        }
        let generation_bytes_max = settings::generation_bytes_max().unwrap_or(GENERATION_BYTES_MAX);
        let writer = LogWriter { reader, generation_bytes_max, rotate_past: 0, line: Vec::new() };
        Ok(Self { lock, writer })
    }

    /// Sets the size in bytes past which this handle starts a new generation, instead of
    /// what the environment or [`GENERATION_BYTES_MAX`] says.
    pub fn set_generation_bytes_max(&mut self, bytes: u64) {
        self.writer.generation_bytes_max = bytes;
    }

    /// Sets how long a step waits for others who hold the lock and write nothing, instead of [`LOG_LOCK_WITHIN`].
    pub fn set_lock_within(&mut self, limit: Duration) {
        self.lock.within = limit;
    }

    /// As [`Reader::state`].
    pub fn state(&self) -> &F {
        self.writer.reader.state()
    }

    /// As [`Reader::path`].
    pub fn path(&self) -> &Path {
        self.writer.reader.path()
    }

    /// As [`Reader::next_seq`].
    pub fn next_seq(&self) -> u64 {
        self.writer.reader.next_seq()
    }

    /// As [`Reader::refresh`]. What this handle appended itself is never told, nor what
    /// [`Self::transact`] read on its way.
    pub fn refresh(&mut self, tell: impl FnMut(&Record<F::Fact>)) -> Result<Refreshed, LogError> {
        self.writer.reader.refresh(tell)
    }

    /// As [`Reader::read_at`].
    pub fn read_at(&self, offset: Offset) -> Result<Record<F::Fact>, LogError> {
        self.writer.reader.read_at(offset)
    }

    /// Decides on the newest state and appends the facts of the decision, as `by` and at `now_ms`.
    ///
    /// Between `decide` and the append nobody else writes. No facts means that nothing is written. On
    /// [`Transact::Refused`] and [`Transact::Log`] nothing was written and the state is that of the others;
    /// on [`Transact::NotDurable`] the decision stands. Blocks while another process holds the lock, and
    /// for the disk if `durability` asks for it.
    pub fn transact<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, Transact<E>> {
        self.transact_with(by, now_ms, durability, &mut None, decide)
    }

    /// As [`Self::transact`], for a handle that must miss no record: `tell` is called, as by
    /// [`Self::refresh`], with each record of others that is read on the way.
    pub fn transact_telling<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        mut tell: impl FnMut(&Record<F::Fact>),
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, Transact<E>> {
        self.transact_with(by, now_ms, durability, &mut Some(&mut tell), decide)
    }

    fn transact_with<T, E>(
        &mut self,
        by: &str,
        now_ms: u64,
        durability: Durability,
        tell: &mut RecordListener<'_, F::Fact>,
        decide: impl FnOnce(&F) -> Result<(Vec<F::Fact>, T), E>,
    ) -> Result<T, Transact<E>> {
        let held = self.lock.hold()?;
        point("log locked");
        self.writer.prepare(now_ms, tell)?;
        let (facts, value) = decide(self.writer.reader.state()).map_err(Transact::Refused)?;
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
    /// are to be let go first: [`Self::transact`] does it at once. Fails with [`Transact::NotDurable`] only.
    pub fn make_durable<E>(&self, durability: Durability) -> Result<(), Transact<E>> {
        match (durability, &self.writer.reader.tail) {
            (Durability::Power, Some(tail)) => {
                let not_durable = |source| Transact::NotDurable { path: tail.path.clone(), source };
                tail.file.sync_data().map_err(not_durable)?;
                point("log synced");
                let highest_id = self.writer.reader.state().highest_id();
                self.lock.raise_mark(Mark::new(tail.log_began_ms, tail.next_seq, highest_id));
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

impl<F: Fold> LogWriter<F> {
    /// Reads up to the end, finishes what a dead writer began, and makes sure that an append lands there.
    fn prepare(&mut self, now_ms: u64, tell: &mut RecordListener<'_, F::Fact>) -> Result<(), LogError> {
        loop {
            self.reader.catch_up(tell)?;
            let path = &self.reader.path;
            let removed = || LogError::Removed { path: path.clone() };
            let tail = self.reader.tail.as_ref().ok_or_else(removed)?;
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
                TailPhase::News => return Ok(()),
                TailPhase::Sealed | TailPhase::Snapshot { .. } => self.finish_rotation(now_ms)?,
            }
        }
    }

    fn append(&mut self, by: &str, at_ms: u64, facts: Vec<F::Fact>) -> Result<(), LogError> {
        let Self { reader, line, .. } = self;
        let tail = reader.tail.as_mut().expect("`prepare` has found the file");
        line.clear();
        let places = line::write_record(line, tail.next_seq, at_ms, by, &facts);
        append_line(tail, line)?;
        let seq = tail.next_seq;
        tail.next_seq += 1;
        let stamp = Stamp { seq, at_ms, by, offset: tail.step_over(line.len()) };
        tail::apply_all(&mut reader.state, facts, &places, stamp);
        // One long mail must not hold its size in every process for good.
        line.shrink_to(64 * 1024);
        Ok(())
    }
}

impl LogLock {
    /// The lock of a log, beside it.
    fn open(log: PathBuf) -> Result<Self, LogError> {
        let path = mark::lock_path(&log);
        let file = open_lock(&path)?;
        Ok(Self { file, path, log, within: LOG_LOCK_WITHIN })
    }

    /// Waits for whoever is at it: microseconds, or a moment while a new generation begins, or as long as very many
    /// others take who were faster. Not for ever: a writer that was stopped in the middle must not stop everybody, the
    /// leader that could end it least of all.
    fn hold(&self) -> Result<HeldLogLock<'_>, LogError> {
        self.hold_within(self.within)
    }

    fn hold_within(&self, limit: Duration) -> Result<HeldLogLock<'_>, LogError> {
        let mut patience = None;
        for round in 0_u32.. {
            match self.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &self.path)(error)),
                Err(TryLockError::WouldBlock) => {
                    if round < AT_ONCE {
                        thread::yield_now();
                        continue;
                    }
                    let (now, written) = (Instant::now(), self.written());
                    let patience = patience.get_or_insert(LockPatience { limit, until: now + limit, written });
                    if patience.is_over(now, written) {
                        let why = format!("another process has held it for {} s, and may hang", limit.as_secs());
                        let error = io::Error::new(io::ErrorKind::TimedOut, why);
                        return Err(LogError::io("lock", &self.path)(error));
                    }
                    give_way(round - AT_ONCE);
                }
            }
        }
        Ok(HeldLogLock(&self.file))
    }

    /// Writes down how far the log has come. The step that it is about is done and durable, so that this fails is no
    /// failure of it: the log is watched less closely until the next one.
    fn raise_mark(&self, mark: Mark) {
        if let Err(error) = mark::raise_mark(&self.file, mark) {
            tracing::warn!(file = %self.path.display(), %error, "cannot write down how far a log has come");
        }
        point("log marked");
    }

    fn written(&self) -> LogExtent {
        fs::metadata(&self.log).ok().map(|found| (found.ino(), found.len()))
    }
}

/// Opens the lock file of a log, and makes it if it is not there.
pub(super) fn open_lock(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let (file, _) = plain_file::open(&mut options, path).map_err(LogError::io("open", path))?;
    Ok(file)
}

/// Which file a log is, and how long.
type LogExtent = Option<(u64, u64)>;

/// With those who hold a lock: it ends when none of them has written for too long.
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
    thread::sleep(Duration::from_micros(200 << (round / 4).min(4)));
}

impl Drop for HeldLogLock<'_> {
    fn drop(&mut self) {
        // Unlocked rather than closed: a child that is between fork and exec shares the description.
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "cannot unlock a log");
        }
    }
}

/// Appends one line in one write; on failure cuts what a short write has left.
pub(super) fn append_line(tail: &LogTail, line: &[u8]) -> Result<(), LogError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LogError::TooLong { path: tail.path.clone(), bytes: line.len() });
    }
    point_amid("line half appended", || drop((&tail.file).write_all(&line[..line.len() / 2])));
    (&tail.file).write_all(line).map_err(|source| {
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
    let mut torn = vec![0; bytes.min(LINE_BYTES_MAX)];
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
fn create<F: Fold>(path: &Path, now_ms: u64) -> Result<(), LogError> {
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
    fs::rename(&next, path).map_err(LogError::io("create", path))?;
    point("log named");
    sync_directory(path)?;
    point("log created");
    Ok(())
}

/// Writes a file whole and onto the disk, in the place of what a crash may have left of it.
pub(super) fn write_new_file(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let opened = plain_file::open(tail::options(FileAccess::Append).create(true), path);
    let (file, _) = opened.map_err(LogError::io("create", path))?;
    file.set_len(0).map_err(LogError::io("create", path))?;
    point_amid("file half written", || drop((&file).write_all(&bytes[..bytes.len() / 2])));
    (&file).write_all(bytes).and_then(|()| file.sync_all()).map_err(LogError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_let_go_is_waited_for_only_so_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("board.jsonl");
        let (hanging, waiting) = (LogLock::open(path.clone()).unwrap(), LogLock::open(path).unwrap());
        let held = hanging.hold().unwrap();
        let error = waiting.hold_within(Duration::from_millis(20)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("board.lock: another process has held it for 0 s, and may hang"), "{error}");
        drop(held);
        assert!(waiting.hold_within(Duration::ZERO).is_ok());
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
