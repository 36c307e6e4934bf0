//! The lines of a program's output, one after another, none longer than is sane.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// The longest line that a program may write. A real agent's line can hold a whole file, or a picture.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// How much of the buffer for a line is kept after it.
const LINE_BYTES_KEPT: usize = 64 * 1024;

/// The lines of a program's output. May be dropped while it waits, and asked again.
pub(super) struct ProgramLines {
    read: BufReader<pipe::Receiver>,
    line: Vec<u8>,
}

impl ProgramLines {
    pub(super) fn new(read: pipe::Receiver) -> ProgramLines {
        ProgramLines { read: BufReader::new(read), line: Vec::new() }
    }

    /// Returns the next line that is not blank, without its end; nothing at the end of the output.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len()) as u64;
            (&mut self.read).take(room).read_until(b'\n', &mut self.line).await?;
            if self.line.last() != Some(&b'\n') {
                if self.line.len() > LINE_BYTES_MAX {
                    return Err(io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
                }
                // A line without an end was being written when the program died.
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&self.line).trim().to_owned();
            self.line.clear();
            self.line.shrink_to(LINE_BYTES_KEPT);
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}
