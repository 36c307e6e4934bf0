//! The reader of JSON, which makes the tree.
//!
//! `RawValue` borrows from the text, so where it lies in memory tells where it stands in the file.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::problem::{DocumentFault, DocumentProblems, ProblemReport};
use super::{DocumentEntry, DocumentNode, DocumentValue};

/// A plan has a list of tasks, a task, its `after`, an item: no field needs to look deeper, and each level rereads.
const DEPTH_MAX: usize = 5;

pub(super) fn read<'t, F: From<DocumentFault>>(
    text: &'t str,
    problems: &mut DocumentProblems<F>,
) -> Option<DocumentNode<'t>> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Some(node(text, raw, 0)),
        Err(error) => {
            let at = offset(text, error.line(), error.column());
            problems.add(Some(at..at), || ProblemReport::of(DocumentFault::Syntax { why: without_place(&error) }));
            None
        }
    }
}

fn node<'t>(text: &'t str, raw: &'t RawValue, depth: usize) -> DocumentNode<'t> {
    let json = raw.get();
    let start = position(text, json);
    let value = match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map_or(DocumentValue::Other("text"), DocumentValue::Text),
        Some(b'[') if depth < DEPTH_MAX => {
            let items: Vec<&RawValue> = serde_json::from_str(json).expect("it was read once");
            DocumentValue::List(items.into_iter().map(|item| node(text, item, depth + 1)).collect())
        }
        Some(b'{') if depth < DEPTH_MAX => {
            let JsonFields(fields) = serde_json::from_str(json).expect("it was read once");
            DocumentValue::Table(fields.into_iter().map(|(key, raw)| entry(text, key, raw, depth + 1)).collect())
        }
        Some(b'[') => DocumentValue::Other("a list"),
        Some(b'{') => DocumentValue::Other("a table"),
        Some(first @ (b't' | b'f')) => DocumentValue::Flag(*first == b't'),
        Some(b'n') | None => DocumentValue::Other("null"),
        Some(_) => DocumentValue::Number(Cow::Borrowed(json)),
    };
    DocumentNode { span: start..start + json.len(), value }
}

fn entry<'t>(text: &'t str, raw_key: &'t RawValue, raw: &'t RawValue, depth: usize) -> DocumentEntry<'t> {
    let quoted = raw_key.get();
    let start = position(text, quoted);
    DocumentEntry {
        // A key with half a surrogate pair is no text; as written it is at least an unknown key.
        key: serde_json::from_str(quoted).unwrap_or(Cow::Borrowed(quoted)),
        key_span: start..start + quoted.len(),
        node: node(text, raw, depth),
    }
}

fn position(text: &str, part: &str) -> usize {
    let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    start.min(text.len())
}

// serde_json counts lines and columns (in bytes) from 1, with column 0 for the end of the line before.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary(before + column.saturating_sub(1))
}

fn without_place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.rsplit_once(" at line ").map_or(said.clone(), |(why, _)| why.to_owned())
}

/// All entries in their order, repeated keys among them: a map would keep the last in silence.
struct JsonFields<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'t> serde::Deserialize<'t> for JsonFields<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonEntries;

        impl<'t> Visitor<'t> for JsonEntries {
            type Value = JsonFields<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(JsonFields(fields))
            }
        }

        deserializer.deserialize_map(JsonEntries)
    }
}
