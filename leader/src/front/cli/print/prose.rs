//! Sentences within the width of a terminal: on standard output and on standard error they break between words in the same
//! way. In a pipe or a file nothing breaks, because programs look for words there.

use std::io::{self, IsTerminal};

use anstream::adapter::strip_str;

use super::output::columns_of;
use super::{OutputAudience, say, width, wrap};

/// The widest label, as in `leader   process 7`, below whose value the value goes on.
const LABEL_COLUMNS_MAX: usize = 12;

/// A stream that sentences are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProseStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl ProseStream {
    /// How many columns a line may take: no end of them where it is no terminal.
    pub fn columns(self) -> usize {
        let (is_terminal, size) = match self {
            ProseStream::Output => (io::stdout().is_terminal(), terminal_size::terminal_size_of(io::stdout())),
            ProseStream::Error => (io::stderr().is_terminal(), terminal_size::terminal_size_of(io::stderr())),
        };
        if !is_terminal {
            return usize::MAX;
        }
        columns_of(std::env::var("COLUMNS").ok().as_deref(), size.map(|(columns, _)| columns.0))
    }
}

/// Sentences as standard output is to show them. They may have colours.
pub fn prose(text: &str) -> String {
    fit(text, ProseStream::Output.columns())
}

/// Prints sentences, as [`say`] does.
pub fn tell(text: &str) -> io::Result<OutputAudience> {
    say(prose(text))
}

/// The lines of a text, each broken between words where it is longer than that. It goes on below its first word or, where
/// that is a label with blanks after it, below what comes after the label.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let fitted = |line: &str| {
        if width(line) <= columns {
            return line.to_owned();
        }
        let (head, body) = line.split_at(beginning(line));
        hang(head, body, columns)
    };
    text.split('\n').map(fitted).collect::<Vec<_>>().join("\n")
}

/// A head with a body behind it, broken between words, that goes on below its own begin. A word that has no room there
/// stands further left, where it has as much as a line gives.
pub fn hang(head: &str, body: &str, columns: usize) -> String {
    let indent = width(head);
    let mut text = String::new();
    for (at, line) in wrap(body, columns, indent).iter().enumerate() {
        let before = indent.min(columns.saturating_sub(width(line)));
        match at {
            0 if before == indent => text.push_str(head),
            0 if strip_str(head).to_string().trim().is_empty() => text.push_str(&" ".repeat(before)),
            0 => text.push_str(&format!("{}\n{:before$}", head.trim_end(), "")),
            _ => text.push_str(&format!("\n{:before$}", "")),
        }
        text.push_str(line);
    }
    text
}

/// How much of a line is its indent and its label.
fn beginning(line: &str) -> usize {
    let begin = line.len() - line.trim_start_matches(' ').len();
    let Some(label) = line[begin..].find("  ") else { return begin };
    let value = line[begin + label..].trim_start_matches(' ');
    let is_label = !value.is_empty() && width(&line[..begin + label]) <= LABEL_COLUMNS_MAX;
    if is_label { line.len() - value.len() } else { begin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_go_on_below_their_begin() {
        let text = "the leader does not answer\n  it waits for task 3\n\nleader   process 7, up 3m\nshort  one";
        insta::assert_snapshot!(fit(text, 18), @"
        the leader does
        not answer
          it waits for
          task 3

        leader   process
                 7, up 3m
        short  one
        ");
        assert_eq!(fit(text, usize::MAX), text);
        insta::assert_snapshot!(fit("owner    a-name-of-19-columns and\n  failed on\n  one-word-of-18-col\n    longer-than-a-whole-line", 18), @"
        owner
        a-name-of-19-columns
                 and
          failed on
        one-word-of-18-col
        longer-than-a-whole-line
        ");
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(fit("\u{1b}[1mone two\u{1b}[0m three", 13), "\u{1b}[1mone two\u{1b}[0m three");
        assert_eq!(fit("\u{1b}[1mone two\u{1b}[0m three", 12), "\u{1b}[1mone two\u{1b}[0m\nthree");
        assert_eq!(fit("\u{1b}[2mleader\u{1b}[0m   process 7", 16), "\u{1b}[2mleader\u{1b}[0m   process\n         7");
    }
}
