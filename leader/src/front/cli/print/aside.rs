//! Lines for standard error while something is drawn there: they go to whoever draws, who puts them where they do
//! no harm. Without one they go to standard error.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{LocalFlags, tcgetattr};
use teamster_protocol::host::stderr_log::StderrLines;

type AsideDrawing = Box<dyn Fn(String) + Send>;

static DRAWS: Mutex<Option<AsideDrawing>> = Mutex::new(None);

/// While it lives, what is written to an [`AsideWriter`] is given to whoever draws, line by line.
pub struct DrawingGuard(());

impl DrawingGuard {
    /// Only one draws at a time: the last one counts. `take` must not log.
    pub fn begin(take: impl Fn(String) + Send + 'static) -> DrawingGuard {
        *DRAWS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(take));
        DrawingGuard(())
    }
}

impl Drop for DrawingGuard {
    fn drop(&mut self) {
        DRAWS.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for DrawingGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawing")
    }
}

/// A writer of whole lines, for the program's own log.
#[derive(Debug, Clone, Copy)]
pub struct AsideWriter;

impl Write for AsideWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*DRAWS.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(take) => take(String::from_utf8_lossy(bytes).trim_end().to_owned()),
            None => StderrLines.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Ends the line on which a terminal shows the `^C` that somebody typed, so that what is said next begins a line. Nothing
/// is written where standard error is no terminal that shows it, nor beside a drawing, which goes over it.
pub fn end_echo() {
    if DRAWS.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
        return;
    }
    let shows = tcgetattr(io::stderr()).is_ok_and(|is| is.local_flags.contains(LocalFlags::ECHO | LocalFlags::ECHOCTL));
    if shows {
        // As elsewhere on standard error, that it could not be written is not reported.
        let _ = writeln!(io::stderr().lock());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_line_goes_to_who_draws_for_as_long_as_that_lasts() {
        let (sender, lines) = mpsc::channel();
        let drawing = DrawingGuard::begin(move |line| sender.send(line).expect("the test listens"));
        AsideWriter.write_all(b"a warning\n").expect("it is taken");
        assert_eq!(lines.recv().as_deref(), Ok("a warning"));
        drop(drawing);
        assert!(lines.recv().is_err(), "nobody takes lines any more");
    }
}
