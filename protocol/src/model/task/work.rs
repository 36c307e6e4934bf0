//! The work that is asked of a member: a command or a text. The two are told apart from the moment in which they are typed, so that
//! words are never run as a command.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The work that a task, or a prompt of the lead, asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskWork {
    /// A command: whoever takes it runs it with `sh -eu` in its workspace, whatever agent it drives.
    Run {
        /// The command.
        command: String,
        /// The standard input of the command.
        input: CommandInput,
    },
    /// A text for the agent of whoever takes it. No shell ever runs it.
    Prompt(String),
}

/// The standard input of a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CommandInput {
    /// Nothing can be read: the end of the input is met at once.
    #[default]
    Closed,
    /// The input stays open for steers, each a line, until the command ends.
    Open,
}

/// The kind of work, whatever its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WorkKind {
    /// A command, which a shell runs.
    #[serde(rename = "run")]
    Command,
    /// Words, which an agent reads.
    #[serde(rename = "prompt")]
    Text,
}

/// The way in which an agent understands a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptKind {
    /// A command to run, with no memory of earlier ones. Nobody reads there: no text is ever put to it.
    Program,
    /// The next thing said in a conversation: text and mail are put to it. Commands are run by a shell beside it.
    #[default]
    Conversation,
}

impl PromptKind {
    /// Whether an agent can be given such work.
    pub fn takes(self, kind: WorkKind) -> bool {
        match (self, kind) {
            (PromptKind::Program, WorkKind::Command) | (PromptKind::Conversation, _) => true,
            (PromptKind::Program, WorkKind::Text) => false,
        }
    }

    /// Whether this is the default.
    pub fn is_default(&self) -> bool {
        *self == PromptKind::default()
    }
}

impl TaskWork {
    /// A command that has nothing to read.
    pub fn run(command: impl Into<String>) -> TaskWork {
        TaskWork::Run { command: command.into(), input: CommandInput::Closed }
    }

    /// The command or the prompt.
    pub fn text(&self) -> &str {
        match self {
            TaskWork::Run { command: text, .. } | TaskWork::Prompt(text) => text,
        }
    }

    /// Whether the work is a command or a text.
    pub fn kind(&self) -> WorkKind {
        match self {
            TaskWork::Run { .. } => WorkKind::Command,
            TaskWork::Prompt(_) => WorkKind::Text,
        }
    }
}

/// Work as it is written: `{"run":"make"}`, `{"run":"cat","interactive":true}` or `{"prompt":"review it"}`.
#[derive(Serialize, Deserialize)]
struct WrittenWork<S> {
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    run: Option<S>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    prompt: Option<S>,
    #[serde(default, skip_serializing_if = "is_false")]
    interactive: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Written work that is none, or two at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWork {
    /// Two keys or none say what is to be done.
    #[error("work has either `run` or `prompt`")]
    NotOne,
    /// A text has no standard input.
    #[error("only `run` can be `interactive`")]
    InteractivePrompt,
}

impl Serialize for TaskWork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (run, prompt, interactive) = match self {
            TaskWork::Run { command, input } => (Some(command.as_str()), None, *input == CommandInput::Open),
            TaskWork::Prompt(text) => (None, Some(text.as_str()), false),
        };
        WrittenWork { run, prompt, interactive }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TaskWork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TaskWork, D::Error> {
        let written = WrittenWork::<String>::deserialize(deserializer)?;
        let input = if written.interactive { CommandInput::Open } else { CommandInput::Closed };
        match (written.run, written.prompt, input) {
            (Some(command), None, input) => Ok(TaskWork::Run { command, input }),
            (None, Some(text), CommandInput::Closed) => Ok(TaskWork::Prompt(text)),
            (None, Some(_), CommandInput::Open) => Err(serde::de::Error::custom(BadWork::InteractivePrompt)),
            (Some(_), Some(_), _) | (None, None, _) => Err(serde::de::Error::custom(BadWork::NotOne)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_written_as_one_key_for_what_it_is() {
        let cat = TaskWork::Run { command: "cat".to_owned(), input: CommandInput::Open };
        let all = [
            (TaskWork::run("make"), r#"{"run":"make"}"#),
            (cat, r#"{"run":"cat","interactive":true}"#),
            (TaskWork::Prompt("review it".to_owned()), r#"{"prompt":"review it"}"#),
        ];
        for (work, written) in all {
            assert_eq!(serde_json::to_string(&work).unwrap(), written);
            assert_eq!(serde_json::from_str::<TaskWork>(written).unwrap(), work);
        }
    }

    #[test]
    fn what_is_neither_or_both_is_no_work() {
        for bad in [r#"{}"#, r#"{"run":"a","prompt":"b"}"#, r#"{"prompt":"a","interactive":true}"#, r#""make""#] {
            assert!(serde_json::from_str::<TaskWork>(bad).is_err(), "{bad}");
        }
    }
}
