//! Lines for people out of what agents say in many words: the title and the arguments of a tool call, an error in one line.

use serde_json::Value;

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 160;

/// The most that is shown of a call's arguments, in bytes.
const DETAIL_BYTES_MAX: usize = 8 * 1024;

/// The arguments that tell most about a call, best first.
const TELLING: [&str; 11] =
    ["command", "cmd", "file_path", "filePath", "filepath", "path", "pattern", "query", "url", "description", "prompt"];

/// The arguments that a tool acts on, best first: the first of them is what rules go by.
const SUBJECTS: [&str; 7] = ["command", "cmd", "file_path", "filePath", "filepath", "path", "url"];

/// The thing that a tool call acts on, whole and unchanged; empty if its arguments do not tell it.
pub(super) fn subject_of(args: &Value) -> String {
    let subject = SUBJECTS.iter().find_map(|name| args.get(name).and_then(Value::as_str));
    subject.unwrap_or_default().to_owned()
}

/// The tool and the argument that tells most, in one line.
pub(super) fn tool_title(tool: &str, args: &Value) -> String {
    let telling = TELLING.iter().find_map(|name| args.get(name).and_then(Value::as_str));
    match telling {
        Some(text) => one_line(&format!("{tool} {text}")),
        None => one_line(tool),
    }
}

/// The arguments of a tool call as a person reads them: each on a line of its own, and one of several lines below its name.
pub(super) fn readable_args(args: &Value) -> String {
    bounded_detail(match args {
        Value::Object(args) => {
            args.iter().map(|(name, value)| readable_arg(name, value)).collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => args.to_string(),
    })
}

/// The beginning of a text that shows what a tool is to do, with a mark if something is missing.
pub(super) fn bounded_detail(mut text: String) -> String {
    let cut = text.floor_char_boundary(DETAIL_BYTES_MAX);
    if cut < text.len() {
        let missing_bytes = text.len() - cut;
        text.truncate(cut);
        text.push_str(&format!("\n[cut: {missing_bytes} bytes after this]"));
    }
    text
}

fn readable_arg(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => format!("{name}:\n{text}"),
        Value::String(text) => format!("{name}: {text}"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{name}: {value}")
        }
    }
}

/// The text on one line, cut if it is long.
pub(super) fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(TITLE_CHARS_MAX) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_told_by_its_most_telling_argument() {
        assert_eq!(tool_title("bash", &json!({"timeout": 3, "command": "ls\n  -l"})), "bash ls -l");
        assert_eq!(tool_title("write", &json!({"content": "x", "path": "/a.txt"})), "write /a.txt");
        assert_eq!(tool_title("think", &json!({})), "think");
        assert_eq!(tool_title("odd", &json!("text")), "odd");
    }

    #[test]
    fn the_arguments_of_a_call_are_lines_for_people_and_cut_if_they_are_long() {
        let args = json!({"command": "ls -l", "content": "x\ny", "timeout": 3, "list": ["a"]});
        assert_eq!(readable_args(&args), "command: ls -l\ncontent:\nx\ny\nlist: [\"a\"]\ntimeout: 3");
        assert_eq!(readable_args(&json!({})), "");
        assert_eq!(readable_args(&Value::Null), "");
        let long = readable_args(&json!({"content": "ä".repeat(DETAIL_BYTES_MAX)}));
        let (shown, mark) = long.rsplit_once('\n').unwrap();
        assert!(shown.len() <= DETAIL_BYTES_MAX, "{}", shown.len());
        assert_eq!(mark, format!("[cut: {} bytes after this]", "content: ".len() + 2 * DETAIL_BYTES_MAX - shown.len()));
    }

    #[test]
    fn rules_go_by_what_a_call_acts_on_and_never_by_what_is_said_of_it() {
        let subject = subject_of(&json!({"description": "git log", "command": "rm -r x\n"}));
        assert_eq!(subject, "rm -r x\n");
        assert_eq!(subject_of(&json!({"file_path": "/a", "content": "x"})), "/a");
        assert_eq!(subject_of(&json!({"pattern": "x", "description": "y", "prompt": "z"})), "");
        assert_eq!(subject_of(&Value::Null), "");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let line = one_line(&"ä ".repeat(400));
        assert_eq!(line.chars().count(), TITLE_CHARS_MAX + 1);
        assert!(line.ends_with('…'));
    }
}
