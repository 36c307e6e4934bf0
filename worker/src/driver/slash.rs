//! Texts that begin with a slash. Many agents run such a text as a command of their own instead of reading it, some without a
//! word: a path at its beginning is enough. A person's text is a text, so a line stands before it for those agents.

/// The text as one that no agent takes for a command.
pub(super) fn never_a_command(text: String) -> String {
    if text.trim_start().starts_with('/') { format!("Message:\n{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_begins_with_a_slash_has_a_line_before_it() {
        let guarded = |text: &str| never_a_command(text.to_owned());
        assert_eq!(guarded("/tmp/x is broken"), "Message:\n/tmp/x is broken");
        assert_eq!(guarded("\n  /compact"), "Message:\n\n  /compact");
        assert_eq!(guarded("look at /tmp/x"), "look at /tmp/x");
        assert_eq!(guarded(""), "");
    }
}
