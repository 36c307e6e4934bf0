//! A command line that was not understood: what is wrong with it and the way out, said as every other error is.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::program::program;
use super::{Exit, json_error};
use crate::front::cli::print::{self, Failure};

/// Says what is wrong, or prints the help or version that was asked for. Returns what the process is to exit with.
pub(super) fn not_parsed(error: &clap::Error, words: &[OsString]) -> Exit {
    let json = words.iter().any(|word| word == "--json");
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Where it can not be printed there is nobody to tell.
            let _ = error.print();
            return Exit::Done;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let _ = error.print();
            return Exit::Usage;
        }
        _ => {}
    }
    let (message, hint) = (message(error), hint(error, words));
    if json {
        print::remark(json_error(&message, Some(&hint), Exit::Usage));
    } else {
        print::fail(&Failure::new(message).with_hint(hint));
    }
    Exit::Usage
}

/// What is wrong, on one line.
fn message(error: &clap::Error) -> String {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(ContextValue::Strings(words)) => words.join(", "),
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
        ErrorKind::MissingRequiredArgument => return format!("{} is missing", named(ContextKind::InvalidArg)),
        _ => {}
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hint(error: &clap::Error, words: &[OsString]) -> String {
    let meant = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.into_iter().find_map(|kind| match error.get(kind)? {
        // The last is the likeliest, and aliases come before it.
        ContextValue::Strings(words) => words.last().cloned(),
        ContextValue::String(word) => Some(word.clone()),
        _ => None,
    });
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("see {} --help", command_of(words)),
    }
}

/// The command that was typed, as far as there is one: `teamster task add`.
fn command_of(words: &[OsString]) -> String {
    let mut path = "teamster".to_owned();
    let program = program();
    let mut at = &program;
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(below) = at.find_subcommand(word) {
            at = below;
            path.push(' ');
            path.push_str(below.get_name());
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let words: Vec<OsString> = ["teamster"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        let error = crate::front::cli::program::parse(&words).expect_err("it is bad usage");
        format!("$ {line}\n{}\n  {}", message(&error), hint(&error, &words))
    }

    #[test]
    fn each_mistake_is_named_with_the_way_out() {
        let lines = [
            "tasl list",
            "task shw 3",
            "spawn Alice",
            "spawn alice --wroktree",
            "task add make -f plan.md",
            "task clear none",
            "task clear compleded",
            "dm alice",
            "--team x task dep add 3",
            "spawn alice --base main",
        ];
        insta::assert_snapshot!(lines.map(told).join("\n"), @r#"
        $ tasl list
        there is no command tasl
          did you mean task?
        $ task shw 3
        there is no command shw
          did you mean show?
        $ spawn Alice
        invalid value 'Alice' for '<NAME>': "Alice" is not a name: use 1 to 40 of a-z, 0-9 and -
          see teamster spawn --help
        $ spawn alice --wroktree
        unexpected argument --wroktree
          did you mean --worktree?
        $ task add make -f plan.md
        the argument '[TEXT]...' cannot be used with '--file <FILE>'
          see teamster task add --help
        $ task clear none
        invalid value 'none' for '<SCOPE>' [possible values: completed, all]
          see teamster task clear --help
        $ task clear compleded
        invalid value 'compleded' for '<SCOPE>' [possible values: completed, all]
          did you mean completed?
        $ dm alice
        <TEXT>... is missing
          see teamster dm --help
        $ --team x task dep add 3
        <DEP> is missing
          see teamster task dep add --help
        $ spawn alice --base main
        --worktree is missing
          see teamster spawn --help
        "#);
    }
}
