//! Cuts a byte stream into lines, and never holds more than one of the greatest allowed length.

use std::io::{self, BufRead};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Room made for one read. It holds a few hundred ordinary messages.
const READ_BYTES: usize = 16 * 1024;

/// The length of the beginning of an oversized line that is kept, in bytes, so that the id in it can be answered.
const HEAD_BYTES: usize = 512;

/// One line of input, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PeerLine<'a> {
    /// A line within the limit. It may be empty.
    Whole(&'a [u8]),
    /// A line past the limit was skipped; this is how it began.
    Oversized { head: &'a [u8] },
}

/// The next thing in the buffer.
enum FoundLine {
    Whole { from: usize, to: usize },
    OversizedEnd,
    Nothing,
}

/// Reads lines of at most `line_bytes_max` bytes.
pub(super) struct LineReader<R> {
    read: R,
    line_bytes_max: usize,
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// Up to where the buffer is known to hold no newline.
    searched: usize,
    /// The beginning of the oversized line being skipped, if one is.
    skipping: Option<Vec<u8>>,
    head: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(read: R, line_bytes_max: usize) -> Self {
        Self {
            read,
            line_bytes_max,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            skipping: None,
            head: Vec::new(),
            ended: false,
        }
    }

    /// The next line, or `None` at the end of the stream. Text after the last newline counts as a line.
    ///
    /// Cancel safe: nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Option<PeerLine<'_>>> {
        loop {
            match self.find() {
                FoundLine::Whole { from, to } => return Ok(Some(PeerLine::Whole(&self.buffer[from..to]))),
                FoundLine::OversizedEnd => return Ok(Some(PeerLine::Oversized { head: &self.head })),
                FoundLine::Nothing if self.ended => return Ok(None),
                FoundLine::Nothing => {}
            }
            self.make_room();
            self.ended = self.read.read_buf(&mut self.buffer).await? == 0;
        }
    }

    fn find(&mut self) -> FoundLine {
        let unsearched = &self.buffer[self.searched..];
        let mut rest = unsearched;
        let found = rest.skip_until(b'\n').expect("reading memory can not fail");
        let newline = found > 0 && unsearched[found - 1] == b'\n';
        let end = self.searched + found;
        self.searched = end;

        let from = self.start;
        let mut to = if newline { end - 1 } else { end };
        let complete = newline || (self.ended && (to > from || self.skipping.is_some()));
        if self.skipping.is_none() && to - from > self.line_bytes_max {
            self.skipping = Some(self.buffer[from..to.min(from + HEAD_BYTES)].to_vec());
        }
        if self.skipping.is_some() {
            self.start = end;
        }
        if !complete {
            return FoundLine::Nothing;
        }
        self.start = end;
        if let Some(head) = self.skipping.take() {
            self.head = head;
            return FoundLine::OversizedEnd;
        }
        if to > from && self.buffer[to - 1] == b'\r' {
            to -= 1;
        }
        FoundLine::Whole { from, to }
    }

    /// Moves what is left to the front, gives back what a long line took, and leaves room to read into.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > READ_BYTES {
            self.buffer.shrink_to(READ_BYTES);
        }
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
            self.buffer.reserve(READ_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], line_bytes_max: usize) -> Vec<String> {
        let mut lines = LineReader::new(input, line_bytes_max);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(match line {
                PeerLine::Whole(text) => String::from_utf8_lossy(text).into_owned(),
                PeerLine::Oversized { head } => format!("oversized: {}", String::from_utf8_lossy(head)),
            });
        }
        seen
    }

    #[tokio::test]
    async fn lines_end_with_a_newline_or_with_the_stream() {
        assert_eq!(all(b"one\r\n\ntwo\nrest", 10).await, ["one", "", "two", "rest"]);
        assert_eq!(all(b"", 10).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn only_a_line_past_the_limit_is_skipped() {
        assert_eq!(all(b"12345\n123456\n1\n", 5).await, ["12345", "oversized: 123456", "1"]);
        assert_eq!(all(b"123456", 5).await, ["oversized: 123456"]);
    }

    #[tokio::test]
    async fn a_long_line_leaves_no_big_buffer_behind() {
        let mut input = vec![b'x'; 4 * 1024 * 1024];
        input.extend_from_slice(b"\nshort\n");
        let mut lines = LineReader::new(&input[..], 1024 * 1024);
        assert!(matches!(lines.next().await.unwrap(), Some(PeerLine::Oversized { .. })));
        assert_eq!(lines.next().await.unwrap(), Some(PeerLine::Whole(b"short")));
        assert_eq!(lines.next().await.unwrap(), None);
        assert!(lines.buffer.capacity() <= 2 * READ_BYTES, "{}", lines.buffer.capacity());
    }
}
