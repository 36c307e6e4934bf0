//! The lines for a program's input. They wait here while the program does not read, so that its own lines are read
//! meanwhile: a program that waits for its output to be read reads nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use teamster_protocol::model::limits::sizes::AGENT_UNREAD_BYTES_MAX;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};

/// How many bytes may wait before no more orders are taken.
const WAITING_BYTES_FULL: usize = 1 << 20;

/// The way to the task that writes. Dropping it closes the program's standard input when all is written, or the program
/// has exited.
#[derive(Debug)]
pub(super) struct ProgramInput {
    lines: mpsc::UnboundedSender<String>,
    backlog: Arc<InputBacklog>,
}

/// The bytes that wait to be written.
#[derive(Debug, Default)]
struct InputBacklog {
    bytes: AtomicUsize,
    shrank: Notify,
}

/// The program does not read what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotRead;

impl ProgramInput {
    /// Starts the task that writes.
    pub(super) fn new(mut write: pipe::Sender) -> ProgramInput {
        let (lines, mut to_write) = mpsc::unbounded_channel::<String>();
        let backlog = Arc::new(InputBacklog::default());
        let written = Arc::clone(&backlog);
        tokio::spawn(async move {
            loop {
                let mut line = tokio::select! {
                    biased;
                    // Lines that fit into the pipe would be taken for read otherwise.
                    _ = write.ready(Interest::ERROR) => return,
                    line = to_write.recv() => match line {
                        Some(line) => line,
                        None => return,
                    },
                };
                line.push('\n');
                if write.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
                written.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                written.shrank.notify_one();
            }
        });
        ProgramInput { lines, backlog }
    }

    /// Waits until the program has closed its input, so that nothing reaches it any more. May be dropped while it waits.
    pub(super) async fn closed(&self) {
        self.lines.closed().await;
    }

    /// Waits until so little waits that more orders may be taken, or the program has closed its input and nothing waits any
    /// more. May be dropped while it waits.
    pub(super) async fn has_room(&self) {
        while self.backlog.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_FULL && !self.lines.is_closed() {
            tokio::select! {
                () = self.backlog.shrank.notified() => {}
                () = self.closed() => {}
            }
        }
    }

    /// Has the line written after all before it.
    pub(super) fn write(&self, line: String) -> Result<(), NotRead> {
        let bytes = line.len() + 1;
        if self.backlog.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > AGENT_UNREAD_BYTES_MAX {
            return Err(NotRead);
        }
        // The task is gone if the program closed its input: whoever waits for that hears of it.
        let _ = self.lines.send(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::limits::START_WITHIN;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_program_that_closed_its_input_keeps_nobody_waiting_for_room() {
        let (write, read) = pipe::pipe().unwrap();
        let input = ProgramInput::new(write);
        drop(read);
        timeout(START_WITHIN, input.closed()).await.unwrap();
        input.write("x".repeat(WAITING_BYTES_FULL)).unwrap();
        timeout(START_WITHIN, input.has_room()).await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_told_so_much_and_no_more() {
        let (write, _read) = pipe::pipe().unwrap();
        let input = ProgramInput::new(write);
        let line = "x".repeat(WAITING_BYTES_FULL - 1);
        let taken = (0..).find(|_| input.write(line.clone()) == Err(NotRead)).unwrap();
        assert_eq!(taken, AGENT_UNREAD_BYTES_MAX / WAITING_BYTES_FULL);
    }
}
