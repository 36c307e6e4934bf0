//! The reader of TOML, which makes the tree.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::super::problem::{DocumentFault, DocumentProblems, ProblemReport};
use super::{DocumentEntry, DocumentNode, DocumentValue, TextSpan};

pub(super) fn read<'t, F: From<DocumentFault>>(
    text: &'t str,
    problems: &mut DocumentProblems<F>,
) -> Option<DocumentNode<'t>> {
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
        problems
            .add(span, || ProblemReport::of(DocumentFault::Syntax { why: error.message().trim().replace('\n', ", ") }));
    }
    let span = root.span();
    errors.is_empty().then(|| DocumentNode { span, value: table(root.into_inner()) })
}

fn table(entries: DeTable<'_>) -> DocumentValue<'_> {
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(key, value)| DocumentEntry { key_span: key.span(), key: key.into_inner(), node: node(value) })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    DocumentValue::Table(entries)
}

// Recursion is bounded: the parser refuses more than 80 levels.
fn node(value: Spanned<DeValue<'_>>) -> DocumentNode<'_> {
    let span: TextSpan = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => DocumentValue::Text(text),
        DeValue::Integer(number) => match number.radix() {
            10 => DocumentValue::Number(number.as_str().to_owned().into()),
            radix => DocumentValue::Number(
                i128::from_str_radix(number.as_str(), radix)
                    .map_or_else(|_| number.to_string(), |value| value.to_string())
                    .into(),
            ),
        },
        DeValue::Float(number) => DocumentValue::Number(number.as_str().to_owned().into()),
        DeValue::Boolean(flag) => DocumentValue::Flag(flag),
        DeValue::Datetime(_) => DocumentValue::Other("a date or time"),
        DeValue::Array(items) => DocumentValue::List(items.into_iter().map(node).collect()),
        DeValue::Table(entries) => table(entries),
    };
    DocumentNode { span, value }
}
