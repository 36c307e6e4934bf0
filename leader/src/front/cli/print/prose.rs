//! Sentences within the width of a terminal: on standard output and on standard error they break between words in the same
//! way. In a pipe or a file nothing breaks, because programs look for words there.

use std::io::{self, IsTerminal};

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
        let begin = beginning(line);
        let indent = width(&line[..begin]);
        let broken = wrap(&line[begin..], columns, indent);
        format!("{}{}", &line[..begin], broken.join(&format!("\n{:indent$}", "")))
    };
    text.split('\n').map(fitted).collect::<Vec<_>>().join("\n")
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
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(fit("\u{1b}[1mone two\u{1b}[0m three", 13), "\u{1b}[1mone two\u{1b}[0m three");
        assert_eq!(fit("\u{1b}[1mone two\u{1b}[0m three", 12), "\u{1b}[1mone two\u{1b}[0m\nthree");
        assert_eq!(fit("\u{1b}[2mleader\u{1b}[0m   process 7", 16), "\u{1b}[2mleader\u{1b}[0m   process\n         7");
    }
}
