//! The link to a worker that this leader did not launch: over the socket beside its lock, as over the pipes of one
//! that it did.

use std::sync::Arc;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::Identity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::wire::api::{Hello, WorkerApiClient};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket;
use tokio::sync::oneshot;

use super::launch::{forward, last_seq};
use crate::daemon::{Input, Link, LinkedTo, Shared};

/// Links to the worker and passes its notices on until the link ends, which is reported. A worker that cannot be
/// linked to is reported at once. `tried` is dropped as soon as it is known which of both it is.
pub async fn run(shared: Arc<Shared>, name: MemberName, process: Identity, tried: oneshot::Sender<()>) {
    let linked = link(&shared, &name, &process).await;
    drop(tried);
    match linked {
        Ok(peer) => {
            point("worker adopted");
            shared.report(Input::Answered { name: name.clone() }).await;
            let heard_seq = last_seq(&shared, &name).await;
            let notices = peer.notices(heard_seq).await;
            tokio::select! {
                _ = peer.closed() => {}
                () = forward(&shared, &name, heard_seq, notices) => {}
            }
            shared.unlink_from(&name, &process);
        }
        Err(why) => tracing::info!(%name, "it is reached by mail: {why}"),
    }
    shared.report(Input::Unlinked { name }).await;
}

async fn link(shared: &Shared, name: &MemberName, process: &Identity) -> Result<Peer, String> {
    let peer = socket::dial(&shared.dir.member_socket(name)).await.map_err(|error| error.to_string())?;
    let hello = Hello { protocol: PROTOCOL_VERSION };
    let welcome = peer.initialize(hello).await.map_err(|error| format!("it refused the link: {error}"))?;
    if welcome.name != *name || welcome.pid != process.pid {
        let (theirs, pid) = (welcome.name, welcome.pid);
        return Err(format!("process {pid}, which serves {theirs}, answers at its socket"));
    }
    shared.link(name, Link { peer: peer.clone(), to: LinkedTo::Found(process.clone()) });
    Ok(peer)
}
