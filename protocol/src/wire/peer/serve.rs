//! Serves the calls and notices of the other side from a table of methods.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::types::error::{TOO_MANY_SUBSCRIPTIONS_CODE, TOO_MANY_SUBSCRIPTIONS_MSG};
use jsonrpsee::types::{ErrorCode, ErrorObjectOwned, Id, Params, SubscriptionId};
use jsonrpsee::{
    BoundedSubscriptions, ConnectionId, Extensions, MethodCallback, MethodResponse, MethodSink, Methods,
    SubscriptionState,
};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::model::limits::sizes::{CALLS_IN_FLIGHT_MAX, MESSAGE_LINE_BYTES_MAX, SUBSCRIPTIONS_MAX};

use super::outbox::NotQueued;
use super::{BUSY_CODE, PeerShared};

/// How much of an unknown method's name an error repeats, in characters.
const METHOD_SHOWN_CHARS_MAX: usize = 100;

/// jsonrpsee's table of subscribers is shared by all connections that serve the same methods.
static NEXT_CONNECTION: AtomicUsize = AtomicUsize::new(0);

/// Whether a notice was for a method of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeardNotice {
    Here,
    Elsewhere,
}

type CaughtPanic = Result<MethodResponse, Box<dyn Any + Send>>;

pub(super) struct MethodServer {
    methods: Methods,
    extensions: Extensions,
    connection: ConnectionId,
    shared: Arc<PeerShared>,
    sink: MethodSink,
    in_flight: Arc<Semaphore>,
    subscriptions: BoundedSubscriptions,
}

impl MethodServer {
    pub(super) fn new(mut methods: Methods, shared: Arc<PeerShared>, notices: mpsc::Sender<Box<RawValue>>) -> Self {
        let connection = ConnectionId(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed));
        let mut extensions = methods.extensions().clone();
        extensions.insert(connection);
        Self {
            methods,
            extensions,
            connection,
            shared,
            sink: MethodSink::new_with_limit(notices, line_bytes_max()),
            in_flight: Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX)),
            subscriptions: BoundedSubscriptions::new(SUBSCRIPTIONS_MAX),
        }
    }

    /// Answers a call, now or when its handler is done. Does not block.
    pub(super) fn call(&self, id: Id<'_>, name: &str, params: Option<&str>) {
        let Some(method) = self.methods.method(name) else {
            let name: String = name.chars().take(METHOD_SHOWN_CHARS_MAX).collect();
            let why = format!("method not found: {name:?}");
            return self.refuse(id, ErrorObjectOwned::owned(ErrorCode::MethodNotFound.code(), why, None::<()>));
        };
        // To give up a subscription lessens the load, so it is never refused for the load.
        if let MethodCallback::Unsubscription(method) = method {
            let extensions = self.extensions.clone();
            let response = method(id, Params::new(params), self.connection, MESSAGE_LINE_BYTES_MAX, extensions);
            return self.shared.outbox.refuse(response.as_ref());
        }
        let Ok(slot) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            let why = format!("busy: {CALLS_IN_FLIGHT_MAX} calls are in flight, try again later");
            return self.refuse(id, ErrorObjectOwned::owned(BUSY_CODE, why, None::<()>));
        };
        if let MethodCallback::Subscription(method) = method {
            let Some(subscription_permit) = self.subscriptions.acquire() else {
                let why = format!("{TOO_MANY_SUBSCRIPTIONS_MSG}: {SUBSCRIPTIONS_MAX}");
                let error = ErrorObjectOwned::owned(TOO_MANY_SUBSCRIPTIONS_CODE, why, None::<()>);
                return self.refuse(id, error);
            };
            let conn_id = self.connection;
            let state = SubscriptionState { conn_id, id_provider: &SubscriptionIds, subscription_permit };
            let (sink, extensions) = (self.sink.clone(), self.extensions.clone());
            let asked = id.clone();
            let answer = catch_unwind(AssertUnwindSafe(|| method(asked, Params::new(params), sink, state, extensions)));
            return match answer {
                Ok(answer) => self.start(id, answer, slot),
                Err(panic) => self.answer(respond(id, Err(panic)), slot),
            };
        }
        match self.invoke(method, id.clone(), params) {
            InvokedMethod::Done(caught) => self.answer(respond(id, caught), slot),
            InvokedMethod::Running(running) => self.finish_later(id, running, slot),
        }
    }

    /// Runs the method that a notice names, if there is one. Nothing is answered.
    pub(super) fn notice(&self, name: &str, params: Option<&str>) -> HeardNotice {
        let Some(method) = self.methods.method(name) else {
            return HeardNotice::Elsewhere;
        };
        match self.invoke(method, Id::Null, params) {
            InvokedMethod::Done(Ok(_)) => {}
            InvokedMethod::Done(Err(panic)) => drop(respond(Id::Null, Err(panic))),
            InvokedMethod::Running(running) => match Arc::clone(&self.in_flight).try_acquire_owned() {
                Ok(slot) => drop(tokio::spawn(async move {
                    drop(respond(Id::Null, running.await));
                    drop(slot);
                })),
                Err(_) => tracing::warn!("dropped a notice {name:?}: {CALLS_IN_FLIGHT_MAX} handlers are running"),
            },
        }
        HeardNotice::Here
    }

    /// Waits until no handler of a call is running.
    pub(super) async fn all_answered(&self) {
        let slots = u32::try_from(CALLS_IN_FLIGHT_MAX).expect("the limit is small");
        let _ = self.in_flight.acquire_many(slots).await;
    }

    /// Runs a method up to its first wait.
    fn invoke(&self, method: &MethodCallback, id: Id<'_>, params: Option<&str>) -> InvokedMethod {
        let params = Params::new(params);
        let extensions = self.extensions.clone();
        match method {
            MethodCallback::Sync(method) => InvokedMethod::Done(catch_unwind(AssertUnwindSafe(|| {
                method(id, params, MESSAGE_LINE_BYTES_MAX, extensions)
            }))),
            MethodCallback::Async(method) => {
                let (id, params) = (id.into_owned(), params.into_owned());
                let started = catch_unwind(AssertUnwindSafe(|| {
                    method(id, params, self.connection, MESSAGE_LINE_BYTES_MAX, extensions)
                }));
                match started {
                    Ok(running) => poll_once(running),
                    Err(panic) => InvokedMethod::Done(Err(panic)),
                }
            }
            MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_) => {
                tracing::warn!("ignored a subscription without an id");
                InvokedMethod::Done(Ok(MethodResponse::notification()))
            }
        }
    }

    fn start(
        &self,
        id: Id<'_>,
        running: impl Future<Output = MethodResponse> + Send + Unpin + 'static,
        slot: CallSlot,
    ) {
        match poll_once(running) {
            InvokedMethod::Done(caught) => self.answer(respond(id, caught), slot),
            InvokedMethod::Running(running) => self.finish_later(id, running, slot),
        }
    }

    fn finish_later(&self, id: Id<'_>, running: RunningCall, slot: CallSlot) {
        let (id, shared) = (id.into_owned(), Arc::clone(&self.shared));
        tokio::spawn(async move {
            let response = respond(id, running.await);
            send(&shared, response, slot).await;
        });
    }

    /// Queues an answer, or leaves it to a task if there is no room: the reader must not wait.
    fn answer(&self, response: MethodResponse, slot: CallSlot) {
        if response.is_subscription() {
            return;
        }
        match self.shared.outbox.try_push(response.as_ref()) {
            Ok(()) => told(response),
            Err(NotQueued::Ended) => {}
            Err(NotQueued::Full) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move { send(&shared, response, slot).await });
            }
        }
    }

    fn refuse(&self, id: Id<'_>, error: ErrorObjectOwned) {
        self.shared.outbox.refuse(&refusal(id, error));
    }
}

/// An error answer.
pub(super) fn refusal(id: Id<'_>, error: ErrorObjectOwned) -> String {
    MethodResponse::error(id, error).as_ref().to_owned()
}

/// The right to have one call in flight.
type CallSlot = OwnedSemaphorePermit;

type RunningCall = std::pin::Pin<Box<dyn Future<Output = CaughtPanic> + Send>>;

enum InvokedMethod {
    Done(CaughtPanic),
    Running(RunningCall),
}

/// Polls a handler for the first time, in the order of arrival. It is polled again by the task it is then given to,
/// so the wake-up that this poll could ask for is not needed.
fn poll_once(handler: impl Future<Output = MethodResponse> + Send + Unpin + 'static) -> InvokedMethod {
    let mut running = AssertUnwindSafe(handler).catch_unwind();
    // Out of its budget, tokio would make a free channel look full, and the order would be lost.
    match tokio::task::unconstrained(&mut running).now_or_never() {
        Some(caught) => InvokedMethod::Done(caught),
        None => InvokedMethod::Running(Box::pin(running)),
    }
}

/// Waits for room, then queues an answer. A subscription has sent its own.
async fn send(shared: &PeerShared, response: MethodResponse, slot: CallSlot) {
    if !response.is_subscription() && shared.outbox.push(response.as_ref()).await.is_ok() {
        told(response);
    }
    drop(slot);
}

/// Tells a handler that asked for it that its answer is on its way.
fn told(response: MethodResponse) {
    let success = response.is_success();
    if let (_, Some(handler), _) = response.into_parts() {
        handler.notify(success);
    }
}

fn respond(id: Id<'_>, caught: CaughtPanic) -> MethodResponse {
    caught.unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<&str>().map(|why| (*why).to_owned());
        let why = why.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!("a handler panicked: {why}");
        MethodResponse::error(id, ErrorObjectOwned::from(ErrorCode::InternalError))
    })
}

fn line_bytes_max() -> u32 {
    u32::try_from(MESSAGE_LINE_BYTES_MAX).expect("the limit is below 4 GiB")
}

/// Numbers subscriptions; unique within the process.
#[derive(Debug)]
struct SubscriptionIds;

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        SubscriptionId::Num(u64::try_from(id).expect("an address fits 64 bits"))
    }
}
