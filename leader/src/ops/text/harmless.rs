//! Foreign text on a terminal: it may be looked at, it may not act.
//!
//! An escape sequence in a task's title could otherwise clear the screen or set the clipboard, and a
//! bidirectional override could make a line read as something else (CVE-2021-42574).

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text on one line: control and direction characters, line ends among them, appear as `\n`, `\u{1b}`.
///
/// Borrows when there is nothing to replace. Doing it twice changes nothing.
pub fn harmless(text: &str) -> Cow<'_, str> {
    replace(text, |_| false)
}

/// As [`harmless`], but line feeds and tabs stay, and `\r\n` becomes `\n`.
pub fn harmless_lines(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") {
        let unix = text.replace("\r\n", "\n");
        return Cow::Owned(replace(&unix, |c| matches!(c, '\n' | '\t')).into_owned());
    }
    replace(text, |c| matches!(c, '\n' | '\t'))
}

/// [`harmless`] text in at most `columns_max` terminal columns; what was cut shows as a final `…`.
///
/// Costs no more for a long text than for one of the length shown.
pub fn shorten(text: &str, columns_max: usize) -> Cow<'_, str> {
    // Every character that takes a column ends the walk sooner or later; the factor leaves room for
    // combining marks, and bounds the work when there is nothing but marks.
    let (text, is_whole) = prefix(text, columns_max.saturating_mul(8).saturating_add(64));
    let text = harmless(text);
    if is_whole && text.width() <= columns_max {
        return text;
    }
    if columns_max == 0 {
        return Cow::Borrowed("");
    }
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > columns_max - 1
        })
        .map_or(text.len(), |(at, _)| at);
    let mut kept = String::from(&text[..end]);
    // A sequence can be wider than the sum of its characters (a heart and its emoji selector).
    while kept.width() > columns_max - 1 || kept.ends_with('\u{200d}') {
        kept.pop();
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// How many terminal columns the text takes: two for a wide character, none for a combining mark.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most so many columns, each broken between words; a word that is longer has a line of its own.
/// The first of its lines begins `indent` columns in, and so do those that it is broken into. The line ends that it has stay.
pub fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let room = columns.saturating_sub(indent).max(1);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        // What is in place, such as a line of a file, stays so where it can.
        if line.width() <= room {
            lines.push(line.to_owned());
            continue;
        }
        let mut broken = String::new();
        for word in line.split(' ') {
            if !broken.is_empty() && broken.width() + 1 + word.width() > room {
                lines.push(std::mem::take(&mut broken));
            } else if !broken.is_empty() {
                broken.push(' ');
            }
            broken.push_str(word);
        }
        lines.push(broken);
    }
    lines
}

fn prefix(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

fn replace(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let acts = |c: char| acts_on_a_terminal(c) && !is_kept(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !acts(c) {
            shown.push(c);
        } else if matches!(c, '\n' | '\r' | '\t') {
            shown.extend(c.escape_default());
        } else {
            write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes all text");
        }
    }
    Cow::Owned(shown)
}

fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_not_sent() {
        insta::assert_snapshot!(harmless("a\u{1b}[2Jb\r\n\tc\u{9b}31m\u{202e}d\u{7}"), @r#"a\u{1b}[2Jb\r\n\tc\u{9b}31m\u{202e}d\u{7}"#);
        insta::assert_snapshot!(harmless_lines("one\r\n\ttwo\rthree\u{1b}]52;c;AA\u{7}"), @r#"
        one
        	two\rthree\u{1b}]52;c;AA\u{7}
        "#);
        assert!(matches!(harmless("plain, 漢字, é"), Cow::Borrowed(_)));
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(shorten("teamster", 8), "teamster");
        assert_eq!(shorten("teamster", 7), "teamst…");
        assert_eq!(shorten("漢字漢字", 6), "漢字…");
        assert_eq!(shorten("漢字漢字", 7), "漢字漢…");
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("ab", 0), "");
        assert_eq!(shorten("a\u{1b}b", 4), "a\\u…");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("start it with teamster spawn NAME", 16, 4), ["start it", "with", "teamster", "spawn NAME"]);
        assert_eq!(wrap("a path-that-is-longer-than-a-line b", 8, 0), ["a", "path-that-is-longer-than-a-line", "b"]);
        assert_eq!(wrap("one\n  two", 80, 8), ["one", "  two"]);
        assert_eq!(wrap("one two", usize::MAX, 8), ["one two"]);
    }

    proptest! {
        #[test]
        fn a_cut_text_fits_and_can_not_act(text in any::<String>(), columns in 0usize..50) {
            let cut = shorten(&text, columns);
            prop_assert!(width(&cut) <= columns);
            prop_assert!(!cut.contains(acts_on_a_terminal));
        }
    }
}
