//! Standard output: whether to colour, how wide, and what to do when nobody reads any more.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// The width assumed for a pipe, a file and a terminal that does not say.
pub const COLUMNS_DEFAULT: usize = 80;

const COLUMNS_MIN: usize = 20;
const COLUMNS_MAX: usize = 1_000;

/// Whether somebody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputAudience {
    /// The line was taken.
    There,
    /// The reader closed the pipe (`… | head`): a follower should end, and end well.
    Gone,
}

/// Writes `text` and a line end to standard output and flushes; blocks while the reader is slow.
///
/// Colour codes are taken out for pipes and under `NO_COLOR`, and kept under `CLICOLOR_FORCE`. Does not
/// make the text harmless: it may hold colours of [`super::paint`].
pub fn say(text: impl Display) -> io::Result<OutputAudience> {
    say_to(&mut anstream::stdout().lock(), &text)
}

/// As [`say`], but without a line end of its own: for text that comes in pieces. Writes nothing for an empty text.
pub fn put(text: impl Display) -> io::Result<OutputAudience> {
    put_to(&mut anstream::stdout().lock(), &text)
}

/// How many columns a line on standard output may take.
///
/// `COLUMNS` if set to a number, else what the terminal says, else [`COLUMNS_DEFAULT`].
pub fn columns() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0);
    columns_of(std::env::var("COLUMNS").ok().as_deref(), terminal)
}

/// How many columns a table on standard output may take: as [`columns`] on a terminal, and as many as it needs in a pipe or a
/// file, where programs look for words that must not be cut.
pub fn table_columns() -> usize {
    let is_said = std::env::var_os("COLUMNS").is_some_and(|columns| !columns.is_empty());
    if is_said || io::stdout().is_terminal() { columns() } else { COLUMNS_MAX }
}

fn say_to(out: &mut dyn Write, text: &dyn Display) -> io::Result<OutputAudience> {
    put_to(out, &format_args!("{text}\n"))
}

fn put_to(out: &mut dyn Write, text: &dyn Display) -> io::Result<OutputAudience> {
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(OutputAudience::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(OutputAudience::Gone),
        Err(error) => Err(error),
    }
}

pub(super) fn columns_of(variable: Option<&str>, terminal: Option<u16>) -> usize {
    variable
        .and_then(|text| text.trim().parse::<usize>().ok())
        .filter(|columns| *columns > 0)
        .or(terminal.map(usize::from).filter(|columns| *columns > 0))
        .map_or(COLUMNS_DEFAULT, |columns| columns.clamp(COLUMNS_MIN, COLUMNS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_the_terminal() {
        assert_eq!(columns_of(Some("100"), Some(120)), 100);
        assert_eq!(columns_of(None, Some(120)), 120);
        assert_eq!(columns_of(Some("wide"), Some(120)), 120);
        assert_eq!(columns_of(Some("0"), None), COLUMNS_DEFAULT);
        assert_eq!(columns_of(None, Some(0)), COLUMNS_DEFAULT);
        assert_eq!(columns_of(Some("3"), None), COLUMNS_MIN);
        assert_eq!(columns_of(Some("99999999"), None), COLUMNS_MAX);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        assert_eq!(say_to(&mut writer, &"a").expect("written"), OutputAudience::There);
        drop(reader);
        assert_eq!(say_to(&mut writer, &"b").expect("no failure"), OutputAudience::Gone);
    }
}
