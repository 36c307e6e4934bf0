//! From the pipe of a running command to news: whole lines where they come, bounded memory always.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd;
use teamster_protocol::model::limits::pace::PARTIAL_LINE_WAIT;
use teamster_protocol::model::limits::sizes::OUTPUT_PIECE_BYTES_MAX;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::driver::{AgentNews, TextTail};

/// The reading end of the pipe that a command writes to.
pub(super) struct CommandOutput {
    pipe: pipe::Receiver,
}

impl CommandOutput {
    /// Reads from `pipe`, and makes its descriptor nonblocking.
    pub(super) fn new(pipe: OwnedFd) -> std::io::Result<CommandOutput> {
        Ok(CommandOutput { pipe: pipe::Receiver::from_owned_fd(pipe)? })
    }

    /// Sends all that comes out of the pipe as [`AgentNews::Text`] and returns its tail. Reads no faster
    /// than the news are taken. Ends at the end of the pipe; after `writers_gone` it takes what is in
    /// there and ends without waiting for more. Once nobody takes news, it reads and forgets.
    pub(super) async fn pump(self, news: &mpsc::Sender<AgentNews>, writers_gone: &Notify) -> TextTail {
        let mut sink = TextSink { news, tail: TextTail::default() };
        let mut lines = OutputLines::new();
        loop {
            tokio::select! {
                biased;
                () = writers_gone.notified() => {
                    // Asked of the kernel, as the runtime may not have heard yet that there is more.
                    // No more than was in it: who could not be ended may write for ever.
                    let mut bytes_max = usize::try_from(fcntl(&self.pipe, FcntlArg::F_GETPIPE_SZ).unwrap_or(0)).unwrap_or(0);
                    while bytes_max > 0 && let Some(bytes) = read_now(&self.pipe, lines.room()) {
                        bytes_max = bytes_max.saturating_sub(bytes);
                        lines.filled(bytes);
                        sink.put(lines.take_whole()).await;
                    }
                    break;
                }
                ready = self.pipe.readable() => {
                    match ready.and_then(|()| self.pipe.try_read(lines.room())) {
                        Ok(0) => break,
                        Ok(bytes) => lines.filled(bytes),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                        Err(error) => {
                            tracing::warn!(%error, "cannot read the output of the command");
                            break;
                        }
                    }
                }
                () = sleep(PARTIAL_LINE_WAIT), if !lines.is_empty() => {
                    sink.put(lines.take_started()).await;
                    continue;
                }
            }
            sink.put(lines.take_whole()).await;
        }
        sink.put(lines.take_rest()).await;
        sink.tail
    }
}

/// Reads without waiting; `None` at the end, and when there is nothing.
fn read_now(pipe: &pipe::Receiver, room: &mut [u8]) -> Option<usize> {
    loop {
        match unistd::read(pipe, room) {
            Err(Errno::EINTR) => {}
            Ok(0) | Err(_) => return None,
            Ok(bytes) => return Some(bytes),
        }
    }
}

/// Where text goes: to the worker, and its end into the result.
struct TextSink<'a> {
    news: &'a mpsc::Sender<AgentNews>,
    tail: TextTail,
}

impl TextSink<'_> {
    async fn put(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.tail.push(&text);
            // Refused only when nobody listens any more, and then the turn is being stopped.
            let _ = self.news.send(AgentNews::Text(text)).await;
        }
    }
}

/// Bytes on their way to being text. Between calls there is always room.
struct OutputLines {
    bytes: Box<[u8]>,
    len: usize,
}

impl OutputLines {
    fn new() -> OutputLines {
        OutputLines { bytes: vec![0; OUTPUT_PIECE_BYTES_MAX].into(), len: 0 }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the next bytes may be put; never empty if `take_whole` was called since the last.
    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    fn filled(&mut self, bytes: usize) {
        self.len += bytes;
    }

    /// All the lines that have their end; what there is of one that fills all the room.
    fn take_whole(&mut self) -> Option<String> {
        match self.bytes[..self.len].iter().rposition(|&byte| byte == b'\n') {
            Some(newline) => self.take(newline + 1),
            None if self.len == self.bytes.len() => self.take_started(),
            None => None,
        }
    }

    /// All there is, but for a character that is not complete.
    fn take_started(&mut self) -> Option<String> {
        self.take(self.len - unfinished_bytes(&self.bytes[..self.len]))
    }

    /// Takes all that is left, although its last line has no end.
    fn take_rest(&mut self) -> Option<String> {
        self.take(self.len)
    }

    fn take(&mut self, bytes: usize) -> Option<String> {
        if bytes == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&self.bytes[..bytes]).into_owned();
        self.bytes.copy_within(bytes..self.len, 0);
        self.len -= bytes;
        Some(text)
    }
}

/// The length of the start of a character at the end of `bytes`, 0 to 3.
fn unfinished_bytes(bytes: &[u8]) -> usize {
    let end = &bytes[bytes.len().saturating_sub(4)..];
    let Some(lead) = end.iter().rposition(|&byte| byte & 0xC0 != 0x80) else {
        return 0;
    };
    match std::str::from_utf8(&end[lead..]) {
        Err(error) if error.error_len().is_none() => end.len() - lead,
        Ok(_) | Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_with(bytes: &[u8]) -> OutputLines {
        let mut lines = OutputLines::new();
        lines.room()[..bytes.len()].copy_from_slice(bytes);
        lines.filled(bytes.len());
        lines
    }

    #[test]
    fn lines_wait_for_their_end() {
        let mut lines = lines_with(b"one\ntwo\nthr");
        assert_eq!(lines.take_whole().as_deref(), Some("one\ntwo\n"));
        assert_eq!(lines.take_whole(), None);
        assert_eq!(lines.take_rest().as_deref(), Some("thr"));
        assert!(lines.is_empty());
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        for (character, size) in [("ß", 2), ("€", 3), ("🐎", 4)] {
            for cut in 1..size {
                let mut lines = lines_with(&[b"ab", &character.as_bytes()[..cut]].concat());
                assert_eq!(lines.take_started().as_deref(), Some("ab"), "{character} cut at {cut}");
                assert_eq!(lines.take_started(), None);
                let rest = &character.as_bytes()[cut..];
                lines.room()[..rest.len()].copy_from_slice(rest);
                lines.filled(rest.len());
                assert_eq!(lines.take_started().as_deref(), Some(character));
            }
        }
    }

    #[test]
    fn what_is_no_utf8_never_stops_the_flow() {
        let mut lines = lines_with(&[0x80; OUTPUT_PIECE_BYTES_MAX]);
        assert_eq!(lines.take_whole().map(|text| text.chars().count()), Some(OUTPUT_PIECE_BYTES_MAX));
        let mut lines = lines_with(b"\xff\xf0\x9f\n\xe2");
        assert_eq!(lines.take_whole().as_deref(), Some("\u{fffd}\u{fffd}\n"));
        assert_eq!(lines.take_rest().as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn a_line_longer_than_the_room_comes_in_pieces() {
        let mut lines = lines_with(&[b'x'; OUTPUT_PIECE_BYTES_MAX]);
        assert_eq!(lines.take_whole().map(|text| text.len()), Some(OUTPUT_PIECE_BYTES_MAX));
        assert_eq!(lines.room().len(), OUTPUT_PIECE_BYTES_MAX);
    }
}
