//! The format of a line: what is written, and how a read line is told apart.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{LineDamage, VERSION};

/// The longest complaint of a parser that is shown, in characters.
const WHY_CHARS_MAX: usize = 300;

/// The first line of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LogHeader {
    pub(super) v: u32,
    pub(super) log: String,
    #[serde(rename = "gen")]
    pub(super) generation: u32,
    pub(super) next_seq: u64,
    pub(super) at_ms: u64,
    /// When the first generation began; left out in that one, where it is `at_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) began_ms: Option<u64>,
}

impl LogHeader {
    /// The header of a first generation.
    pub(super) fn first(kind: &str, at_ms: u64) -> LogHeader {
        LogHeader { v: VERSION, log: kind.to_owned(), generation: 1, next_seq: 1, at_ms, began_ms: None }
    }

    /// When the log began, over all its generations.
    pub(super) fn log_began_ms(&self) -> u64 {
        self.began_ms.unwrap_or(self.at_ms)
    }
}

/// A line below the header.
pub(super) enum LogLine<'a, Fact> {
    /// A decision, or a part of a snapshot (`seq` 0).
    Record { seq: u64, at_ms: u64, by: Cow<'a, str>, facts: Vec<Fact>, places: FactPlaces, unknown_facts: u64 },
    /// The snapshot that begins the generation has ended.
    Snapshot { records: u64 },
    /// No record follows; the log goes on in that generation.
    Sealed { generation: u32 },
}

/// Where in its line each fact of a record begins. Nothing is noted of a record with one fact: it is the record.
#[derive(Default)]
pub(super) struct FactPlaces(Vec<u32>);

impl FactPlaces {
    /// The bytes before a fact; 0 if that is not noted.
    pub(super) fn of(&self, nth: usize) -> u32 {
        self.0.get(nth).copied().unwrap_or_default()
    }

    /// The fact that begins there.
    pub(super) fn find(&self, place: u32) -> Option<usize> {
        self.0.iter().position(|at| *at == place)
    }

    /// A line too long for the type is too long to be written, so that place is never used.
    fn push(&mut self, place: usize) {
        self.0.push(u32::try_from(place).unwrap_or(u32::MAX));
    }
}

/// Why a line below the header was not taken.
pub(super) enum BadLine {
    Newer(u32),
    Damaged(LineDamage),
}

/// Every shape of a line in one, so that it is parsed in one pass.
#[derive(Deserialize)]
#[serde(bound(deserialize = "Fact: Deserialize<'de>"))]
struct LineShape<'a, Fact> {
    #[serde(default)]
    v: u32,
    seq: Option<u64>,
    at_ms: Option<u64>,
    #[serde(default, borrow)]
    by: Cow<'a, str>,
    facts: Option<Vec<Fact>>,
    sealed: Option<SealedLine>,
    snapshot: Option<SnapshotEnd>,
}

#[derive(Serialize, Deserialize)]
struct SealedLine {
    #[serde(rename = "gen")]
    generation: u32,
}

#[derive(Serialize, Deserialize)]
struct SnapshotEnd {
    records: u64,
}

/// Reads the header; `line` has no newline.
pub(super) fn parse_header(line: &[u8]) -> Result<LogHeader, LineDamage> {
    /// Only what decides whether the rest may be read: a later version may change all else.
    #[derive(Deserialize)]
    struct LineVersion {
        v: u32,
        log: Cow<'static, str>,
    }
    let damaged = |e: serde_json::Error| LineDamage::Header { why: without_position(&e) };
    let version: LineVersion = serde_json::from_slice(line).map_err(damaged)?;
    if version.v > VERSION {
        let log = version.log.into_owned();
        return Ok(LogHeader { v: version.v, log, generation: 0, next_seq: 0, at_ms: 0, began_ms: None });
    }
    let header: LogHeader = serde_json::from_slice(line).map_err(damaged)?;
    if header.generation == 0 || header.next_seq == 0 {
        return Err(LineDamage::Header { why: "`gen` and `next_seq` count from 1".to_owned() });
    }
    Ok(header)
}

/// Reads a line below the header; `line` has no newline.
///
/// The slow way, fact by fact, is taken only where the fast one fails: to pass over unknown facts, and to
/// say what is wrong.
pub(super) fn parse<'a, Fact: DeserializeOwned>(line: &'a [u8], known: &[&str]) -> Result<LogLine<'a, Fact>, BadLine> {
    match serde_json::from_slice::<LineShape<'a, Fact>>(line) {
        Ok(shape) => {
            let places =
                if shape.facts.as_ref().is_some_and(|facts| facts.len() > 1) { find_fact_places(line) } else { None };
            classify_line(shape, places.unwrap_or_default(), 0)
        }
        Err(_) => parse_slowly(line, known),
    }
}

/// Appends a record and its newline to `to`; tells where in the line each fact begins. Refuses a fact that is no text: the
/// path of a directory may be of any bytes. A part of the record is in `to` then.
pub(super) fn write_record<Fact: Serialize>(
    to: &mut Vec<u8>,
    seq: u64,
    at_ms: u64,
    by: &str,
    facts: &[Fact],
) -> io::Result<FactPlaces> {
    #[derive(Serialize)]
    struct WrittenHead<'a> {
        v: u32,
        seq: u64,
        at_ms: u64,
        by: &'a str,
    }
    let begin = to.len();
    write_json(to, &WrittenHead { v: VERSION, seq, at_ms, by });
    // The head goes on where its brace closed it.
    to.pop();
    to.extend_from_slice(b",\"facts\":[");
    let mut places = FactPlaces::default();
    for (nth, fact) in facts.iter().enumerate() {
        if nth > 0 {
            to.push(b',');
        }
        if facts.len() > 1 {
            places.push(to.len() - begin);
        }
        serde_json::to_writer(&mut *to, fact)?;
    }
    to.extend_from_slice(b"]}\n");
    Ok(places)
}

/// Appends the header line.
pub(super) fn write_header(to: &mut Vec<u8>, header: &LogHeader) {
    write_line(to, header);
}

/// Appends the mark that ends a snapshot.
pub(super) fn write_snapshot_end(to: &mut Vec<u8>, records: u64) {
    #[derive(Serialize)]
    struct Written {
        snapshot: SnapshotEnd,
    }
    write_line(to, &Written { snapshot: SnapshotEnd { records } });
}

/// Appends the mark that ends a file.
pub(super) fn write_seal(to: &mut Vec<u8>, generation: u32) {
    #[derive(Serialize)]
    struct Written {
        sealed: SealedLine,
    }
    write_line(to, &Written { sealed: SealedLine { generation } });
}

fn parse_slowly<'a, Fact: DeserializeOwned>(line: &'a [u8], known: &[&str]) -> Result<LogLine<'a, Fact>, BadLine> {
    let text =
        std::str::from_utf8(line).map_err(|e| BadLine::Damaged(LineDamage::NotUtf8 { column: e.valid_up_to() + 1 }))?;
    let raw: LineShape<'a, &'a RawValue> = serde_json::from_str(text)
        .map_err(|e| BadLine::Damaged(LineDamage::NotJson { why: without_position(&e), column: e.column() }))?;
    if raw.v > VERSION {
        return Err(BadLine::Newer(raw.v));
    }
    let mut facts = Vec::new();
    let mut places = FactPlaces::default();
    let mut unknown = 0;
    for fact in raw.facts.iter().flatten() {
        // As bytes, like every fact: the same read as text would be a second copy of the whole parser in the program.
        match serde_json::from_slice(fact.get().as_bytes()) {
            Ok(known) => {
                facts.push(known);
                places.push(byte_offset(text, fact));
            }
            Err(e) => match tag_of(fact.get()) {
                Some(tag) if !known.contains(&tag.as_str()) => unknown += 1,
                tag => {
                    let fact = tag.unwrap_or_else(|| "without a tag".to_owned());
                    return Err(BadLine::Damaged(LineDamage::Fact { fact, why: without_position(&e) }));
                }
            },
        }
    }
    let facts = raw.facts.is_some().then_some(facts);
    let LineShape { v, seq, at_ms, by, sealed, snapshot, facts: _ } = raw;
    classify_line(LineShape { v, seq, at_ms, by, facts, sealed, snapshot }, places, unknown)
}

/// A second look at a record, for where its facts are. `None` if only a lenient first look could read it.
fn find_fact_places(line: &[u8]) -> Option<FactPlaces> {
    let text = std::str::from_utf8(line).ok()?;
    let raw: LineShape<'_, &RawValue> = serde_json::from_str(text).ok()?;
    let mut places = FactPlaces::default();
    raw.facts?.into_iter().for_each(|fact| places.push(byte_offset(text, fact)));
    Some(places)
}

/// A raw value borrows from the text it was parsed from, so its address tells where it is.
fn byte_offset(text: &str, fact: &RawValue) -> usize {
    fact.get().as_ptr().addr() - text.as_ptr().addr()
}

fn classify_line<Fact>(
    shape: LineShape<'_, Fact>,
    places: FactPlaces,
    unknown_facts: u64,
) -> Result<LogLine<'_, Fact>, BadLine> {
    if shape.v > VERSION {
        return Err(BadLine::Newer(shape.v));
    }
    if let Some(SealedLine { generation }) = shape.sealed {
        return Ok(LogLine::Sealed { generation });
    }
    if let Some(SnapshotEnd { records }) = shape.snapshot {
        return Ok(LogLine::Snapshot { records });
    }
    let missing = |field| BadLine::Damaged(LineDamage::Missing { field });
    Ok(LogLine::Record {
        seq: shape.seq.ok_or_else(|| missing("seq"))?,
        at_ms: shape.at_ms.ok_or_else(|| missing("at_ms"))?,
        by: shape.by,
        facts: shape.facts.ok_or_else(|| missing("facts"))?,
        places,
        unknown_facts,
    })
}

/// The tag of an externally tagged value: the string itself, or the only key.
fn tag_of(fact: &str) -> Option<String> {
    if let Ok(unit) = serde_json::from_str::<String>(fact) {
        return Some(unit);
    }
    let keyed: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(fact).ok()?;
    let mut keys = keyed.into_keys();
    keys.next().filter(|_| keys.next().is_none())
}

fn write_line(to: &mut Vec<u8>, line: &impl Serialize) {
    write_json(to, line);
    to.push(b'\n');
}

fn write_json(to: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(to, value).expect("numbers and the names of ours are text, and a Vec takes all");
}

/// The complaint of the parser without its "at line 1 column 9": the line is always one. It quotes what it did not expect,
/// which may be most of the line: that is cut.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let why = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    match why.char_indices().nth(WHY_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &why[..end]),
        None => why.to_owned(),
    }
}
