//! Lines at the end of a terminal that are drawn over themselves, with what stays above them.

use std::io::{self, IsTerminal, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use super::prose::fit;
use super::width;

/// Rows of the terminal that are never drawn on: one for the cursor, and the first one, because some terminals keep what
/// is erased from there on as if it had scrolled away.
pub const ROWS_SPARED: usize = 2;

/// How much a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenSize {
    /// The width, at least 1.
    pub columns: usize,
    /// The height.
    pub rows: usize,
}

impl ScreenSize {
    /// Of the terminal at standard error, as it is now; the usual size where there is none.
    pub fn now() -> ScreenSize {
        match terminal_size::terminal_size_of(io::stderr()) {
            Some((columns, rows)) => ScreenSize { columns: usize::from(columns.0).max(1), rows: usize::from(rows.0) },
            None => ScreenSize { columns: 80, rows: 24 },
        }
    }
}

/// The lines of the last drawing. They are the last of the terminal, with the cursor below them.
#[derive(Debug, Default)]
pub struct RedrawnLines {
    /// How wide each is.
    drawn: Vec<usize>,
}

impl RedrawnLines {
    /// Whether standard error is a terminal that can move its cursor.
    pub fn are_possible() -> bool {
        let moves = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        moves && io::stderr().is_terminal()
    }

    /// Draws on standard error `above`, which stays, and below it `lines` in place of those of the last drawing. A terminal
    /// that can not be written to is no reason to end the work. What stays is broken between words where it is too long.
    pub fn draw(&mut self, above: &[String], lines: &[String], size: ScreenSize) {
        let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let above: Vec<String> = above.iter().map(|line| fit(line, size.columns)).collect();
        let frame = self.frame(&above, lines, size, colours);
        let mut terminal = io::stderr().lock();
        let _ = terminal.write_all(frame.as_bytes()).and_then(|()| terminal.flush());
    }

    /// What to write so that a terminal of that size shows `above`, which stays, and below it `lines` in place of those of
    /// the last drawing. It is one write, and marked as one update for the terminals that know that (mode 2026): nothing
    /// flickers. No line may be as wide as the terminal, and [`ROWS_SPARED`] rows must be left.
    fn frame(&mut self, above: &[String], lines: &[String], size: ScreenSize, colours: bool) -> String {
        let mut frame = String::from("\x1b[?2026h");
        // A terminal that was made narrower has wrapped what was drawn.
        let rows: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(size.columns.max(1)).max(1)).sum();
        let rows = rows.min(size.rows.saturating_sub(ROWS_SPARED));
        if rows > 0 {
            // All of it before the first line: what stays above may wrap, and half-erased lines still count as long when
            // the terminal wraps anew.
            frame.push_str(&format!("\x1b[{rows}F\x1b[J"));
        }
        for line in above.iter().chain(lines) {
            if colours {
                frame.push_str(line)
            } else {
                frame.push_str(&strip_str(line).to_string())
            }
            frame.push('\n');
        }
        frame.push_str("\x1b[?2026l");
        self.drawn = lines.iter().map(|line| width(line)).collect();
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "\u{1b}[?2026h";
    const END: &str = "\u{1b}[?2026l";

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn size(columns: usize, rows: usize) -> ScreenSize {
        ScreenSize { columns, rows }
    }

    #[test]
    fn a_drawing_replaces_the_last_and_what_stays_goes_above() {
        let mut redrawn = RedrawnLines::default();
        let size = size(80, 24);
        assert_eq!(redrawn.frame(&[], &lines(&["a", "b"]), size, true), format!("{BEGIN}a\nb\n{END}"));
        let second = redrawn.frame(&lines(&["it happened"]), &lines(&["c"]), size, true);
        assert_eq!(second, format!("{BEGIN}\u{1b}[2F\u{1b}[Jit happened\nc\n{END}"));
        assert_eq!(redrawn.frame(&[], &[], size, true), format!("{BEGIN}\u{1b}[1F\u{1b}[J{END}"), "nothing is left");
        assert_eq!(redrawn.frame(&[], &[], size, true), format!("{BEGIN}{END}"));
    }

    #[test]
    fn a_terminal_that_became_narrower_has_more_rows_to_go_over_but_never_its_first() {
        let mut redrawn = RedrawnLines::default();
        let three = lines(&["0123456789", "x", ""]);
        redrawn.frame(&[], &three, size(80, 24), true);
        assert!(redrawn.frame(&[], &three, size(4, 24), true).starts_with(&format!("{BEGIN}\u{1b}[5F")), "3 + 1 + 1");
        assert!(redrawn.frame(&[], &[], size(4, 6), true).starts_with(&format!("{BEGIN}\u{1b}[4F")));
    }

    #[test]
    fn without_colours_nothing_but_the_drawing_acts() {
        let mut redrawn = RedrawnLines::default();
        let red = lines(&["\u{1b}[31mred\u{1b}[0m"]);
        assert_eq!(redrawn.frame(&red, &[], size(80, 24), false), format!("{BEGIN}red\n{END}"));
    }

    /// A terminal as tmux is one: what is erased from the first row on goes into the scrollback, as what scrolls away does.
    struct Terminal {
        rows: usize,
        screen: Vec<String>,
        cursor: usize,
        scrollback: Vec<String>,
    }

    impl Terminal {
        fn new(rows: usize) -> Terminal {
            Terminal { rows, screen: vec![String::new(); rows], cursor: 0, scrollback: Vec::new() }
        }

        fn write(&mut self, text: &str) {
            let mut rest = text;
            while let Some(first) = rest.chars().next() {
                rest = &rest[first.len_utf8()..];
                match first {
                    '\n' if self.cursor + 1 < self.rows => self.cursor += 1,
                    '\n' => {
                        self.scrollback.push(self.screen.remove(0));
                        self.screen.push(String::new());
                    }
                    '\u{1b}' => {
                        let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("an escape sequence ends");
                        let number = rest[1..end].parse().unwrap_or(0);
                        match &rest[end..=end] {
                            "F" => self.cursor = self.cursor.saturating_sub(number),
                            "J" => self.erase(),
                            _ => {}
                        }
                        rest = &rest[end + 1..];
                    }
                    other => self.screen[self.cursor].push(other),
                }
            }
        }

        fn erase(&mut self) {
            if self.cursor == 0 {
                self.scrollback.append(&mut self.screen.clone());
            }
            self.screen[self.cursor..].iter_mut().for_each(String::clear);
        }
    }

    #[test]
    fn no_drawn_row_is_left_in_the_scrollback() {
        for count in [1, 21, 22] {
            let drawn: Vec<String> = (0..count).map(|number| format!("drawn {number}")).collect();
            let told: Vec<String> = (0..50).map(|number| format!("told {number}")).collect();
            let (mut redrawn, mut terminal) = (RedrawnLines::default(), Terminal::new(24));
            terminal.write("$ teamster run plan.toml\n");
            for line in &told {
                terminal.write(&redrawn.frame(std::slice::from_ref(line), &drawn, size(80, 24), false));
            }
            terminal.write(&redrawn.frame(&[], &[], size(80, 24), false));
            let all = terminal.scrollback.iter().chain(&terminal.screen).map(String::as_str);
            let all: Vec<&str> = all.filter(|line| !line.is_empty()).collect();
            let first = std::iter::once("$ teamster run plan.toml");
            assert_eq!(all, first.chain(told.iter().map(String::as_str)).collect::<Vec<_>>(), "{count} lines");
        }
    }
}
