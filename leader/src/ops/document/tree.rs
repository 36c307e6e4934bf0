//! A document as values with positions, whichever notation they came in.

mod json;
mod toml;

use std::borrow::Cow;
use std::ops::Range;

use super::problem::Problems;
use super::{DocumentFault, Format};

/// Bytes of the text, for messages.
pub(crate) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

/// What a document can be made of. Numbers are kept as written: whether one fits is a question of its field.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    Text(Cow<'t, str>),
    Number(Cow<'t, str>),
    Flag(bool),
    List(Vec<Node<'t>>),
    /// In the order of the text.
    Table(Vec<Entry<'t>>),
    /// What no field takes, by the name that a message gives it.
    Other(&'static str),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_span: Span,
    pub(crate) node: Node<'t>,
}

impl Value<'_> {
    /// What a message calls this kind of value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// The whole text as a tree, or nothing after adding what is wrong with its syntax.
pub(crate) fn read<'t, F: From<DocumentFault>>(
    text: &'t str,
    format: Format,
    problems: &mut Problems<F>,
) -> Option<Node<'t>> {
    // An empty file says nothing in either notation, and is no mistake of syntax.
    if text.trim().is_empty() {
        return Some(Node { span: 0..0, value: Value::List(Vec::new()) });
    }
    match format {
        Format::Toml => toml::read(text, problems),
        Format::Json => json::read(text, problems),
    }
}
