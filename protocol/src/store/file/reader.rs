//! A handle that only looks: it never locks, writes or creates.

use std::path::{Path, PathBuf};

use super::{
    FactOffset, LineDamage, LogError, LogFold, LogRecord,
    mark::{self, LogMark},
    paths,
    tail::{FileAccess, LogTail, NamedFile, RecordListener, TailPhase},
};

/// A log folded up to some record, without the right to append.
#[derive(Debug)]
pub struct LogReader<F> {
    pub(super) path: PathBuf,
    pub(super) access: FileAccess,
    /// `None` while there is no file.
    pub(super) tail: Option<LogTail>,
    pub(super) state: F,
    /// The file that had the path when this handle last began to read on.
    pub(super) named: NamedFile,
    /// How far the log was known to have come before its file was opened, until it was read as far as that.
    known: Option<LogMark>,
}

/// The records that one [`LogReader::refresh`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshedLog {
    /// Records of others, each of which was told.
    pub records: u64,
    /// Records that are in the state but could not be told one by one: this handle slept through more than
    /// two generations, and the file that held them is gone.
    pub missed: u64,
}

impl<F: LogFold> LogReader<F> {
    /// Opens a log and folds all of it. A missing file is an empty state; nothing is ever created.
    ///
    /// Blocks for the time of reading the file. Fails if the file can not be read, is of another kind or a
    /// newer version, or is corrupt.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        Self::open_for(path.into(), FileAccess::Read)
    }

    /// As [`Self::open`], for a [`Log`](super::Log) that is to go on with it. Makes nothing.
    pub fn open_to_append(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        Self::open_for(path.into(), FileAccess::Append)
    }

    /// As [`Self::open`], and calls `tell` with each record on the way, as [`Self::refresh`] does: with all of
    /// the open generation. What a snapshot carried over from an earlier one is in the state and is not told.
    pub fn open_telling(path: impl Into<PathBuf>, mut tell: impl FnMut(&LogRecord<F::Fact>)) -> Result<Self, LogError> {
        let mut reader = Self::unread(path.into(), FileAccess::Read);
        reader.catch_up(&mut Some(&mut tell))?;
        Ok(reader)
    }

    pub(super) fn open_for(path: PathBuf, access: FileAccess) -> Result<Self, LogError> {
        let mut reader = Self::unread(path, access);
        reader.catch_up(&mut None)?;
        Ok(reader)
    }

    fn unread(path: PathBuf, access: FileAccess) -> Self {
        Self { path, access, tail: None, state: F::default(), named: NamedFile::None, known: None }
    }

    /// The state after the last record that this handle has read.
    pub fn state(&self) -> &F {
        &self.state
    }

    /// The file this handle reads: where it is, whether or not it exists yet.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number that the next record will have, as far as this handle has read.
    pub fn next_seq(&self) -> u64 {
        self.tail.as_ref().map_or(1, |tail| tail.next_seq)
    }

    /// Takes in what others appended, and calls `tell` with each record before the state has it.
    ///
    /// Takes no lock: an unfinished last line is left for the next time. Each record is told exactly once,
    /// also across generations. After an error the records before the bad line are in the state.
    pub fn refresh(&mut self, mut tell: impl FnMut(&LogRecord<F::Fact>)) -> Result<RefreshedLog, LogError> {
        self.catch_up(&mut Some(&mut tell))
    }

    /// Reads one fact back, for the texts that the state does not hold: the record with only the fact whose
    /// [`Stamp`](super::FactStamp) had this offset, or all of it for an offset of [`LogRecord::offset`]. Costs what the fact
    /// costs, not what its record does.
    ///
    /// Fails on an offset that was not taken from the present [`Self::state`].
    pub fn read_at(&self, offset: FactOffset) -> Result<LogRecord<F::Fact>, LogError> {
        match &self.tail {
            Some(tail) => tail.read_at::<F>(offset),
            None => Err(LogError::StaleOffset { path: self.path.clone(), asked: offset.generation, open: 0 }),
        }
    }

    /// Reads to the end, through as many generations as have begun.
    pub(super) fn catch_up(&mut self, tell: &mut RecordListener<'_, F::Fact>) -> Result<RefreshedLog, LogError> {
        let mut met = RefreshedLog::default();
        if self.known.is_some() {
            // Somebody may have repaired what it proved to be lost.
            self.known = mark::read_mark(&self.path)?;
        }
        loop {
            let next = match &mut self.tail {
                None => self.open_newest()?,
                Some(tail) => {
                    // Looked at before it is read: a file that has lost its name by now is then read to its end, and
                    // one that has not grown need not be read at all.
                    self.named = tail.look_up_name()?;
                    let before = tail.next_seq.max(tail.told_below);
                    let length = match self.named {
                        NamedFile::This { bytes } if bytes < tail.end => {
                            return Err(LogError::Shrank { path: self.path.clone(), bytes });
                        }
                        NamedFile::This { bytes } => bytes,
                        NamedFile::Another | NamedFile::None => tail.length()?,
                    };
                    let grown = length > tail.end;
                    let outcome = if grown { tail.read_on(length, &mut self.state, tell) } else { Ok(()) };
                    met.records += tail.next_seq.saturating_sub(before);
                    if outcome.is_ok() {
                        // Where a file with fewer records was put in the place of one, what comes from now on is news.
                        tail.told_below = tail.told_below.min(tail.next_seq);
                    }
                    match (outcome, tail.phase, self.named) {
                        // A repair puts all whole records into a later generation.
                        (Err(error @ LogError::Corrupt { .. }), _, _) => Some(self.open_mended()?.ok_or(error)?),
                        (Err(error), _, _) => return Err(error),
                        // The next generation takes the name after the seal is written: where it has it, the seal was read.
                        (Ok(()), TailPhase::Sealed, _) => self.next_generation()?,
                        (Ok(()), TailPhase::News | TailPhase::Snapshot { .. }, NamedFile::Another) => {
                            self.open_replacement()?
                        }
                        (
                            Ok(()),
                            TailPhase::News | TailPhase::Snapshot { .. },
                            NamedFile::This { .. } | NamedFile::None,
                        ) => None,
                    }
                }
            };
            let Some(mut next) = next else {
                self.must_be_as_long_as_known()?;
                return Ok(met);
            };
            let told = self.next_seq();
            met.missed += next.next_seq.saturating_sub(told);
            self.state = next.read_snapshot()?;
            next.told_below = next.told_below.min(told);
            self.tail = Some(next);
        }
    }

    /// Opens the file that has the path. How far the log has come is looked up before it, so that what others write
    /// between the two is no loss.
    fn open_newest(&mut self) -> Result<Option<LogTail>, LogError> {
        let known = mark::read_mark(&self.path)?;
        let found = LogTail::open::<F>(&self.path, self.access)?;
        self.known = known;
        Ok(found)
    }

    /// Refuses a log that was opened and ends before records that were synced, and one that had records and is not there. It
    /// is looked at again the next time.
    fn must_be_as_long_as_known(&mut self) -> Result<(), LogError> {
        let Some(known) = self.known else { return Ok(()) };
        let Some(tail) = &self.tail else {
            // A team that is removed as a whole takes its marks with it.
            let is_lost = known.next_seq > 1 && mark::is_marked(&self.path)?;
            return if is_lost { Err(LogError::Lost { path: self.path.clone() }) } else { Ok(()) };
        };
        if known.proves_loss(tail.log_began_ms, tail.next_seq) {
            let damage = LineDamage::CutShort { last: tail.next_seq - 1, known: known.next_seq - 1 };
            return Err(LogError::corrupt(&self.path, tail.next_line(), damage));
        }
        self.known = None;
        Ok(())
    }

    /// The generation that a repair has put in the place of the one that is open.
    fn open_mended(&mut self) -> Result<Option<LogTail>, LogError> {
        let open = self.tail.as_ref().map_or(0, |tail| tail.generation);
        let found = self.open_newest()?;
        Ok(found.filter(|found| found.generation > open))
    }

    /// Opens the file that somebody has put in the place of the one that is open, which was removed or renamed. The handle
    /// must go on in the new one: nobody else would see what is written to the old.
    fn open_replacement(&mut self) -> Result<Option<LogTail>, LogError> {
        let mut found = self.open_newest()?;
        // A later generation without a seal is one that a repair made without this one, which was lost: its
        // numbers from there on are those of other records.
        if let (Some(found), Some(lost)) = (&mut found, &self.tail)
            && found.generation > lost.generation
        {
            found.told_below = lost.first_seq;
        }
        Ok(found)
    }

    /// The generation after the sealed one that is open, or the nearest that is still there; `None` if it is
    /// not in place yet.
    fn next_generation(&mut self) -> Result<Option<LogTail>, LogError> {
        let sealed = self.tail.as_ref().map_or(0, |tail| tail.generation);
        let newest = self.open_newest()?;
        let Some(newest) = newest.filter(|newest| newest.generation > sealed) else {
            return Ok(None);
        };
        if newest.generation > sealed + 1
            && let Some(old) = LogTail::open::<F>(&paths::old_path(&self.path), FileAccess::Read)?
            && old.generation > sealed
        {
            return Ok(Some(old));
        }
        Ok(Some(newest))
    }
}
