//! One value of one field: of the right type and in its bounds, or a problem and its default.

use std::time::Duration;

use crate::front::cli::print::shorten;
use crate::ops::duration::parse_duration;
use crate::ops::plan::name::NameError;
use crate::ops::plan::problem::{Fault, Problems, Report};
use crate::ops::plan::tree::{Node, Span, Value};

// A plan without ids is referred to by position, so `after = [1]` must mean what it seems to.
pub(super) fn id_text(field: &'static str, node: Node<'_>, problems: &mut Problems) -> Option<String> {
    match node.value {
        Value::Text(id) => Some(id.into_owned()),
        Value::Number(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => Some(id.into_owned()),
        other @ (Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

pub(super) fn words(field: &'static str, node: Node<'_>, problems: &mut Problems) -> Option<String> {
    match node.value {
        Value::Text(text) if text.trim().is_empty() => {
            problems.add(Some(node.span), || Report::of(Fault::Blank { field }));
            None
        }
        Value::Text(text) => Some(text.into_owned()),
        other @ (Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

pub(super) fn line(field: &'static str, node: Node<'_>, problems: &mut Problems) -> Option<String> {
    let span = node.span.clone();
    let text = words(field, node, problems)?;
    if text.contains(char::is_control) {
        problems.add(Some(span), || Report::of(Fault::NotOneLine { field }));
        return None;
    }
    Some(text.trim().to_owned())
}

pub(super) fn named(
    field: &'static str,
    node: Node<'_>,
    parse: fn(&str) -> Result<String, NameError>,
    problems: &mut Problems,
) -> Option<String> {
    match node.value {
        Value::Text(text) => parse(&text)
            .map_err(|why| {
                problems.add(Some(node.span), || Report::of(Fault::BadName { field, text: text.into_owned(), why }));
            })
            .ok(),
        other @ (Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

pub(super) fn priority(node: Node<'_>, problems: &mut Problems) -> i32 {
    match node.value {
        Value::Number(number) => number.parse().unwrap_or_else(|_| {
            problems.add(Some(node.span), || Report::of(Fault::BadPriority { text: number.into_owned() }));
            0
        }),
        other @ (Value::Text(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, "`priority`", "a whole number", other.kind());
            0
        }
    }
}

pub(super) fn timeout(node: Node<'_>, problems: &mut Problems) -> Option<Duration> {
    match node.value {
        Value::Text(text) => parse_duration(&text)
            .map_err(|why| problems.add(Some(node.span), || Report::of(Fault::BadTimeout(why))))
            .ok(),
        Value::Number(number) => {
            problems.add(Some(node.span), || {
                let fault = Fault::WrongType { field: "`timeout`", wanted: "text with a unit", found: "a number" };
                Report::of(fault).hint(format!("write \"{}s\" for seconds", shorten(&number, 20)))
            });
            None
        }
        other @ (Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, "`timeout`", "text like \"90s\"", other.kind());
            None
        }
    }
}

pub(super) fn wrong_type(
    problems: &mut Problems,
    span: Span,
    field: &'static str,
    wanted: &'static str,
    found: &'static str,
) {
    problems.add(Some(span), || Report::of(Fault::WrongType { field, wanted, found }));
}
