//! The links to workers, by name: for calls, and to know which children of this process are workers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::Pid;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::wire::peer::Peer;

use super::orphans;

/// The link to a worker.
#[derive(Debug, Clone)]
pub(super) struct WorkerLink {
    /// The peer by which the worker is called.
    pub peer: Peer,
    /// The process at the other end.
    pub to: LinkedTo,
}

/// The process that a link goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkedTo {
    /// A child of this leader. There from its start until it was waited for.
    Child(ProcessIdentity),
    /// A worker that this leader did not launch.
    Found(ProcessIdentity),
}

impl LinkedTo {
    fn child(&self) -> Option<&ProcessIdentity> {
        match self {
            LinkedTo::Child(child) => Some(child),
            LinkedTo::Found(_) => None,
        }
    }
}

/// All links.
#[derive(Debug, Default)]
pub struct WorkerLinks {
    by_name: Mutex<BTreeMap<MemberName, WorkerLink>>,
}

impl WorkerLinks {
    /// The peer of a linked member.
    pub fn peer(&self, name: &MemberName) -> Option<Peer> {
        self.lock().get(name).map(|link| link.peer.clone())
    }

    /// Starts a worker and notes the link to it, in one step for [`WorkerLinks::orphans`]: the new child is not taken for one.
    pub(super) fn launch<T, E>(
        &self,
        name: &MemberName,
        start: impl FnOnce() -> Result<(T, WorkerLink), E>,
    ) -> Result<(T, WorkerLink), E> {
        let mut links = self.lock();
        let (child, link) = start()?;
        links.insert(name.clone(), link.clone());
        Ok((child, link))
    }

    /// Notes the link to a worker that this leader did not launch. One that it launched has the better link.
    pub(super) fn note_found(&self, name: &MemberName, link: WorkerLink) {
        let mut links = self.lock();
        if links.get(name).and_then(|link| link.to.child()).is_none() {
            links.insert(name.clone(), link);
        }
    }

    /// Forgets the link to a worker that this leader did not launch, unless there is another by now.
    pub(super) fn forget_found(&self, name: &MemberName, process: &ProcessIdentity) {
        let mut links = self.lock();
        if links.get(name).is_some_and(|link| link.to == LinkedTo::Found(process.clone())) {
            links.remove(name);
        }
    }

    /// Forgets the link to a worker whose process was waited for.
    pub(super) fn forget_child(&self, name: &MemberName) {
        self.lock().remove(name);
    }

    /// The process of a worker that this leader launched and did not wait for yet.
    pub(super) fn child(&self, name: &MemberName) -> Option<ProcessIdentity> {
        self.lock().get(name)?.to.child().cloned()
    }

    /// The children that dead workers left to this process.
    pub(super) fn orphans(&self) -> Vec<Pid> {
        let links = self.lock();
        let workers = links.values().filter_map(|link| link.to.child()).map(ProcessIdentity::to_pid).collect();
        orphans::list(&workers)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MemberName, WorkerLink>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
