//! The control socket: connections of fronts, each served until it or the leader ends.

use std::sync::Arc;

use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::limits::pace::ACCEPT_RETRY;
use teamster_protocol::team::member_of_process;
use teamster_protocol::wire::api::LeaderApiServer;
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket::SocketListener;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::server::FrontServer;
use crate::daemon::LeaderShared;

/// The subject of complaints about the socket that takes connections.
const ACCEPT: &str = "connections";

/// Takes connections of fronts until the end, then lets each write what is queued.
pub(crate) async fn accept(listener: SocketListener, shared: Arc<LeaderShared>, mut ending: watch::Receiver<bool>) {
    let mut fronts = JoinSet::new();
    let mut complaints = Complaints::default();
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            Some(_) = fronts.join_next() => continue,
            () = ended(&mut ending) => break,
        };
        match stream {
            Ok(stream) => {
                complaints.over(ACCEPT);
                let caller = caller_at(&stream, &shared.dir);
                let (read, write) = stream.into_split();
                let peer = Peer::start(read, write, FrontServer::new(Arc::clone(&shared), caller).into_rpc());
                fronts.spawn(attend(peer, ending.clone()));
            }
            Err(error) => {
                if complaints.is_news(ACCEPT, &error.to_string()) {
                    tracing::warn!("{error}");
                }
                // Out of descriptors: to try at once again would only burn the processor.
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    while fronts.join_next().await.is_some() {}
}

/// The caller at the other end of a connection: a member if its agent started the calling process, else the lead. A
/// process that can not be seen from here, as from within a PID namespace, counts as the lead. Why the system does not
/// tell, if it does not: such a caller may do nothing that only the lead may.
fn caller_at(stream: &UnixStream, dir: &TeamDir) -> Result<Address, String> {
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
    let Some(pid) = pid.filter(|pid| *pid != 0) else { return Ok(Address::Lead) };
    match member_of_process(dir, pid) {
        Ok(Some(name)) => Ok(Address::Member(name)),
        Ok(None) => Ok(Address::Lead),
        Err(error) => Err(format!("cannot find out whose process {pid} is: {error}")),
    }
}

/// Keeps a front's connection until it or the leader ends.
async fn attend(peer: Peer, mut ending: watch::Receiver<bool>) {
    tokio::select! {
        _ = peer.closed() => return,
        () = ended(&mut ending) => {}
    }
    peer.close().await;
}

pub(super) async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error means that the leader's loop is gone, which is an end too.
    let _ = ending.wait_for(|ending| *ending).await;
}
