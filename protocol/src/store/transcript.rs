//! Transcripts: what one member said and did, a file a turn, one [`TranscriptEntry`] a line. Only the holder of the
//! member's lock writes; anyone may read while it does.
//!
//! A file has the number of its turn. Only where more was said between two turns than one file holds it goes on in
//! the next number, and the numbers of the files run ahead of those of the turns until the next worker.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::host::crash::{point, point_amid};
use crate::host::plain_file::{self, read_full};
use crate::model::limits::{TRANSCRIPT_BYTES_MAX, TRANSCRIPTS_KEPT_MAX};
use crate::model::notice::{TranscriptEntry, TranscriptText};
use crate::model::usage::TokenUsage;

mod standing;
#[cfg(test)]
mod tests;
mod used;

pub use standing::{
    OpenTurn, TranscriptStanding, fate_of_question, last_turn, last_words, open_turn, questions, standing,
};
pub use used::{MemberUsage, member_usage, used_since};

/// The longest file that is read as a transcript. One that is full takes what tells where its turn is, and is far below.
const FILE_BYTES_MAX: u64 = 16 * TRANSCRIPT_BYTES_MAX;

/// How much of the buffer for a line is kept after it.
const LINE_BYTES_KEPT: usize = 64 * 1024;

/// A transcript could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub struct TranscriptError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TranscriptError {
    let path = path.to_owned();
    move |source| TranscriptError { doing, path, source }
}

/// The right to write one member's transcripts.
#[derive(Debug)]
pub struct Transcript {
    dir: PathBuf,
    /// Nothing until something is said, and after a write that failed: to open it cuts what that has left.
    file: Option<File>,
    bytes: u64,
    cut: u64,
    seq: u64,
    /// The number of the file.
    number: u64,
    amid: MemberActivity,
    line: Vec<u8>,
}

/// The work that the member is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberActivity {
    Turn,
    Nothing,
}

impl Transcript {
    /// Goes on after the last entry there is; makes the directory. Removes the oldest files past
    /// [`TRANSCRIPTS_KEPT_MAX`]. Blocks for the reading of the last file.
    pub fn open(dir: PathBuf) -> Result<Transcript, TranscriptError> {
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("create", &dir)(error)),
            Ok(()) => {}
            Err(_) => plain_file::must_be_directory(&dir).map_err(failed("write into", &dir))?,
        }
        let turns = turns(&dir)?;
        let seq = last_seq_of(&dir, &turns)?;
        let number = turns.last().copied().unwrap_or(0);
        for old in turns.into_iter().filter(|old| old.saturating_add(TRANSCRIPTS_KEPT_MAX) <= number) {
            forget(&dir, old);
        }
        Ok(Transcript {
            dir,
            file: None,
            bytes: 0,
            cut: 0,
            seq,
            number,
            amid: MemberActivity::Nothing,
            line: Vec::new(),
        })
    }

    /// The number of the last file, from an earlier life or this one: the next turn is the one after it.
    pub fn turn(&self) -> u64 {
        self.number
    }

    /// The number of the last entry.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes one entry and returns it with its number. A turn's start begins a new file, and so does an entry between
    /// two turns when the file is full. An entry in a turn beyond the limit of its file is counted instead, and the
    /// count is written at the turn's end. On an error the entry is not there, and its number goes to the next.
    pub fn say(&mut self, at_ms: u64, what: TranscriptText) -> Result<TranscriptEntry, TranscriptError> {
        if let TranscriptText::TurnStarted { turn, .. } = &what {
            self.begin_file((self.number + 1).max(*turn));
            self.cut = 0;
            self.amid = MemberActivity::Turn;
        } else if let TranscriptText::TurnEnded { .. } = &what {
            self.amid = MemberActivity::Nothing;
            if self.cut > 0 {
                self.append(at_ms, TranscriptText::Cut { bytes: self.cut })?;
                self.cut = 0;
            }
        } else {
            match self.amid {
                MemberActivity::Turn => {
                    if let Some((room, bytes)) = counted_from(&what)
                        && self.bytes >= room
                    {
                        self.cut += bytes;
                        return Ok(TranscriptEntry { seq: self.seq, at_ms, what });
                    }
                }
                MemberActivity::Nothing => {
                    self.open_file()?;
                    if self.bytes >= TRANSCRIPT_BYTES_MAX {
                        self.begin_file(self.number + 1);
                    }
                }
            }
        }
        self.append(at_ms, what)
    }

    /// Goes on in the turn of the last file, which has not ended: for the holder of the lock of a worker that died in it.
    pub fn go_on_with_turn(&mut self) {
        self.amid = MemberActivity::Turn;
    }

    /// Makes what was said so far survive a loss of power.
    pub fn sync(&self) -> Result<(), TranscriptError> {
        match &self.file {
            Some(file) => file.sync_data().map_err(failed("sync", &path_of(&self.dir, self.number))),
            None => Ok(()),
        }
    }

    /// Goes on in the file of that number. Room for it is made first: the disk may be full.
    fn begin_file(&mut self, number: u64) {
        self.number = number;
        self.file = None;
        self.bytes = 0;
        if let Some(old) = number.checked_sub(TRANSCRIPTS_KEPT_MAX) {
            forget(&self.dir, old);
        }
    }

    fn append(&mut self, at_ms: u64, what: TranscriptText) -> Result<TranscriptEntry, TranscriptError> {
        let entry = TranscriptEntry { seq: self.seq + 1, at_ms, what };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &entry).expect("an entry is plain data");
        self.line.push(b'\n');
        self.open_file()?;
        let file = self.file.as_mut().expect("it was opened above");
        point_amid("entry half written", || drop(file.write_all(&self.line[..self.line.len() / 2])));
        if let Err(error) = file.write_all(&self.line) {
            // A half-written line would make the next one unreadable too. If it can not be cut now, it is when the
            // file is opened again.
            let _ = file.set_len(self.bytes);
            self.file = None;
            return Err(failed("append to", &path_of(&self.dir, self.number))(error));
        }
        self.bytes += self.line.len() as u64;
        self.seq += 1;
        // One long mail must not hold its size for good.
        self.line.shrink_to(LINE_BYTES_KEPT);
        point("entry written");
        Ok(entry)
    }

    /// Opens the file if it is not, and cuts what a crash has left.
    fn open_file(&mut self) -> Result<(), TranscriptError> {
        if self.file.is_some() {
            return Ok(());
        }
        let path = path_of(&self.dir, self.number);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let (file, there) = plain_file::open(&mut options, &path).map_err(failed("open", &path))?;
        point("transcript opened");
        let length = there.len();
        let whole = whole_bytes(&file, length).map_err(failed("read", &path))?;
        if whole < length {
            file.set_len(whole).map_err(failed("cut", &path))?;
        }
        self.bytes = whole;
        self.file = Some(file);
        Ok(())
    }
}

/// Removes an old file if it is there. To be able to is less than to go on: the next life tries again.
fn forget(dir: &Path, number: u64) {
    let path = path_of(dir, number);
    match fs::remove_file(&path) {
        Ok(()) => point("old transcript removed"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("cannot remove the old transcript {}: {error}", path.display()),
    }
}

/// Returns the size of a file from which on an entry amid a turn is counted and not kept, and the bytes it counts for;
/// nothing for the few entries that tell where the turn is, which are always kept. Output of the agent leaves room for
/// texts that others say to it.
fn counted_from(what: &TranscriptText) -> Option<(u64, u64)> {
    let (room, bytes) = match what {
        TranscriptText::Text { text } | TranscriptText::Thought { text } => (TRANSCRIPT_BYTES_MAX, text.len()),
        TranscriptText::ToolCall { id, title, .. } => (TRANSCRIPT_BYTES_MAX, id.len() + title.len()),
        TranscriptText::Plan { steps } => (TRANSCRIPT_BYTES_MAX, steps.iter().map(|step| step.text.len()).sum()),
        // The end of the turn tells the sum, and is always kept.
        TranscriptText::Usage { .. } => (TRANSCRIPT_BYTES_MAX, size_of::<TokenUsage>()),
        TranscriptText::PermissionAsked { asked, .. } => {
            (2 * TRANSCRIPT_BYTES_MAX, asked.title.len() + asked.detail.len() + asked.subject.len())
        }
        TranscriptText::Steered { text, .. }
        | TranscriptText::Mail { text, .. }
        | TranscriptText::Trouble { text }
        | TranscriptText::Briefed { text }
        | TranscriptText::Interrupted { prompt: text, .. }
        | TranscriptText::AskedToStop { reason: text, .. }
        | TranscriptText::AskedToEnd { reason: text } => (2 * TRANSCRIPT_BYTES_MAX, text.len()),
        TranscriptText::Ready
        | TranscriptText::Compacted
        | TranscriptText::Session { .. }
        | TranscriptText::TurnStarted { .. }
        | TranscriptText::PermissionAnswered { .. }
        | TranscriptText::Receipt { .. }
        | TranscriptText::Stalled { .. }
        | TranscriptText::TurnEnded { .. }
        | TranscriptText::Parked { .. }
        | TranscriptText::Waiting
        | TranscriptText::Asleep
        | TranscriptText::Cut { .. }
        | TranscriptText::Leaving { .. } => return None,
    };
    Some((room, bytes as u64))
}

/// The entries that were read of one file.
#[derive(Debug, Default)]
pub struct TranscriptPage {
    /// The whole entries.
    pub entries: Vec<TranscriptEntry>,
    /// The place to read on from.
    pub next: u64,
}

/// The turns that have a transcript, oldest first.
pub fn turns(dir: &Path) -> Result<Vec<u64>, TranscriptError> {
    let mut turns = Vec::new();
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(turns),
        Err(error) => return Err(failed("read", dir)(error)),
    };
    for file in listing {
        let name = file.map_err(failed("read", dir))?.file_name();
        let turn: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|turn| turn.parse().ok());
        turns.extend(turn);
    }
    turns.sort_unstable();
    Ok(turns)
}

/// Reads one turn's transcript from a byte on, as [`TranscriptPage::next`] gave it; an unfinished last line is left for
/// the next time, and a line that is no entry is passed over (a newer version may have written it).
pub fn read(dir: &Path, turn: u64, from: u64) -> Result<TranscriptPage, TranscriptError> {
    let bytes = read_bytes(dir, turn, from, u64::MAX)?;
    let entries = lines(&bytes).filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok(TranscriptPage { entries, next: from + bytes.len() as u64 })
}

/// One file whole, an unfinished last line and all. Refuses what is no file, and what is longer than any transcript.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    plain_file::read_whole(path, FILE_BYTES_MAX)
}

/// The whole lines of one file from a byte on, of at most so many bytes; none if the file is not there.
fn read_bytes(dir: &Path, number: u64, from: u64, bytes_max: u64) -> Result<Vec<u8>, TranscriptError> {
    let path = path_of(dir, number);
    let (file, there) = match plain_file::open_to_read(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("open", &path)(error)),
    };
    let wanted = there.len().saturating_sub(from).min(bytes_max);
    if wanted > FILE_BYTES_MAX {
        return Err(failed("read", &path)(plain_file::too_long(there.len(), FILE_BYTES_MAX)));
    }
    let mut bytes = vec![0; wanted as usize];
    let got = read_full(&file, &mut bytes, from).map_err(|failure| failed("read", &path)(failure.into()))?;
    let whole = bytes[..got].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(whole);
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The number of the last entry; 0 if there is none.
pub fn last_seq(dir: &Path) -> Result<u64, TranscriptError> {
    last_seq_of(dir, &turns(dir)?)
}

fn last_seq_of(dir: &Path, turns: &[u64]) -> Result<u64, TranscriptError> {
    /// All that is needed of an entry: one of a newer version has its number too.
    #[derive(Deserialize)]
    struct EntryNumber {
        seq: u64,
    }
    // The last file may be empty or torn: the newest whole entry may be in the one before it.
    for &turn in turns.iter().rev() {
        let bytes = read_bytes(dir, turn, 0, u64::MAX)?;
        if let Some(last) = lines(&bytes).rev().find_map(|line| serde_json::from_slice::<EntryNumber>(line).ok()) {
            return Ok(last.seq);
        }
    }
    Ok(0)
}

/// All entries with a number above `since`, oldest first.
pub fn since(dir: &Path, since: u64) -> Result<Vec<TranscriptEntry>, TranscriptError> {
    let mut found = Vec::new();
    for turn in turns(dir)?.into_iter().rev() {
        let entries = read(dir, turn, 0)?.entries;
        let first = entries.first().map(|entry| entry.seq);
        found.push(entries);
        if first.is_some_and(|first| first <= since + 1) {
            break;
        }
    }
    Ok(found.into_iter().rev().flatten().filter(|entry| entry.seq > since).collect())
}

/// The file of one turn, for whoever watches it.
pub fn path_of(dir: &Path, turn: u64) -> PathBuf {
    dir.join(format!("{turn:06}.jsonl"))
}

/// How much of a file is whole lines. Looks for the last newline from the end.
fn whole_bytes(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; LINE_BYTES_KEPT];
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(LINE_BYTES_KEPT as u64);
        let part = &mut buffer[..(end - begin) as usize];
        let got = read_full(file, part, begin)?;
        if let Some(at) = part[..got].iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}
