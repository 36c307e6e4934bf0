//! `teamster help`: the commands under their headings, or all about one of them.

use std::io;

use clap::Command;

use super::hint::hint_for_word;
use super::interrupt::leave_to_child;
use super::print::{self, OutputAudience, PagerUse, TextTone, paint};
use super::words::CommandWord;
use super::{CliError, ExitStatus};
use crate::verb::{PREFIXES, Verb, VerbGroup, VerbListing, VerbPrefix};

/// The program in one line, as help and manual show it.
pub(super) const ABOUT: &str = "Leads a team of coding agents: each in a process of its own, all on one task board";

/// The greatest width of a line of help: longer ones are hard to read.
const COLUMNS_MAX: usize = 100;
/// The spaces before the name of a command, and between the name and its one line.
const INDENT: usize = 2;

/// What clap says of `--help` where that tells more than `-h`.
const SEE_MORE: &str = "see more with '--help'";

/// `teamster help`.
#[derive(Debug, clap::Args)]
pub struct HelpArgs {
    /// The words of a command; all commands if not given
    #[arg(value_name = "COMMAND")]
    pub words: Vec<CommandWord>,
}

/// Prints the help of the command with these words.
pub(super) fn help(HelpArgs { words }: HelpArgs, program: Command, pager: PagerUse) -> Result<ExitStatus, CliError> {
    let text = match words.is_empty() {
        true => overview(program, print::columns()),
        false => help_of(&words, program)?,
    };
    print_help(&text, pager).map_err(CliError::Stdout)?;
    Ok(ExitStatus::Done)
}

/// Prints a text of help, through a pager where it is longer than the screen.
pub(super) fn print_help(text: &str, pager: PagerUse) -> io::Result<OutputAudience> {
    // To leave Ctrl-C to the pager takes one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _within = runtime.enter();
    print::page(text.trim_end(), pager, leave_to_child)
}

fn help_of(words: &[CommandWord], mut program: Command) -> Result<String, CliError> {
    // Only then a command knows the words before its own.
    program.build();
    let (mut at, mut path) = (&mut program, "teamster".to_owned());
    for CommandWord(word) in words {
        if at.find_subcommand(word).is_none() {
            let hint = hint_for_word(at, &path, word);
            return Err(CliError::NoCommand { word: word.clone(), hint });
        }
        at = at.find_subcommand_mut(word).expect("it was found a moment ago");
        path.push(' ');
        path.push_str(at.get_name());
    }
    let text = at.render_help();
    // As `--help` does: of words that may be chosen, what each means is in the long one alone.
    let is_all = !text.to_string().contains(SEE_MORE);
    let text = if is_all { text } else { at.render_long_help() };
    Ok(text.ansi().to_string())
}

/// All commands, each under the heading of its group, and what holds for every one of them.
pub(super) fn overview(program: Command, columns: usize) -> String {
    let columns = columns.min(COLUMNS_MAX);
    let heading = |text: &str| paint(TextTone::Name, text).to_string();
    let mut text = format!("{}\n\n{} teamster [OPTIONS] <COMMAND>\n", wrapped(ABOUT, columns, 0), heading("Usage:"));
    let rows: Vec<(VerbGroup, &str, String)> = listed_commands();
    let widest = rows.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0);
    for group in VerbGroup::ALL {
        text.push_str(&format!("\n{}\n", heading(&format!("{}:", group.heading()))));
        for (_, name, about) in rows.iter().filter(|(of, ..)| *of == group) {
            let column = INDENT + widest + INDENT;
            let about = wrapped(about, columns.saturating_sub(column), column);
            text.push_str(&format!(
                "  {}{:pad$}{about}\n",
                paint(TextTone::Name, name),
                "",
                pad = widest - name.len() + INDENT
            ));
        }
    }
    let program = program.term_width(columns);
    let after = program.get_after_help().map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("\n{}\n{}\n\n{after}\n", heading("Options:"), options(program)));
    text.push_str("\nAll about one command: teamster help task add, or teamster task add --help.\n");
    text
}

/// The options of the whole program as clap shows them, without their headings.
fn options(program: Command) -> String {
    let program = program.mut_args(|arg| arg.help_heading(None::<&str>));
    let text = program.help_template("{options}").render_help().ansi().to_string();
    text.trim_end().to_owned()
}

/// The commands that are shown: those of one word, and one for all below a prefix.
fn listed_commands() -> Vec<(VerbGroup, &'static str, String)> {
    let mut listed = Vec::new();
    let shown = Verb::ALL.iter().map(|verb| verb.row());
    for row in shown.filter(|row| row.option.is_none() && row.listing == VerbListing::Shown) {
        match PREFIXES.iter().find(|prefix| row.path.split(' ').next() == Some(prefix.path)) {
            None => listed.push((row.group, row.path, row.about.to_owned())),
            Some(prefix) if listed.iter().any(|(_, name, _)| *name == prefix.path) => {}
            Some(prefix) => listed.push((row.group, prefix.path, about_prefix(prefix))),
        }
    }
    listed
}

/// The one line of a prefix, with the words that may follow it.
fn about_prefix(prefix: &VerbPrefix) -> String {
    let mut below: Vec<&str> = Vec::new();
    for row in Verb::ALL.iter().map(|verb| verb.row()) {
        let rest = row.path.strip_prefix(prefix.path).and_then(|rest| rest.strip_prefix(' '));
        let Some(word) = rest.and_then(|rest| rest.split(' ').next()) else { continue };
        if !below.contains(&word) {
            below.push(word);
        }
    }
    format!("{}: {}", prefix.about, below.join(", "))
}

/// A text in lines of so many columns; all but the first are indented.
fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join(&format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn help_text(words: &str) -> Result<String, CliError> {
        let words: Vec<CommandWord> = words.split(' ').map(CommandWord::from).collect();
        help_of(&words, crate::front::cli::program()).map(|text| plain(&text))
    }

    #[test]
    fn every_command_stands_once_under_the_heading_of_its_group() {
        let text = plain(&overview(crate::front::cli::program(), 80));
        let headings: Vec<usize> = VerbGroup::ALL
            .iter()
            .map(|group| text.find(&format!("\n{}:\n", group.heading())).expect("it is there"))
            .collect();
        assert!(headings.is_sorted(), "{text}");
        for (_, name, _) in listed_commands() {
            assert_eq!(text.matches(&format!("\n  {name}  ")).count(), 1, "{name}: {text}");
        }
        assert!(text.find("\n  spawn ") > text.find("Start and end members:"));
        assert!(text.contains("--json") && text.contains("TEAMSTER_LOG"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn the_help_of_a_command_is_what_its_option_prints() {
        for words in ["task add", "task list"] {
            let line: Vec<_> = format!("teamster {words} --help").split(' ').map(Into::into).collect();
            let said = crate::front::cli::program::parse(&line).expect_err("it is help").render().to_string();
            assert_eq!(help_text(words).expect("a command"), said);
            assert!(!said.contains(SEE_MORE), "{words}: there is no more: {said}");
        }
        assert!(help_text("ps").expect("a synonym").contains("Also called: ls, ps, members"));
        assert!(help_text("task").expect("a prefix").contains("dep"));
    }

    #[test]
    fn what_is_no_command_has_no_help_but_a_way_out() {
        let told = ["tsk", "task ad", "task done", "xyzzy"].map(|words| {
            let error = help_text(words).expect_err("it is none");
            assert_eq!(error.exit(), ExitStatus::Usage);
            plain(&error.failure().to_string())
        });
        insta::assert_snapshot!(told.join("\n"), @"
        error: there is no command tsk
          hint: did you mean task?
        error: there is no command ad
          hint: did you mean add?
        error: there is no command done
          hint: a task is completed by the member that does it; if it needs no doing, teamster task cancel ID
        error: there is no command xyzzy
          hint: see teamster --help
        ");
    }
}
