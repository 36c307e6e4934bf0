//! A document as values with positions, whichever notation they came in.

mod json;
mod toml;

use std::borrow::Cow;
use std::ops::Range;

use super::problem::DocumentProblems;
use super::{DocumentFault, DocumentFormat};

/// Bytes of the text, for messages.
pub(crate) type TextSpan = Range<usize>;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct DocumentNode<'t> {
    pub(crate) span: TextSpan,
    pub(crate) value: DocumentValue<'t>,
}

/// A value in a document. Numbers are kept as written: whether one fits is a question of its field.
#[derive(Debug)]
pub(crate) enum DocumentValue<'t> {
    Text(Cow<'t, str>),
    Number(Cow<'t, str>),
    Flag(bool),
    List(Vec<DocumentNode<'t>>),
    /// A table, in the order of the text.
    Table(Vec<DocumentEntry<'t>>),
    /// A value that no field takes, by the name that a message gives it.
    Other(&'static str),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct DocumentEntry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_span: TextSpan,
    pub(crate) node: DocumentNode<'t>,
}

impl DocumentValue<'_> {
    /// The name of this kind of value in a message.
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
    format: DocumentFormat,
    problems: &mut DocumentProblems<F>,
) -> Option<DocumentNode<'t>> {
    // An empty file says nothing in either notation, and is no mistake of syntax.
    if text.trim().is_empty() {
        return Some(DocumentNode { span: 0..0, value: DocumentValue::List(Vec::new()) });
    }
    match format {
        DocumentFormat::Toml => toml::read(text, problems),
        DocumentFormat::Json => json::read(text, problems),
    }
}
