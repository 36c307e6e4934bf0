//! One value of one field: of the right type and in its bounds, or a problem and its default.

use std::num::NonZeroU64;

use crate::ops::budget::BudgetError;
use crate::ops::document::value::wrong_type;
use crate::ops::document::{DocumentNode, DocumentValue};
use crate::ops::plan::name::NameError;
use crate::ops::plan::problem::{PlanFault, PlanProblems, PlanReport};

// A plan without ids is referred to by position, so `after = [1]` must mean what it seems to.
pub(super) fn id_text(field: &'static str, node: DocumentNode<'_>, problems: &mut PlanProblems) -> Option<String> {
    match node.value {
        DocumentValue::Text(id) => Some(id.into_owned()),
        DocumentValue::Number(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => Some(id.into_owned()),
        other @ (DocumentValue::Number(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

pub(super) fn named(
    field: &'static str,
    node: DocumentNode<'_>,
    parse: fn(&str) -> Result<String, NameError>,
    problems: &mut PlanProblems,
) -> Option<String> {
    match node.value {
        DocumentValue::Text(text) => parse(&text)
            .map_err(|why| {
                problems.add(Some(node.span), || {
                    PlanReport::of(PlanFault::BadName { field, text: text.into_owned(), why })
                });
            })
            .ok(),
        other @ (DocumentValue::Number(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "text", other.kind());
            None
        }
    }
}

/// A number above 0, or a text that says one.
pub(super) fn budget(
    field: &'static str,
    node: DocumentNode<'_>,
    parse: fn(&str) -> Result<NonZeroU64, BudgetError>,
    problems: &mut PlanProblems,
) -> Option<NonZeroU64> {
    match node.value {
        DocumentValue::Number(text) | DocumentValue::Text(text) => parse(&text)
            .map_err(|why| problems.add(Some(node.span), || PlanReport::of(PlanFault::BadBudget { field, why })))
            .ok(),
        other @ (DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, field, "a number", other.kind());
            None
        }
    }
}

pub(super) fn priority(node: DocumentNode<'_>, problems: &mut PlanProblems) -> i32 {
    match node.value {
        DocumentValue::Number(number) => number.parse().unwrap_or_else(|_| {
            problems.add(Some(node.span), || PlanReport::of(PlanFault::BadPriority { text: number.into_owned() }));
            0
        }),
        other @ (DocumentValue::Text(_)
        | DocumentValue::List(_)
        | DocumentValue::Table(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, "`priority`", "a whole number", other.kind());
            0
        }
    }
}
