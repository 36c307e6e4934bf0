//! `teamster config`.

use std::path::Path;

use serde_json::Value;

use super::print::{TableCell, TableColumn, TextTable, TextTone, harmless};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::config::{ConfigRow, OriginRow};
use crate::ops::error::OpsError;
use crate::ops::show_config::show_config;

/// `teamster config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {}

pub(super) async fn config(context: &CliContext, ConfigArgs {}: ConfigArgs) -> Result<ExitStatus, CliError> {
    let shown = show_config(&context.session)?;
    context.show_page(&shown, |shown| text(&shown.settings, context))?;
    match shown.problems.is_empty() {
        true => Ok(ExitStatus::Done),
        false => {
            let hint = "mend it; what is shown is without what is wrong";
            Err(OpsError::misused(shown.problems.join("\n"), hint).into())
        }
    }
}

fn text(rows: &[ConfigRow], context: &CliContext) -> String {
    let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
    let short = |file: &str| short_path(file, &context.session.here, home.as_deref());
    let mut table =
        TextTable::new([TableColumn::left("setting"), TableColumn::wide("value"), TableColumn::left("from")]);
    let mut notes: Vec<&'static str> = Vec::new();
    for row in rows {
        let value = match (&row.value, row.note) {
            (Some(value), _) if row.key.starts_with("approval.") => TableCell::from(rule_text(value)),
            (Some(Value::String(text)), _) if row.key.starts_with("prompt.") => TableCell::from(first_line(text)),
            (Some(value), _) => TableCell::from(value_text(value)),
            // A setting that nobody gave shows its note: the rule that decides instead.
            (None, note) => TableCell::toned(TextTone::Faint, note.unwrap_or("-")),
        };
        let origin = origin_text(&row.origin, short);
        table.row([TableCell::from(&row.key), value, TableCell::from(origin)]);
        if row.key.starts_with("agent.") || row.origin == OriginRow::ExistingTeam {
            notes.extend(row.note.filter(|note| !notes.contains(note)));
        }
    }
    let mut text = table.render(context.columns);
    for note in notes {
        let keys: Vec<&str> = rows.iter().filter(|row| row.note == Some(note)).map(|row| row.key.as_str()).collect();
        text.push_str(&format!("\n\n{}: {note}", harmless(&keys.join(", "))));
    }
    text
}

/// The first line of a text, and a mark if there are more.
fn first_line(text: &str) -> String {
    match text.trim().split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None if text.trim().is_empty() => "(nothing is told)".to_owned(),
        None => text.trim().to_owned(),
    }
}

/// The giver of a setting, with the paths of files made short.
pub(super) fn origin_text(origin: &OriginRow, short: impl Fn(&str) -> String) -> String {
    match origin {
        OriginRow::CommandLine { option } => (*option).to_owned(),
        OriginRow::Environment { variable } => (*variable).to_owned(),
        OriginRow::Repository { file, line } | OriginRow::User { file, line } => format!("{}:{line}", short(file)),
        OriginRow::Place => "derived".to_owned(),
        OriginRow::ExistingTeam => "the team here".to_owned(),
        OriginRow::BuiltIn => "built in".to_owned(),
    }
}

/// A rule in one line: `deny Bash with "git push" for w*: ask first`.
fn rule_text(rule: &Value) -> String {
    let given = |key: &str| rule[key].as_str();
    let part = |before: &str, key: &str| given(key).map(|text| format!("{before}{text}")).unwrap_or_default();
    let pattern = given("pattern").map(|pattern| format!(" with {pattern:?}")).unwrap_or_default();
    let (member, reason) = (part(" for ", "member"), part(": ", "reason"));
    format!("{}{}{pattern}{member}{reason}", part("", "answer"), part(" ", "tool"))
}

/// A path as it is shown: from the current directory or the home where it lies below.
fn short_path(file: &str, here: &Path, home: Option<&str>) -> String {
    let path = Path::new(file);
    if let Ok(rest) = path.strip_prefix(here) {
        return rest.display().to_string();
    }
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => file.to_owned(),
    }
}

/// A value as it would be written in a file, but for the quotes around a text.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(variables) => variables.keys().map(|name| format!("{name}=…")).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::config::{ConfigScope, FileSettings};
    use crate::verb::Verb;

    #[test]
    fn the_example_of_an_agent_in_the_help_can_be_pasted_as_it_is() {
        let notes = Verb::Config.row().notes;
        let (_, block) = notes.split_once("\n  [agent.").expect("there is one");
        let block = format!("[agent.{}", block.split("\n\n").next().expect("it has an end"));
        assert!(block.lines().all(|line| line.len() <= 80), "no line is broken at 80 columns: {block}");
        let parsed = FileSettings::parse(block.as_bytes(), ConfigScope::User, "help", None);
        assert_eq!(parsed.expect("it is right").agents[0].0.as_str(), "mine");
    }
}
