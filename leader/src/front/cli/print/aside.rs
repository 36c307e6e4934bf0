//! Lines for standard error while something is drawn there: they go to whoever draws, who puts them where they do
//! no harm. Without one they go to standard error.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use teamster_protocol::host::stderr_log::Stderr;

type Draws = Box<dyn Fn(String) + Send>;

static DRAWS: Mutex<Option<Draws>> = Mutex::new(None);

/// While it lives, what is written to an [`Aside`] is given to whoever draws, line by line.
pub struct Drawing(());

impl Drawing {
    /// Only one draws at a time: the last one counts. `take` must not log.
    pub fn begin(take: impl Fn(String) + Send + 'static) -> Drawing {
        *DRAWS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(take));
        Drawing(())
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        DRAWS.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawing")
    }
}

/// A writer of whole lines, for the program's own log.
#[derive(Debug, Clone, Copy)]
pub struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*DRAWS.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(take) => take(String::from_utf8_lossy(bytes).trim_end().to_owned()),
            None => Stderr.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_line_goes_to_who_draws_for_as_long_as_that_lasts() {
        let (sender, lines) = mpsc::channel();
        let drawing = Drawing::begin(move |line| sender.send(line).expect("the test listens"));
        Aside.write_all(b"a warning\n").expect("it is taken");
        assert_eq!(lines.recv().as_deref(), Ok("a warning"));
        drop(drawing);
        assert!(lines.recv().is_err(), "nobody takes lines any more");
    }
}
