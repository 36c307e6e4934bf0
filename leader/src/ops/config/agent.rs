//! `[agent.NAME]`: an agent that a file describes. It is read, checked and shown; members drive `shell` alone so far.

use std::collections::BTreeMap;

use super::Placed;
use super::error::{ConfigFault, Problems, Report};
use super::file::{Reader, table, unknown_key};
use crate::ops::document::value::{line, repeated, words, wrong_type};
use crate::ops::document::{DocumentFault, Entry, Node, Value};
use crate::ops::text::did_you_mean;

/// The drivers that an agent may be spoken to with.
pub const DRIVERS: [&str; 7] = ["shell", "cmd", "acp", "pi", "claude", "codex", "llm"];
/// What may become of an agent's questions for permission.
pub const APPROVALS: [&str; 3] = ["ask", "auto", "deny"];

const KEYS: [&str; 6] = ["driver", "command", "env", "model", "effort", "approval"];

/// How an agent is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Line(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

/// What a file says of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// One of [`DRIVERS`].
    pub driver: Option<Placed<String>>,
    /// How it is started.
    pub command: Option<Placed<Command>>,
    /// Variables for its environment. Values may be secrets, and are shown to nobody.
    pub env: Option<Placed<BTreeMap<String, String>>>,
    /// The model, in the agent's words.
    pub model: Option<Placed<String>>,
    /// How much it is to think, in the agent's words.
    pub effort: Option<Placed<String>>,
    /// One of [`APPROVALS`].
    pub approval: Option<Placed<String>>,
}

/// Reads one `[agent.NAME]`.
pub(super) fn read(node: Node<'_>, reader: &Reader<'_>, problems: &mut Problems) -> AgentSettings {
    let mut settings = AgentSettings::default();
    let Some(entries) = table("an agent", node, problems) else { return settings };
    for Entry { key, key_span, node } in entries {
        let at = reader.line(&node);
        let placed = |value| Placed { value, line: at };
        match &*key {
            "driver" => settings.driver = word("`driver`", node, &DRIVERS, problems).map(placed),
            "command" => settings.command = command(node, problems).map(|value| Placed { value, line: at }),
            "env" => settings.env = env(node, problems).map(|value| Placed { value, line: at }),
            "model" => settings.model = line("`model`", node, problems).map(placed),
            "effort" => settings.effort = line("`effort`", node, problems).map(placed),
            "approval" => settings.approval = word("`approval`", node, &APPROVALS, problems).map(placed),
            unknown => unknown_key(unknown, key_span, "[agent.NAME]", &KEYS, problems),
        }
    }
    settings
}

/// One of a few words.
pub(super) fn word(
    field: &'static str,
    node: Node<'_>,
    known: &[&'static str],
    problems: &mut Problems,
) -> Option<String> {
    let span = node.span.clone();
    let text = line(field, node, problems)?;
    if known.contains(&text.as_str()) {
        return Some(text);
    }
    problems.add(Some(span), || {
        let meant = did_you_mean(&text, known.iter().copied());
        Report::of(ConfigFault::UnknownWord { field, text: text.clone() })
            .hint(format!("it is one of {}", known.join(", ")))
            .suggest(meant)
    });
    None
}

fn command(node: Node<'_>, problems: &mut Problems) -> Option<Command> {
    match node.value {
        Value::Text(_) => line("`command`", node, problems).map(Command::Line),
        Value::List(items) if items.is_empty() => {
            let report = || Report::of(DocumentFault::Blank { field: "`command`" });
            problems.add(Some(node.span), report);
            None
        }
        Value::List(items) => {
            let words: Vec<Option<String>> =
                items.into_iter().map(|item| words("an item of `command`", item, problems)).collect();
            words.into_iter().collect::<Option<Vec<String>>>().map(Command::Words)
        }
        other @ (Value::Number(_) | Value::Flag(_) | Value::Table(_) | Value::Other(_)) => {
            wrong_type(problems, node.span, "`command`", "text or a list of texts", other.kind());
            None
        }
    }
}

fn env(node: Node<'_>, problems: &mut Problems) -> Option<BTreeMap<String, String>> {
    let entries = table("`env`", node, problems)?;
    let mut variables = BTreeMap::new();
    for Entry { key, key_span, node } in entries {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(is_name) || key.starts_with(|c: char| c.is_ascii_digit()) {
            problems.add(Some(key_span), || Report::of(ConfigFault::BadVariable { name: key.to_string() }));
            continue;
        }
        if variables.contains_key(&*key) {
            repeated(problems, key_span, &key);
            continue;
        }
        match node.value {
            Value::Text(text) if !text.contains('\0') => {
                variables.insert(key.into_owned(), text.into_owned());
            }
            Value::Text(_) => {
                let report = || Report::of(DocumentFault::NotOneLine { field: "a variable" });
                problems.add(Some(node.span), report);
            }
            other @ (Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
                wrong_type(problems, node.span, "a variable", "text", other.kind());
            }
        }
    }
    Some(variables)
}
