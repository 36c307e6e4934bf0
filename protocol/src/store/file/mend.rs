//! The records that a damaged log still holds: every whole one, in order, numbered without a gap. Pure: lines in, lines out.
//!
//! A record is whole if it parses; that its number is not the one due does not make it less so. Nothing is folded
//! into a snapshot: the lines are carried over as they are, facts of newer versions and all, so a mended log tells
//! the same history as before, but for what nobody can read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    LineDamage, VERSION,
    line::{self, BadLine, LogHeader, LogLine},
    tail,
};

/// Numbers of lost records that are filled with empty ones. A record whose number is further off than that has a
/// damaged number, and gets the one that is due.
const FILLED_MAX: u64 = 10_000;

/// How every line of a record begins. A text inside a record can not hold these bytes: its quotes are escaped.
const RECORD_BEGINS: &[u8] = b"{\"v\":";

/// All that one look at the bytes of a log has shown.
#[derive(Debug)]
pub(super) struct ExaminedLog<'a> {
    /// The header; `None` if the first line is none.
    pub(super) header: Option<LogHeader>,
    /// Each bad line by its number from 1, in order, with what is wrong with it.
    pub(super) damage: Vec<(u64, LineDamage)>,
    /// Whole records of the snapshot that begins the generation.
    snapshot: Vec<WholeRecord<'a>>,
    /// Whole records after it, in the order of the file.
    news: Vec<WholeRecord<'a>>,
    /// The line and version of the first line that a newer program wrote.
    pub(super) newer: Option<(u64, u32)>,
    /// Whether the last line says that no record follows.
    pub(super) sealed: bool,
    /// Facts that only a newer version knows.
    pub(super) unknown_facts: u64,
    /// The bytes up to the end of the last whole line.
    pub(super) end: usize,
    /// The bytes after it.
    pub(super) torn_bytes: usize,
    /// The number of the first record after the snapshot, by the header or by what is left of it.
    base: Option<u64>,
    /// The number of the record that is due next; 0 if nobody knows.
    pub(super) next_seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WholeRecord<'a> {
    seq: u64,
    /// The line without its newline.
    line: &'a [u8],
}

/// A log mended: its bytes, and what became of the old lines.
#[derive(Debug)]
pub(super) struct MendedLog {
    /// A whole generation.
    pub(super) bytes: Vec<u8>,
    /// Records that were carried over.
    pub(super) kept: u64,
    /// Numbers whose record is lost: an empty one stands for each.
    pub(super) filled: u64,
    /// Records that were there a second time, word for word.
    pub(super) repeats: u64,
}

impl ExaminedLog<'_> {
    /// Whether a reader takes all of it.
    pub(super) fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.newer.is_none()
    }

    /// Whether nothing in it can be read.
    pub(super) fn is_lost(&self) -> bool {
        self.header.is_none() && self.newer.is_none() && self.snapshot.is_empty() && self.news.is_empty()
    }

    /// Whole records after the snapshot.
    pub(super) fn records(&self) -> u64 {
        self.news.len() as u64
    }

    /// The generation that these lines are of, by the header or else by what is left of it and by the one before.
    pub(super) fn generation(&self, first_line: &[u8], before: Option<u32>) -> u32 {
        // No log gets this old, and every reader follows to a higher one.
        const BEYOND_ALL: u32 = 1_000_000;
        let known = self.header.as_ref().map(|header| header.generation);
        let left = || number_after(first_line, b"\"gen\":").and_then(|found| u32::try_from(found).ok());
        known.or_else(left).or(before.map(|before| before.saturating_add(1))).unwrap_or(
            match self.snapshot.is_empty() {
                true => 1,
                false => BEYOND_ALL,
            },
        )
    }
}

/// Looks at the bytes of a log as a reader would, but goes on after what is wrong.
pub(super) fn examine<'a, Fact: DeserializeOwned>(bytes: &'a [u8], known: &[&str]) -> ExaminedLog<'a> {
    let mut found = ExaminedLog {
        header: None,
        damage: Vec::new(),
        snapshot: Vec::new(),
        news: Vec::new(),
        newer: None,
        sealed: false,
        unknown_facts: 0,
        end: 0,
        torn_bytes: 0,
        base: None,
        next_seq: 1,
    };
    let mut rest = bytes;
    let mut number = 0;
    let mut in_snapshot = false;
    while let Some(length) = tail::line_length(rest) {
        let (line, after) = (&rest[..length - 1], &rest[length..]);
        number += 1;
        rest = after;
        found.end += length;
        if number == 1 {
            match line::parse_header(line) {
                Ok(header) if header.v > VERSION => found.newer = Some((1, header.v)),
                Ok(header) => {
                    in_snapshot = header.generation > 1;
                    found.next_seq = header.next_seq;
                    found.base = Some(header.next_seq);
                    found.header = Some(header);
                }
                Err(damage) => {
                    in_snapshot = true;
                    found.base = number_after(line, b"\"next_seq\":").filter(|seq| *seq > 0);
                    found.next_seq = found.base.unwrap_or(0);
                    found.damage.push((1, damage));
                    found.salvage::<Fact>(line, known, &mut in_snapshot);
                }
            }
            continue;
        }
        match line::parse::<Fact>(line, known) {
            Err(BadLine::Newer(version)) => found.newer = found.newer.or(Some((number, version))),
            Err(BadLine::Damaged(damage)) => {
                found.damage.push((number, damage));
                found.salvage::<Fact>(line, known, &mut in_snapshot);
            }
            Ok(parsed) => {
                if let Some(damage) = found.take(parsed, line, &mut in_snapshot) {
                    found.damage.push((number, damage));
                }
            }
        }
    }
    if in_snapshot && found.header.is_some() {
        found.damage.push((number + 1, LineDamage::SnapshotCut));
    }
    found.torn_bytes = rest.len();
    found
}

/// The numbers and times that a mended generation begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextGeneration {
    pub(super) generation: u32,
    /// When the log began, over all its generations.
    pub(super) began_ms: u64,
    /// The number that the next record is known to have had; 0 if nothing is known.
    pub(super) known_next_seq: u64,
    pub(super) now_ms: u64,
}

/// The next generation of a damaged one: all that is whole in it.
pub(super) fn mend(found: &ExaminedLog<'_>, kind: &str, next: NextGeneration) -> MendedLog {
    let NextGeneration { generation, began_ms, known_next_seq, now_ms } = next;
    let mut mended = MendedLog { bytes: Vec::new(), kept: 0, filled: 0, repeats: 0 };
    // Without a header, the first number that is there is the best there is to know.
    let first = found.news.iter().map(|record| record.seq).find(|seq| *seq > 0);
    let mut due = found.base.or(first).unwrap_or(1);
    let began_ms = Some(began_ms);
    let header = LogHeader { v: VERSION, log: kind.to_owned(), generation, next_seq: due, at_ms: now_ms, began_ms };
    line::write_header(&mut mended.bytes, &header);
    for record in &found.snapshot {
        mended.put(record, 0);
    }
    line::write_snapshot_end(&mut mended.bytes, found.snapshot.len() as u64);
    let mut seen: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    for record in &found.news {
        let same = seen.entry(record.seq).or_default();
        if same.contains(&record.line) {
            mended.repeats += 1;
            continue;
        }
        same.push(record.line);
        due = mended.fill(due, record.seq, now_ms);
        mended.put(record, due);
        due += 1;
    }
    mended.fill(due, known_next_seq, now_ms);
    mended
}

impl<'a> ExaminedLog<'a> {
    /// Takes a line that parses; returns what is wrong with its place.
    fn take<Fact>(&mut self, parsed: LogLine<'a, Fact>, line: &'a [u8], in_snapshot: &mut bool) -> Option<LineDamage> {
        let sealed = std::mem::replace(&mut self.sealed, false);
        match parsed {
            LogLine::Record { seq, unknown_facts, .. } => {
                self.unknown_facts += unknown_facts;
                if *in_snapshot && seq == 0 {
                    self.snapshot.push(WholeRecord { seq, line });
                    return None;
                }
                let cut = std::mem::replace(in_snapshot, false);
                let due = if self.next_seq == 0 { seq } else { self.next_seq };
                self.next_seq = due.max(seq) + 1;
                self.news.push(WholeRecord { seq, line });
                if sealed {
                    Some(LineDamage::Misplaced { mark: "record" })
                } else if cut && self.header.is_some() {
                    Some(LineDamage::SnapshotCut)
                } else {
                    (seq != due).then_some(LineDamage::Gap { expected: due, found: seq })
                }
            }
            LogLine::Snapshot { records } => {
                let due = std::mem::replace(in_snapshot, false);
                let found = self.snapshot.len() as u64;
                match due {
                    false => Some(LineDamage::Misplaced { mark: "snapshot" }),
                    // Without a header nobody knows what the snapshot was.
                    true => (found != records).then_some(LineDamage::Snapshot { found, counted: records }),
                }
            }
            LogLine::Sealed { generation } => {
                self.sealed = true;
                let next = self.header.as_ref().is_none_or(|header| generation == header.generation + 1);
                (sealed || *in_snapshot || !next).then_some(LineDamage::Misplaced { mark: "sealed" })
            }
        }
    }

    /// Takes the records that are whole within a line that is none: where a newline was lost, or where half a record
    /// stands before a whole one.
    fn salvage<Fact: DeserializeOwned>(&mut self, line: &'a [u8], known: &[&str], in_snapshot: &mut bool) {
        let begins: Vec<usize> = line
            .windows(RECORD_BEGINS.len())
            .enumerate()
            .filter(|(_, at)| *at == RECORD_BEGINS)
            .map(|(at, _)| at)
            .collect();
        let ends = begins.iter().skip(1).copied().chain([line.len()]);
        for (begin, end) in begins.iter().copied().zip(ends) {
            let part = line[begin..end].trim_ascii();
            if let Ok(parsed @ LogLine::Record { .. }) = line::parse::<Fact>(part, known) {
                // The line is named as damaged already.
                let _ = self.take(parsed, part, in_snapshot);
            }
        }
    }
}

impl MendedLog {
    /// Writes an empty record for each number from `due` on that is below `next`, unless that is too far off to be one.
    /// Returns the number that is due then.
    fn fill(&mut self, due: u64, next: u64, now_ms: u64) -> u64 {
        if next <= due || next - due > FILLED_MAX {
            return due;
        }
        for lost in due..next {
            line::write_record::<()>(&mut self.bytes, lost, now_ms, crate::model::id::LEAD, &[])
                .expect("no fact is in it, and a Vec takes all");
            self.filled += 1;
        }
        next
    }

    /// Writes a record with the number that it has from now on; word for word, if that is its own.
    fn put(&mut self, record: &WholeRecord<'_>, seq: u64) {
        self.kept += 1;
        match renumbered(record, seq) {
            Some(line) => self.bytes.extend_from_slice(&line),
            None => self.bytes.extend_from_slice(record.line),
        }
        self.bytes.push(b'\n');
    }
}

fn renumbered(record: &WholeRecord<'_>, seq: u64) -> Option<Vec<u8>> {
    #[derive(Serialize, Deserialize)]
    struct RenumberedRecord<'a> {
        #[serde(default)]
        v: u32,
        seq: u64,
        at_ms: u64,
        #[serde(default)]
        by: String,
        #[serde(borrow)]
        facts: &'a RawValue,
    }
    if record.seq == seq {
        return None;
    }
    let mut parsed: RenumberedRecord<'_> = serde_json::from_slice(record.line).ok()?;
    parsed.seq = seq;
    serde_json::to_vec(&parsed).ok()
}

/// The number that follows a key in what is left of a line.
fn number_after(line: &[u8], key: &[u8]) -> Option<u64> {
    let at = line.windows(key.len()).position(|window| window == key)? + key.len();
    let digits: Vec<u8> = line[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
