//! `[prompt]`: the texts that tell agents who they are, in the place of the built-in ones.

use teamster_protocol::model::identity::IdentityKind;
use teamster_protocol::model::limits::sizes::IDENTITY_BYTES_MAX;

use super::error::{ConfigFault, ConfigProblems, ConfigReport};
use super::value::{table, unknown_key};
use super::{Config, ConfiguredPrompts, PlacedValue, SourcedValue};
use crate::ops::document::value::wrong_type;
use crate::ops::document::{DocumentEntry, DocumentNode, DocumentValue};

/// The keys of the section.
pub(super) const KEYS: [&str; 2] = ["with-shell", "without-shell"];

/// Reads the section; `line_of` is the line that a value begins on.
pub(super) fn read(
    node: DocumentNode<'_>,
    line_of: impl Fn(&DocumentNode<'_>) -> usize,
    problems: &mut ConfigProblems,
) -> ConfiguredPrompts<Option<PlacedValue<String>>> {
    let mut prompts = ConfiguredPrompts::default();
    let Some(entries) = table("`prompt`", node, problems) else { return prompts };
    for DocumentEntry { key, key_span, node } in entries {
        let line = line_of(&node);
        match &*key {
            "with-shell" => prompts.with_shell = text("`with-shell`", node, line, problems),
            "without-shell" => prompts.without_shell = text("`without-shell`", node, line, problems),
            unknown => unknown_key(unknown, key_span, "[prompt]", &KEYS, problems),
        }
    }
    prompts
}

/// A text of any number of lines; an empty one means that nothing is told.
fn text(
    field: &'static str,
    node: DocumentNode<'_>,
    line: usize,
    problems: &mut ConfigProblems,
) -> Option<PlacedValue<String>> {
    match node.value {
        DocumentValue::Text(text) if text.len() > IDENTITY_BYTES_MAX => {
            let max = IDENTITY_BYTES_MAX;
            problems.add(Some(node.span), || ConfigReport::of(ConfigFault::LongText { field, max }));
            None
        }
        DocumentValue::Text(text) if text.contains('\0') => {
            problems.add(Some(node.span), || ConfigReport::of(ConfigFault::ZeroByte { field }));
            None
        }
        DocumentValue::Text(text) => Some(PlacedValue { value: text.into_owned(), line }),
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

impl<T> ConfiguredPrompts<T> {
    /// The text of a kind.
    pub fn of(&self, kind: IdentityKind) -> &T {
        match kind {
            IdentityKind::WithShell => &self.with_shell,
            IdentityKind::WithoutShell => &self.without_shell,
        }
    }
}

impl Config {
    /// The text that tells agents of a kind who they are, if somebody wrote one.
    pub fn prompt(&self, kind: IdentityKind) -> &SourcedValue<Option<String>> {
        self.prompts.of(kind)
    }
}
