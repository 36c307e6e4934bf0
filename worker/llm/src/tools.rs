//! The tools that the model has: what they are called, what they take, and what they do.

use std::time::Duration;

use genai::chat::{Tool, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};
use teamster_protocol::model::agent::{PermissionQuestion, QuestionId};

use crate::confined::ConfinedDir;
use crate::limits::{COMMAND_WITHIN, COMMAND_WITHIN_MAX, SHOWN_BYTES_MAX, TITLE_CHARS_MAX};
use crate::orders::{AgentOrders, TurnBreak};
use crate::shell::run_command;

/// The outcome of a call, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolOutcome {
    pub(crate) text: String,
    pub(crate) has_failed: bool,
}

impl ToolOutcome {
    pub(crate) fn done(text: impl Into<String>) -> ToolOutcome {
        ToolOutcome { text: text.into(), has_failed: false }
    }

    pub(crate) fn failed(text: String) -> ToolOutcome {
        ToolOutcome { text, has_failed: true }
    }
}

/// One call of a tool, read from what the model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case")]
pub(crate) enum ToolUse {
    Bash {
        command: String,
        timeout_s: Option<u64>,
    },
    ReadFile {
        path: String,
        offset: Option<usize>,
        limit: Option<usize>,
    },
    WriteFile {
        path: String,
        content: String,
    },
    EditFile {
        path: String,
        old_text: String,
        new_text: String,
        #[serde(default)]
        all: bool,
    },
}

/// The tools as the model is told of them.
pub(crate) fn offered_tools() -> Vec<Tool> {
    let tool = |name: &str, what: &str, properties: Value, required: &[&str]| {
        let schema = json!({"type": "object", "properties": properties, "required": required});
        Tool::new(name).with_description(what).with_schema(schema)
    };
    let path = json!({"type": "string", "description": "below the workspace"});
    vec![
        tool(
            "bash",
            "Runs a command in the workspace, without input. You are shown its output and its exit status.",
            json!({
                "command": {"type": "string"},
                "timeout_s": {"type": "integer", "description": "the longest time that it may take; 120 unless given"},
            }),
            &["command"],
        ),
        tool(
            "read_file",
            "Shows a text file of the workspace.",
            json!({
                "path": path,
                "offset": {"type": "integer", "description": "the first line to show, from 1"},
                "limit": {"type": "integer", "description": "the number of lines"},
            }),
            &["path"],
        ),
        tool(
            "write_file",
            "Writes a text file of the workspace anew, and makes the directories above it.",
            json!({"path": path, "content": {"type": "string"}}),
            &["path", "content"],
        ),
        tool(
            "edit_file",
            "Replaces a text that stands in a file of the workspace exactly once.",
            json!({
                "path": path,
                "old_text": {"type": "string"},
                "new_text": {"type": "string"},
                "all": {"type": "boolean", "description": "replace it wherever it stands"},
            }),
            &["path", "old_text", "new_text"],
        ),
    ]
}

impl ToolUse {
    /// Reads a call. Fails with words for the model.
    pub(crate) fn parse(call: &ToolCall) -> Result<ToolUse, String> {
        let Value::Object(mut arguments) = call.fn_arguments.clone() else {
            return Err(format!("the arguments of {} are no JSON object", call.fn_name));
        };
        arguments.insert("tool".to_owned(), Value::String(call.fn_name.clone()));
        serde_json::from_value(Value::Object(arguments))
            .map_err(|error| format!("cannot call {}: {error}", call.fn_name))
    }

    /// The name by which the model calls the tool.
    pub(crate) fn tool(&self) -> &'static str {
        match self {
            ToolUse::Bash { .. } => "bash",
            ToolUse::ReadFile { .. } => "read_file",
            ToolUse::WriteFile { .. } => "write_file",
            ToolUse::EditFile { .. } => "edit_file",
        }
    }

    /// The command or the path.
    fn subject(&self) -> &str {
        match self {
            ToolUse::Bash { command, .. } => command,
            ToolUse::ReadFile { path, .. } | ToolUse::WriteFile { path, .. } | ToolUse::EditFile { path, .. } => path,
        }
    }

    /// The call in one line.
    pub(crate) fn title(&self) -> String {
        one_line(&format!("{} {}", self.tool(), self.subject()), TITLE_CHARS_MAX)
    }

    /// The question that has to be answered first, for a tool that changes something.
    pub(crate) fn question(&self, call: &str) -> Option<PermissionQuestion> {
        let detail = match self {
            ToolUse::ReadFile { .. } => return None,
            ToolUse::Bash { command, .. } => format!("command:\n{command}"),
            ToolUse::WriteFile { path, content } => format!("path: {path}\ncontent:\n{content}"),
            ToolUse::EditFile { path, old_text, new_text, all } => {
                let which = if *all { "wherever it stands" } else { "once" };
                format!("path: {path}\nold text, {which}:\n{old_text}\nnew text:\n{new_text}")
            }
        };
        Some(PermissionQuestion {
            question: QuestionId(call.to_owned()),
            tool: self.tool().to_owned(),
            title: self.title(),
            detail,
            subject: self.subject().to_owned(),
        })
    }

    /// Does it.
    pub(crate) async fn run(
        self,
        dir: &ConfinedDir,
        hidden: Option<&str>,
        orders: &mut AgentOrders,
    ) -> Result<ToolOutcome, TurnBreak> {
        let done = match self {
            ToolUse::Bash { command, timeout_s } => {
                let limit = timeout_s.map_or(COMMAND_WITHIN, Duration::from_secs).min(COMMAND_WITHIN_MAX);
                return run_command(dir.path(), &command, limit, hidden, orders).await;
            }
            ToolUse::ReadFile { path, offset, limit } => {
                dir.read(&path).map(|bytes| shown(&String::from_utf8_lossy(&bytes), offset.unwrap_or(1), limit))
            }
            ToolUse::WriteFile { path, content } => {
                let bytes = content.len();
                dir.write(&path, &content).map(|()| format!("{path} is written: {bytes} bytes"))
            }
            ToolUse::EditFile { path, old_text, new_text, all } => edit(dir, &path, &old_text, &new_text, all),
        };
        Ok(done.map_or_else(ToolOutcome::failed, ToolOutcome::done))
    }
}

/// The lines from `first` on, and a word about what is not shown.
fn shown(text: &str, first: usize, limit: Option<usize>) -> String {
    let total = text.lines().count();
    let (mut shown, mut next) = (String::new(), first.max(1));
    for line in text.lines().skip(first.max(1) - 1).take(limit.unwrap_or(usize::MAX)) {
        if shown.len() + line.len() >= SHOWN_BYTES_MAX {
            // A line that is too long for all is shown in part, or nothing would ever be.
            if shown.is_empty() {
                shown.push_str(&line[..line.floor_char_boundary(SHOWN_BYTES_MAX)]);
                shown.push_str("[the line is cut here]\n");
                next += 1;
            }
            break;
        }
        shown.push_str(line);
        shown.push('\n');
        next += 1;
    }
    if next <= total {
        shown.push_str(&format!("[the file goes on: {total} lines; the next one is {next}]"));
    }
    if shown.is_empty() { format!("[nothing from line {first} on: the file has {total} lines]") } else { shown }
}

fn edit(dir: &ConfinedDir, path: &str, old: &str, new: &str, all: bool) -> Result<String, String> {
    let text = dir.read_text(path)?;
    let count = if old.is_empty() { 0 } else { text.matches(old).count() };
    match count {
        0 => Err(format!("cannot edit {path}: the old text does not stand in it")),
        1 => dir.write(path, &text.replace(old, new)).map(|()| format!("{path} is changed")),
        _ if all => dir.write(path, &text.replace(old, new)).map(|()| format!("{path} is changed in {count} places")),
        _ => Err(format!(
            "cannot edit {path}: the old text stands in it {count} times; give more of what is around it, or all"
        )),
    }
}

/// The text on one line, cut if it is long.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(chars_max) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn call(name: &str, arguments: Value) -> ToolCall {
        ToolCall {
            call_id: "c".to_owned(),
            fn_name: name.to_owned(),
            fn_arguments: arguments,
            thought_signatures: None,
        }
    }

    #[test]
    fn every_tool_that_is_offered_can_be_called_and_a_bad_call_is_told_what_is_wrong() {
        let full = json!({"command": "ls", "path": "a", "content": "x", "old_text": "x", "new_text": "y"});
        for tool in offered_tools() {
            let read = ToolUse::parse(&call(tool.name.as_str(), full.clone())).expect("it can be called");
            assert_eq!(read.tool(), tool.name.as_str());
            assert_eq!(read.question("c").is_none(), read.tool() == "read_file", "what changes something is asked for");
        }
        for (name, arguments, why) in [
            ("bash", json!({}), "missing field `command`"),
            ("bash", json!("ls"), "no JSON object"),
            ("rm", json!({}), "unknown variant `rm`"),
        ] {
            let refused = ToolUse::parse(&call(name, arguments)).expect_err(name);
            assert!(refused.contains(why), "{refused}");
        }
        let question = ToolUse::parse(&call("bash", json!({"command": "ls\n-l"}))).expect("good").question("c");
        let question = question.expect("a command is asked for");
        assert_eq!((&*question.title, &*question.subject), ("bash ls -l", "ls\n-l"));
    }

    #[test]
    fn a_file_is_shown_in_parts() {
        assert_eq!(shown("a\nb\nc\n", 1, None), "a\nb\nc\n");
        assert_eq!(shown("a\nb\nc\n", 2, Some(1)), "b\n[the file goes on: 3 lines; the next one is 3]");
        assert_eq!(shown("a\n", 5, None), "[nothing from line 5 on: the file has 1 lines]");
        let long = shown(&format!("{}\nb\n", "x".repeat(2 * SHOWN_BYTES_MAX)), 1, None);
        assert!(long.len() < SHOWN_BYTES_MAX + 200 && long.ends_with("the next one is 2]"), "{}", long.len());
    }

    #[tokio::test]
    async fn a_text_that_stands_once_is_replaced_and_another_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = ConfinedDir::open(folder.path()).expect("it is there");
        let (_orders, incoming) = mpsc::unbounded_channel();
        let mut orders = AgentOrders::of(incoming);
        let mut run = async |name: &str, arguments: Value| {
            let tool = ToolUse::parse(&call(name, arguments)).expect("a good call");
            tool.run(&dir, None, &mut orders).await.expect("nobody breaks the turn")
        };
        assert!(!run("write_file", json!({"path": "a", "content": "one two two"})).await.has_failed);
        assert!(!run("edit_file", json!({"path": "a", "old_text": "one", "new_text": "1"})).await.has_failed);
        let twice = run("edit_file", json!({"path": "a", "old_text": "two", "new_text": "2"})).await;
        assert!(twice.has_failed && twice.text.contains("2 times"), "{twice:?}");
        assert!(run("edit_file", json!({"path": "a", "old_text": "", "new_text": "2"})).await.has_failed);
        let all = json!({"path": "a", "old_text": "two", "new_text": "2", "all": true});
        assert!(!run("edit_file", all).await.has_failed);
        assert_eq!(run("read_file", json!({"path": "a"})).await, ToolOutcome::done("1 2 2\n"));
        assert!(run("read_file", json!({"path": "../a"})).await.has_failed);
    }
}
