//! Output that waits to be written: one byte buffer, so that all that is queued goes out in one write.
//!
//! Calls and answers wait for room. Refusals never wait, for the reader must not: they have a small room of their
//! own, and a peer that sends rubbish without reading what comes back loses the refusals past it.

use std::mem;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Notify, Semaphore};

use crate::model::limits::sizes::MESSAGE_LINE_BYTES_MAX;

/// Calls and answers that wait, in bytes: two of the longest, so that one can queue while one is being written.
const QUEUED_BYTES_MAX: usize = 2 * (MESSAGE_LINE_BYTES_MAX + 1);

/// Refusals that wait, in bytes.
const REFUSED_BYTES_MAX: usize = 1024 * 1024;

/// The connection has ended: nothing is written any more.
#[derive(Debug)]
pub(super) struct OutboxEnded;

/// Why a message was not queued at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotQueued {
    Full,
    Ended,
}

#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<OutboxQueue>,
    room: Semaphore,
    wake: Notify,
}

/// Messages with their newlines, and how many of the bytes were taken from the room.
#[derive(Debug, Default)]
struct OutboxQueue {
    bytes: Vec<u8>,
    from_room: usize,
    refused: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::default(), room: Semaphore::new(QUEUED_BYTES_MAX), wake: Notify::new() }
    }

    /// Queues a message of at most [`MESSAGE_LINE_BYTES_MAX`]; waits, in order of arrival, until there is room.
    pub(super) async fn push(&self, message: &str) -> Result<(), OutboxEnded> {
        let permit = self.room.acquire_many(permits(message)).await.map_err(|_| OutboxEnded)?;
        permit.forget();
        self.append(message);
        Ok(())
    }

    /// Queues a message if there is room now.
    pub(super) fn try_push(&self, message: &str) -> Result<(), NotQueued> {
        match self.room.try_acquire_many(permits(message)) {
            Ok(permit) => {
                permit.forget();
                self.append(message);
                Ok(())
            }
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(NotQueued::Full),
            Err(tokio::sync::TryAcquireError::Closed) => Err(NotQueued::Ended),
        }
    }

    /// Queues a refusal, or drops it if the other side has left too many unread.
    pub(super) fn refuse(&self, message: &str) {
        let mut queue = self.lock();
        if queue.refused + message.len() > REFUSED_BYTES_MAX {
            tracing::warn!("dropped a refusal: the other side does not read its answers");
            return;
        }
        queue.refused += message.len() + 1;
        append_line(&mut queue.bytes, message);
        drop(queue);
        self.wake.notify_one();
    }

    /// Moves what is queued to the end of `batch`. Returns the room to give back once it is written.
    pub(super) fn take(&self, batch: &mut Vec<u8>) -> usize {
        let mut queue = self.lock();
        if batch.is_empty() {
            mem::swap(batch, &mut queue.bytes);
        } else {
            batch.append(&mut queue.bytes);
        }
        queue.refused = 0;
        mem::take(&mut queue.from_room)
    }

    /// Gives back room that [`Outbox::take`] told of.
    pub(super) fn written(&self, room: usize) {
        self.room.add_permits(room);
    }

    /// Waits until something was queued since the last wait.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Wakes the writer though nothing was queued.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Refuses all that comes later, and those who wait for room.
    pub(super) fn end(&self) {
        self.room.close();
    }

    fn append(&self, message: &str) {
        let mut queue = self.lock();
        queue.from_room += message.len() + 1;
        append_line(&mut queue.bytes, message);
        drop(queue);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, OutboxQueue> {
        self.queue.lock().expect("no holder of this lock can panic")
    }
}

/// Appends a message and its newline.
///
/// Raw JSON handed in by a caller may be spread over lines; a newline in JSON can only be white space.
pub(super) fn append_line(bytes: &mut Vec<u8>, message: &str) {
    let from = bytes.len();
    bytes.extend_from_slice(message.as_bytes());
    if message.contains('\n') {
        for byte in &mut bytes[from..] {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
    }
    bytes.push(b'\n');
}

fn permits(message: &str) -> u32 {
    // A longer message would wait for ever; those who queue check the length, and jsonrpsee bounds answers.
    debug_assert!(message.len() <= MESSAGE_LINE_BYTES_MAX);
    u32::try_from((message.len() + 1).min(QUEUED_BYTES_MAX)).expect("the limit is below 4 GiB")
}
