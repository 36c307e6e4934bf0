//! The end of a long text: what a turn has to show when all of it would be too much.

use teamster_protocol::model::limits::RESULT_BYTES_MAX;

/// Room kept in a cut result for the line that says so.
const CUT_MARK_BYTES_MAX: usize = 64;

/// Takes a text of any length piece by piece and keeps its end, in at most twice
/// [`RESULT_BYTES_MAX`] of memory.
#[derive(Debug, Default)]
pub struct TextTail {
    kept: String,
    dropped_bytes: u64,
}

impl TextTail {
    /// Puts `text` after all that was pushed before.
    pub fn push(&mut self, text: &str) {
        if self.kept.len() + text.len() > 2 * RESULT_BYTES_MAX {
            let keep_of_kept = RESULT_BYTES_MAX.saturating_sub(text.len());
            let from = self.kept.ceil_char_boundary(self.kept.len().saturating_sub(keep_of_kept));
            self.dropped_bytes += from as u64;
            self.kept.drain(..from);
        }
        let from = text.ceil_char_boundary(text.len().saturating_sub(2 * RESULT_BYTES_MAX));
        self.dropped_bytes += from as u64;
        self.kept.push_str(&text[from..]);
    }

    /// The end of the text without its last newlines, at most [`RESULT_BYTES_MAX`] long. If something
    /// is missing, the first line says how much, and the text goes on at the start of a line if one
    /// starts within reach, else between two characters.
    pub fn into_result(self) -> String {
        let text = self.kept.trim_end_matches('\n');
        if self.dropped_bytes == 0 && text.len() <= RESULT_BYTES_MAX {
            return text.to_owned();
        }
        let room = RESULT_BYTES_MAX - CUT_MARK_BYTES_MAX;
        let reach = text.ceil_char_boundary(text.len().saturating_sub(room));
        let start = match text[reach..].find('\n') {
            Some(newline) => reach + newline + 1,
            None => reach,
        };
        let missing_bytes = self.dropped_bytes + start as u64;
        format!("[cut: {missing_bytes} bytes before this]\n{}", &text[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result_of(pieces: impl IntoIterator<Item = String>) -> String {
        let mut tail = TextTail::default();
        for piece in pieces {
            tail.push(&piece);
        }
        tail.into_result()
    }

    #[test]
    fn a_short_text_is_its_own_result() {
        assert_eq!(result_of(["one\ntwo\n".into(), "three\n".into()]), "one\ntwo\nthree");
        assert_eq!(result_of([]), "");
        let longest = "x".repeat(RESULT_BYTES_MAX);
        assert!(result_of([format!("{longest}\n")]) == longest);
    }

    #[test]
    fn a_long_text_is_cut_at_a_line_and_says_so() {
        let lines: Vec<String> = (0..100_000).map(|n| format!("line {n}\n")).collect();
        let total: usize = lines.iter().map(String::len).sum();
        let result = result_of(lines.clone());
        assert!(result.len() <= RESULT_BYTES_MAX, "{} bytes", result.len());
        let (mark, rest) = result.split_once('\n').expect("a mark and a text");
        assert_eq!(mark, format!("[cut: {} bytes before this]", total - rest.len() - 1));
        assert!(rest.starts_with("line ") && rest.ends_with("line 99999"));
        assert_eq!(result_of([lines.concat()]), result, "the pieces do not matter");
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let result = result_of((0..3_000).map(|_| "däß€🐎".to_owned()));
        assert!(result.len() <= RESULT_BYTES_MAX);
        assert!(result.len() > RESULT_BYTES_MAX - CUT_MARK_BYTES_MAX - 4, "{}", result.len());
        assert!(result.ends_with("däß€🐎"));
    }
}
