//! The links to workers, by name: for calls, and to know which children of this process are workers.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::Pid;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::wire::peer::Peer;

use super::orphans;
use super::spare::SpareWorker;

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
    table: Mutex<LinkTable>,
}

#[derive(Debug, Default)]
struct LinkTable {
    by_name: BTreeMap<MemberName, WorkerLink>,
    spare: SparePlace,
}

/// The place of the one spare worker.
#[derive(Debug, Default)]
enum SparePlace {
    #[default]
    Empty,
    Taken(Box<SpareWorker>),
    /// The leader ends, and keeps none from now on. The last one may be ending still.
    Closed {
        ending: Option<Pid>,
    },
}

impl SparePlace {
    fn take(&mut self) -> Option<SpareWorker> {
        match std::mem::take(self) {
            SparePlace::Taken(spare) => Some(*spare),
            SparePlace::Empty => None,
            closed @ SparePlace::Closed { .. } => {
                *self = closed;
                None
            }
        }
    }

    /// Gives up the place, and returns the worker that is to be ended. Until it has, it is known as the leader's own:
    /// whoever looks for orphans meanwhile is not to end it, too.
    fn close(&mut self) -> Option<SpareWorker> {
        let spare = self.take();
        if let SparePlace::Empty = self {
            *self = SparePlace::Closed { ending: spare.as_ref().and_then(SpareWorker::pid) };
        }
        spare
    }
}

impl WorkerLinks {
    /// The peer of a linked member.
    pub fn peer(&self, name: &MemberName) -> Option<Peer> {
        self.lock().by_name.get(name).map(|link| link.peer.clone())
    }

    /// Starts a worker, by the spare one if there is one, and notes the link to it, in one step for [`WorkerLinks::orphans`]:
    /// the new child is not taken for one.
    pub(super) fn launch<T, E>(
        &self,
        name: &MemberName,
        start: impl FnOnce(Option<SpareWorker>) -> Result<(T, WorkerLink), E>,
    ) -> Result<(T, WorkerLink), E> {
        let mut table = self.lock();
        let spare = table.spare.take();
        let (child, link) = start(spare)?;
        table.by_name.insert(name.clone(), link.clone());
        Ok((child, link))
    }

    /// Starts a spare worker if there is none. No spare is no fault: the next worker is started from nothing.
    pub(super) fn keep_spare(&self, start: impl FnOnce() -> io::Result<SpareWorker>) {
        let mut table = self.lock();
        match table.spare {
            SparePlace::Taken(_) | SparePlace::Closed { .. } => {}
            SparePlace::Empty => match start() {
                Ok(spare) => table.spare = SparePlace::Taken(Box::new(spare)),
                Err(error) => tracing::debug!("there is no spare worker: {error}"),
            },
        }
    }

    /// Ends the spare worker, and keeps none from now on.
    pub(super) async fn end_spare(&self) {
        let Some(spare) = self.lock().spare.close() else { return };
        spare.end().await;
        self.lock().spare = SparePlace::Closed { ending: None };
    }

    /// Notes the link to a worker that this leader did not launch. One that it launched has the better link.
    pub(super) fn note_found(&self, name: &MemberName, link: WorkerLink) {
        let links = &mut self.lock().by_name;
        if links.get(name).and_then(|link| link.to.child()).is_none() {
            links.insert(name.clone(), link);
        }
    }

    /// Forgets the link to a worker that this leader did not launch, unless there is another by now.
    pub(super) fn forget_found(&self, name: &MemberName, process: &ProcessIdentity) {
        let links = &mut self.lock().by_name;
        if links.get(name).is_some_and(|link| link.to == LinkedTo::Found(process.clone())) {
            links.remove(name);
        }
    }

    /// Forgets the link to a worker whose process was waited for.
    pub(super) fn forget_child(&self, name: &MemberName) {
        self.lock().by_name.remove(name);
    }

    /// The process of a worker that this leader launched and did not wait for yet.
    pub(super) fn child(&self, name: &MemberName) -> Option<ProcessIdentity> {
        self.lock().by_name.get(name)?.to.child().cloned()
    }

    /// The children that dead workers left to this process.
    pub(super) fn orphans(&self) -> Vec<Pid> {
        let table = self.lock();
        let spare = match &table.spare {
            SparePlace::Taken(spare) => spare.pid(),
            SparePlace::Closed { ending } => *ending,
            SparePlace::Empty => None,
        };
        let workers = table.by_name.values().filter_map(|link| link.to.child()).map(ProcessIdentity::to_pid);
        let workers = workers.chain(spare).collect();
        orphans::list(&workers)
    }

    fn lock(&self) -> MutexGuard<'_, LinkTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::process::Stdio;
    use std::task::{Context, Waker};

    use tokio::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_spare_worker_that_is_ending_is_no_orphan() {
        let links = WorkerLinks::default();
        let mut command = Command::new("sh");
        command.args(["-c", "read -r line"]).stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
        links.keep_spare(|| SpareWorker::start(command, "/bin/sh".as_ref()));
        let pid = match &links.lock().spare {
            SparePlace::Taken(spare) => spare.pid().expect("nobody waited for it"),
            SparePlace::Empty | SparePlace::Closed { .. } => panic!("there is no spare worker"),
        };
        assert!(!links.orphans().contains(&pid));
        {
            let mut ending = pin!(links.end_spare());
            // Its end is not waited for yet, so it is there still.
            let _ = ending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(!links.orphans().contains(&pid), "it is not ended twice");
            ending.await;
        }
        assert!(matches!(links.lock().spare, SparePlace::Closed { ending: None }));
    }
}
