//! Transcripts: what one member said and did, a file a turn, one [`Entry`] a line. Only the holder of the
//! member's lock writes; anyone may read while it does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::crash::{point, point_amid};
use crate::limits::{TRANSCRIPT_BYTES_MAX, TRANSCRIPTS_KEPT_MAX};
use crate::notice::{Entry, Said};

/// How much of a transcript's end is read to tell whether its turn runs.
const TAIL_BYTES: u64 = 64 * 1024;

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
    file: Option<File>,
    bytes: u64,
    cut: u64,
    seq: u64,
    turn: u64,
    line: Vec<u8>,
}

impl Transcript {
    /// Goes on after the last entry there is; makes the directory. What is older than
    /// [`TRANSCRIPTS_KEPT_MAX`] turns is removed. Blocks for the reading of the last file.
    pub fn open(dir: PathBuf) -> Result<Transcript, TranscriptError> {
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("create", &dir)(error)),
            Ok(()) | Err(_) => {}
        }
        let mut turns = turns(&dir)?;
        let seq = last_seq_of(&dir, &turns)?;
        let turn = turns.last().copied().unwrap_or(0);
        turns.truncate(turns.len().saturating_sub(TRANSCRIPTS_KEPT_MAX));
        for old in turns {
            let path = path_of(&dir, old);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            point("old transcript removed");
        }
        Ok(Transcript { dir, file: None, bytes: 0, cut: 0, seq, turn, line: Vec::new() })
    }

    /// The number of the last turn that has a transcript, from an earlier life or this one.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The number of the last entry.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes one entry and gives it back with its number; a turn's start begins a new file. Output beyond
    /// the limit of a file is counted instead, and the count is written at the turn's end. On an error the
    /// entry is not there, and its number goes to the next.
    pub fn say(&mut self, at_ms: u64, what: Said) -> Result<Entry, TranscriptError> {
        if let Said::TurnStarted { turn, .. } = &what {
            self.turn = *turn;
            self.file = None;
        }
        if let Said::Text { text } = &what
            && self.bytes >= TRANSCRIPT_BYTES_MAX
        {
            self.cut += text.len() as u64;
            return Ok(Entry { seq: self.seq, at_ms, what });
        }
        if let Said::TurnEnded { .. } = &what
            && self.cut > 0
        {
            let bytes = std::mem::take(&mut self.cut);
            self.append(at_ms, Said::Cut { bytes })?;
        }
        self.append(at_ms, what)
    }

    /// Makes what was said so far survive a loss of power.
    pub fn sync(&self) -> Result<(), TranscriptError> {
        match &self.file {
            Some(file) => file.sync_data().map_err(failed("sync", &path_of(&self.dir, self.turn))),
            None => Ok(()),
        }
    }

    fn append(&mut self, at_ms: u64, what: Said) -> Result<Entry, TranscriptError> {
        if self.file.is_none() {
            self.file = Some(self.open_file()?);
        }
        let path = path_of(&self.dir, self.turn);
        let file = self.file.as_mut().expect("it was opened above");
        let entry = Entry { seq: self.seq + 1, at_ms, what };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &entry).expect("an entry is plain data");
        self.line.push(b'\n');
        point_amid("entry half written", || drop(file.write_all(&self.line[..self.line.len() / 2])));
        if let Err(error) = file.write_all(&self.line) {
            // A half-written line would make the next one unreadable too.
            let _ = file.set_len(self.bytes);
            return Err(failed("append to", &path)(error));
        }
        self.bytes += self.line.len() as u64;
        self.seq += 1;
        point("entry written");
        Ok(entry)
    }

    fn open_file(&mut self) -> Result<File, TranscriptError> {
        let path = path_of(&self.dir, self.turn);
        let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = open.map_err(failed("open", &path))?;
        point("transcript opened");
        let length = file.metadata().map_err(failed("read", &path))?.len();
        let whole = whole_bytes(&file, length).map_err(failed("read", &path))?;
        if whole < length {
            file.set_len(whole).map_err(failed("cut", &path))?;
        }
        self.bytes = whole;
        Ok(file)
    }
}

/// What was read of one file.
#[derive(Debug, Default)]
pub struct Page {
    /// The whole entries.
    pub entries: Vec<Entry>,
    /// Where to read on.
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

/// Reads one turn's transcript from a byte on, as [`Page::next`] gave it; an unfinished last line is left for
/// the next time, and a line that is no entry is passed over (a newer version may have written it).
pub fn read(dir: &Path, turn: u64, from: u64) -> Result<Page, TranscriptError> {
    let path = path_of(dir, turn);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Page { entries: Vec::new(), next: from }),
        Err(error) => return Err(failed("open", &path)(error)),
    };
    let length = file.metadata().map_err(failed("read", &path))?.len();
    let mut bytes = vec![0; length.saturating_sub(from) as usize];
    let got = read_full(&file, &mut bytes, from).map_err(failed("read", &path))?;
    let whole = bytes[..got].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok(Page { entries, next: from + whole as u64 })
}

/// The number of the last entry; 0 if there is none.
pub fn last_seq(dir: &Path) -> Result<u64, TranscriptError> {
    last_seq_of(dir, &turns(dir)?)
}

fn last_seq_of(dir: &Path, turns: &[u64]) -> Result<u64, TranscriptError> {
    // The last file may be empty or torn: the newest whole entry may be in the one before it.
    for &turn in turns.iter().rev() {
        if let Some(last) = read(dir, turn, 0)?.entries.last() {
            return Ok(last.seq);
        }
    }
    Ok(0)
}

/// A turn that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTurn {
    /// Its number.
    pub turn: u64,
    /// When it began.
    pub since_ms: u64,
    /// Whether the last that is known of its agent is that it says nothing.
    pub quiet: bool,
}

/// What a member was at when its transcript was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A turn.
    Turn(OpenTurn),
    /// None.
    Free {
        /// Since when.
        since_ms: u64,
    },
}

/// The turn that the member's worker is at, as [`standing`] tells it.
pub fn open_turn(dir: &Path) -> Result<Option<OpenTurn>, TranscriptError> {
    Ok(match standing(dir)? {
        Some(Standing::Turn(open)) => Some(open),
        Some(Standing::Free { .. }) | None => None,
    })
}

/// What the member's worker is at, by its newest transcript; nothing if that does not tell. Says nothing about
/// whether the worker lives. Reads from the end, and more than `TAIL_BYTES` only of a turn that says much.
pub fn standing(dir: &Path) -> Result<Option<Standing>, TranscriptError> {
    let Some(turn) = turns(dir)?.pop() else { return Ok(None) };
    let length = fs::metadata(path_of(dir, turn)).map_or(0, |found| found.len());
    for from in [length.saturating_sub(TAIL_BYTES), 0] {
        let page = read(dir, turn, from)?;
        if let Some(at) = page.entries.iter().rev().find_map(standing_after) {
            let quiet = page.entries.iter().rev().find_map(agent_said).is_some_and(|said| said == Agent::Quiet);
            return Ok(Some(match at {
                (Some(turn), since_ms) => Standing::Turn(OpenTurn { turn, since_ms, quiet }),
                (None, since_ms) => Standing::Free { since_ms },
            }));
        }
    }
    Ok(None)
}

/// The end of what the agent said in the turn that its worker is at, or was at when it died: at most `bytes_max`.
/// Empty if it ended that turn.
pub fn last_words(dir: &Path, bytes_max: usize) -> Result<String, TranscriptError> {
    let Some(OpenTurn { turn, .. }) = open_turn(dir)? else { return Ok(String::new()) };
    let length = fs::metadata(path_of(dir, turn)).map_or(0, |found| found.len());
    let page = read(dir, turn, length.saturating_sub(TAIL_BYTES))?;
    let texts = page.entries.iter().filter_map(|entry| match &entry.what {
        Said::Text { text } => Some(text.as_str()),
        Said::Ready
        | Said::TurnStarted { .. }
        | Said::ToolCall { .. }
        | Said::Steered { .. }
        | Said::Mail { .. }
        | Said::Stalled { .. }
        | Said::TurnEnded { .. }
        | Said::Waiting
        | Said::Trouble { .. }
        | Said::Cut { .. }
        | Said::Leaving { .. } => None,
    });
    let text: String = texts.collect();
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Ok(text[from..].to_owned())
}

/// What an entry tells of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    Heard,
    Quiet,
}

fn agent_said(entry: &Entry) -> Option<Agent> {
    match entry.what {
        Said::Stalled { .. } => Some(Agent::Quiet),
        Said::Text { .. } | Said::ToolCall { .. } | Said::TurnStarted { .. } | Said::Cut { .. } => Some(Agent::Heard),
        Said::Ready
        | Said::Steered { .. }
        | Said::Mail { .. }
        | Said::TurnEnded { .. }
        | Said::Waiting
        | Said::Trouble { .. }
        | Said::Leaving { .. } => None,
    }
}

/// Which turn runs after this entry, and since when, for those that tell.
fn standing_after(entry: &Entry) -> Option<(Option<u64>, u64)> {
    match entry.what {
        Said::TurnStarted { turn, .. } => Some((Some(turn), entry.at_ms)),
        // A worker that gets ready is a new life: the turn of the one before ended with it.
        Said::Ready | Said::TurnEnded { .. } | Said::Waiting | Said::Leaving { .. } => Some((None, entry.at_ms)),
        Said::Text { .. }
        | Said::ToolCall { .. }
        | Said::Steered { .. }
        | Said::Mail { .. }
        | Said::Stalled { .. }
        | Said::Cut { .. }
        | Said::Trouble { .. } => None,
    }
}

/// All entries with a number above `since`, oldest first.
pub fn since(dir: &Path, since: u64) -> Result<Vec<Entry>, TranscriptError> {
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

fn whole_bytes(file: &File, length: u64) -> io::Result<u64> {
    let mut bytes = vec![0; length as usize];
    let got = read_full(file, &mut bytes, 0)?;
    Ok(bytes[..got].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1))
}

fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], at + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(entry: &Entry) -> Option<&str> {
        if let Said::Text { text } = &entry.what { Some(text) } else { None }
    }

    fn texts(entries: &[Entry]) -> Vec<&str> {
        entries.iter().filter_map(text).collect()
    }

    #[test]
    fn a_later_life_goes_on_with_the_numbers_and_cuts_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("alice");
        let mut first = Transcript::open(dir.clone()).unwrap();
        first.say(1, Said::Ready).unwrap();
        first.say(2, Said::TurnStarted { turn: 1, task: None, prompt: "x".into() }).unwrap();
        first.say(3, Said::Text { text: "one".into() }).unwrap();
        let mut torn = OpenOptions::new().append(true).open(path_of(&dir, 1)).unwrap();
        torn.write_all(b"{\"seq\":4,\"at_").unwrap();
        let mut second = Transcript::open(dir.clone()).unwrap();
        assert_eq!((second.turn(), second.seq()), (1, 3));
        assert_eq!(second.say(5, Said::Text { text: "two".into() }).unwrap().seq, 4);
        assert_eq!(texts(&read(&dir, 1, 0).unwrap().entries), ["one", "two"]);
        assert_eq!(since(&dir, 2).unwrap().iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(since(&dir, 0).unwrap().len(), 4);
    }

    #[test]
    fn a_turn_is_open_from_its_start_to_its_end_or_to_the_next_life() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("alice");
        assert_eq!(open_turn(&dir).unwrap(), None);
        let mut transcript = Transcript::open(dir.clone()).unwrap();
        transcript.say(1, Said::Ready).unwrap();
        assert_eq!(open_turn(&dir).unwrap(), None);
        transcript.say(2, Said::TurnStarted { turn: 1, task: None, prompt: "x".into() }).unwrap();
        assert_eq!(open_turn(&dir).unwrap(), Some(OpenTurn { turn: 1, since_ms: 2, quiet: false }));
        for _ in 0..3 {
            transcript.say(3, Said::Text { text: "y".repeat(TAIL_BYTES as usize / 2) }).unwrap();
        }
        assert_eq!(open_turn(&dir).unwrap(), Some(OpenTurn { turn: 1, since_ms: 2, quiet: false }), "it may say much");
        transcript.say(4, Said::TurnEnded { turn: 1, task: None, stop: crate::notice::Stop::Completed }).unwrap();
        assert_eq!(standing(&dir).unwrap(), Some(Standing::Free { since_ms: 4 }));
        transcript.say(5, Said::TurnStarted { turn: 2, task: None, prompt: "x".into() }).unwrap();
        Transcript::open(dir.clone()).unwrap().say(6, Said::Ready).unwrap();
        assert_eq!(open_turn(&dir).unwrap(), None, "its worker died in it");
    }

    #[test]
    fn a_turn_is_quiet_from_the_stall_to_the_next_word_and_keeps_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("alice");
        assert_eq!(last_words(&dir, 10).unwrap(), "");
        let mut transcript = Transcript::open(dir.clone()).unwrap();
        transcript.say(1, Said::TurnStarted { turn: 1, task: None, prompt: "x".into() }).unwrap();
        transcript.say(2, Said::Text { text: "né ".into() }).unwrap();
        transcript.say(3, Said::Stalled { turn: 1, quiet_ms: 9 }).unwrap();
        assert!(open_turn(&dir).unwrap().unwrap().quiet);
        transcript.say(4, Said::Text { text: "later".into() }).unwrap();
        assert!(!open_turn(&dir).unwrap().unwrap().quiet);
        assert_eq!(last_words(&dir, 100).unwrap(), "né later");
        assert_eq!(last_words(&dir, 7).unwrap(), " later", "never half a character");
        transcript.say(5, Said::TurnEnded { turn: 1, task: None, stop: crate::notice::Stop::Completed }).unwrap();
        assert_eq!(last_words(&dir, 100).unwrap(), "");
    }
}
