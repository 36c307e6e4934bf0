//! The calls that wait for an answer. An answer to none of them is unknown, and goes nowhere.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use jsonrpsee::types::Id;
use tokio::sync::oneshot;

use super::message::CallOutcome;

/// The waiter for the answer to a call.
#[derive(Debug)]
pub(super) enum CallWaiter {
    Caller(oneshot::Sender<CallOutcome>),
    /// jsonrpsee's client, which handles subscriptions.
    Subscriptions,
}

/// The waiting calls of one connection.
#[derive(Debug, Default)]
pub(super) struct PendingCalls {
    /// `None` once the connection has ended.
    calls: Mutex<Option<HashMap<Id<'static>, CallWaiter>>>,
    /// The number of the next plain call.
    next: AtomicU64,
}

impl PendingCalls {
    pub(super) fn new() -> Self {
        Self { calls: Mutex::new(Some(HashMap::new())), next: AtomicU64::new(0) }
    }

    /// The id of the next plain call.
    pub(super) fn next_id(&self) -> Id<'static> {
        Id::Number(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a plain call had this id: an answer that nobody waits for is then no fault of the other side.
    pub(super) fn was_given(&self, id: &Id<'_>) -> bool {
        matches!(id, Id::Number(id) if *id < self.next.load(Ordering::Relaxed))
    }

    /// Registers who waits for the answer to `id`; `false` if the connection has ended.
    pub(super) fn insert(&self, id: Id<'static>, waiting: CallWaiter) -> bool {
        self.lock().as_mut().map(|calls| calls.insert(id, waiting)).is_some()
    }

    /// Takes out who waits for the answer to `id`.
    pub(super) fn take(&self, id: &Id<'_>) -> Option<CallWaiter> {
        self.lock().as_mut()?.remove(&id.clone().into_owned())
    }

    /// Ends all calls: their callers learn that no answer will come.
    pub(super) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<Id<'static>, CallWaiter>>> {
        self.calls.lock().expect("no holder of this lock can panic")
    }
}

/// Forgets a call when its caller gives up.
pub(super) struct ForgetOnDrop {
    pub(super) shared: Arc<super::PeerShared>,
    pub(super) id: Id<'static>,
}

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        self.shared.pending.take(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_from_its_call_on_and_for_ever() {
        let pending = PendingCalls::new();
        assert!(!pending.was_given(&Id::Number(0)));
        let id = pending.next_id();
        pending.insert(id.clone(), CallWaiter::Subscriptions);
        pending.take(&id);
        assert!(pending.was_given(&id), "its caller gave up, and the answer is late");
        assert!(!pending.was_given(&Id::Number(1)));
        assert!(!pending.was_given(&Id::Str("0".into())), "ids of that kind are jsonrpsee's");
    }
}
