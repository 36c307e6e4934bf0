//! One value of one field: of the right type and in its bounds, or a problem and its default.

use crate::ops::document::value::wrong_type;
use crate::ops::document::{Node, Value};
use crate::ops::plan::name::NameError;
use crate::ops::plan::problem::{Fault, Problems, Report};

// A plan without ids is referred to by position, so `after = [1]` must mean what it seems to.
pub(super) fn id_text(field: &'static str, node: Node<'_>, problems: &mut Problems) -> Option<String> {
    match node.value {
        Value::Text(id) => Some(id.into_owned()),
        Value::Number(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => Some(id.into_owned()),
        other @ (Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Flag(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
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
        other @ (Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Flag(_) | Value::Other(_)) => {
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
        other @ (Value::Text(_) | Value::List(_) | Value::Table(_) | Value::Flag(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, "`priority`", "a whole number", other.kind());
            0
        }
    }
}
