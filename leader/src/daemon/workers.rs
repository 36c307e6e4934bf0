//! Workers as processes: a place is made for them, they are launched, and they are signalled, but only processes that are
//! provably theirs.

use std::sync::Arc;

use nix::sys::signal;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::{self, ProcessIdentity};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::kill_ladder::KillSignal;
use teamster_protocol::store::presence::{self, WorkerLife};
use teamster_protocol::wire::api::SpawnRequest;

use super::shared::LeaderInput;
use super::{DISPLACED, LeaderDaemon, launch, prepare};
use crate::core::{LeaderEvent, StartFault};

impl LeaderDaemon<'_> {
    pub(super) fn prepare(&self, request: SpawnRequest) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let (name, preparing) = (request.name.clone(), Arc::clone(&shared));
            let making = tokio::task::spawn_blocking(move || prepare::prepare(&preparing, request));
            let outcome = making.await.unwrap_or_else(|error| Err(format!("making its place failed: {error}")));
            shared
                .report(LeaderInput::Event(match outcome {
                    Ok(place) => LeaderEvent::Prepared { name, place },
                    Err(why) => {
                        let why = format!("cannot spawn {name}: {why}");
                        LeaderEvent::NotPrepared { name, why }
                    }
                }))
                .await;
        });
    }

    pub(super) fn launch(&self, name: MemberName) -> Option<LeaderEvent> {
        if self.is_displaced() {
            return Some(LeaderEvent::NotReady { name, why: DISPLACED.to_owned(), fault: StartFault::Worker });
        }
        let spec = match self.shared.team().roster().member(&name) {
            Ok(member) => member.spec.clone(),
            Err(refusal) => {
                return Some(LeaderEvent::NotReady { name, why: refusal.to_string(), fault: StartFault::Worker });
            }
        };
        tokio::spawn(launch::run(Arc::clone(&self.shared), name, spec));
        None
    }

    /// Signals a member's worker. A worker in a cell is two processes: the outer half, which was started, and the inner half,
    /// its child, which is the worker. Either may be stopped, and a stopped process obeys SIGKILL alone: SIGTERM goes to
    /// the worker and is followed by SIGCONT to both, and SIGKILL goes to both.
    ///
    /// Each is signalled only as the very process that it was when it was started or wrote itself down, and a worker that
    /// this leader did not launch only while it holds its lock.
    pub(super) fn signal(&self, name: &MemberName, wanted: KillSignal) {
        point("about to signal");
        let Some(halves) = self.halves(name) else { return };
        let mut signals: Vec<(&ProcessIdentity, signal::Signal)> =
            wanted.as_signals().iter().map(|signal| (&halves.worker, *signal)).collect();
        // SIGTERM is passed on by the outer half, and the worker has it already.
        let for_outer_half = wanted.as_signals().iter().filter(|signal| **signal != signal::Signal::SIGTERM);
        signals
            .extend(halves.outer.iter().flat_map(|outer| for_outer_half.clone().map(move |signal| (outer, *signal))));
        for (process, signal) in signals {
            if let Err(error) = process.signal(signal) {
                tracing::warn!(%name, pid = process.pid, "cannot send {signal}: {error}");
            }
        }
    }

    /// The processes of a member's worker; nothing if none is known to be its own.
    fn halves(&self, name: &MemberName) -> Option<WorkerHalves> {
        if self.core.is_child(name) {
            let child = self.shared.links.child(name)?;
            return Some(match self.within(name, &child) {
                Some(worker) => WorkerHalves { worker, outer: Some(child) },
                None => WorkerHalves { worker: child, outer: None },
            });
        }
        let worker = self.core.found_process(name).filter(|found| self.serves(name, found))?.clone();
        Some(WorkerHalves { worker, outer: self.core.found_outer_half(name).cloned() })
    }

    /// The worker itself, if it is not the child that was started for it but that one's.
    fn within(&self, name: &MemberName, child: &ProcessIdentity) -> Option<ProcessIdentity> {
        let holder = presence::read_holder(&self.shared.dir.member_lock(name)).ok().flatten();
        // Where the lock was tidied away, the roster says who joined.
        let worker = match holder {
            Some(holder) => holder.process,
            None => self.shared.team().roster().member(name).ok()?.presence.joined()?.clone(),
        };
        (process::parent(worker.pid).ok()? == child.pid).then_some(worker)
    }

    /// Whether that process is the worker of that member still: by its lock, or by itself where the lock was tidied away.
    fn serves(&self, name: &MemberName, process: &ProcessIdentity) -> bool {
        let lock = self.shared.dir.member_lock(name);
        match presence::read_holder(&lock) {
            Ok(Some(holder)) => holder.process == *process,
            Ok(None) | Err(_) => {
                presence::look_at_worker(&lock, Some(process)).is_ok_and(|life| life == WorkerLife::LockLost)
            }
        }
    }
}

/// The processes that a worker is.
struct WorkerHalves {
    worker: ProcessIdentity,
    /// The outer half of its cell, if it is in one.
    outer: Option<ProcessIdentity>,
}
