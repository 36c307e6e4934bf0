//! The one shape in which `events --json` and `logs --json` print what a log holds: when, where, by whom, which kind, and the
//! rest. The fields of an entry are apart in `data`, so that no field of a fact is ever taken for one of the line.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::{Error, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use teamster_protocol::model::id::Address;

/// The name of the transcripts, beside `board`, `team` and `mail`.
pub(super) const TURNS: &str = "turns";

/// One line of `events --json` or `logs --json`, but for the kind of its entry and the fields of that.
#[derive(Debug)]
pub(super) struct LogPlace<'a> {
    /// The time at which the entry was written.
    pub(super) at_ms: u64,
    /// The log: `board`, `team`, `mail` or `turns`.
    pub(super) log: &'static str,
    /// The owner of the mailbox or of the transcript.
    pub(super) whose: Option<Address>,
    /// The number of the record in its log, or of the entry in the transcripts of its member; 0 for what is in none.
    pub(super) seq: u64,
    /// The member, or the lead, that wrote the entry.
    pub(super) by: &'a str,
    /// The number of the attempt at the task that was asked about.
    pub(super) attempt: Option<u32>,
}

#[derive(Serialize)]
struct LogLine<'a> {
    at_ms: u64,
    log: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    whose: Option<Address>,
    seq: u64,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    kind: String,
    data: WrittenFields,
}

impl LogPlace<'_> {
    /// The line of a fact, which is stored as `{"claimed":{"id":7}}`.
    pub(super) fn line_of_fact<S: Serializer>(self, fact: &impl Serialize, to: S) -> Result<S::Ok, S::Error> {
        let WrittenFields(mut fields) = WrittenFields::of(fact).map_err(Error::custom)?;
        let (Some((kind, data)), true) = (fields.pop(), fields.is_empty()) else {
            return Err(Error::custom("a fact has one kind"));
        };
        self.line(kind, serde_json::from_str(data.get()).map_err(Error::custom)?, to)
    }

    /// The line of an entry, which is stored as `{"kind":"turn_ended","turn":3}`.
    pub(super) fn line_of_entry<S: Serializer>(self, entry: &impl Serialize, to: S) -> Result<S::Ok, S::Error> {
        let WrittenFields(mut fields) = WrittenFields::of(entry).map_err(Error::custom)?;
        let Some(at) = fields.iter().position(|(name, _)| name == "kind") else {
            return Err(Error::custom("an entry has a kind"));
        };
        let (_, kind) = fields.remove(at);
        self.line(serde_json::from_str(kind.get()).map_err(Error::custom)?, WrittenFields(fields), to)
    }

    /// The line of something that is told and stands in no log.
    pub(super) fn line_of_note<S: Serializer>(
        self,
        kind: &str,
        field: &str,
        text: &str,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let text = to_raw_value(text).map_err(Error::custom)?;
        self.line(kind.to_owned(), WrittenFields(vec![(field.to_owned(), text)]), to)
    }

    fn line<S: Serializer>(self, kind: String, data: WrittenFields, to: S) -> Result<S::Ok, S::Error> {
        let LogPlace { at_ms, log, whose, seq, by, attempt } = self;
        LogLine { at_ms, log, whose, seq, by, attempt, kind, data }.serialize(to)
    }
}

/// The fields of an object in the order in which they are written, which a reader of lines is used to.
struct WrittenFields(Vec<(String, Box<RawValue>)>);

impl WrittenFields {
    fn of(value: &impl Serialize) -> serde_json::Result<WrittenFields> {
        serde_json::from_str(to_raw_value(value)?.get())
    }
}

impl Serialize for WrittenFields {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for WrittenFields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<WrittenFields, D::Error> {
        struct FieldsInOrder;

        impl<'de> Visitor<'de> for FieldsInOrder {
            type Value = WrittenFields;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(WrittenFields(fields))
            }
        }

        from.deserialize_map(FieldsInOrder)
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::agent::TurnEnd;
    use teamster_protocol::model::board::BoardFact;
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};

    use super::Serialize;
    use crate::ops::events::{EventFact, TeamEvent};
    use crate::ops::logs::MemberLogEntry;

    fn line(of: &impl Serialize) -> String {
        serde_json::to_string(of).expect("plain data")
    }

    #[test]
    fn facts_and_entries_have_one_shape_and_keep_the_order_of_their_fields() {
        let fact = BoardFact::Failed {
            id: TaskId(7),
            attempt: 2,
            reason: "no".to_owned(),
            result: String::new(),
            used: Default::default(),
        };
        let event = TeamEvent {
            at_ms: 5,
            log: "board",
            seq: 9,
            by: "ann".to_owned(),
            mailbox: None,
            fact: EventFact::Board(fact),
        };
        insta::assert_snapshot!(line(&event), @r#"{"at_ms":5,"log":"board","seq":9,"by":"ann","kind":"failed","data":{"id":7,"attempt":2,"reason":"no","result":""}}"#);
        let entry = |what, attempt| MemberLogEntry {
            member: "ann".parse().expect("a name"),
            attempt,
            entry: TranscriptEntry { seq: 3, at_ms: 6, what },
        };
        let ended =
            TranscriptText::TurnEnded { turn: 4, task: None, end: TurnEnd::Completed, used: Default::default() };
        insta::assert_snapshot!(line(&entry(ended, Some(2))), @r#"{"at_ms":6,"log":"turns","whose":"ann","seq":3,"by":"ann","attempt":2,"kind":"turn_ended","data":{"turn":4,"task":null,"end":"completed"}}"#);
        insta::assert_snapshot!(line(&entry(TranscriptText::Ready, None)), @r#"{"at_ms":6,"log":"turns","whose":"ann","seq":3,"by":"ann","kind":"ready","data":{}}"#);
    }
}
