//! The fenced blocks of SPEC.md, each with its tag and its line.

use std::fs;
use std::path::PathBuf;

use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

/// One fenced block.
#[derive(Debug)]
pub struct Block {
    /// What follows the language: `board-fact`; empty if nothing does.
    pub tag: String,
    /// The language: `json`, `text`, `sh`.
    pub language: String,
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// What is inside.
    pub text: String,
}

impl Block {
    /// The JSON values in it, one after another.
    ///
    /// # Panics
    ///
    /// If it holds anything else; the message says where.
    pub fn values(&self) -> Vec<Value> {
        let values = Deserializer::from_str(&self.text).into_iter();
        values.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{}: {error}", self.at()))
    }

    /// The JSON values in it as they stand in a log and go over the wire: each in one line, whatever lines it is broken
    /// over here.
    ///
    /// # Panics
    ///
    /// If it holds anything else; the message says where.
    pub fn json_lines(&self) -> Vec<String> {
        let values = Deserializer::from_str(&self.text).into_iter::<Box<RawValue>>();
        let values = values.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| panic!("{}: {error}", self.at()));
        // No text in JSON holds a line's end, so each of them is between two words.
        values.iter().map(|value| value.get().lines().map(str::trim_start).collect()).collect()
    }

    /// Where it is, for messages.
    pub fn at(&self) -> String {
        format!("SPEC.md:{} ({})", self.line, self.tag)
    }
}

/// The text of SPEC.md.
///
/// # Panics
///
/// If it can not be read.
pub fn text() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../protocol/SPEC.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// All fenced blocks of a text.
///
/// # Panics
///
/// If one is not closed.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, None) => {}
            (None, Some(info)) => {
                let (language, tag) = info.split_once(' ').unwrap_or((info, ""));
                let (language, tag) = (language.to_owned(), tag.to_owned());
                open = Some(Block { tag, language, line: number, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block of SPEC.md is not closed");
    blocks
}

/// The blocks with a tag.
///
/// # Panics
///
/// If there is none.
pub fn tagged(tag: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks(&text()).into_iter().filter(|block| block.tag == tag).collect();
    assert!(!found.is_empty(), "SPEC.md has no block with the tag {tag}");
    found
}

/// The rows of the tables whose first cell is code: that cell without its backticks, and the other cells.
pub fn rows(text: &str) -> Vec<(String, Vec<String>)> {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|').map(str::trim);
        let first = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((first.to_owned(), cells.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// A section with its heading, such as `## 12.`.
///
/// # Panics
///
/// If there is none.
pub fn section(heading: &str) -> String {
    let text = text();
    let start = text.find(heading).unwrap_or_else(|| panic!("SPEC.md has no section {heading}"));
    let rest = &text[start..];
    let end = rest[1..].find("\n## ").map_or(rest.len(), |end| end + 1);
    rest[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_broken_over_lines_is_one_line_of_a_log() {
        let text = "{\"a\":1}\n{\n  \"b\":[\n    \"x  y\"\n  ], \"c\":2\n}\n".to_owned();
        let block = Block { tag: String::new(), language: "json".to_owned(), line: 1, text };
        assert_eq!(block.json_lines(), [r#"{"a":1}"#, r#"{"b":["x  y"], "c":2}"#]);
        let values: Vec<Value> = block.json_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values, block.values());
    }
}
