//! Colours by what they mean, so that a meaning looks the same in every command.

use std::fmt;

use anstyle::{AnsiColor, Style};

use super::harmless;

/// The meaning of a piece of text for the reader, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTone {
    /// The text has no special meaning.
    Plain,
    /// The thing is done, it went well.
    Ok,
    /// The thing is going on now.
    Busy,
    /// The thing deserves a look.
    Warn,
    /// The thing went wrong.
    Error,
    /// The text may be overlooked: headers, units, hints.
    Faint,
    /// The name of a member or a task.
    Name,
}

impl TextTone {
    /// The terminal's own sixteen colours only: they follow the reader's theme.
    pub fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Busy => AnsiColor::Cyan.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Error => AnsiColor::Red.on_default().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Name => Style::new().bold(),
        }
    }
}

/// The text in the colour of its meaning, made [`harmless`] when displayed.
///
/// The colour codes are always there: [`super::say`] takes them out where they are not wanted.
pub fn paint(tone: TextTone, text: &str) -> PaintedText<'_> {
    PaintedText { tone, text }
}

/// See [`paint`].
#[derive(Debug, Clone, Copy)]
pub struct PaintedText<'a> {
    tone: TextTone,
    text: &'a str,
}

impl fmt::Display for PaintedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.tone.style();
        write!(f, "{style}{}{style:#}", harmless(self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_bring_its_own_colours() {
        let painted = paint(TextTone::Ok, "a\u{1b}[31mb").to_string();
        assert_eq!(painted, "\u{1b}[32mab\u{1b}[0m");
        assert_eq!(paint(TextTone::Plain, "a").to_string(), "a");
    }
}
