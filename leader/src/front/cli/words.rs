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
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
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

impl TypedText<'_> {
    /// Takes a last `--run` for the option that it is. Returns the words of the text that look like options of ours and are
    /// none there, so that who typed them can be told. `typed` is the whole command line, and `is_ours` knows the options.
    pub(super) fn settle(self, typed: &[OsString], is_ours: impl Fn(&str) -> bool) -> Vec<String> {
        let TypedText { words, work } = self;
        // The words of a text are the end of the line, so what stands before them is known.
        let before = typed.len().checked_sub(words.len() + 1).and_then(|at| typed.get(at));
        if before.is_some_and(|word| word == "--") {
            return Vec::new();
        }
        if let Some(work) = work {
            if work.run {
                return Vec::new();
            }
            if words.len() > 1 && words.last().is_some_and(|last| last == RUN) {
                words.pop();
                work.run = true;
            }
        }
        let option = |word: &&String| {
            let name = word.strip_prefix("--").map(|rest| rest.split('=').next().unwrap_or(rest));
            name.is_some_and(&is_ours)
        };
        // One word may be a whole text in quotes, and says all that it is.
        words.iter().skip(1).filter(option).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the words after `before`, whether they are a command, and what is to be told.
    fn settled(before: &[&str], words: &[&str]) -> (String, bool, Vec<String>) {
        let typed: Vec<OsString> = ["task", "add"].iter().chain(before).chain(words).map(OsString::from).collect();
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut work = WorkOptions { run: before.contains(&RUN), interactive: false };
        let tail = TypedText { words: &mut words, work: Some(&mut work) };
        let told = tail.settle(&typed, |name| ["json", "run", "to", "help"].contains(&name));
        (words.join(" "), work.run, told)
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
