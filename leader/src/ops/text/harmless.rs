//! Foreign text on a terminal: it may be looked at, it may not act.
//!
//! An escape sequence in a task's title could otherwise clear the screen or set the clipboard, and a
//! bidirectional override could make a line read as something else (CVE-2021-42574). What programs say for a terminal,
//! such as their colours, is for theirs: it is taken out here, on terminals and elsewhere, and `--json` has all of it.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text on one line. Sequences that speak to a terminal, such as colours, are taken out; other control and direction
/// characters appear as `\u{7}`. Lines are joined by `; `, or by a blank where a line ends in a stop.
///
/// Borrows when there is nothing to replace. Doing it twice changes nothing.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_a_terminal) {
        return Cow::Borrowed(text);
    }
    let (mut sequence, mut shown, mut line) =
        (SequenceState::Outside, String::with_capacity(text.len()), JoinedLine::Begun);
    for c in text.chars().filter(|c| !sequence.takes(*c)) {
        match c {
            '\n' | '\r' => line = JoinedLine::Ended,
            '\t' | ' ' if line == JoinedLine::Ended => {}
            _ => {
                if line == JoinedLine::Ended {
                    join(&mut shown);
                    line = JoinedLine::Begun;
                }
                show(&mut shown, if c == '\t' { ' ' } else { c });
            }
        }
    }
    if line == JoinedLine::Ended {
        shown.truncate(shown.trim_end().len());
    }
    Cow::Owned(shown)
}

/// As [`harmless`], but the lines stay lines, and tabs stay. A carriage return ends a line too: what a terminal would write
/// over can be read.
pub fn harmless_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| !matches!(c, '\n' | '\t') && acts_on_a_terminal(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(HarmlessStream::default().next(text))
}

/// The text with each control and direction character shown as `\n`, `\u{1b}`: for an error that quotes what is wrong, so
/// that it can be seen.
pub fn show_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_a_terminal) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.extend(c.escape_default()),
            _ => show(&mut shown, c),
        }
    }
    Cow::Owned(shown)
}

/// [`harmless_lines`] of a text that comes in pieces, which may end in the middle of a sequence or of a line end.
#[derive(Debug, Default)]
pub struct HarmlessStream {
    sequence: SequenceState,
    /// Whether the last character was a carriage return, for which nothing was shown yet.
    returned: bool,
}

impl HarmlessStream {
    /// The next piece.
    pub fn next(&mut self, piece: &str) -> String {
        let mut shown = String::with_capacity(piece.len());
        for c in piece.chars() {
            if self.sequence.takes(c) {
                continue;
            }
            if std::mem::take(&mut self.returned) && c != '\n' {
                shown.push('\n');
            }
            match c {
                '\r' => self.returned = true,
                '\n' | '\t' => shown.push(c),
                _ => show(&mut shown, c),
            }
        }
        shown
    }
}

/// How far a text is that is put on one line.
#[derive(PartialEq, Eq)]
enum JoinedLine {
    Begun,
    /// What follows is of another line.
    Ended,
}

/// The place of a character in a sequence of ECMA-48, which is for the terminal and not for the reader.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum SequenceState {
    #[default]
    Outside,
    /// After the escape character.
    Escape,
    /// Within a control sequence, such as a colour.
    Control,
    /// Within a string for the terminal, such as the title of its window.
    Text,
}

impl SequenceState {
    /// Takes in the next character, and says whether it is of a sequence. A line end is of none: a sequence that is never
    /// ended hides no more than the rest of its line.
    fn takes(&mut self, c: char) -> bool {
        let next = match (*self, c) {
            (_, '\u{1b}') => SequenceState::Escape,
            (SequenceState::Outside, '\u{9b}') | (SequenceState::Escape, '[') => SequenceState::Control,
            (SequenceState::Outside, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}')
            | (SequenceState::Escape, ']' | 'P' | 'X' | '^' | '_') => SequenceState::Text,
            (SequenceState::Escape, ' '..='/') => SequenceState::Escape,
            (SequenceState::Control, ' '..='?') => SequenceState::Control,
            (SequenceState::Escape, '0'..='~')
            | (SequenceState::Control, '@'..='~')
            | (SequenceState::Text, '\u{7}' | '\u{9c}') => SequenceState::Outside,
            (SequenceState::Text, c) if !matches!(c, '\n' | '\r') => SequenceState::Text,
            (SequenceState::Outside, _) => return false,
            (SequenceState::Escape | SequenceState::Control | SequenceState::Text, _) => {
                *self = SequenceState::Outside;
                return self.takes(c);
            }
        };
        *self = next;
        true
    }
}

/// Puts between two lines what keeps them apart on one.
fn join(shown: &mut String) {
    shown.truncate(shown.trim_end().len());
    match shown.chars().last() {
        None => {}
        Some('.' | ',' | ':' | ';' | '!' | '?') => shown.push(' '),
        Some(_) => shown.push_str("; "),
    }
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

/// How many terminal columns the text takes: two for a wide character, none for a combining mark and for colours.
pub fn width(text: &str) -> usize {
    if !text.contains('\u{1b}') {
        return text.width();
    }
    let mut sequence = SequenceState::Outside;
    text.chars().filter(|c| !sequence.takes(*c)).collect::<String>().width()
}

/// The text in lines of at most so many columns, each broken between words, and beside the wide characters of scripts that
/// have no blanks; a word that is longer has a line of its own. The first of its lines begins `indent` columns in, and so do
/// those that it is broken into. The line ends that it has stay.
pub fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let room = columns.saturating_sub(indent).max(1);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        // What is in place, such as a line of a file, stays so where it can.
        if width(line) <= room {
            lines.push(line.to_owned());
            continue;
        }
        let mut broken = String::new();
        for (gap, piece) in line.split(' ').flat_map(pieces) {
            if !broken.is_empty() && width(&broken) + gap.len() + width(piece) > room {
                lines.push(std::mem::take(&mut broken));
            } else if !broken.is_empty() {
                broken.push_str(gap);
            }
            broken.push_str(piece);
        }
        lines.push(broken);
    }
    lines
}

/// A word in the pieces that a line may end between, each with what stands before it on the same line.
fn pieces(word: &str) -> Vec<(&'static str, &str)> {
    let mut begins: Vec<usize> = word.char_indices().filter(|(_, c)| begins_a_piece(*c)).map(|(at, _)| at).collect();
    begins.retain(|at| *at > 0);
    begins.insert(0, 0);
    let ends = begins.iter().copied().skip(1).chain([word.len()]);
    let piece = |(begin, end): (usize, usize)| (if begin == 0 { " " } else { "" }, &word[begin..end]);
    begins.iter().copied().zip(ends).map(piece).collect()
}

/// Whether a line may begin with the character although no blank is before it: it is wide, and closes nothing.
fn begins_a_piece(c: char) -> bool {
    c.width() == Some(2)
        && !matches!(c, '、' | '。' | '」' | '』' | '】' | '）' | '，' | '．' | '！' | '？' | '：' | '；' | 'ー')
}

fn prefix(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

/// Appends a character, by its number if a terminal would act on it.
fn show(shown: &mut String, c: char) {
    if acts_on_a_terminal(c) {
        write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes all text");
    } else {
        shown.push(c);
    }
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
    fn sequences_for_a_terminal_are_taken_out_and_the_rest_is_shown() {
        insta::assert_snapshot!(harmless("a\u{1b}[2Jb\tc\u{9b}1;31md\u{202e}e\u{7}"), @r"ab cd\u{202e}e\u{7}");
        insta::assert_snapshot!(harmless_lines("\u{1b}[1;31mone\u{1b}(B\r\n\ttwo\rthree\u{1b}]52;c;AA\u{7}\u{1b}]0;t\u{1b}\\!"), @"
        one
        \ttwo
        three!
        ");
        assert_eq!(harmless_lines("a\u{1b}]0;never ended\nb\u{1b}[3\nc\u{1b}"), "a\nb\nc", "a line is lost at most");
        assert!(matches!(harmless("plain, 漢字, é"), Cow::Borrowed(_)));
        assert!(matches!(harmless_lines("plain,\n\t漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_an_error_quotes_can_be_seen() {
        assert_eq!(show_controls("a\u{1b}[2Jb\r\n\tc\u{202e}"), r"a\u{1b}[2Jb\r\n\tc\u{202e}");
        assert!(matches!(show_controls("漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_are_joined_so_that_they_can_be_told_apart() {
        assert_eq!(harmless("it is missing \r\n\r\n  put it back\n"), "it is missing; put it back");
        assert_eq!(harmless("the last lines:\nno key\n"), "the last lines: no key");
        assert_eq!(harmless("\n\n"), "");
    }

    #[test]
    fn a_sequence_may_be_cut_between_two_pieces() {
        let mut stream = HarmlessStream::default();
        let shown: Vec<String> = ["a\u{1b}", "[3", "1mred\r", "\nb\r", "c"].map(|piece| stream.next(piece)).into();
        assert_eq!(shown, ["a", "", "red", "\nb", "\nc"]);
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(shorten("teamster", 8), "teamster");
        assert_eq!(shorten("teamster", 7), "teamst…");
        assert_eq!(shorten("漢字漢字", 6), "漢字…");
        assert_eq!(shorten("漢字漢字", 7), "漢字漢…");
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("ab", 0), "");
        assert_eq!(shorten("a\u{7}b", 4), "a\\u…");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("start it with teamster spawn NAME", 16, 4), ["start it", "with", "teamster", "spawn NAME"]);
        assert_eq!(wrap("a path-that-is-longer-than-a-line b", 8, 0), ["a", "path-that-is-longer-than-a-line", "b"]);
        assert_eq!(wrap("one\n  two", 80, 8), ["one", "  two"]);
        assert_eq!(wrap("one two", usize::MAX, 8), ["one two"]);
        assert_eq!(wrap("2 漢字の題名、です。 end it", 10, 0), ["2 漢字の題", "名、です。", "end it"]);
        assert_eq!(wrap("e\u{301}e\u{301} o\u{308}o", 3, 0), ["e\u{301}e\u{301}", "o\u{308}o"]);
    }

    proptest! {
        #[test]
        fn to_do_it_twice_changes_nothing(text in any::<String>()) {
            let (line, lines) = (harmless(&text), harmless_lines(&text));
            prop_assert_eq!(harmless(&line), &*line);
            prop_assert_eq!(harmless_lines(&lines), &*lines);
            prop_assert!(!lines.contains(|c| !matches!(c, '\n' | '\t') && acts_on_a_terminal(c)));
        }

        #[test]
        fn a_cut_text_fits_and_can_not_act(text in any::<String>(), columns in 0usize..50) {
            let cut = shorten(&text, columns);
            prop_assert!(width(&cut) <= columns);
            prop_assert!(!cut.contains(acts_on_a_terminal));
        }
    }
}
