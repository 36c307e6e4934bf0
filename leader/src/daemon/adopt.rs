//! The link to a worker that this leader did not launch: over the socket beside its lock, as over the pipes of one
//! that it did.

use std::sync::Arc;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::store::transcript;
use teamster_protocol::wire::api::{ProtocolHello, WorkerApiClient};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket;

use super::launch::{forward, last_seq};
use super::links::{LinkedTo, WorkerLink};
use super::shared::{LeaderInput, LeaderShared};
use crate::core::{LeaderEvent, TurnOpen};

/// Links to the worker and passes its notices on until the link ends, which is reported. A worker that cannot be
/// linked to is reported at once.
pub(super) async fn run(shared: Arc<LeaderShared>, name: MemberName, process: ProcessIdentity) {
    // Before anybody can call it: the end of a turn that is called for is heard, and so is all that comes meanwhile.
    let heard_seq = last_seq(&shared, &name).await;
    match link(&shared, &name, &process).await {
        Ok(peer) => {
            point("worker adopted");
            let turn = open_turn(&shared, &name).await;
            let linked = LeaderEvent::Linked { name: name.clone(), process: process.clone(), turn };
            shared.report(LeaderInput::Event(linked)).await;
            let notices = peer.notices(heard_seq).await;
            tokio::select! {
                _ = peer.closed() => {}
                () = forward(&shared, &name, heard_seq, notices) => {}
            }
            shared.links.forget_found(&name, &process);
        }
        Err(why) => tracing::info!(%name, "it is reached by mail: {why}"),
    }
    shared.report(LeaderInput::Event(LeaderEvent::LinkLost { name, process })).await;
}

async fn link(shared: &LeaderShared, name: &MemberName, process: &ProcessIdentity) -> Result<Peer, String> {
    let peer = socket::dial(&shared.dir.member_socket(name)).await.map_err(|error| error.to_string())?;
    let hello = ProtocolHello { protocol: PROTOCOL_VERSION };
    let welcome = peer.initialize(hello).await.map_err(|error| format!("it refused the link: {error}"))?;
    if welcome.name != *name || welcome.pid != process.pid {
        let (theirs, pid) = (welcome.name, welcome.pid);
        return Err(format!("process {pid}, which serves {theirs}, answers at its socket"));
    }
    shared.links.note_found(name, WorkerLink { peer: peer.clone(), to: LinkedTo::Found(process.clone()) });
    Ok(peer)
}

/// The turn that the worker is in, by its transcript.
async fn open_turn(shared: &LeaderShared, name: &MemberName) -> Option<TurnOpen> {
    let turns = shared.dir.turns(name);
    let open = match tokio::task::spawn_blocking(move || transcript::open_turn(&turns)).await.map(Result::ok) {
        Ok(Some(open)) => open,
        Ok(None) | Err(_) => {
            tracing::warn!(%name, "whether it is in a turn is not known until it says so");
            None
        }
    };
    open.map(|open| TurnOpen { turn: open.turn, task: open.task })
}
