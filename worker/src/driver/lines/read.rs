//! The lines of a program's output, one after another, none longer than is sane.

use std::io;

use teamster_protocol::model::limits::sizes::AGENT_LINE_BYTES_MAX;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

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
            let room = (AGENT_LINE_BYTES_MAX + 1).saturating_sub(self.line.len()) as u64;
            (&mut self.read).take(room).read_until(b'\n', &mut self.line).await?;
            if self.line.last() != Some(&b'\n') {
                if self.line.len() > AGENT_LINE_BYTES_MAX {
                    return Err(io::Error::other(format!("a line is longer than {AGENT_LINE_BYTES_MAX} bytes")));
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// The lines that a program is seen to have written, and the error after them.
    async fn read_all(written: Vec<u8>) -> (Vec<String>, Option<String>) {
        let (mut write, read) = pipe::pipe().unwrap();
        // The reader may leave before all is written.
        let writing = tokio::spawn(async move { drop(write.write_all(&written).await) });
        let mut lines = ProgramLines::new(read);
        let (mut seen, mut error) = (Vec::new(), None);
        loop {
            match lines.next().await {
                Ok(Some(line)) => seen.push(line),
                Ok(None) => break,
                Err(why) => {
                    error = Some(why.to_string());
                    break;
                }
            }
        }
        drop(lines);
        writing.await.unwrap();
        (seen, error)
    }

    #[tokio::test]
    async fn the_longest_line_is_read_and_one_byte_more_is_refused() {
        let longest = "x".repeat(AGENT_LINE_BYTES_MAX - 1);
        let (seen, error) = read_all(format!("{longest}\nnext\n").into_bytes()).await;
        assert!(seen == [longest.as_str(), "next"], "{} lines", seen.len());
        assert_eq!(error, None);
        let (seen, error) = read_all(format!("first\n{longest}xx\n").into_bytes()).await;
        assert_eq!(seen, ["first"]);
        assert_eq!(error.as_deref(), Some("a line is longer than 16777216 bytes"));
    }
}
