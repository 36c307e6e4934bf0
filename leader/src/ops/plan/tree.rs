//! A plan as values with positions, whichever notation they came in.

mod json;
mod toml;

use std::borrow::Cow;
use std::ops::Range;

use super::Format;
use super::problem::Problems;

/// Bytes of the text, for messages.
pub(super) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) span: Span,
    pub(super) value: Value<'t>,
}

/// What a plan can be made of. Numbers are kept as written: whether one fits is a question of its field.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Text(Cow<'t, str>),
    Number(Cow<'t, str>),
    List(Vec<Node<'t>>),
    /// In the order of the text.
    Table(Vec<Entry<'t>>),
    /// What no field takes, by the name that a message gives it.
    Other(&'static str),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Span,
    pub(super) node: Node<'t>,
}

impl Value<'_> {
    /// What a message calls this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// The whole text as a tree, or nothing after adding what is wrong with its syntax.
pub(super) fn read<'t>(text: &'t str, format: Format, problems: &mut Problems) -> Option<Node<'t>> {
    // An empty file is a plan without tasks in either notation, not a mistake of syntax.
    if text.trim().is_empty() {
        return Some(Node { span: 0..0, value: Value::List(Vec::new()) });
    }
    match format {
        Format::Toml => toml::read(text, problems),
        Format::Json => json::read(text, problems),
    }
}
