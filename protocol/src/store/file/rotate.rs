//! The next generation: a log that has grown begins anew from what is still true.
//!
//! The steps are ordered so that a crash between any two loses nothing. Until the old file is sealed, it
//! goes on as if nothing had begun. From then on whoever next holds the lock does the rest again, from the
//! state that it has folded. The path always names a whole file.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use super::{
    FactOffset, LogError, LogFold, LogRecord, VERSION,
    append::{LogWriter, append_line, sync_directory},
    line::{self, LogHeader},
    lock::LogHeld,
    paths::{next_path, old_path},
    tail::{FileAccess, LogTail, TailPhase, options},
};
use crate::host::crash::point;
use crate::host::plain_file;
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;
use crate::model::log::SnapshotSink;

/// The next generation while [`LogFold::snapshot`] writes it.
struct NextGeneration<'a, Fact> {
    read: &'a dyn Fn(FactOffset) -> Result<LogRecord<Fact>, LogError>,
    file: BufWriter<File>,
    path: PathBuf,
    line: Vec<u8>,
    records: u64,
}

impl<Fact: serde::Serialize> SnapshotSink<Fact> for NextGeneration<'_, Fact> {
    type Error = LogError;

    fn read(&self, offset: FactOffset) -> Result<LogRecord<Fact>, LogError> {
        (self.read)(offset)
    }

    fn write(&mut self, at_ms: u64, by: &str, facts: &[Fact]) -> Result<(), LogError> {
        self.line.clear();
        line::write_record(&mut self.line, 0, at_ms, by, facts).map_err(LogError::io("write", &self.path))?;
        if self.line.len() > LOG_LINE_BYTES_MAX {
            let bytes = self.line.len();
            return Err(LogError::TooLong { path: self.path.clone(), bytes });
        }
        self.records += 1;
        self.put()
    }
}

impl<Fact> NextGeneration<'_, Fact> {
    fn put(&mut self) -> Result<(), LogError> {
        self.file.write_all(&self.line).map_err(LogError::io("write", &self.path))
    }
}

impl<F: LogFold> LogWriter<F> {
    /// Starts the next generation if the log has outgrown this one. A failure is no failure of the decision
    /// that has just been written: it is told, and tried again at twice the size.
    pub(super) fn rotate_if_grown(&mut self, now_ms: u64) {
        let Some(tail) = &self.reader.tail else {
            return;
        };
        let grown = tail.end > self.generation_bytes_max
            && tail.end >= tail.snapshot_end.saturating_mul(2)
            && tail.end >= self.rotate_past;
        if !grown || tail.unknown_facts > 0 {
            return;
        }
        let end = tail.end;
        match self.rotate(now_ms) {
            Ok(()) => self.rotate_past = 0,
            Err(error) => {
                self.rotate_past = end.saturating_mul(2);
                tracing::warn!(%error, "cannot start the next generation of a log");
            }
        }
    }

    /// Does again what a dead writer had begun: the file is sealed, its successor not in place.
    /// Returns the lock of the successor.
    pub(super) fn finish_rotation(&mut self, now_ms: u64) -> Result<LogHeld, LogError> {
        if self.reader.tail.as_ref().is_some_and(|tail| tail.unknown_facts > 0) {
            return Err(LogError::SealedByNewer { path: self.reader.path.clone() });
        }
        let held = self.write_next(now_ms)?;
        self.put_in_place()?;
        self.reader.catch_up(&mut None)?;
        Ok(held)
    }

    fn rotate(&mut self, now_ms: u64) -> Result<(), LogError> {
        // Held until this handle has read it: nobody writes there before, whose records would not be told.
        let _held = self.write_next(now_ms)?;
        self.seal()?;
        self.put_in_place()?;
        self.reader.catch_up(&mut None).map(|_| ())
    }

    /// Step 1: the next generation, whole and on the disk, under a name that nobody reads. It is locked.
    pub(super) fn write_next(&mut self, now_ms: u64) -> Result<LogHeld, LogError> {
        let tail = self.tail();
        let path = next_path(&self.reader.path);
        let file =
            plain_file::create_anew(&mut options(FileAccess::Append), &path).map_err(LogError::io("create", &path))?;
        point("next generation begun");
        let read = |offset| tail.read_at::<F>(offset);
        let (file, line) = (BufWriter::new(file), Vec::new());
        let mut next = NextGeneration { read: &read, file, path, line, records: 0 };
        let header = LogHeader {
            v: VERSION,
            log: F::KIND.to_owned(),
            generation: tail.generation + 1,
            next_seq: tail.next_seq,
            at_ms: now_ms,
            began_ms: Some(tail.log_began_ms),
        };
        line::write_header(&mut next.line, &header);
        next.put()?;
        self.reader.state.snapshot(&mut next)?;
        next.line.clear();
        line::write_snapshot_end(&mut next.line, next.records);
        next.put()?;
        let NextGeneration { file, path, .. } = next;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).map_err(LogError::io("write", &path))?;
        file.sync_all().map_err(LogError::io("write", &path))?;
        point("next generation written");
        LogHeld::of_new_file(file, &path)
    }

    /// Step 2: no record follows in the old file. Holders of its descriptor learn it by this line.
    pub(super) fn seal(&mut self) -> Result<(), LogError> {
        let Self { reader, line, .. } = self;
        let tail = reader.tail.as_mut().expect("a log that is written to has a file");
        line.clear();
        line::write_seal(line, tail.generation + 1);
        append_line(tail, line)?;
        tail.step_over(line.len());
        tail.phase = TailPhase::Sealed;
        point("generation sealed");
        Ok(())
    }

    /// Step 3: the old file stays as `.old`, for readers that lag; the new one takes the path.
    pub(super) fn put_in_place(&self) -> Result<(), LogError> {
        self.keep_old();
        point("old generation kept");
        let path = &self.reader.path;
        fs::rename(next_path(path), path).map_err(LogError::io("replace", path))?;
        point("generation replaced");
        sync_directory(path)
    }

    /// Lagging readers can do without it and say what they missed, so a file system without hard links
    /// does not stop the log.
    pub(super) fn keep_old(&self) {
        let (path, old) = (&self.reader.path, old_path(&self.reader.path));
        let kept = match fs::remove_file(&old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => {
                point("generation before the last removed");
                fs::hard_link(path, &old)
            }
        };
        if let Err(error) = kept {
            tracing::warn!(file = %old.display(), %error, "cannot keep the old generation of a log");
        }
    }

    fn tail(&self) -> &LogTail {
        self.reader.tail.as_ref().expect("a log that is written to has a file")
    }
}
