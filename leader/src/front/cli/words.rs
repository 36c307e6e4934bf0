//! Text on the command line: words that need no quotes, or standard input for `-`.
//!
//! A text ends its command, and what follows its first word belongs to it: `task add fix the --json output` keeps
//! `--json`, and `send alice --run make -j4` keeps `-j4`. Options of ours come before the first word, as with `ssh` or
//! `docker run`. One may also be the very last word, because one types a command first and then says that it is one:
//! `task add make -j4 --run`. Nothing after `--` is ours.

use std::ffi::OsString;
use std::io;

use teamster_protocol::host::plain_file;
use teamster_protocol::model::limits::GIVEN_TEXT_BYTES_MAX;
use teamster_protocol::model::task::{CommandInput, TaskWork};

/// The option that may also be the last word of a text.
const RUN: &str = "--run";

/// Words of a text, or `-` for standard input.
#[derive(Debug, Clone, clap::Args)]
pub struct TextWords {
    /// The text, to the end of the line; words are joined by spaces, - reads standard input
    #[arg(required = true, num_args = 1.., value_name = "TEXT", trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// Whether a text is a command, and whether that can read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkOptions {
    /// The text is a command for the shell, not words for an agent; may also come last
    #[arg(long)]
    pub run: bool,
    /// Keep the standard input of the command open for teamster steer [default: closed]
    #[arg(long, short)]
    pub interactive: bool,
}

/// Standard input could not be read as text.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the text from standard input: {0}")]
pub struct StdinError(#[from] io::Error);

impl TextWords {
    /// The text. Reads standard input to its end if the only word is `-`, and blocks for that. Refuses more than a text may have.
    pub fn resolve(&self) -> Result<String, StdinError> {
        joined(&self.words)
    }
}

/// As [`TextWords::resolve`], for words that are optional.
pub(super) fn joined(words: &[String]) -> Result<String, StdinError> {
    if words == ["-"] {
        let bytes = plain_file::read_bounded(io::stdin().lock(), GIVEN_TEXT_BYTES_MAX)?;
        return Ok(text_of(bytes)?);
    }
    Ok(words.join(" "))
}

/// The text of bytes that were read from where the user said.
pub(super) fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    let bad = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not text in UTF-8"))?;
    // No shell could run it, and each attempt would fail.
    if text.contains('\0') { Err(bad("it holds a NUL character")) } else { Ok(text) }
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandWord(pub String);

impl From<&str> for CommandWord {
    fn from(word: &str) -> CommandWord {
        CommandWord(word.to_owned())
    }
}

impl WorkOptions {
    /// The work that a text is.
    pub(super) fn work(&self, text: String) -> TaskWork {
        let input = if self.interactive { CommandInput::Open } else { CommandInput::Closed };
        if self.run { TaskWork::Run { command: text, input } } else { TaskWork::Prompt(text) }
    }

    /// Whether they ask for something that a text can not have.
    pub(super) fn contradict(&self) -> bool {
        self.interactive && !self.run
    }
}

/// The text at the end of a command line.
pub(super) struct TypedText<'a> {
    /// Its words, as they were typed.
    pub(super) words: &'a mut Vec<String>,
    /// Whether it is a command, where it can be one.
    pub(super) work: Option<&'a mut WorkOptions>,
}

/// Arguments that end with a text.
pub(super) trait EndsWithText {
    /// The text.
    fn typed_text(&mut self) -> TypedText<'_>;
}

/// An option of the command that was typed, as far as a text that has its name in it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownOption {
    /// Whether a value follows its name.
    pub(super) takes_value: bool,
    /// Whether every command has it. Other programs have most of these too: `--json`, `--help`.
    pub(super) is_everywhere: bool,
}

/// Words of a text that look like options of ours, and are none there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OptionsInText {
    /// Each as it was typed, with its value: `--after 99`.
    pub(super) options: Vec<String>,
    /// The whole command line with the options where they are options: before the text.
    pub(super) meant: Vec<OsString>,
    /// Whether the text is a command. That may well have an option of the same name, so its options are worth a word only if
    /// they would be understood here.
    pub(super) is_command: bool,
}

impl TypedText<'_> {
    /// Takes a last `--run` for the option that it is. Returns the words of the text that look like options of ours and are
    /// none there, so that who typed them can be told. `typed` is the whole command line, and `option` knows the options by
    /// their names.
    pub(super) fn settle(self, typed: &[OsString], option: impl Fn(&str) -> Option<KnownOption>) -> OptionsInText {
        let TypedText { words, work } = self;
        // The words of a text are the end of the line, so what stands before them is known.
        let before = &typed[..typed.len().saturating_sub(words.len())];
        if before.last().is_some_and(|word| word == "--") {
            return OptionsInText::default();
        }
        let mut found = OptionsInText { meant: before.to_vec(), ..OptionsInText::default() };
        if let Some(work) = work {
            if !work.run && words.len() > 1 && words.last().is_some_and(|last| last == RUN) {
                words.pop();
                work.run = true;
                found.meant.push(RUN.into());
            }
            found.is_command = work.run;
        }
        let mut text: Vec<&String> = Vec::new();
        let mut rest = words.iter();
        // One word may be a whole text in quotes, and says all that it is.
        text.extend(rest.next());
        while let Some(word) = rest.next() {
            let (name, has_value) = match word.strip_prefix("--").map(|name| name.split_once('=').ok_or(name)) {
                Some(Ok((name, _))) => (name, true),
                Some(Err(name)) => (name, false),
                None => ("", false),
            };
            match option(name) {
                Some(known) if !found.is_command || !(known.is_everywhere || word == RUN) => {
                    let value = if known.takes_value && !has_value { rest.next() } else { None };
                    let typed: Vec<&str> = std::iter::once(word).chain(value).map(String::as_str).collect();
                    found.meant.extend(typed.iter().map(OsString::from));
                    found.options.push(typed.join(" "));
                }
                Some(_) | None => text.push(word),
            }
        }
        found.meant.extend(text.into_iter().map(OsString::from));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the words after `before`, whether they are a command, and what is to be told.
    fn settled(before: &[&str], words: &[&str]) -> (String, bool, Vec<String>) {
        let (text, run, found) = settled_whole(before, words);
        (text, run, found.options)
    }

    fn settled_whole(before: &[&str], words: &[&str]) -> (String, bool, OptionsInText) {
        let typed: Vec<OsString> = ["task", "add"].iter().chain(before).chain(words).map(OsString::from).collect();
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut work = WorkOptions { run: before.contains(&RUN), interactive: false };
        let tail = TypedText { words: &mut words, work: Some(&mut work) };
        let told = tail.settle(&typed, |name| match name {
            "json" | "help" => Some(KnownOption { takes_value: false, is_everywhere: true }),
            "run" => Some(KnownOption { takes_value: false, is_everywhere: false }),
            "to" | "after" => Some(KnownOption { takes_value: true, is_everywhere: false }),
            _ => None,
        });
        (words.join(" "), work.run, told)
    }

    #[test]
    fn options_behind_the_first_word_are_told_with_the_line_that_was_meant() {
        let meant = |before: &[&str], words: &[&str]| {
            let (_, _, found) = settled_whole(before, words);
            let line: Vec<String> = found.meant.iter().map(|word| word.display().to_string()).collect();
            (found.options.join(", "), line.join(" "))
        };
        let told = |options: &str, line: &str| (options.to_owned(), line.to_owned());
        assert_eq!(
            meant(&["--run"], &["make", "all", "--after", "99", "--to=bob"]),
            told("--after 99, --to=bob", "task add --run --after 99 --to=bob make all")
        );
        assert_eq!(
            meant(&[], &["make", "--to", "al", "test", "--run"]),
            told("--to al", "task add --run --to al make test")
        );
        assert_eq!(meant(&["--run"], &["tool", "--json"]).0, "");
    }

    #[test]
    fn what_follows_the_first_word_is_text() {
        assert_eq!(
            settled(&[], &["fix", "--json", "output"]),
            ("fix --json output".to_owned(), false, vec!["--json".to_owned()])
        );
        assert_eq!(settled(&[], &["sed", "-n", "--quiet"]), ("sed -n --quiet".to_owned(), false, Vec::new()));
    }

    #[test]
    fn only_a_last_run_is_an_option() {
        assert_eq!(settled(&[], &["make", "-j4", "--run"]), ("make -j4".to_owned(), true, Vec::new()));
        let told = vec!["--run".to_owned()];
        assert_eq!(settled(&[], &["explain", "--run", "to", "me"]), ("explain --run to me".to_owned(), false, told));
        assert_eq!(settled(&[], &["run"]), ("run".to_owned(), false, Vec::new()));
    }

    #[test]
    fn what_was_said_before_the_text_is_not_looked_for_in_it() {
        assert_eq!(
            settled(&["--run"], &["tool", "--json", "--run"]),
            ("tool --json --run".to_owned(), true, Vec::new())
        );
        assert_eq!(settled(&["--"], &["explain", "--run"]), ("explain --run".to_owned(), false, Vec::new()));
    }

    #[test]
    fn a_text_in_quotes_is_one_word() {
        let quoted = "explain what it does with --run";
        assert_eq!(settled(&[], &[quoted]), (quoted.to_owned(), false, Vec::new()));
    }
}
