//! Faults of a log, each said with the file and, inside a file, the line.

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::host::plain_file::{self, ReadFailure};
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error("cannot {doing} {}: {}", path.display(), reason(source))]
    Io {
        /// The verb: `open`, `read`, `lock`, `append to`, …
        doing: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// The disk refused to read a part of a file. The part before it is not taken for the whole.
    #[error(
        "cannot read {} from byte {at} on: {}\nthe disk may be failing: copy the team's directory while it can be read, and look with teamster doctor",
        path.display(), reason(source)
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The bytes before that part.
        at: u64,
        /// The answer of the system.
        source: io::Error,
    },
    /// Something else stands in the place of a file.
    #[error(
        "{} is {kind}, not a file\nput the file back, or let teamster doctor --repair set that aside and make it anew",
        path.display()
    )]
    NotAFile {
        /// The place.
        path: PathBuf,
        /// The kind of thing that stands there, with its article: `a named pipe`.
        kind: &'static str,
    },
    /// A newer program wrote this file or record.
    #[error(
        "{}:{line}: format version {found}, but this program reads up to {known}\nuse the newer teamster that wrote it",
        path.display(), known = super::VERSION
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// The line that says so, from 1.
        line: u64,
        /// The version of the format that the log says.
        found: u32,
    },
    /// The file is a log, but of another kind.
    #[error("{} is a {found} log, not a {expected} log", path.display())]
    OtherKind {
        /// The log.
        path: PathBuf,
        /// The kind its header names.
        found: String,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// A whole line is not what it must be. Nothing from it on was read.
    #[error("{}:{line}: {damage}\nlook with teamster doctor, and mend it with teamster doctor --repair", path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The fault of that line.
        damage: LineDamage,
    },
    /// The file that this handle appends to has lost its name: somebody removed or replaced it.
    #[error("{} was removed or replaced while in use; nothing was written\nlook with teamster doctor what is there now: the team may have been removed", path.display())]
    Removed {
        /// The path at which the log was.
        path: PathBuf,
    },
    /// The file is not there, and must have been: the rest of its team is, or the mark beside it says that it had records.
    #[error(
        "{} is missing, although the team is there\nput it back, or let teamster doctor --repair make it anew",
        path.display()
    )]
    Lost {
        /// The path at which the log was.
        path: PathBuf,
    },
    /// The file is shorter than what was read of it: somebody else than a writer of logs cut it.
    #[error("{} shrank to {bytes} bytes while in use; nothing was written\nput it back, or look with teamster doctor, and mend it with teamster doctor --repair", path.display())]
    Shrank {
        /// The log.
        path: PathBuf,
        /// The size of the file as it is now.
        bytes: u64,
    },
    /// A decision does not fit a line.
    #[error(
        "cannot append to {}: the record has {bytes} bytes, more than {max}\nadd less at once",
        path.display(), max = LOG_LINE_BYTES_MAX
    )]
    TooLong {
        /// The log.
        path: PathBuf,
        /// The size of the line.
        bytes: usize,
    },
    /// An offset of another generation than the one that is open: it outlived its state.
    #[error("an offset of generation {asked} of {} was used in generation {open}", path.display())]
    StaleOffset {
        /// The log.
        path: PathBuf,
        /// The generation of the offset.
        asked: u32,
        /// The generation that is open.
        open: u32,
    },
    /// A newer program was interrupted while it started the next generation, and the log holds facts that
    /// only it can carry over.
    #[error(
        "{} is sealed, and holds facts of a newer version that must be carried over\nuse the newer teamster that wrote it",
        path.display()
    )]
    SealedByNewer {
        /// The log.
        path: PathBuf,
    },
}

/// A fault of one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineDamage {
    /// Bytes that are no text.
    #[error("not UTF-8 from byte {column}")]
    NotUtf8 {
        /// The first bad byte of the line, from 1.
        column: usize,
    },
    /// Text that is no JSON, or JSON of another shape.
    #[error("{why} at column {column}")]
    NotJson {
        /// The complaint of the parser.
        why: String,
        /// Where in the line, from 1.
        column: usize,
    },
    /// The first line is no header.
    #[error("not the header of a log: {why}")]
    Header {
        /// The complaint of the parser.
        why: String,
    },
    /// A line that is no record and no mark.
    #[error("a record without `{field}`")]
    Missing {
        /// The field that is missing.
        field: &'static str,
    },
    /// A record is missing, repeated or out of place.
    #[error("record {found} where {expected} was due")]
    Gap {
        /// The sequence number that was due.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
    /// A fact of a known kind with contents that do not fit it.
    #[error("fact {fact}: {why}")]
    Fact {
        /// The kind that the fact says.
        fact: String,
        /// The complaint of the parser.
        why: String,
    },
    /// The mark that ends a snapshot is out of place or counts other than what is there.
    #[error("the snapshot ends after {found} records, its last line counts {counted}")]
    Snapshot {
        /// The records that are there.
        found: u64,
        /// The records that the mark names.
        counted: u64,
    },
    /// The file ends, or news begin, before the snapshot has ended.
    #[error("the snapshot that begins this generation is cut short")]
    SnapshotCut,
    /// A mark, where none can be.
    #[error("a `{mark}` line is out of place here")]
    Misplaced {
        /// The mark: the kind of line that is out of place.
        mark: &'static str,
    },
    /// Records that were written, and synced, are not there.
    #[error(
        "the log ends here, after record {last}, but record {known} was written: its end was cut off, or an older copy was put in its place"
    )]
    CutShort {
        /// The last record that is there.
        last: u64,
        /// A later record, of which it is known that it was written.
        known: u64,
    },
    /// A line longer than any writer writes.
    #[error("a line of more than {max} bytes", max = LOG_LINE_BYTES_MAX)]
    TooLong,
}

/// Why [`super::Log::transact`] did not do, or did not fully do, what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The decision was to refuse. Nothing was written.
    #[error("{0}")]
    Refused(E),
    /// The log could not be read or written. Nothing was written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The record is written, and every process sees it, but it may not survive a loss of power.
    #[error("written to {}, but not proven durable: {}", path.display(), reason(source))]
    NotDurable {
        /// The log.
        path: PathBuf,
        /// The answer of `fdatasync`.
        source: io::Error,
    },
}

impl LineDamage {
    /// Whether the line itself can not be read; else it can, and is only not where it should be.
    pub fn is_of_the_line(&self) -> bool {
        match self {
            LineDamage::NotUtf8 { .. }
            | LineDamage::NotJson { .. }
            | LineDamage::Header { .. }
            | LineDamage::Missing { .. }
            | LineDamage::Fact { .. }
            | LineDamage::TooLong => true,
            LineDamage::CutShort { .. }
            | LineDamage::Gap { .. }
            | LineDamage::Snapshot { .. }
            | LineDamage::SnapshotCut
            | LineDamage::Misplaced { .. } => false,
        }
    }
}

impl LogError {
    /// Whether the fault lies in what is on the disk, so that the same step fails again until somebody mends it. Else the
    /// system or the step was at fault.
    pub fn is_of_the_file(&self) -> bool {
        match self {
            LogError::Unreadable { .. }
            | LogError::NotAFile { .. }
            | LogError::Newer { .. }
            | LogError::OtherKind { .. }
            | LogError::Corrupt { .. }
            | LogError::Removed { .. }
            | LogError::Lost { .. }
            | LogError::Shrank { .. }
            | LogError::StaleOffset { .. }
            | LogError::SealedByNewer { .. } => true,
            LogError::Io { .. } | LogError::TooLong { .. } => false,
        }
    }

    /// Wraps an error of the system: `cannot <doing> <path>: <why>`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match plain_file::not_plain(&source) {
            Some(found) => Self::NotAFile { path: path.to_owned(), kind: found.kind },
            None => Self::Io { doing, path: path.to_owned(), source },
        }
    }

    /// Wraps what a read of an open file has met.
    pub(super) fn read(path: &Path) -> impl FnOnce(ReadFailure) -> Self {
        move |ReadFailure { at, source }| Self::Unreadable { path: path.to_owned(), at, source }
    }

    pub(super) fn corrupt(path: &Path, line: u64, damage: LineDamage) -> Self {
        Self::Corrupt { path: path.to_owned(), line, damage }
    }
}

/// The words of the system without the number that the standard library adds.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}
