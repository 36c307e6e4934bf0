//! One value of a document: of the type that its field takes, or a problem.

use std::time::Duration;

use super::{DocumentFault, DocumentNode, DocumentProblems, DocumentValue, ProblemReport, TextSpan};
use crate::ops::duration::parse_duration;
use crate::ops::text::shorten;

/// A text with more than blanks in it.
pub(crate) fn words<F: From<DocumentFault>>(
    field: &'static str,
    node: DocumentNode<'_>,
    problems: &mut DocumentProblems<F>,
) -> Option<String> {
    match node.value {
        DocumentValue::Text(text) if text.trim().is_empty() => {
            problems.add(Some(node.span), || ProblemReport::of(DocumentFault::Blank { field }));
            None
        }
        DocumentValue::Text(text) => Some(text.into_owned()),
        other @ (DocumentValue::Number(_)
        | DocumentValue::Flag(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

/// A text of one line, without the blanks around it.
pub(crate) fn line<F: From<DocumentFault>>(
    field: &'static str,
    node: DocumentNode<'_>,
    problems: &mut DocumentProblems<F>,
) -> Option<String> {
    let span = node.span.clone();
    let text = words(field, node, problems)?;
    if text.contains(char::is_control) {
        problems.add(Some(span), || ProblemReport::of(DocumentFault::NotOneLine { field }));
        return None;
    }
    Some(text.trim().to_owned())
}

/// Whether something is so.
pub(crate) fn flag<F: From<DocumentFault>>(
    field: &'static str,
    node: DocumentNode<'_>,
    problems: &mut DocumentProblems<F>,
) -> Option<bool> {
    match node.value {
        DocumentValue::Flag(flag) => Some(flag),
        other @ (DocumentValue::Text(_)
        | DocumentValue::Number(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "true or false", other.kind());
            None
        }
    }
}

/// A length of time, with its unit.
pub(crate) fn length<F: From<DocumentFault>>(
    field: &'static str,
    node: DocumentNode<'_>,
    problems: &mut DocumentProblems<F>,
) -> Option<Duration> {
    match node.value {
        DocumentValue::Text(text) => parse_duration(&text)
            .map_err(|why| problems.add(Some(node.span), || ProblemReport::of(DocumentFault::BadLength { field, why })))
            .ok(),
        DocumentValue::Number(number) => {
            problems.add(Some(node.span), || {
                let fault = DocumentFault::WrongType { field, wanted: "text with a unit", found: "a number" };
                ProblemReport::of(fault).hint(format!("write \"{}s\" for seconds", shorten(&number, 20)))
            });
            None
        }
        other @ (DocumentValue::Flag(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "text like \"90s\"", other.kind());
            None
        }
    }
}

/// Adds that a value is of the wrong type.
pub(crate) fn wrong_type<F: From<DocumentFault>>(
    problems: &mut DocumentProblems<F>,
    span: TextSpan,
    field: &'static str,
    wanted: &'static str,
    found: &'static str,
) {
    problems.add(Some(span), || ProblemReport::of(DocumentFault::WrongType { field, wanted, found }));
}

/// Adds that a key stands in its table twice.
pub(crate) fn repeated<F: From<DocumentFault>>(problems: &mut DocumentProblems<F>, span: TextSpan, key: &str) {
    problems.add(Some(span), || ProblemReport::of(DocumentFault::RepeatedKey { key: key.to_owned() }));
}
