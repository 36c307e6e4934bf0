//! The task of a connection: reads lines and hands them on, writes what is queued, and ends in good order.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jsonrpsee::types::{ErrorObjectOwned, Id, Response, ResponsePayload};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::lines::{LineReader, PeerLine};
use super::message::{CallOutcome, PeerMessage, id_at_head};
use super::outbox::append_line;
use super::pending::CallWaiter;
use super::serve::{HeardNotice, MethodServer, refusal};
use super::{OVERSIZED_CODE, PeerClosed, PeerShared};
use crate::model::limits::pace::DRAIN_TIMEOUT;
use crate::model::limits::sizes::MESSAGE_LINE_BYTES_MAX;

/// Messages handled before the other tasks of the thread get their turn.
const MESSAGES_PER_TURN: usize = 64;

/// Notices are added to one write until it has this many bytes.
const WRITE_BYTES: usize = 64 * 1024;

pub(super) struct PeerStream {
    pub(super) shared: Arc<PeerShared>,
    pub(super) server: MethodServer,
    pub(super) to_client: mpsc::Sender<Vec<u8>>,
    pub(super) notices: mpsc::Receiver<Box<RawValue>>,
    pub(super) ended: watch::Sender<Option<PeerClosed>>,
}

impl PeerStream {
    pub(super) async fn run<R, W>(self, read: R, write: W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Self { shared, server, to_client, notices, ended } = self;
        let mut writing = pin!(write_lines(write, &shared, notices));
        let closed = tokio::select! {
            read = read_lines(LineReader::new(read, MESSAGE_LINE_BYTES_MAX), &shared, &server, &to_client) => match read {
                Ok(()) => PeerClosed::Eof,
                Err(error) => PeerClosed::Read(Arc::new(error)),
            },
            written = &mut writing => PeerClosed::Write(Arc::new(match written {
                Ok(()) => io::ErrorKind::WriteZero.into(),
                Err(error) => error,
            })),
            () = shared.close.notified() => PeerClosed::Local,
        };
        ended.send_replace(Some(closed.clone()));
        shared.pending.end();
        // The client's subscriptions end with this channel.
        drop(to_client);
        let drain = async {
            if let PeerClosed::Eof = closed {
                server.all_answered().await;
            }
            shared.finish();
        };
        let drained = match closed {
            PeerClosed::Eof | PeerClosed::Local => {
                timeout(DRAIN_TIMEOUT, async { tokio::join!(drain, &mut writing).1 }).await
            }
            PeerClosed::Read(_) | PeerClosed::Write(_) => Ok(Ok(())),
        };
        if let Ok(Err(error)) = drained {
            tracing::debug!("what was queued at the end of a connection was not written: {error}");
        }
        shared.outbox.end();
    }
}

async fn read_lines<R: AsyncRead + Unpin>(
    mut lines: LineReader<R>,
    shared: &PeerShared,
    server: &MethodServer,
    to_client: &mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let mut handled = 0;
    while let Some(line) = lines.next().await? {
        match line {
            PeerLine::Whole(line) if line.trim_ascii().is_empty() => {}
            PeerLine::Whole(line) => {
                if let Some(forward) = take_line(line, shared, server) {
                    // The client never waits for us, so it will take it. If it is gone, nobody subscribed.
                    let _ = to_client.send(forward).await;
                }
            }
            PeerLine::Oversized { head } => {
                let why = format!("the line is longer than {MESSAGE_LINE_BYTES_MAX} bytes");
                let error = ErrorObjectOwned::owned(OVERSIZED_CODE, why, None::<()>);
                let id = id_at_head(head).unwrap_or(Id::Null);
                match shared.pending.take(&id) {
                    // Both sides count their ids from 0: only what begins like no call of theirs is our answer.
                    Some(waiting) if !is_call(head) => {
                        let outcome =
                            CallOutcome::Malformed(format!("it is longer than {MESSAGE_LINE_BYTES_MAX} bytes"));
                        if let Some(forward) = deliver(waiting, id, outcome) {
                            let _ = to_client.send(forward).await;
                        }
                    }
                    waiting => {
                        if let Some(waiting) = waiting {
                            shared.pending.insert(id.clone(), waiting);
                        }
                        shared.outbox.refuse(&refusal(id, error));
                    }
                }
            }
        }
        handled += 1;
        if handled == MESSAGES_PER_TURN {
            handled = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Whether the beginning of a skipped line names a method. Only a guess: it decides who learns of the loss.
fn is_call(head: &[u8]) -> bool {
    head.windows(br#""method""#.len()).any(|part| part == br#""method""#)
}

/// Handles one line. Returns the line to hand to jsonrpsee's client, if that has to see it.
fn take_line(line: &[u8], shared: &PeerShared, server: &MethodServer) -> Option<Vec<u8>> {
    match PeerMessage::parse(line) {
        Ok(PeerMessage::Call { id, method, params }) => {
            server.call(id, &method, params);
            None
        }
        Ok(PeerMessage::Notice { method, params }) => match server.notice(&method, params) {
            HeardNotice::Here => None,
            HeardNotice::Elsewhere => Some(line.to_vec()),
        },
        Ok(PeerMessage::Answer { id, outcome }) => match shared.pending.take(&id) {
            Some(waiting) => deliver(waiting, id, outcome),
            None if shared.pending.was_given(&id) => {
                tracing::debug!("dropped an answer whose caller had given up: id {id}");
                None
            }
            None => {
                tracing::warn!("dropped an answer to no call that waits: id {id}");
                None
            }
        },
        Err(unreadable) => {
            tracing::warn!("got an unreadable line: {}", unreadable.error.message());
            shared.outbox.refuse(&refusal(unreadable.id, unreadable.error));
            None
        }
    }
}

/// Gives an answer to its waiter. Returns the answer for jsonrpsee's client, if that waits, written anew: an answer
/// that it can not read would make the client end the connection.
fn deliver(waiting: CallWaiter, id: Id<'_>, outcome: CallOutcome) -> Option<Vec<u8>> {
    match waiting {
        CallWaiter::Caller(caller) => {
            // A caller that gave up in this instant is not interested.
            let _ = caller.send(outcome);
            None
        }
        CallWaiter::Subscriptions => {
            let payload: ResponsePayload<'_, Box<RawValue>> = match outcome {
                CallOutcome::Success(result) => ResponsePayload::success(result),
                CallOutcome::Error(error) => ResponsePayload::error(error),
                CallOutcome::Malformed(why) => ResponsePayload::error(ErrorObjectOwned::owned(
                    jsonrpsee::types::error::UNKNOWN_ERROR_CODE,
                    format!("cannot use the answer: {why}"),
                    None::<()>,
                )),
            };
            Some(serde_json::to_vec(&Response::new(payload, id)).expect("raw JSON can be written"))
        }
    }
}

async fn write_lines<W: AsyncWrite + Unpin>(
    mut write: W,
    shared: &PeerShared,
    mut notices: mpsc::Receiver<Box<RawValue>>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        let finishing = shared.finishing.load(Ordering::Acquire);
        if finishing {
            // The producers learn from it that nobody listens any more.
            notices.close();
        }
        let room = shared.outbox.take(&mut batch);
        while batch.len() < WRITE_BYTES
            && let Ok(notice) = notices.try_recv()
        {
            append_notice(&mut batch, &notice);
        }
        if !batch.is_empty() {
            write.write_all(&batch).await?;
            write.flush().await?;
            shared.outbox.written(room);
            batch.clear();
            batch.shrink_to(WRITE_BYTES);
        } else if finishing {
            return write.shutdown().await;
        } else {
            tokio::select! {
                () = shared.outbox.woken() => {}
                Some(notice) = notices.recv() => append_notice(&mut batch, &notice),
            }
        }
    }
}

fn append_notice(batch: &mut Vec<u8>, notice: &RawValue) {
    if notice.get().len() > MESSAGE_LINE_BYTES_MAX {
        tracing::warn!("dropped a notice of {} bytes: the limit is {MESSAGE_LINE_BYTES_MAX}", notice.get().len());
        return;
    }
    append_line(batch, notice.get());
}
