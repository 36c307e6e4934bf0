//! Any program that takes one prompt and ends, such as `claude -p {}`: it runs once for each prompt, remembers nothing from
//! one to the next, and its exit status decides.
//!
//! The text takes the place of each `{}` in the words of the command, within a word too; where no word has one, the text is
//! the last argument. No shell sees it. What stands in the arguments of a process is for every user of the machine to read.

use std::path::Path;
use std::process::{Command, ExitStatus};

use teamster_protocol::model::agent::AgentFault;
use teamster_protocol::model::agent::preset::DriverKind;
use teamster_protocol::model::agent_form::PROMPT_MARK;
use teamster_protocol::model::task::{CommandInput, TaskWork, WorkKind};

use super::DriverError;
use super::process::{GivenPrompt, PromptProgram};
use super::provider::ProviderTrouble;

/// The longest argument that `execve(2)` takes, without its NUL (`MAX_ARG_STRLEN`, 32 pages).
const ARGUMENT_BYTES_MAX: usize = 32 * 4096 - "\0".len();

/// A program that is run once for each prompt.
#[derive(Debug)]
pub(super) struct CommandProgram {
    program: String,
    args: Vec<String>,
}

impl CommandProgram {
    /// The program with its arguments; `words` are never empty.
    pub(super) fn new(words: Vec<String>) -> CommandProgram {
        let mut words = words.into_iter();
        let program = words.next().expect("the catalogue gives no empty command");
        CommandProgram { program, args: words.collect() }
    }

    /// The arguments with the text in them.
    fn arguments(&self, text: &str) -> Vec<String> {
        let mut args: Vec<String> = self.args.iter().map(|word| put_in(word, text)).collect();
        if !self.args.iter().any(|word| word.contains(PROMPT_MARK)) {
            args.push(put_in(PROMPT_MARK, text));
        }
        args
    }
}

/// What stands before a text that would be read as an option.
const GUARD: &str = "\n";

/// A word with the text in the place of each mark. A text at the begin of a word is kept from being read as an option: a
/// list of `-` items is a prompt like any other, and no text of a teammate may set an option.
fn put_in(word: &str, text: &str) -> String {
    let guard = if word.starts_with(PROMPT_MARK) && text.starts_with('-') { GUARD } else { "" };
    format!("{guard}{}", word.replace(PROMPT_MARK, text))
}

impl PromptProgram for CommandProgram {
    fn driver(&self) -> DriverKind {
        DriverKind::Cmd
    }

    fn program(&self) -> &Path {
        Path::new(&self.program)
    }

    fn give(&self, work: TaskWork, command: &mut Command) -> Result<GivenPrompt, DriverError> {
        let TaskWork::Prompt(text) = work else { return Err(DriverError::OtherWork { takes: WorkKind::Text }) };
        if text.contains('\0') {
            return Err(DriverError::NulInText { verb: "prompt" });
        }
        let args = self.arguments(&text);
        if let Some(long) = args.iter().find(|arg| arg.len() > ARGUMENT_BYTES_MAX) {
            let program = self.program.clone();
            return Err(DriverError::PromptTooLong { program, bytes: long.len(), bytes_max: ARGUMENT_BYTES_MAX });
        }
        command.args(args);
        Ok(GivenPrompt { input: CommandInput::Closed, kept: None })
    }

    fn text_bytes_max(&self) -> Option<usize> {
        // With room for the guard of a text that begins as an option does.
        let guarded = ARGUMENT_BYTES_MAX - GUARD.len();
        let room = |word: &String| {
            let (marks, bytes) = (word.matches(PROMPT_MARK).count(), word.replace(PROMPT_MARK, "").len());
            let argument = if word.starts_with(PROMPT_MARK) { guarded } else { ARGUMENT_BYTES_MAX };
            argument.saturating_sub(bytes).checked_div(marks)
        };
        Some(self.args.iter().filter_map(room).min().unwrap_or(guarded))
    }

    fn provider_trouble(&self, said: &str) -> Option<ProviderTrouble> {
        ProviderTrouble::in_last_lines(said)
    }

    /// A program that a signal ended did not get to say what is wrong with the prompt: it may fare better the next time.
    fn fault(&self, status: ExitStatus) -> AgentFault {
        match status.code() {
            Some(_) => AgentFault::Prompt,
            None => AgentFault::Agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(words: &[&str]) -> CommandProgram {
        CommandProgram::new(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn args(words: &[&str], text: &str) -> Vec<String> {
        program(words).arguments(text)
    }

    #[test]
    fn the_text_takes_the_place_of_each_mark_or_comes_last() {
        assert_eq!(args(&["a", "-p", "{}", "-x"], "do it; rm *"), ["-p", "do it; rm *", "-x"]);
        assert_eq!(args(&["a", "--prompt={}", "{}"], "hi"), ["--prompt=hi", "hi"]);
        assert_eq!(args(&["a", "-q"], "hi"), ["-q", "hi"]);
        assert_eq!(args(&["a"], "{}"), ["{}"], "a mark in the text is text");
        assert_eq!(args(&["a", "{}{}"], "{}"), ["{}{}"]);
    }

    #[test]
    fn a_text_is_no_option() {
        assert_eq!(args(&["a", "{}"], "--yolo"), ["\n--yolo"]);
        assert_eq!(args(&["a"], "- one\n- two"), ["\n- one\n- two"]);
        assert_eq!(args(&["a", "-p{}"], "-x"), ["-p-x"]);
    }

    #[test]
    fn the_longest_text_is_what_every_word_has_room_for() {
        for (words, bytes_max) in [(&["a"][..], 131_070), (&["a", "-p={}"], 131_068), (&["a", "{}", "{}{}"], 65_535)] {
            let program = program(words);
            assert_eq!(program.text_bytes_max(), Some(bytes_max), "{words:?}");
            let give = |bytes: usize| {
                let text = format!("-{}", "x".repeat(bytes - 1));
                program.give(TaskWork::Prompt(text), &mut Command::new("a"))
            };
            assert!(give(bytes_max).is_ok() && give(bytes_max + 1).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_text_that_fits_into_no_argument_is_refused_before_anything_is_started() {
        let prompt = |bytes: usize| {
            let mut command = Command::new("a");
            program(&["a"]).give(TaskWork::Prompt("x".repeat(bytes)), &mut command)
        };
        assert!(prompt(ARGUMENT_BYTES_MAX).is_ok());
        let refused = prompt(ARGUMENT_BYTES_MAX + 1).unwrap_err();
        assert_eq!(refused.fault(), AgentFault::Prompt);
        assert_eq!(
            refused.to_string(),
            "cannot be prompted: a takes its prompt as an argument, and 131072 bytes are more than the 131071 that one may have"
        );
    }
}
