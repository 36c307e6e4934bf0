//! One generation's file, read on from where the last whole line ended.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, BufRead},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    FactOffset, FactStamp, LineDamage, LogError, LogFold, LogRecord, VERSION,
    line::{self, BadLine, FactPlaces, LogHeader, LogLine},
};
use crate::host::plain_file::{self, read_full, read_once};
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;

/// The bytes that a read for news takes: some dozen records, and little enough to keep for good.
const NEWS_BYTES: usize = 4096;

/// The bytes that a read takes where there is more than that: a few hundred records.
const BUFFER_BYTES: usize = 64 * 1024;

/// A header is some 80 bytes; what has no newline by here is none.
const HEADER_BYTES_MAX: usize = 4096;

/// The listener to each record that others wrote; none while a log is loaded.
pub(super) type RecordListener<'a, Fact> = Option<&'a mut dyn FnMut(&LogRecord<Fact>)>;

/// The use that a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileAccess {
    Read,
    Append,
}

/// The part of a file that the next line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TailPhase {
    Snapshot { records: u64 },
    News,
    Sealed,
}

/// The file that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedFile {
    /// The one that is open, of that length.
    This {
        bytes: u64,
    },
    /// Another: the next generation, or what somebody put there.
    Another,
    None,
}

#[derive(Debug)]
pub(super) struct LogTail {
    /// Shared with the lock on it, which outlives this where the next generation begins.
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    /// When the first generation began.
    pub(super) log_began_ms: u64,
    pub(super) generation: u32,
    pub(super) phase: TailPhase,
    /// The number of the next record.
    pub(super) next_seq: u64,
    /// Where the last whole line ended.
    pub(super) end: u64,
    /// Where the snapshot ended, or the header of the first generation.
    pub(super) snapshot_end: u64,
    /// Facts of a newer version, which this one could not carry into a snapshot.
    pub(super) unknown_facts: u64,
    /// The number of the first record after the snapshot.
    pub(super) first_seq: u64,
    /// Records below this number were told out of another file.
    pub(super) told_below: u64,
    lines: u64,
    buffer: Vec<u8>,
    /// By which the file is known: its device and inode.
    pub(super) identity: (u64, u64),
}

impl LogTail {
    /// Opens a file and reads its header; `None` if there is no file. One without a whole header is damaged: a log has its
    /// name only once its header is written.
    pub(super) fn open<F: LogFold>(path: &Path, access: FileAccess) -> Result<Option<Self>, LogError> {
        let (file, there) = match plain_file::open(&mut options(access), path) {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(LogError::io("open", path)(e)),
        };
        let mut buffer = vec![0; HEADER_BYTES_MAX];
        let got = read_full(&file, &mut buffer, 0).map_err(LogError::read(path))?;
        let Some(length) = line_length(&buffer[..got]) else {
            let why = unfinished_header(&buffer[..got]);
            return Err(LogError::corrupt(path, 1, LineDamage::Header { why }));
        };
        let header = line::parse_header(&buffer[..length - 1]).map_err(|damage| LogError::corrupt(path, 1, damage))?;
        let log_began_ms = header.log_began_ms();
        let LogHeader { v, log, generation, next_seq, at_ms: _, began_ms: _ } = header;
        let identity = identity(&there);
        let path = path.to_owned();
        if log != F::KIND {
            return Err(LogError::OtherKind { path, found: log, expected: F::KIND });
        }
        if v > VERSION {
            return Err(LogError::Newer { path, line: 1, found: v });
        }
        Ok(Some(Self {
            file: Arc::new(file),
            path,
            log_began_ms,
            generation,
            phase: if generation == 1 { TailPhase::News } else { TailPhase::Snapshot { records: 0 } },
            next_seq,
            end: length as u64,
            snapshot_end: length as u64,
            unknown_facts: 0,
            first_seq: next_seq,
            told_below: u64::MAX,
            lines: 1,
            buffer: Vec::new(),
            identity,
        }))
    }

    /// Folds the snapshot that begins this generation.
    pub(super) fn read_snapshot<F: LogFold>(&mut self) -> Result<F, LogError> {
        let mut state = F::default();
        if self.phase != TailPhase::News {
            let length = self.length()?;
            self.read_while(length, &mut state, &mut None, |phase| phase != TailPhase::News)?;
            if self.phase != TailPhase::News {
                return Err(LogError::corrupt(&self.path, self.lines + 1, LineDamage::SnapshotCut));
            }
        }
        Ok(state)
    }

    /// Folds all whole lines that were not read yet of a file that has this length. What is written meanwhile is left
    /// for the next time.
    pub(super) fn read_on<F: LogFold>(
        &mut self,
        length: u64,
        state: &mut F,
        tell: &mut RecordListener<'_, F::Fact>,
    ) -> Result<(), LogError> {
        self.read_while(length, state, tell, |_| true)
    }

    /// How long the open file is now, whether or not it has its name still.
    pub(super) fn length(&self) -> Result<u64, LogError> {
        self.file.metadata().map(|open| open.len()).map_err(LogError::io("look at", &self.path))
    }

    /// Looks up the file that has the path now.
    pub(super) fn look_up_name(&self) -> Result<NamedFile, LogError> {
        match self.path.metadata() {
            Ok(there) if identity(&there) == self.identity => Ok(NamedFile::This { bytes: there.len() }),
            Ok(_) => Ok(NamedFile::Another),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(NamedFile::None),
            Err(error) => Err(LogError::io("look at", &self.path)(error)),
        }
    }

    /// Takes a line that the holder of this tail has appended itself.
    pub(super) fn step_over(&mut self, bytes: usize) -> FactOffset {
        let offset = self.offset();
        self.end += bytes as u64;
        self.lines += 1;
        offset
    }

    /// The number of the line that comes after those that were read.
    pub(super) fn next_line(&self) -> u64 {
        self.lines + 1
    }

    fn offset(&self) -> FactOffset {
        FactOffset { generation: self.generation, at: self.end, fact: 0 }
    }

    /// Each read begins where a line begins, so that no line is put together from two reads: between them
    /// a writer may have cut a torn tail and written another line in its place.
    fn read_while<F: LogFold>(
        &mut self,
        length: u64,
        state: &mut F,
        tell: &mut RecordListener<'_, F::Fact>,
        go_on: impl Fn(TailPhase) -> bool,
    ) -> Result<(), LogError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            buffer = vec![0; NEWS_BYTES];
        }
        let outcome = self.read_with(&mut buffer, length, state, tell, go_on);
        if buffer.len() == NEWS_BYTES {
            self.buffer = buffer;
        }
        outcome
    }

    fn read_with<F: LogFold>(
        &mut self,
        buffer: &mut Vec<u8>,
        length: u64,
        state: &mut F,
        tell: &mut RecordListener<'_, F::Fact>,
        go_on: impl Fn(TailPhase) -> bool,
    ) -> Result<(), LogError> {
        loop {
            let left = length.saturating_sub(self.end);
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = read_full(&self.file, &mut buffer[..want], self.end).map_err(LogError::read(&self.path))?;
            let mut rest = &buffer[..got];
            let mut replaced = false;
            while let Some(line_bytes) = line_length(rest) {
                let (line, after) = rest.split_at(line_bytes);
                match self.take(&line[..line_bytes - 1], state, tell) {
                    Ok(()) => {}
                    Err(_) if self.changed_since(line)? => {
                        replaced = true;
                        break;
                    }
                    Err(e) => return Err(e),
                }
                self.end += line_bytes as u64;
                self.lines += 1;
                if !go_on(self.phase) {
                    self.snapshot_end = self.end;
                    return Ok(());
                }
                rest = after;
            }
            let went_on = rest.len() < got;
            // The file ends there, or was cut there meanwhile; what is left is a tail without a newline, or nothing.
            let at_end = got < want || got as u64 >= left;
            if at_end && !(replaced && went_on) {
                return Ok(());
            }
            if went_on {
                buffer.resize(buffer.len().max(BUFFER_BYTES), 0);
                continue;
            }
            if got >= LOG_LINE_BYTES_MAX {
                return Err(LogError::corrupt(&self.path, self.lines + 1, LineDamage::TooLong));
            }
            buffer.resize((got * 4).min(LOG_LINE_BYTES_MAX), 0);
        }
    }

    fn take<F: LogFold>(
        &mut self,
        line: &[u8],
        state: &mut F,
        tell: &mut RecordListener<'_, F::Fact>,
    ) -> Result<(), LogError> {
        let corrupt = |damage| LogError::corrupt(&self.path, self.lines + 1, damage);
        let parsed = line::parse::<F::Fact>(line, F::FACTS).map_err(|bad| match bad {
            BadLine::Damaged(damage) => corrupt(damage),
            BadLine::Newer(found) => LogError::Newer { path: self.path.clone(), line: self.lines + 1, found },
        })?;
        match (parsed, self.phase) {
            (LogLine::Record { seq, at_ms, by, facts, places, unknown_facts }, phase) => {
                match phase {
                    TailPhase::Snapshot { .. } if seq != 0 => return Err(corrupt(LineDamage::SnapshotCut)),
                    TailPhase::News if seq != self.next_seq => {
                        let expected = self.next_seq;
                        return Err(corrupt(LineDamage::Gap { expected, found: seq }));
                    }
                    TailPhase::Sealed => return Err(corrupt(LineDamage::Misplaced { mark: "record" })),
                    TailPhase::Snapshot { records } => {
                        self.phase = TailPhase::Snapshot { records: records + 1 };
                    }
                    TailPhase::News => self.next_seq += 1,
                }
                self.unknown_facts += unknown_facts;
                let offset = self.offset();
                let stamp = FactStamp { seq, at_ms, by: &by, offset };
                match (tell.as_mut(), phase) {
                    (Some(tell), TailPhase::News) if seq >= self.told_below => {
                        let by = by.clone().into_owned();
                        let record = LogRecord { seq, at_ms, by, facts, offset };
                        tell(&record);
                        apply_all(state, record.facts, &places, stamp);
                    }
                    (_, TailPhase::News | TailPhase::Snapshot { .. } | TailPhase::Sealed) => {
                        apply_all(state, facts, &places, stamp);
                    }
                }
            }
            (LogLine::Snapshot { records: counted }, TailPhase::Snapshot { records: found }) => {
                if counted != found {
                    return Err(corrupt(LineDamage::Snapshot { found, counted }));
                }
                self.phase = TailPhase::News;
            }
            (LogLine::Snapshot { .. }, TailPhase::News | TailPhase::Sealed) => {
                return Err(corrupt(LineDamage::Misplaced { mark: "snapshot" }));
            }
            (LogLine::Sealed { generation }, TailPhase::News) if generation == self.generation + 1 => {
                self.phase = TailPhase::Sealed;
            }
            (LogLine::Sealed { .. }, TailPhase::News | TailPhase::Snapshot { .. } | TailPhase::Sealed) => {
                return Err(corrupt(LineDamage::Misplaced { mark: "sealed" }));
            }
        }
        Ok(())
    }

    /// Whether the bytes at the end are other ones by now: without the lock, one read may meet a torn tail
    /// just while a writer replaces it.
    fn changed_since(&self, line: &[u8]) -> Result<bool, LogError> {
        let mut again = vec![0; line.len()];
        let got = read_full(&self.file, &mut again, self.end).map_err(LogError::read(&self.path))?;
        Ok(again[..got] != *line)
    }

    /// Only errors need it, so nobody keeps it: counts the newlines before `at`.
    pub(super) fn line_number(&self, at: u64) -> u64 {
        let mut buffer = vec![0; BUFFER_BYTES];
        let (mut done, mut lines) = (0, 1);
        while done < at {
            let want = buffer.len().min(usize::try_from(at - done).unwrap_or(usize::MAX));
            match read_once(&self.file, &mut buffer[..want], done) {
                Ok(got) if got > 0 => {
                    lines += buffer[..got].iter().filter(|byte| **byte == b'\n').count() as u64;
                    done += got as u64;
                }
                Ok(_) | Err(_) => break,
            }
        }
        lines
    }
}

/// Takes the facts of one record into the state, each with the place where it can be read back alone.
pub(super) fn apply_all<F: LogFold>(state: &mut F, facts: Vec<F::Fact>, places: &FactPlaces, stamp: FactStamp<'_>) {
    for (nth, fact) in facts.into_iter().enumerate() {
        let offset = FactOffset { fact: places.of(nth), ..stamp.offset };
        state.apply(fact, &FactStamp { offset, ..stamp });
    }
}

/// How a log's file is opened: never inherited, and readable by its owner only.
pub(super) fn options(access: FileAccess) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600);
    match access {
        FileAccess::Read => {}
        FileAccess::Append => {
            options.append(true);
        }
    }
    options
}

/// The fault of a file whose beginning has no newline.
pub(super) fn unfinished_header(bytes: &[u8]) -> String {
    let why = match bytes {
        [] => "the file is empty",
        _ if bytes.iter().all(|byte| *byte == 0) => "the file begins with zeros",
        _ => "it has no end",
    };
    why.to_owned()
}

/// The length of the first line with its newline, if it is whole.
pub(super) fn line_length(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let length = rest.skip_until(b'\n').expect("memory can be read");
    (length > 0 && bytes[length - 1] == b'\n').then_some(length)
}

pub(super) fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
