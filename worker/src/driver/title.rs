//! Lines for people out of what agents say in many words: the title of a tool call, an error in one line.

use serde_json::Value;

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 160;

/// The arguments that tell most about a call, best first.
const TELLING: [&str; 9] = ["command", "cmd", "file_path", "path", "pattern", "query", "url", "description", "prompt"];

/// The tool and the argument that tells most, in one line.
pub(super) fn tool_title(tool: &str, args: &Value) -> String {
    let telling = TELLING.iter().find_map(|name| args.get(name).and_then(Value::as_str));
    match telling {
        Some(text) => one_line(&format!("{tool} {text}")),
        None => one_line(tool),
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
    fn a_long_text_is_cut_between_two_characters() {
        let line = one_line(&"ä ".repeat(400));
        assert_eq!(line.chars().count(), TITLE_CHARS_MAX + 1);
        assert!(line.ends_with('…'));
    }
}
