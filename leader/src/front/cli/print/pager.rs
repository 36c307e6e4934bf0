//! Text that is longer than the screen goes through a pager, as with git: nothing scrolls away before it was read.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::{Command, Stdio};

use anstream::ColorChoice;

use super::{OutputAudience, say, width};

/// The pager where nobody chose one: it ends by itself where all fits, keeps colours, and leaves the text on the screen.
const PAGER_DEFAULT: &str = "less -FRX";
/// The exit codes of a shell that does not find a program, or may not run it.
const NOT_RUN: [i32; 2] = [126, 127];

/// Whether long output may go through a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagerUse {
    /// Long output goes through a pager, on a terminal.
    Allowed,
    /// All output is printed as it is.
    Off,
}

/// Prints a text, through the pager where that is allowed and the text is longer than the screen. Blocks until the reader
/// has left the pager. `before` is done first where there is a pager: Ctrl-C is for the pager then, and must not end this
/// process before it.
pub fn page(text: &str, allowed: PagerUse, before: impl FnOnce() -> io::Result<()>) -> io::Result<OutputAudience> {
    let variable = |name: &str| std::env::var(name).ok();
    let pager = pager_of(variable("TEAMSTER_PAGER").as_deref(), variable("PAGER").as_deref());
    let screen = terminal_size::terminal_size_of(io::stdout()).map(|(columns, rows)| (columns.0, rows.0));
    match (pager, screen) {
        (Some(pager), Some((columns, rows)))
            if allowed == PagerUse::Allowed
                // A terminal without abilities can show no pager.
                && variable("TERM").as_deref() != Some("dumb")
                && io::stdout().is_terminal()
                && is_longer(text, columns.into(), rows.into()) =>
        {
            before()?;
            page_with(&pager, text)
        }
        (Some(_) | None, Some(_) | None) => say(text),
    }
}

fn page_with(pager: &str, text: &str) -> io::Result<OutputAudience> {
    let mut command = Command::new("sh");
    command.args(["-c", pager]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // The options are for a `PAGER` that is `less` and no more.
        command.env("LESS", "FRX");
    }
    let Ok(mut running) = command.spawn() else { return say(text) };
    let plain;
    let shown = match anstream::AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => {
            plain = anstream::adapter::strip_str(text).to_string();
            &plain
        }
        ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi => text,
    };
    let mut input = running.stdin.take().expect("it was asked for as a pipe");
    let written = writeln!(input, "{shown}");
    drop(input);
    let ended = running.wait()?;
    match written {
        // There is no such program: the text without a pager is better than none.
        _ if ended.code().is_some_and(|code| NOT_RUN.contains(&code)) => say(text),
        Ok(()) => Ok(OutputAudience::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(OutputAudience::Gone),
        Err(error) => Err(error),
    }
}

/// The pager to use, by the two variables; none where one of them says so.
fn pager_of(own: Option<&str>, common: Option<&str>) -> Option<String> {
    let pager = own.or(common).unwrap_or(PAGER_DEFAULT).trim();
    (!pager.is_empty() && pager != "cat").then(|| pager.to_owned())
}

/// Whether the lines of a text, as they are broken on a screen, and the prompt after them do not fit.
fn is_longer(text: &str, columns: usize, rows: usize) -> bool {
    let plain = anstream::adapter::strip_str(text).to_string();
    let broken = plain.lines().map(|line| width(line).div_ceil(columns.max(1)).max(1));
    broken.sum::<usize>() >= rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_variable_comes_before_the_common_one_and_cat_is_none() {
        assert_eq!(pager_of(None, None).as_deref(), Some("less -FRX"));
        assert_eq!(pager_of(None, Some("more")).as_deref(), Some("more"));
        assert_eq!(pager_of(Some("most"), Some("more")).as_deref(), Some("most"));
        assert_eq!(pager_of(Some("cat"), Some("more")), None);
        assert_eq!(pager_of(None, Some(" ")), None);
    }

    #[test]
    fn only_what_the_screen_can_not_hold_is_paged() {
        assert!(!is_longer("1\n2\n3", 80, 4));
        assert!(is_longer("1\n2\n3\n4", 80, 4), "the prompt needs a line too");
        assert!(is_longer(&"x".repeat(31), 10, 4), "a long line is several");
        assert!(!is_longer(&format!("\u{1b}[1m{}\u{1b}[0m", "x".repeat(30)), 10, 4), "colours take no room");
    }
}
