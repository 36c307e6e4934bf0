//! `[agent.NAME]`: an agent that a file describes: one of the user's own, or settings for one of the catalogue.

use std::collections::BTreeMap;

use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::{AgentStart, IdleLimit, OnLimit, is_variable_name};
use teamster_protocol::model::agent::preset::DriverKind;

use super::budget::BudgetSettings;
use super::error::{ConfigFault, ConfigProblems, ConfigReport};
use super::value::{table, unknown_key, word};
use super::{PlacedValue, budget};
use crate::ops::document::value::{length, line, repeated, words, wrong_type};
use crate::ops::document::{DocumentEntry, DocumentFault, DocumentNode, DocumentValue};
use crate::ops::duration::NEVER;

/// The keys of an agent besides those of its budget.
const KEYS: [&str; 9] = ["driver", "command", "env", "model", "effort", "approval", "idle-after", "start", "on-limit"];

/// How an agent is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfiguredCommand {
    /// A line for the shell.
    Line(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

/// The settings of one agent in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// The driver that speaks with the agent.
    pub driver: Option<PlacedValue<DriverKind>>,
    /// The command that starts it.
    pub command: Option<PlacedValue<ConfiguredCommand>>,
    /// Variables for its environment. Values may be secrets, and are shown to nobody.
    pub env: Option<PlacedValue<BTreeMap<String, String>>>,
    /// The model, in the agent's words.
    pub model: Option<PlacedValue<String>>,
    /// How much it is to think, in the agent's words.
    pub effort: Option<PlacedValue<String>>,
    /// The answer to its questions for permission: one of [`ApprovalPolicy::WORDS`].
    pub approval: Option<PlacedValue<String>>,
    /// How long it may have nothing to do before it is put to sleep.
    pub idle_after: Option<PlacedValue<IdleLimit>>,
    /// When it is started.
    pub start: Option<PlacedValue<AgentStart>>,
    /// What a member that drives it does once its provider takes no more for now.
    pub on_limit: Option<PlacedValue<OnLimit>>,
    /// How much each member that drives it may use.
    pub budget: BudgetSettings,
}

/// Reads one `[agent.NAME]`; `line_of` is the line that a value begins on.
pub(super) fn read(
    node: DocumentNode<'_>,
    line_of: impl Fn(&DocumentNode<'_>) -> usize,
    problems: &mut ConfigProblems,
) -> AgentSettings {
    let mut settings = AgentSettings::default();
    let Some(entries) = table("an agent", node, problems) else { return settings };
    for DocumentEntry { key, key_span, node } in entries {
        let at = line_of(&node);
        let placed = |value| PlacedValue { value, line: at };
        match &*key {
            "driver" => {
                let word = word("`driver`", node, &DriverKind::WORDS.map(|(word, _)| word), problems);
                let driver = word.map(|word| DriverKind::of_word(&word).expect("it is one of the words"));
                settings.driver = driver.map(|value| PlacedValue { value, line: at });
            }
            "command" => settings.command = command(node, problems).map(|value| PlacedValue { value, line: at }),
            "env" => settings.env = env(node, problems).map(|value| PlacedValue { value, line: at }),
            "model" => settings.model = line("`model`", node, problems).map(placed),
            "effort" => settings.effort = line("`effort`", node, problems).map(placed),
            "approval" => settings.approval = word("`approval`", node, &ApprovalPolicy::WORDS, problems).map(placed),
            "idle-after" => {
                settings.idle_after = idle_after(node, problems).map(|value| PlacedValue { value, line: at })
            }
            "start" => {
                let word = word("`start`", node, &AgentStart::WORDS, problems);
                let start = word.map(|word| word.parse().expect("it is one of the words"));
                settings.start = start.map(|value| PlacedValue { value, line: at });
            }
            "on-limit" => {
                let word = word("`on-limit`", node, &OnLimit::WORDS, problems);
                let on_limit = word.map(|word| word.parse().expect("it is one of the words"));
                settings.on_limit = on_limit.map(|value| PlacedValue { value, line: at });
            }
            key if budget::KEYS.contains(&key) => settings.budget.read(key, node, at, problems),
            unknown => unknown_key(unknown, key_span, "[agent.NAME]", &budget::with_keys(&KEYS), problems),
        }
    }
    settings
}

fn command(node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<ConfiguredCommand> {
    match node.value {
        DocumentValue::Text(_) => line("`command`", node, problems).map(ConfiguredCommand::Line),
        DocumentValue::List(items) if items.is_empty() => {
            let report = || ConfigReport::of(DocumentFault::Blank { field: "`command`" });
            problems.add(Some(node.span), report);
            None
        }
        DocumentValue::List(items) => {
            let words: Vec<Option<String>> =
                items.into_iter().map(|item| words("an item of `command`", item, problems)).collect();
            words.into_iter().collect::<Option<Vec<String>>>().map(ConfiguredCommand::Words)
        }
        other @ (DocumentValue::Number(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, "`command`", "text or a list of texts", other.kind());
            None
        }
    }
}

/// A length of time, or the word for none.
fn idle_after(node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<IdleLimit> {
    if let DocumentValue::Text(text) = &node.value
        && text.trim() == NEVER
    {
        return Some(IdleLimit::Never);
    }
    length("`idle-after`", node, problems).map(IdleLimit::after)
}

fn env(node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<BTreeMap<String, String>> {
    let entries = table("`env`", node, problems)?;
    let mut variables = BTreeMap::new();
    for DocumentEntry { key, key_span, node } in entries {
        if !is_variable_name(&key) {
            problems.add(Some(key_span), || ConfigReport::of(ConfigFault::BadVariable { name: key.to_string() }));
            continue;
        }
        if variables.contains_key(&*key) {
            repeated(problems, key_span, &key);
            continue;
        }
        match node.value {
            DocumentValue::Text(text) if !text.contains('\0') => {
                variables.insert(key.into_owned(), text.into_owned());
            }
            DocumentValue::Text(_) => {
                let report = || ConfigReport::of(DocumentFault::NotOneLine { field: "a variable" });
                problems.add(Some(node.span), report);
            }
            other @ (DocumentValue::Number(_)
            | DocumentValue::Flag(_)
            | DocumentValue::List(_)
            | DocumentValue::Table(_)
            | DocumentValue::Other(_)) => {
                wrong_type(problems, node.span, "a variable", "text", other.kind());
            }
        }
    }
    Some(variables)
}
