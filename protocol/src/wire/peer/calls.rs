//! Our calls to the other side. Plain calls are numbered and answered here; subscriptions are left to jsonrpsee's
//! client, whose ids are strings, so that the two never meet.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use jsonrpsee::core::client::{
    BatchResponse, Client, ClientBuilder, ClientT, Error, IdKind, ReceivedMessage, Subscription, SubscriptionClientT,
    TransportReceiverT, TransportSenderT,
};
use jsonrpsee::core::params::BatchRequestBuilder;
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::types::{Id, Notification, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::message::CallOutcome;
use super::pending::{CallWaiter, ForgetOnDrop};
use super::{Peer, PeerShared};
use crate::model::limits::pace::CLIENT_TIMEOUT;
use crate::model::limits::sizes::{MESSAGE_LINE_BYTES_MAX, NOTICES_UNREAD_MAX};

/// The length of the JSON-RPC frame around the method and the parameters of a subscription, in bytes, with plenty to
/// spare.
const ENVELOPE_BYTES_MAX: usize = 256;

#[derive(Debug, thiserror::Error)]
#[error("cannot call {method}: the request has {bytes} bytes, the limit is {MESSAGE_LINE_BYTES_MAX}")]
struct OversizedCall {
    method: String,
    bytes: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot use the answer to {method}: {why}")]
struct MalformedAnswer {
    method: String,
    why: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the connection has ended")]
struct ConnectionEnded;

impl ClientT for Peer {
    async fn notification<Params>(&self, method: &str, params: Params) -> Result<(), Error>
    where
        Params: ToRpcParams + Send,
    {
        let params = params.to_rpc_params()?;
        let line = match &params {
            Some(params) => serde_json::to_string(&Notification::new(method.into(), params))?,
            // Parameters that are absent must not be written as `null`.
            None => serde_json::json!({"jsonrpc": "2.0", "method": method}).to_string(),
        };
        check_length(method, line.len())?;
        let pushed = timeout(self.request_timeout, self.handle.shared.outbox.push(&line)).await;
        match pushed.map_err(|_| Error::RequestTimeout)? {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    async fn request<R, Params>(&self, method: &str, params: Params) -> Result<R, Error>
    where
        R: DeserializeOwned,
        Params: ToRpcParams + Send,
    {
        let params = params.to_rpc_params()?;
        self.call(method, params.as_deref()).await
    }

    /// Sends each call as a line of its own, all at once: batches are an encoding that this peer does without.
    async fn batch_request<'a, R>(&self, batch: BatchRequestBuilder<'a>) -> Result<BatchResponse<'a, R>, Error>
    where
        R: DeserializeOwned + fmt::Debug + 'a,
    {
        let calls = batch.build()?;
        let answers = join_all(calls.into_iter().map(|(method, params)| async move {
            // Not yet decoded, because the answers are held side by side across an await.
            self.call::<Box<RawValue>>(method, params.as_deref()).await
        }))
        .await;
        let (mut succeeded, mut failed, mut entries) = (0, 0, Vec::with_capacity(answers.len()));
        for answer in answers {
            match answer {
                Ok(result) => {
                    succeeded += 1;
                    entries.push(Ok(serde_json::from_str(result.get())?));
                }
                Err(Error::Call(error)) => {
                    failed += 1;
                    entries.push(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(BatchResponse::new(succeeded, entries, failed))
    }
}

impl SubscriptionClientT for Peer {
    async fn subscribe<'a, Notif, Params>(
        &self,
        subscribe_method: &'a str,
        params: Params,
        unsubscribe_method: &'a str,
    ) -> Result<Subscription<Notif>, Error>
    where
        Params: ToRpcParams + Send,
        Notif: DeserializeOwned,
    {
        let params = EncodedCall(params.to_rpc_params()?);
        let bytes = params.0.as_ref().map_or(0, |params| params.get().len());
        check_length(subscribe_method, bytes + subscribe_method.len() + ENVELOPE_BYTES_MAX)?;
        let subscription = self.handle.subscriptions.subscribe(subscribe_method, params, unsubscribe_method);
        timeout(self.request_timeout, subscription).await.map_err(|_| Error::RequestTimeout)?
    }

    fn subscribe_to_method<Notif>(
        &self,
        method: &str,
    ) -> impl Future<Output = Result<Subscription<Notif>, Error>> + Send
    where
        Notif: DeserializeOwned,
    {
        self.handle.subscriptions.subscribe_to_method(method)
    }
}

impl Peer {
    async fn call<R: DeserializeOwned>(&self, method: &str, params: Option<&RawValue>) -> Result<R, Error> {
        let shared = &self.handle.shared;
        let id = shared.pending.next_id();
        let line = serde_json::to_string(&Request::borrowed(method, params, id.clone()))?;
        check_length(method, line.len())?;

        let (caller, answer) = oneshot::channel();
        if !shared.pending.insert(id.clone(), CallWaiter::Caller(caller)) {
            return Err(self.ended().await);
        }
        let _forget = ForgetOnDrop { shared: Arc::clone(shared), id };
        let answered = timeout(self.request_timeout, async {
            // A connection that ends drops `caller`, so its end need not be looked at twice.
            let _ = shared.outbox.push(&line).await;
            drop(line);
            answer.await
        });
        match answered.await {
            Err(_) => Err(Error::RequestTimeout),
            Ok(Err(_)) => Err(self.ended().await),
            Ok(Ok(CallOutcome::Success(result))) => serde_json::from_str(result.get()).map_err(Error::ParseError),
            Ok(Ok(CallOutcome::Error(error))) => Err(Error::Call(error)),
            Ok(Ok(CallOutcome::Malformed(why))) => {
                Err(Error::Transport(Box::new(MalformedAnswer { method: method.to_owned(), why })))
            }
        }
    }

    async fn ended(&self) -> Error {
        Error::RestartNeeded(Arc::new(Error::Transport(Box::new(self.closed().await))))
    }
}

fn check_length(method: &str, bytes: usize) -> Result<(), Error> {
    if bytes <= MESSAGE_LINE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::Transport(Box::new(OversizedCall { method: method.to_owned(), bytes })))
}

struct EncodedCall(Option<Box<RawValue>>);

impl ToRpcParams for EncodedCall {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(self.0)
    }
}

/// jsonrpsee's client over the queues of a connection. It starts three tasks that sleep until there is a subscription.
pub(super) fn subscription_client(shared: Arc<PeerShared>, from_peer: mpsc::Receiver<Vec<u8>>) -> Client {
    ClientBuilder::new()
        .id_format(IdKind::String)
        .request_timeout(CLIENT_TIMEOUT)
        .max_buffer_capacity_per_subscription(NOTICES_UNREAD_MAX)
        .build_with_tokio(ToPeer(shared), FromPeer(from_peer))
}

struct ToPeer(Arc<PeerShared>);

struct FromPeer(mpsc::Receiver<Vec<u8>>);

impl TransportSenderT for ToPeer {
    type Error = ConnectionEnded;

    async fn send(&mut self, line: String) -> Result<(), ConnectionEnded> {
        #[derive(Deserialize)]
        struct CallAnswer<'a> {
            #[serde(borrow)]
            id: Id<'a>,
        }
        if line.len() > MESSAGE_LINE_BYTES_MAX {
            // Only the id of a subscription, which the other side chose, can be that long. An error would end all.
            tracing::warn!("did not give up a subscription: its id is too long");
            return Ok(());
        }
        if let Ok(CallAnswer { id }) = serde_json::from_str(&line)
            && !self.0.pending.insert(id.into_owned(), CallWaiter::Subscriptions)
        {
            return Err(ConnectionEnded);
        }
        self.0.outbox.push(&line).await.map_err(|_| ConnectionEnded)
    }
}

impl TransportReceiverT for FromPeer {
    type Error = ConnectionEnded;

    async fn receive(&mut self) -> Result<ReceivedMessage, ConnectionEnded> {
        self.0.recv().await.map(ReceivedMessage::Bytes).ok_or(ConnectionEnded)
    }
}
