//! The values of a file of settings, each read with its own complaint.

use super::error::{ConfigFault, ConfigProblems, ConfigReport};
use crate::ops::document::value::{line, wrong_type};
use crate::ops::document::{DocumentEntry, DocumentFault, DocumentNode, DocumentValue, TextSpan};
use crate::ops::text::did_you_mean;

/// One of a few words.
pub(super) fn word(
    field: &'static str,
    node: DocumentNode<'_>,
    known: &[&'static str],
    problems: &mut ConfigProblems,
) -> Option<String> {
    let span = node.span.clone();
    let text = line(field, node, problems)?;
    if known.contains(&text.as_str()) {
        return Some(text);
    }
    problems.add(Some(span), || {
        let meant = did_you_mean(&text, known.iter().copied());
        ConfigReport::of(ConfigFault::UnknownWord { field, text: text.clone() })
            .hint(format!("it is one of {}", known.join(", ")))
            .suggest(meant)
    });
    None
}

/// The entries of a table; of anything else it is said that it is none.
pub(super) fn table<'t>(
    field: &'static str,
    node: DocumentNode<'t>,
    problems: &mut ConfigProblems,
) -> Option<Vec<DocumentEntry<'t>>> {
    match node.value {
        DocumentValue::Table(entries) => Some(entries),
        other @ (DocumentValue::Text(_)
        | DocumentValue::Number(_)
        | DocumentValue::Flag(_)
        | DocumentValue::List(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "a table", other.kind());
            None
        }
    }
}

/// Adds that a key is not known, with what was probably meant, or all that there is.
pub(super) fn unknown_key(
    key: &str,
    span: TextSpan,
    section: &'static str,
    known: &[&'static str],
    problems: &mut ConfigProblems,
) {
    problems.add(Some(span), || {
        ConfigReport::of(DocumentFault::UnknownKey { key: key.to_owned() })
            .hint(format!("{section} has {}", known.join(", ")))
            .suggest(did_you_mean(key, known.iter().copied()))
    });
}

/// A whole number from 1 to `max`.
pub(super) fn number(
    field: &'static str,
    node: DocumentNode<'_>,
    max: u32,
    problems: &mut ConfigProblems,
) -> Option<u32> {
    match node.value {
        DocumentValue::Number(text) => {
            let number = text.parse().ok().filter(|number| (1..=max).contains(number));
            if number.is_none() {
                problems.add(Some(node.span), || {
                    ConfigReport::of(ConfigFault::BadNumber { field, min: 1, max, text: text.into_owned() })
                });
            }
            number
        }
        other @ (DocumentValue::Text(_)
        | DocumentValue::Flag(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "a whole number", other.kind());
            None
        }
    }
}

/// A name, by the rules of its kind.
pub(super) fn named<T>(field: &'static str, node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<T>
where
    T: std::str::FromStr<Err = teamster_protocol::model::id::BadName>,
{
    let span = node.span.clone();
    let text = line(field, node, problems)?;
    text.parse().map_err(|why| problems.add(Some(span), || ConfigReport::of(ConfigFault::BadName { field, why }))).ok()
}
