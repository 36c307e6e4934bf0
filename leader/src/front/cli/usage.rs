//! A command line that was not understood: what is wrong with it and the way out, said as every other error is.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use teamster_protocol::model::id::{BadTaskId, TaskId};

use super::help::ABOUT;
use super::hint::{hint_for_word, see_help};
use super::program::program;
use super::{ExitStatus, help, json_error};
use crate::front::cli::print::{self, PagerUse, PrintedFailure, did_you_mean};
use crate::ops::text::show_controls;

/// Says what is wrong, or prints the help or version that was asked for. Returns what the process is to exit with.
pub(super) fn not_parsed(error: &clap::Error, words: &[OsString]) -> ExitStatus {
    let json = words.iter().any(|word| word == "--json");
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print_help(error, words);
            return ExitStatus::Done;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            print_help(error, words);
            return ExitStatus::Usage;
        }
        _ => {}
    }
    let (message, hint) = (message(error, words), hint(error, words));
    if json {
        print::remark(json_error(&message, Some(&hint), ExitStatus::Usage));
    } else {
        print::fail(&PrintedFailure::new(message).with_hint(hint));
    }
    ExitStatus::Usage
}

/// Prints the help or the version that clap made; the help of the whole program has its commands under headings.
fn print_help(error: &clap::Error, words: &[OsString]) {
    let pager = if words.iter().any(|word| word == "--no-pager") { PagerUse::Off } else { PagerUse::Allowed };
    let made = error.render();
    // Where it can not be printed there is nobody to tell.
    let _ = if made.to_string().starts_with(ABOUT) {
        help::print_help(&help::overview(program(), print::columns()), pager).map(drop)
    } else if error.use_stderr() {
        error.print()
    } else {
        help::print_help(&made.ansi().to_string(), pager).map(drop)
    };
}

/// The mistake, on one line.
fn message(error: &clap::Error, words: &[OsString]) -> String {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => show_controls(word).into_owned(),
        Some(ContextValue::Strings(words)) => show_controls(&words.join(", ")).into_owned(),
        Some(_) | None => String::new(),
    };
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return "a command is missing".to_owned();
        }
        ErrorKind::InvalidSubcommand => {
            return format!("there is no command {}", named(ContextKind::InvalidSubcommand));
        }
        ErrorKind::UnknownArgument => return format!("unexpected argument {}", named(ContextKind::InvalidArg)),
        ErrorKind::MissingRequiredArgument => return missing(error),
        ErrorKind::ValueValidation if let Some(missing) = missing_behind_numbers(error, words) => return missing,
        _ => {}
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    show_controls(&first.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// The arguments that are missing.
fn missing(error: &clap::Error) -> String {
    let missing: Vec<String> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => vec![show_controls(word).into_owned()],
        Some(ContextValue::Strings(words)) => words.iter().map(|word| show_controls(word).into_owned()).collect(),
        Some(_) | None => Vec::new(),
    };
    format!("{} {} missing", missing.join(", "), if missing.len() > 1 { "are" } else { "is" })
}

/// The member that is missing behind the numbers of tasks, as in `task assign 8`: the last number stands in its place.
fn missing_behind_numbers(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let (Some(ContextValue::String(argument)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    let (command, _) = command_of(words, None);
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    let [many, last] = positionals[..] else { return None };
    let takes_more = many.get_num_args().is_some_and(|range| range.max_values() > 1);
    let is_number = value.parse::<TaskId>().is_ok();
    (takes_more && is_number && last.to_string() == *argument).then(|| format!("{argument} is missing"))
}

fn hint(error: &clap::Error, words: &[OsString]) -> String {
    let unknown = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word.as_str()),
        // Where one is missing, that is the command before it.
        _ => None,
    };
    let (command, path) = command_of(words, unknown);
    if let Some(word) = unknown {
        return hint_for_word(&command, &path, word);
    }
    option_that_was_meant(error, &command)
        .or_else(|| value_that_was_meant(error))
        .map(|meant| format!("did you mean {meant}?"))
        .or_else(|| option_of_others(error).map(|told| format!("{told}; {}", see_help(&path))))
        .or_else(|| number_of_task(error))
        .unwrap_or_else(|| see_help(&path))
}

/// The option of the command that is most like the typed one. Clap measures the dashes too, so that to it any short option is
/// like another one.
fn option_that_was_meant(error: &clap::Error, command: &Command) -> Option<String> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(typed))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let name = typed.strip_prefix("--")?.split('=').next()?;
    let (of_program, version) = (program(), ["help", "version"]);
    let shown = command.get_arguments().chain(of_program.get_arguments()).filter(|known| !known.is_hide_set());
    let names = shown.filter_map(Arg::get_long).chain(version);
    did_you_mean(name, names).map(|meant| format!("--{meant}"))
}

/// The possible value that is most like the typed one. A suggestion of clap may mean something else, so the likeness is
/// checked here.
fn value_that_was_meant(error: &clap::Error) -> Option<String> {
    let known = match error.get(ContextKind::SuggestedValue) {
        Some(ContextValue::Strings(words)) => words.iter().map(String::as_str).collect(),
        Some(ContextValue::String(word)) => vec![word.as_str()],
        Some(_) | None => Vec::new(),
    };
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(word)) => did_you_mean(word, known).map(str::to_owned),
        Some(_) | None => None,
    }
}

/// Where the number of a task is found, for whoever typed its name.
fn number_of_task(error: &clap::Error) -> Option<String> {
    let (ErrorKind::ValueValidation, Some(ContextValue::String(value))) =
        (error.kind(), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    let is_of_task = error.source().is_some_and(|why| why.is::<BadTaskId>());
    (is_of_task && !value.is_empty())
        .then(|| "type its number: teamster task list shows it beside each name".to_owned())
}

/// The commands that have an option which the typed one lacks: `--shared is an option of teamster spawn`.
fn option_of_others(error: &clap::Error) -> Option<String> {
    const NAMED_MAX: usize = 3;
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(typed))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let name = typed.strip_prefix("--")?.split('=').next()?;
    let mut owners = Vec::new();
    owners_of(&program(), "teamster", name, &mut owners);
    if owners.is_empty() {
        return None;
    }
    let more = if owners.len() > NAMED_MAX { " and others" } else { "" };
    owners.truncate(NAMED_MAX);
    Some(format!("--{name} is an option of {}{more}", owners.join(", ")))
}

fn owners_of(command: &Command, path: &str, option: &str, owners: &mut Vec<String>) {
    if command.get_arguments().any(|known| known.get_long() == Some(option) && !known.is_hide_set()) {
        owners.push(path.to_owned());
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        owners_of(below, &format!("{path} {}", below.get_name()), option, owners);
    }
}

/// The command that was typed, as far as there is one, with its words: `teamster task add`. `unknown` is the word that is
/// none: what follows it belongs to no command.
fn command_of(words: &[OsString], unknown: Option<&str>) -> (clap::Command, String) {
    let mut path = "teamster".to_owned();
    let mut at = program();
    let words = words.iter().skip(1).filter_map(|word| word.to_str());
    for word in words.take_while(|word| Some(*word) != unknown) {
        if let Some(below) = at.find_subcommand(word) {
            at = below.clone();
            path.push(' ');
            path.push_str(at.get_name());
        }
    }
    (at, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let words: Vec<OsString> = ["teamster"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        let error = crate::front::cli::program::parse(&words).expect_err("it is bad usage");
        format!("$ {}\n{}\n  {}", show_controls(line), message(&error, &words), hint(&error, &words))
    }

    #[test]
    fn each_mistake_is_named_with_the_way_out() {
        let lines = [
            "tasl list",
            "task shw 3",
            "spawn Alice",
            "spawn alice --wroktree",
            "task add -f plan.md make",
            "task add -i make",
            "list --worktree",
            "logs alice -n 0",
            "task clear none",
            "task clear compleded",
            "dm alice",
            "--team x task dep add 3",
            "task assign 8",
            "task assign",
            "rn plan.toml",
            "rmm alice",
            "frobnicate",
            "task done 3",
            "cancel 3",
            "list --tema x",
            "list --jsn",
            "--foo",
            "run plan.toml --work 2",
            "stat",
            "shut alice",
            "version",
            "--verson",
            "task show build",
            "task dep add 3 build",
            "li\u{1b}[31mst",
            "kill a\u{1b}[31m\nb",
            "events -n many",
            "run plan.toml -w x",
            "run plan.toml -w 9999",
            "events -n -3",
            "task add --priority 99999999999 make",
            "task edit 3 --priority high",
            "logs alice -n -1",
            "--json",
            "task --json",
        ];
        insta::assert_snapshot!(lines.map(told).join("\n"), @r#"
        $ tasl list
        there is no command tasl
          did you mean task?
        $ task shw 3
        there is no command shw
          did you mean show?
        $ spawn Alice
        invalid value 'Alice' for '<NAME>...': "Alice" is not a name: use 1 to 40 of a-z, 0-9 and -
          see teamster spawn --help
        $ spawn alice --wroktree
        unexpected argument --wroktree
          did you mean --worktree?
        $ task add -f plan.md make
        the argument '--file <FILE>' cannot be used with '[TEXT]...'
          see teamster task add --help
        $ task add -i make
        -i keeps the standard input of a command open, and without --run there is no command
          see teamster task add --help
        $ list --worktree
        unexpected argument --worktree
          --worktree is an option of teamster spawn, teamster run; see teamster list --help
        $ logs alice -n 0
        invalid value '0' for '--turns <N>': write a whole number that is 1 or more
          see teamster logs --help
        $ task clear none
        invalid value 'none' for '<SCOPE>' [possible values: completed, failed, all]
          see teamster task clear --help
        $ task clear compleded
        invalid value 'compleded' for '<SCOPE>' [possible values: completed, failed, all]
          did you mean completed?
        $ dm alice
        <TEXT>... is missing
          see teamster dm --help
        $ --team x task dep add 3
        <DEP> is missing
          see teamster task dep add --help
        $ task assign 8
        <NAME> is missing
          see teamster task assign --help
        $ task assign
        <ID>..., <NAME> are missing
          see teamster task assign --help
        $ rn plan.toml
        there is no command rn
          did you mean run?
        $ rmm alice
        there is no command rmm
          did you mean rm?
        $ frobnicate
        there is no command frobnicate
          see teamster --help
        $ task done 3
        there is no command done
          a task is completed by the member that does it; if it needs no doing, teamster task cancel ID
        $ cancel 3
        there is no command cancel
          cancel a task with teamster task cancel ID, interrupt a member with teamster stop
        $ list --tema x
        unexpected argument --tema
          did you mean --team?
        $ list --jsn
        unexpected argument --jsn
          did you mean --json?
        $ --foo
        unexpected argument --foo
          see teamster --help
        $ run plan.toml --work 2
        unexpected argument --work
          did you mean --workers?
        $ stat
        there is no command stat
          did you mean status?
        $ shut alice
        there is no command shut
          did you mean shutdown?
        $ version
        there is no command version
          print the version with teamster --version
        $ --verson
        unexpected argument --verson
          did you mean --version?
        $ task show build
        invalid value 'build' for '<ID>': "build" is not a task number
          type its number: teamster task list shows it beside each name
        $ task dep add 3 build
        invalid value 'build' for '<DEP>': "build" is not a task number
          type its number: teamster task list shows it beside each name
        $ li\u{1b}[31mst
        there is no command li\u{1b}[31mst
          see teamster --help
        $ kill a\u{1b}[31m\nb
        invalid value 'a b' for '<NAME>...': "a\u{1b}[31m\nb" is not a name: use 1 to 40 of a-z, 0-9 and -
          see teamster kill --help
        $ events -n many
        invalid value 'many' for '--last <N>': write a whole number that is 0 or more
          see teamster events --help
        $ run plan.toml -w x
        invalid value 'x' for '--workers <N>': write a whole number from 1 to 200
          see teamster run --help
        $ run plan.toml -w 9999
        invalid value '9999' for '--workers <N>': write a whole number from 1 to 200
          see teamster run --help
        $ events -n -3
        invalid value '-3' for '--last <N>': write a whole number that is 0 or more
          see teamster events --help
        $ task add --priority 99999999999 make
        invalid value '99999999999' for '--priority <N>': write a whole number from -2147483648 to 2147483647
          see teamster task add --help
        $ task edit 3 --priority high
        invalid value 'high' for '--priority <N>': write a whole number from -2147483648 to 2147483647
          see teamster task edit --help
        $ logs alice -n -1
        invalid value '-1' for '--turns <N>': write a whole number that is 1 or more
          see teamster logs --help
        $ --json
        a command is missing
          see teamster --help
        $ task --json
        a command is missing
          see teamster task --help
        "#);
    }
}
