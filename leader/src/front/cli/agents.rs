//! `teamster agents`: which agents there are, one a line.

use super::config::origin_text;
use super::print::{TableCell, TableColumn, TextTable, TextTone, harmless, harmless_lines};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::agents::{AgentList, AgentRow, IdentityTextRow, IdentityTexts, identity_texts, list_agents};

/// `teamster agents`.
#[derive(Debug, clap::Args)]
pub struct AgentsArgs {
    /// Print what an agent is told of itself and its team
    #[arg(long)]
    pub prompt: bool,
}

pub(super) async fn agents(context: &CliContext, args: AgentsArgs) -> Result<ExitStatus, CliError> {
    if args.prompt {
        context.show_page_as_is(&identity_texts(&context.session)?, told_texts)?;
        return Ok(ExitStatus::Done);
    }
    context.show_page(&list_agents(&context.session).await?, |list| text(list, context.columns))?;
    Ok(ExitStatus::Done)
}

/// Both texts, each below a line that says whom it is for and who gave it.
fn told_texts(texts: &IdentityTexts) -> String {
    let told = texts.prompts.iter().map(|IdentityTextRow { key, text, origin }| {
        let origin = origin_text(origin, str::to_owned);
        let text = if text.trim().is_empty() { "(nothing is told)" } else { text.trim_end() };
        format!("[prompt] {key}, {}:\n\n{}", harmless(&origin), harmless_lines(text))
    });
    told.collect::<Vec<_>>().join("\n\n")
}

/// The agents that need no row.
const FORMS: &str = "

any other program, with its arguments, quoted as for a shell (none runs it):
  --agent 'acp:COMMAND ARGS'  speaks the Agent Client Protocol
  --agent 'cmd:COMMAND {}'    runs once a prompt, its text for {} or as the last argument; its exit status decides";

fn text(list: &AgentList, columns: usize) -> String {
    let mut table = TextTable::new([
        TableColumn::left("agent"),
        TableColumn::left("version"),
        TableColumn::left("takes"),
        TableColumn::wide("can"),
    ]);
    for row in &list.agents {
        table.row(cells(row));
    }
    let mut text = table.render(columns);
    text.push_str(FORMS);
    let missing: Vec<String> = list
        .agents
        .iter()
        .filter_map(|row| row.install.map(|install| format!("to install {}: {install}", row.name)))
        .collect();
    if !missing.is_empty() {
        text.push_str("\n\n");
        text.push_str(&missing.join("\n"));
    }
    text
}

fn cells(row: &AgentRow) -> [TableCell; 4] {
    let version = match (row.installed, &row.program, &row.version) {
        (false, _, _) => TableCell::toned(TextTone::Faint, "missing"),
        (true, None, _) => TableCell::toned(TextTone::Ok, "built in"),
        (true, Some(_), Some(version)) => TableCell::toned(TextTone::Ok, version.as_str()),
        (true, Some(_), None) => TableCell::toned(TextTone::Ok, "there"),
    };
    let can = [
        (row.steer, "steer"),
        (row.resume, "resume"),
        (row.fork, "fork"),
        (row.permissions, "ask"),
        (row.usage, "usage"),
    ];
    let can: Vec<&str> = can.into_iter().filter_map(|(can, word)| can.then_some(word)).collect();
    let takes = if row.prompts { "words" } else { "commands" };
    [
        TableCell::toned(TextTone::Name, row.name.as_str()),
        version,
        TableCell::from(takes),
        TableCell::from(can.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::agent::preset::DriverKind;

    use super::*;

    #[test]
    fn agents_at_80_columns() {
        let shell = AgentRow {
            name: "shell".parse().expect("a name"),
            driver: DriverKind::Shell,
            program: None,
            version: None,
            installed: true,
            install: None,
            prompts: false,
            steer: true,
            resume: false,
            fork: false,
            permissions: false,
            usage: false,
        };
        let pi = AgentRow {
            name: "pi".parse().expect("a name"),
            driver: DriverKind::Pi,
            program: Some("/usr/bin/pi".into()),
            version: Some("1.6.0".to_owned()),
            prompts: true,
            resume: true,
            usage: true,
            ..shell.clone()
        };
        let missing = AgentRow {
            name: "other".parse().expect("a name"),
            program: None,
            installed: false,
            install: Some("npm install -g other"),
            ..pi.clone()
        };
        let shown = text(&AgentList { agents: vec![shell, pi, missing] }, 80);
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown).to_string(), @"
        agent  version   takes     can
        shell  built in  commands  steer
        pi     1.6.0     words     steer, resume, usage
        other  missing   words     steer, resume, usage

        any other program, with its arguments, quoted as for a shell (none runs it):
          --agent 'acp:COMMAND ARGS'  speaks the Agent Client Protocol
          --agent 'cmd:COMMAND {}'    runs once a prompt, its text for {} or as the last argument; its exit status decides

        to install other: npm install -g other
        ");
    }
}
