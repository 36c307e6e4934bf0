//! The one way to say that something went wrong: what, and on its own line the way out.

use std::fmt;
use std::io::Write;

use super::prose::{ProseStream, fit, hang};
use super::{TextTone, harmless_lines, width};

/// A failure in words and, where there is one, the way out. Displays with colour codes and harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedFailure {
    what: String,
    hint: Option<String>,
}

impl PrintedFailure {
    /// A failure in words of our own.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// The same with a way out: `start one with teamster up`.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl PrintedFailure {
    /// As it is shown where a line has that many columns: lines break between words.
    fn within(&self, columns: usize) -> String {
        let (error, faint) = (TextTone::Error.style(), TextTone::Faint.style());
        // What goes on below its first line, such as the place in a file, stands where it stood.
        let what = format!("{error}error:{error:#} {}", harmless_lines(self.what.trim_end()));
        let mut lines: Vec<String> = what.split('\n').map(|line| hang("", line, columns)).collect();
        if let Some(hint) = &self.hint {
            // A fault in a file has its own hint below it: what follows is for all of them, and no second one.
            let has_hints = self.what.contains("\n  hint: ");
            let head = if has_hints { "  ".to_owned() } else { format!("  {faint}hint:{faint:#} ") };
            let below = " ".repeat(width(&head));
            let heads = std::iter::once(head.as_str()).chain(std::iter::repeat(below.as_str()));
            let hint = harmless_lines(hint.trim_end());
            lines.extend(heads.zip(hint.split('\n')).map(|(head, line)| hang(head, line, columns)));
        }
        lines.join("\n")
    }
}

impl fmt::Display for PrintedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.within(usize::MAX))
    }
}

/// Writes the failure to standard error.
///
/// An error of writing is not reported: the place to report it is the one that is gone, and the exit code still tells.
pub fn fail(failure: &PrintedFailure) {
    let _ = writeln!(anstream::stderr().lock(), "{}", failure.within(ProseStream::Error.columns()));
}

/// Writes something to be known to standard error, where it does not get into the result. As with [`fail`], that
/// it could not be written is not reported.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", fit(&harmless_lines(text), ProseStream::Error.columns()));
}

/// Writes a question to standard error, whose answer follows on the same line. As with [`fail`], that it could not be written
/// is not reported.
pub fn ask(question: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{}", harmless_lines(question));
    let _ = stderr.flush();
}

/// Writes a line to standard error that is no failure, or one in a form of its own. As in [`fail`], an error of writing
/// is passed over: news about the work must not end the work.
pub fn remark(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(failure: &PrintedFailure) -> String {
        anstream::adapter::strip_str(&failure.to_string()).to_string()
    }

    #[test]
    fn a_failure_names_the_way_out() {
        let failure =
            PrintedFailure::new("no member is called `alise`").with_hint("did you mean `alice`?\nsee teamster list");
        insta::assert_snapshot!(plain(&failure), @"
        error: no member is called `alise`
          hint: did you mean `alice`?
                see teamster list
        ");
        let narrow = anstream::adapter::strip_str(&failure.within(24)).to_string();
        insta::assert_snapshot!(narrow, @"
        error: no member is
        called `alise`
          hint: did you mean
                `alice`?
                see teamster
                list
        ");
        let fault = PrintedFailure::new("it can not be used:\nplan:1: unknown key `x`\n  hint: did you mean `y`?");
        insta::assert_snapshot!(plain(&fault.with_hint("mend it")), @"
        error: it can not be used:
        plan:1: unknown key `x`
          hint: did you mean `y`?
          mend it
        ");
        insta::assert_snapshot!(plain(&PrintedFailure::new("\u{1b}[31mbad\u{1b}[0m name\n")), @"error: bad name");
    }
}
