//! Lines at the end of a terminal that are drawn over themselves, with what stays above them.

use anstream::adapter::strip_str;

use super::width;

/// The lines of the last drawing. They are the last of the terminal, with the cursor below them.
#[derive(Debug, Default)]
pub struct RedrawnLines {
    /// How wide each is.
    drawn: Vec<usize>,
}

impl RedrawnLines {
    /// What to write so that a terminal of that many columns shows `above`, which stays, and below it `lines` in place of
    /// those of the last drawing. It is one write, and marked as one update for the terminals that know that (mode 2026):
    /// nothing flickers. No line may be as wide as the terminal.
    pub fn frame(&mut self, above: &[String], lines: &[String], columns: usize, colours: bool) -> String {
        let mut frame = String::from("\x1b[?2026h");
        // A terminal that was made narrower has wrapped what was drawn.
        let rows: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(columns.max(1)).max(1)).sum();
        if rows > 0 {
            frame.push_str(&format!("\x1b[{rows}F"));
        }
        // All of it before the first line: what stays above may wrap.
        frame.push_str("\x1b[J");
        for line in above.iter().chain(lines) {
            if colours {
                frame.push_str(line)
            } else {
                frame.push_str(&strip_str(line).to_string())
            }
            frame.push('\n');
        }
        frame.push_str("\x1b[?2026l");
        self.drawn = lines.iter().map(|line| width(&strip_str(line).to_string())).collect();
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

    #[test]
    fn a_drawing_replaces_the_last_and_what_stays_goes_above() {
        let mut redrawn = RedrawnLines::default();
        assert_eq!(redrawn.frame(&[], &lines(&["a", "b"]), 80, true), format!("{BEGIN}\u{1b}[Ja\nb\n{END}"));
        let second = redrawn.frame(&lines(&["it happened"]), &lines(&["c"]), 80, true);
        assert_eq!(second, format!("{BEGIN}\u{1b}[2F\u{1b}[Jit happened\nc\n{END}"));
        assert_eq!(redrawn.frame(&[], &[], 80, true), format!("{BEGIN}\u{1b}[1F\u{1b}[J{END}"), "nothing is left");
        assert_eq!(redrawn.frame(&[], &[], 80, true), format!("{BEGIN}\u{1b}[J{END}"));
    }

    #[test]
    fn a_terminal_that_became_narrower_has_more_rows_to_go_over() {
        let mut redrawn = RedrawnLines::default();
        redrawn.frame(&[], &lines(&["0123456789", "x", ""]), 80, true);
        assert!(redrawn.frame(&[], &[], 4, true).starts_with(&format!("{BEGIN}\u{1b}[5F")), "3 + 1 + 1");
    }

    #[test]
    fn without_colours_nothing_but_the_drawing_acts() {
        let mut redrawn = RedrawnLines::default();
        let red = lines(&["\u{1b}[31mred\u{1b}[0m"]);
        assert_eq!(redrawn.frame(&red, &[], 80, false), format!("{BEGIN}\u{1b}[Jred\n{END}"));
    }
}
