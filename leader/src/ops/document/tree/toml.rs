//! TOML into the tree.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::super::problem::{DocumentFault, Problems, Report};
use super::{Entry, Node, Span, Value};

pub(super) fn read<'t, F: From<DocumentFault>>(text: &'t str, problems: &mut Problems<F>) -> Option<Node<'t>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    // One slip can make the parser stumble more than once before it finds its feet on a later line.
    let mut last_line = None;
    for error in &errors {
        let span = error.span();
        let line = span.as_ref().map(|span| text[..span.start.min(text.len())].rfind('\n').map_or(0, |at| at + 1));
        if line.is_some() && line == last_line {
            continue;
        }
        last_line = line;
        problems.add(span, || Report::of(DocumentFault::Syntax { why: error.message().trim().replace('\n', ", ") }));
    }
    let span = root.span();
    errors.is_empty().then(|| Node { span, value: table(root.into_inner()) })
}

fn table(entries: DeTable<'_>) -> Value<'_> {
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(key, value)| Entry { key_span: key.span(), key: key.into_inner(), node: node(value) })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Table(entries)
}

// Recursion is bounded: the parser refuses more than 80 levels.
fn node(value: Spanned<DeValue<'_>>) -> Node<'_> {
    let span: Span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text),
        DeValue::Integer(number) => match number.radix() {
            10 => Value::Number(number.as_str().to_owned().into()),
            radix => Value::Number(
                i128::from_str_radix(number.as_str(), radix)
                    .map_or_else(|_| number.to_string(), |value| value.to_string())
                    .into(),
            ),
        },
        DeValue::Float(number) => Value::Number(number.as_str().to_owned().into()),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => Value::List(items.into_iter().map(node).collect()),
        DeValue::Table(entries) => table(entries),
    };
    Node { span, value }
}
