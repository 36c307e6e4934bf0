//! The lines for a program's input. They wait here while the program does not read, so that its own lines are read
//! meanwhile: a program that waits for its output to be read reads nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};

/// How many bytes may wait before no more orders are taken.
const WAITING_BYTES_FULL: usize = 1 << 20;

/// How many bytes may wait before the program counts as one that does not read.
const WAITING_BYTES_MAX: usize = 64 << 20;

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
            while let Some(mut line) = to_write.recv().await {
                line.push('\n');
                // A program that closed its input shows it by what it does next.
                if write.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
                written.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                written.shrank.notify_one();
            }
        });
        ProgramInput { lines, backlog }
    }

    /// Waits until so little waits that more orders may be taken. May be dropped while it waits.
    pub(super) async fn has_room(&self) {
        while self.backlog.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_FULL {
            self.backlog.shrank.notified().await;
        }
    }

    /// Has the line written after all before it.
    pub(super) fn write(&self, line: String) -> Result<(), NotRead> {
        let bytes = line.len() + 1;
        if self.backlog.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
            return Err(NotRead);
        }
        // The task is gone if the program closed its input, which its exit or its silence will tell.
        let _ = self.lines.send(line);
        Ok(())
    }
}
