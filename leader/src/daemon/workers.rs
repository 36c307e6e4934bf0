//! Workers as processes: a place is made for them, they are launched, and signalled, but only who is provably theirs.

use std::sync::Arc;

use nix::sys::signal;
use nix::unistd::Pid;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::{self, Identity};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::store::presence::{self, WorkerLife};
use teamster_protocol::wire::api::SpawnRequest;

use super::shared::Input;
use super::{DISPLACED, Leader, launch, prepare};
use crate::core::{Event, Fault, Signal};

impl Leader<'_> {
    pub(super) fn prepare(&self, request: SpawnRequest) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let (name, preparing) = (request.name.clone(), Arc::clone(&shared));
            let making = tokio::task::spawn_blocking(move || prepare::prepare(&preparing, request));
            let outcome = making.await.unwrap_or_else(|error| Err(format!("making its place failed: {error}")));
            shared
                .report(Input::Event(match outcome {
                    Ok(workspace) => Event::Prepared { name, workspace },
                    Err(why) => {
                        let why = format!("cannot spawn {name}: {why}");
                        Event::NotPrepared { name, why }
                    }
                }))
                .await;
        });
    }

    pub(super) fn launch(&self, name: MemberName) -> Option<Event> {
        if self.is_displaced() {
            return Some(Event::NotReady { name, why: DISPLACED.to_owned(), fault: Fault::Worker });
        }
        let spec = match self.shared.team().roster().member(&name) {
            Ok(member) => member.spec.clone(),
            Err(refusal) => return Some(Event::NotReady { name, why: refusal.to_string(), fault: Fault::Worker }),
        };
        tokio::spawn(launch::run(Arc::clone(&self.shared), name, spec));
        None
    }

    /// Signals the worker's own process, which ends what it started. A worker that this leader launched is a child
    /// that was not waited for; any other is signalled only while the process it was found as holds its lock.
    pub(super) fn signal(&self, name: &MemberName, wanted: Signal) {
        let wanted = match wanted {
            Signal::Terminate => signal::Signal::SIGTERM,
            Signal::Kill => signal::Signal::SIGKILL,
        };
        point("about to signal");
        let sent = if self.core.is_child(name) {
            let Some(child) = self.shared.links.child(name) else { return };
            // In a namespace the worker is the child's child, and SIGKILL is not passed on to it.
            match self.within(name, child) {
                Some(worker) => worker.signal(wanted),
                None => signal::kill(child, wanted).map_err(std::io::Error::from),
            }
        } else {
            let Some(found) = self.core.found_process(name).filter(|found| self.serves(name, found)) else { return };
            found.signal(wanted)
        };
        if let Err(error) = sent {
            tracing::warn!(%name, "cannot send {wanted}: {error}");
        }
    }

    /// The worker itself, if it is not the child that was started for it but that one's.
    fn within(&self, name: &MemberName, child: Pid) -> Option<Identity> {
        let holder = presence::holder(&self.shared.dir.member_lock(name)).ok().flatten();
        // Where the lock was tidied away, the roster says who joined.
        let worker = match holder {
            Some(holder) => holder.process,
            None => self.shared.team().roster().member(name).ok()?.presence.joined()?.clone(),
        };
        let parent = i32::try_from(process::parent(worker.pid).ok()?).ok()?;
        (parent == child.as_raw()).then_some(worker)
    }

    /// Whether that process is the worker of that member still: by its lock, or by itself where the lock was tidied away.
    fn serves(&self, name: &MemberName, process: &Identity) -> bool {
        let lock = self.shared.dir.member_lock(name);
        match presence::holder(&lock) {
            Ok(Some(holder)) => holder.process == *process,
            Ok(None) | Err(_) => {
                presence::look_at_worker(&lock, Some(process)).is_ok_and(|life| life == WorkerLife::LockLost)
            }
        }
    }
}
