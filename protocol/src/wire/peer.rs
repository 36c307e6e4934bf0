//! A two-way JSON-RPC 2.0 peer: both sides of a byte stream may call the other, one JSON message a line.
//!
//! Parts of jsonrpsee on one stream: a table of [`Methods`] that serves the other side, and for our calls the client
//! traits, so that `#[rpc(client, server)]` traits work in both directions. [`Peer`] makes plain calls itself, which
//! takes fewer task switches and no timer thread; subscriptions go through jsonrpsee's async client.
//!
//! Promises that a caller may count on:
//!
//! - Messages are taken in the order they arrive. A synchronous method has run, and an asynchronous one has been
//!   polled once, before the next message is looked at: a handler that only enqueues keeps the order. What waits
//!   longer runs concurrently.
//! - The reader never waits for a handler, nor for the other side to read.
//! - A line that is no JSON-RPC message gets an error and harms nothing else; so does one past
//!   [`MESSAGE_LINE_BYTES_MAX`](crate::model::limits::sizes::MESSAGE_LINE_BYTES_MAX).
//!   An answer that nobody waits for is dropped. Batches are refused.
//! - All queues are bounded. A producer of notices finds its sink full if the other side does not keep up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jsonrpsee::Methods;
use jsonrpsee::core::client::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};

use crate::model::limits::pace::REQUEST_TIMEOUT;
use crate::model::limits::sizes::{MESSAGES_FORWARDED_MAX, NOTICES_QUEUED_MAX};

mod calls;
mod lines;
mod message;
mod outbox;
mod pending;
mod serve;
pub mod socket;
pub mod stdio;
mod stream;

/// Error code: [`CALLS_IN_FLIGHT_MAX`](crate::model::limits::sizes::CALLS_IN_FLIGHT_MAX) calls are being worked on; try again later.
pub const BUSY_CODE: i32 = jsonrpsee::types::error::SERVER_IS_BUSY_CODE;

/// Error code: the line was longer than
/// [`MESSAGE_LINE_BYTES_MAX`](crate::model::limits::sizes::MESSAGE_LINE_BYTES_MAX) and was skipped.
pub const OVERSIZED_CODE: i32 = jsonrpsee::types::error::OVERSIZED_REQUEST_CODE;

/// The reason why a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeerClosed {
    /// The other side closed the stream.
    #[error("the other side closed the connection")]
    Eof,
    /// [`Peer::close`] was called here, or the last [`Peer`] was dropped.
    #[error("the connection was closed on this side")]
    Local,
    /// Reading failed.
    #[error("cannot read from the connection: {0}")]
    Read(Arc<io::Error>),
    /// Writing failed.
    #[error("cannot write to the connection: {0}")]
    Write(Arc<io::Error>),
}

/// One end of a connection. Clones are cheap and share it; it ends when the last of them is dropped.
///
/// A peer implements jsonrpsee's `ClientT` and `SubscriptionClientT`: the methods of a generated client trait are
/// called on it directly. Such a call fails with `Error::Call` if the other side refused it, `Error::RequestTimeout`
/// if no answer came in time, `Error::Transport` if the request is longer than
/// [`MESSAGE_LINE_BYTES_MAX`](crate::model::limits::sizes::MESSAGE_LINE_BYTES_MAX), and
/// `Error::RestartNeeded` as soon as the connection has ended.
#[derive(Debug, Clone)]
pub struct Peer {
    handle: Arc<PeerHandle>,
    request_timeout: Duration,
}

#[derive(Debug)]
struct PeerHandle {
    shared: Arc<PeerShared>,
    subscriptions: Client,
    closed: watch::Receiver<Option<PeerClosed>>,
}

/// State that the tasks of one connection share with its handles.
#[derive(Debug)]
struct PeerShared {
    outbox: outbox::Outbox,
    pending: pending::PendingCalls,
    close: Notify,
    finishing: AtomicBool,
}

impl Peer {
    /// Starts to serve `methods` to the other side, and to call it.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime with time enabled. One thread is enough, and no further one is started
    /// until the first subscription is asked for.
    pub fn start<R, W>(read: R, write: W, methods: impl Into<Methods>) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(PeerShared {
            outbox: outbox::Outbox::new(),
            pending: pending::PendingCalls::new(),
            close: Notify::new(),
            finishing: AtomicBool::new(false),
        });
        let (to_client, from_peer) = mpsc::channel(MESSAGES_FORWARDED_MAX);
        let subscriptions = calls::subscription_client(Arc::clone(&shared), from_peer);
        let (to_writer, notices) = mpsc::channel(NOTICES_QUEUED_MAX);
        let server = serve::MethodServer::new(methods.into(), Arc::clone(&shared), to_writer);
        let (ended, closed) = watch::channel(None);
        let stream = stream::PeerStream { shared: Arc::clone(&shared), server, to_client, notices, ended };
        tokio::spawn(stream.run(read, write));
        let handle = PeerHandle { shared, subscriptions, closed };
        Self { handle: Arc::new(handle), request_timeout: REQUEST_TIMEOUT }
    }

    /// The same connection with another limit for the calls made on this handle and its clones.
    pub fn with_request_timeout(&self, request_timeout: Duration) -> Self {
        Self { handle: Arc::clone(&self.handle), request_timeout }
    }

    /// Waits until the connection has ended, and tells why. May be asked any number of times.
    pub async fn closed(&self) -> PeerClosed {
        let mut closed = self.handle.closed.clone();
        let reason = closed.wait_for(Option::is_some).await;
        // The task sets a reason before it ends, so without one the runtime has dropped it.
        reason.ok().and_then(|reason| reason.clone()).unwrap_or(PeerClosed::Local)
    }

    /// Ends the connection: writes what is queued, for at most [`DRAIN_TIMEOUT`](crate::model::limits::pace::DRAIN_TIMEOUT), and closes the stream.
    ///
    /// After the other side has closed it, this waits until the answers to its last calls are written.
    pub async fn close(&self) {
        self.handle.shared.close.notify_one();
        let mut closed = self.handle.closed.clone();
        while closed.changed().await.is_ok() {}
    }
}

impl Drop for PeerHandle {
    fn drop(&mut self) {
        self.shared.close.notify_one();
    }
}

impl PeerShared {
    /// Lets the writer end once all that is queued is written.
    fn finish(&self) {
        self.finishing.store(true, Ordering::Release);
        self.outbox.wake();
    }
}

#[cfg(test)]
mod tests;
