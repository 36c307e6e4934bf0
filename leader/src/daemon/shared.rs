//! What the tasks of the leader share: the team's files, the links to its workers, and the ways to the loop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jsonrpsee::core::RpcResult;
use nix::unistd::Pid;
use teamster_protocol::host::process::Identity;
use teamster_protocol::host::settings::Common;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::Workspace;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::{LeaderInfo, MemberNotice, code};
use teamster_protocol::wire::peer::Peer;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::server::refused;
use crate::core::{Answer, Ask, Fault};
use crate::daemon::launch::NotStarted;
use crate::daemon::orphans;

/// What the tasks of the leader share.
#[derive(Debug)]
pub struct Shared {
    /// Where the team's files are.
    pub dir: TeamDir,
    /// Who leads.
    pub info: LeaderInfo,
    /// The program workers run.
    pub worker_program: PathBuf,
    /// What the workers have to hold to as well: how their files are kept, and how long they wait.
    pub settings: Common,
    pub(super) team: Mutex<Team>,
    pub(super) links: Mutex<BTreeMap<MemberName, Link>>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) notices: broadcast::Sender<MemberNotice>,
}

/// The link to a worker.
#[derive(Debug, Clone)]
pub struct Link {
    /// For calls.
    pub peer: Peer,
    /// To what process.
    pub to: LinkedTo,
}

/// What process a link goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkedTo {
    /// A child of this leader that was not waited for yet: the number can not be another's. There from its start to
    /// its end.
    Child(Pid),
    /// A worker that this leader did not launch.
    Found(Identity),
}

/// What reaches the loop.
#[derive(Debug)]
#[expect(missing_docs, reason = "as the events of the core that they become")]
pub enum Input {
    Ask {
        what: Ask,
        answer: oneshot::Sender<Result<Answer, String>>,
    },
    Prepared {
        name: MemberName,
        outcome: Result<Workspace, String>,
    },
    Ready {
        name: MemberName,
        pid: u32,
    },
    NotReady {
        name: MemberName,
        why: String,
        fault: Fault,
    },
    Exited {
        name: MemberName,
        how: String,
    },
    /// The link to a worker that this leader did not launch is not there, or no longer.
    Unlinked {
        name: MemberName,
    },
    /// It answered a ping, or let itself be linked to.
    Answered {
        name: MemberName,
    },
    /// The link by which it would have answered is gone.
    PingLost {
        name: MemberName,
    },
}

impl Shared {
    /// The team's files. Not to be held across an await.
    pub fn team(&self) -> MutexGuard<'_, Team> {
        self.team.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the core, and waits for its answer.
    pub async fn ask(&self, what: Ask) -> RpcResult<Answer> {
        let (answer, answered) = oneshot::channel();
        let gone = || refused(code::REFUSED, "the leader has ended");
        self.inputs.send(Input::Ask { what, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|why| refused(code::REFUSED, why))
    }

    /// Reports to the loop what came of an action.
    pub async fn report(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!("a report came after the end");
        }
    }

    /// The notices of all members from now on.
    pub fn notices(&self) -> broadcast::Receiver<MemberNotice> {
        self.notices.subscribe()
    }

    /// Passes a notice on to whoever listens.
    pub fn notify(&self, notice: MemberNotice) {
        // That nobody listens is no error.
        let _ = self.notices.send(notice);
    }

    /// The peer of a linked member.
    pub fn peer(&self, name: &MemberName) -> Option<Peer> {
        self.links().get(name).map(|link| link.peer.clone())
    }

    /// Starts a worker and notes the link to it, in one step for `Shared::orphans`: the new child is not taken for
    /// one.
    pub fn launch<T>(
        &self,
        name: &MemberName,
        start: impl FnOnce() -> Result<(T, Link), NotStarted>,
    ) -> Result<(T, Link), NotStarted> {
        let mut links = self.links();
        let (child, link) = start()?;
        links.insert(name.clone(), link.clone());
        Ok((child, link))
    }

    /// Notes the link to a worker that this leader did not launch. One that it launched has the better link.
    pub fn link(&self, name: &MemberName, link: Link) {
        let mut links = self.links();
        match links.get(name).map(|link| &link.to) {
            Some(LinkedTo::Child(_)) => {}
            Some(LinkedTo::Found(_)) | None => drop(links.insert(name.clone(), link)),
        }
    }

    /// Forgets the link to a worker that this leader did not launch, unless there is another by now.
    pub fn unlink_from(&self, name: &MemberName, process: &Identity) {
        let mut links = self.links();
        if links.get(name).is_some_and(|link| link.to == LinkedTo::Found(process.clone())) {
            links.remove(name);
        }
    }

    /// The process of a worker that this leader launched and did not wait for yet.
    pub(super) fn child(&self, name: &MemberName) -> Option<Pid> {
        match self.links().get(name)?.to {
            LinkedTo::Child(pid) => Some(pid),
            LinkedTo::Found(_) => None,
        }
    }

    /// Forgets the link to a worker whose process was waited for.
    pub fn unlink(&self, name: &MemberName) {
        self.links().remove(name);
    }

    /// The children that dead workers left to this process.
    pub(super) fn orphans(&self) -> Vec<Pid> {
        let links = self.links();
        let child = |link: &Link| match link.to {
            LinkedTo::Child(pid) => Some(pid),
            LinkedTo::Found(_) => None,
        };
        let workers = links.values().filter_map(child).collect();
        orphans::list(&workers)
    }

    pub(super) fn links(&self) -> MutexGuard<'_, BTreeMap<MemberName, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
