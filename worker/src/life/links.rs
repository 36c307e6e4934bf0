//! The links over which leaders call: the pipes of the one that started this worker, and a socket beside its lock, by
//! which the leader after that one finds it. Every link is served alike; one whose other end has said `initialize`
//! is a leader's.

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::point;
use teamster_protocol::model::limits::pace::ACCEPT_AGAIN;
use teamster_protocol::model::limits::sizes::LINKS_MAX;
use teamster_protocol::wire::api::WorkerApiServer;
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket::{self, SocketListener};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use crate::hands::rpc::{LinkServer, WorkerCallee};

/// The subject of complaints about the socket that accepts links.
const ACCEPT: &str = "links";

/// The changes of a worker's links that matter to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkChange {
    /// There was no leader's link, and there is one.
    LeaderLinked,
    /// The last leader's link broke.
    LeaderLost,
}

/// The links of a worker.
#[derive(Debug)]
pub(super) struct LeaderLinks {
    callee: WorkerCallee,
    listener: Option<SocketListener>,
    socket: PathBuf,
    links: BTreeMap<u64, LeaderLink>,
    made: u64,
    complaints: Complaints,
    heard: mpsc::UnboundedReceiver<LinkNews>,
    tell: mpsc::UnboundedSender<LinkNews>,
}

#[derive(Debug)]
struct LeaderLink {
    peer: Peer,
    end: OtherEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherEnd {
    Unknown,
    Leader,
}

/// The news from the task beside a link, at most one of each for a link.
#[derive(Debug, Clone, Copy)]
enum LinkNews {
    Greeted(u64),
    Closed(u64),
}

impl LeaderLinks {
    /// Listens at `socket`, which the caller may replace as it holds the member's lock. A worker that cannot listen
    /// works all the same, and is reached by mail. Must be called within a runtime.
    pub(super) fn new(callee: WorkerCallee, socket: &Path) -> LeaderLinks {
        let listener = socket::listen(socket).inspect_err(|error| {
            tracing::warn!("a new leader will reach this worker by mail only: {error}");
        });
        let (tell, heard) = mpsc::unbounded_channel();
        let (links, socket) = (BTreeMap::new(), socket.to_owned());
        LeaderLinks {
            callee,
            listener: listener.ok(),
            socket,
            links,
            made: 0,
            complaints: Complaints::default(),
            heard,
            tell,
        }
    }

    /// Serves the leader that started this worker.
    pub(super) fn leader(
        &mut self,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) {
        self.serve(read, write, OtherEnd::Leader);
    }

    /// Takes new links until the leader is lost or found. May be dropped while it waits.
    pub(super) async fn changed(&mut self) -> LinkChange {
        loop {
            tokio::select! {
                Some(heard) = self.heard.recv() => {
                    if let Some(change) = self.note(heard) {
                        return change;
                    }
                }
                accepted = accept(self.listener.as_ref()) => match accepted {
                    Ok(_) if !self.has_room() => {
                        if self.complaints.is_news(ACCEPT, "full") {
                            tracing::warn!("refused a link: {LINKS_MAX} leaders are linked");
                        }
                    }
                    Ok(stream) => {
                        self.complaints.over(ACCEPT);
                        let (read, write) = stream.into_split();
                        self.serve(read, write, OtherEnd::Unknown);
                    }
                    Err(error) => {
                        if self.complaints.is_news(ACCEPT, &error.to_string()) {
                            tracing::warn!("{error}");
                        }
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        }
    }

    /// Writes what is queued on every link and closes it, and takes no new ones.
    pub(super) async fn close(&mut self) {
        if self.listener.take().is_some()
            && let Err(error) = fs::remove_file(&self.socket)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", self.socket.display());
        }
        point("socket removed");
        join_all(self.links.values().map(|link| link.peer.close())).await;
    }

    /// Whether one more link may come: at the limit, the oldest link goes whose other end did not say that it leads, so
    /// that a client which forgot its link does not keep a leader out.
    fn has_room(&mut self) -> bool {
        if self.links.len() < LINKS_MAX {
            return true;
        }
        // Links are numbered in the order in which they came.
        let other = self.links.iter().find(|(_, link)| link.end == OtherEnd::Unknown).map(|(id, _)| *id);
        let Some(link) = other.and_then(|id| self.links.remove(&id)) else { return false };
        tracing::warn!("closed a link that is no leader's: {LINKS_MAX} are open");
        tokio::spawn(async move { link.peer.close().await });
        true
    }

    fn serve(
        &mut self,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        end: OtherEnd,
    ) {
        let (greeting, greeted) = oneshot::channel();
        let peer = Peer::start(read, write, LinkServer::new(self.callee.clone(), greeting).into_rpc());
        self.made += 1;
        let id = self.made;
        tokio::spawn(attend(id, peer.clone(), greeted, self.tell.clone()));
        self.links.insert(id, LeaderLink { peer, end });
    }

    fn note(&mut self, heard: LinkNews) -> Option<LinkChange> {
        let leaders = |links: &BTreeMap<u64, LeaderLink>| links.values().any(|link| link.end == OtherEnd::Leader);
        let before = leaders(&self.links);
        match heard {
            LinkNews::Greeted(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.end = OtherEnd::Leader;
                }
            }
            LinkNews::Closed(id) => drop(self.links.remove(&id)),
        }
        match (before, leaders(&self.links)) {
            (false, true) => Some(LinkChange::LeaderLinked),
            (true, false) => Some(LinkChange::LeaderLost),
            (true, true) | (false, false) => None,
        }
    }
}

/// Tells what becomes of one link.
async fn attend(id: u64, peer: Peer, greeted: oneshot::Receiver<()>, tell: mpsc::UnboundedSender<LinkNews>) {
    let tell = |heard| {
        // Nobody listens once the worker has left.
        let _ = tell.send(heard);
    };
    let closed = peer.closed();
    tokio::pin!(closed);
    tokio::select! {
        Ok(()) = greeted => {
            tell(LinkNews::Greeted(id));
            closed.await;
        }
        _ = &mut closed => {}
    }
    tell(LinkNews::Closed(id));
}

async fn accept(listener: Option<&SocketListener>) -> Result<tokio::net::UnixStream, socket::SocketError> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}
