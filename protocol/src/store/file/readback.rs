//! Reading back what the state does not hold: a record, or one fact of a record with many.
//!
//! A decision may be as large as a plan of many thousand tasks. Reading one of its facts must cost what that
//! fact costs, so only the beginning of the line, which says when and by whom, and the fact itself are read.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{
    FactOffset, LineDamage, LogError, LogFold, LogRecord, VERSION,
    line::{self, BadLine, LogLine},
    tail::{LogTail, line_length},
};
use crate::host::plain_file::read_full;
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;

/// The bytes that one read takes at first: enough for most facts, and for the line of most records.
const READ_BYTES: usize = 4096;

/// The longest beginning of a record, before its facts: some 80 bytes are usual.
const HEAD_BYTES: usize = 512;

impl LogTail {
    /// Reads one record back, or only the fact that the offset names. Does not move the tail.
    pub(super) fn read_at<F: LogFold>(&self, offset: FactOffset) -> Result<LogRecord<F::Fact>, LogError> {
        if offset.generation != self.generation {
            return Err(LogError::StaleOffset {
                path: self.path.clone(),
                asked: offset.generation,
                open: self.generation,
            });
        }
        let fact = if offset.fact == 0 { None } else { self.read_fact::<F>(offset)? };
        match fact {
            Some(record) => Ok(record),
            None => self.read_line::<F>(offset),
        }
    }

    /// One fact without its neighbours; `None` if the line is not of the order in which this program writes.
    fn read_fact<F: LogFold>(&self, offset: FactOffset) -> Result<Option<LogRecord<F::Fact>>, LogError> {
        let mut buffer = vec![0; READ_BYTES];
        let head = &mut buffer[..HEAD_BYTES.min(offset.fact as usize)];
        let got = read_full(&self.file, head, offset.at).map_err(LogError::read(&self.path))?;
        let Some(RecordHead { seq, at_ms, by }) = parse_head(&head[..got]) else { return Ok(None) };
        let at = offset.at + u64::from(offset.fact);
        loop {
            let got = read_full(&self.file, &mut buffer, at).map_err(LogError::read(&self.path))?;
            let mut values = serde_json::Deserializer::from_slice(&buffer[..got]).into_iter::<F::Fact>();
            match values.next() {
                Some(Ok(fact)) => return Ok(Some(LogRecord { seq, at_ms, by, facts: vec![fact], offset })),
                Some(Err(e)) if e.is_eof() && got == buffer.len() && got < LOG_LINE_BYTES_MAX => {
                    buffer.resize((got * 4).min(LOG_LINE_BYTES_MAX), 0);
                }
                // Read as a whole line, it says what is wrong with it.
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    fn read_line<F: LogFold>(&self, offset: FactOffset) -> Result<LogRecord<F::Fact>, LogError> {
        let mut buffer = vec![0; READ_BYTES];
        let length = loop {
            let got = read_full(&self.file, &mut buffer, offset.at).map_err(LogError::read(&self.path))?;
            match line_length(&buffer[..got]) {
                Some(length) => break length,
                None if got == buffer.len() && got < LOG_LINE_BYTES_MAX => {
                    buffer.resize((got * 4).min(LOG_LINE_BYTES_MAX), 0);
                }
                None => return Err(self.damaged_at(offset.at, LineDamage::TooLong)),
            }
        };
        match line::parse(&buffer[..length - 1], F::FACTS) {
            Ok(LogLine::Record { seq, at_ms, by, mut facts, places, unknown_facts: _ }) => {
                if let Some(nth) = places.find(offset.fact) {
                    facts = facts.into_iter().skip(nth).take(1).collect();
                }
                Ok(LogRecord { seq, at_ms, by: by.into_owned(), facts, offset })
            }
            Ok(LogLine::Snapshot { .. }) => Err(self.damaged_at(offset.at, LineDamage::Misplaced { mark: "snapshot" })),
            Ok(LogLine::Sealed { .. }) => Err(self.damaged_at(offset.at, LineDamage::Misplaced { mark: "sealed" })),
            Err(BadLine::Damaged(damage)) => Err(self.damaged_at(offset.at, damage)),
            Err(BadLine::Newer(found)) => {
                Err(LogError::Newer { path: self.path.clone(), line: self.line_number(offset.at), found })
            }
        }
    }

    fn damaged_at(&self, at: u64, damage: LineDamage) -> LogError {
        LogError::corrupt(&self.path, self.line_number(at), damage)
    }
}

/// The fields of a record before its facts.
struct RecordHead {
    seq: u64,
    at_ms: u64,
    by: String,
}

/// Reads the fields up to `facts`; `None` if one is not there, or the version is newer.
fn parse_head(beginning: &[u8]) -> Option<RecordHead> {
    let mut fields = HeadFields::default();
    // The parser always fails here, because the value goes on past its beginning.
    let _ = serde_json::Deserializer::from_slice(beginning).deserialize_map(&mut fields);
    match fields {
        HeadFields { facts: true, v: 0..=VERSION, seq: Some(seq), at_ms: Some(at_ms), by: Some(by) } => {
            Some(RecordHead { seq, at_ms, by })
        }
        HeadFields { .. } => None,
    }
}

#[derive(Default)]
struct HeadFields {
    v: u32,
    seq: Option<u64>,
    at_ms: Option<u64>,
    by: Option<String>,
    /// Whether the facts were reached.
    facts: bool,
}

impl<'de> Visitor<'de> for &mut HeadFields {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "v" => self.v = map.next_value()?,
                "seq" => self.seq = Some(map.next_value()?),
                "at_ms" => self.at_ms = Some(map.next_value()?),
                "by" => self.by = Some(map.next_value()?),
                "facts" => {
                    self.facts = true;
                    return Err(A::Error::custom("the facts are read on their own"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
