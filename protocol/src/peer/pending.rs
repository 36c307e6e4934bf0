//! The calls that wait for an answer. An answer to none of them is unknown, and goes nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jsonrpsee::types::Id;
use tokio::sync::oneshot;

use super::message::Outcome;

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Waiting {
    Caller(oneshot::Sender<Outcome>),
    /// jsonrpsee's client, which handles subscriptions.
    Subscriptions,
}

/// The waiting calls of one connection.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// `None` once the connection has ended.
    calls: Mutex<Option<HashMap<Id<'static>, Waiting>>>,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self { calls: Mutex::new(Some(HashMap::new())) }
    }

    /// Registers who waits for the answer to `id`; `false` if the connection has ended.
    pub(super) fn insert(&self, id: Id<'static>, waiting: Waiting) -> bool {
        self.lock().as_mut().map(|calls| calls.insert(id, waiting)).is_some()
    }

    /// Takes out who waits for the answer to `id`.
    pub(super) fn take(&self, id: &Id<'_>) -> Option<Waiting> {
        self.lock().as_mut()?.remove(&id.clone().into_owned())
    }

    /// Ends all calls: their callers learn that no answer will come.
    pub(super) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<Id<'static>, Waiting>>> {
        self.calls.lock().expect("no holder of this lock can panic")
    }
}

/// Forgets a call when its caller gives up.
pub(super) struct Forget {
    pub(super) shared: Arc<super::Shared>,
    pub(super) id: Id<'static>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.shared.pending.take(&self.id);
    }
}
