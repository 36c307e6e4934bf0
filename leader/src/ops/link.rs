//! The way to the leader: its control socket.

use std::time::Duration;

use jsonrpsee::core::ClientError;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::limits::pace::CALL_PATIENCE;
use teamster_protocol::model::limits::{ANSWER_WITHIN, PROTOCOL_VERSION, START_WITHIN};
use teamster_protocol::store::presence;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::wire::api::{LeaderApiClient, LeaderInfo, ProtocolHello};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket::{self, SocketError};
use tokio::time::timeout;

use super::call_message::call_message;

/// Why there is no link to a leader.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody holds the leader's lock of the team.
    #[error("no leader runs for team {0}")]
    NoLeader(TeamName),
    /// The leader's socket can not be used.
    #[error(transparent)]
    Socket(SocketError),
    /// The leader takes connections and answers nothing.
    #[error("the leader{} does not answer", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Hangs {
        /// The leader's process id, if it can be read.
        pid: Option<u32>,
    },
    /// The leader refused the greeting, as one of another version does.
    #[error("{}", call_message(.0))]
    Call(#[from] ClientError),
}

/// Connects to the leader that runs, and greets it. Calls on the link wait for as long as the leader lives.
pub(crate) async fn dial(dir: &TeamDir) -> Result<(Peer, LeaderInfo), LinkError> {
    let peer = socket::dial(&dir.leader_socket()).await.map_err(|error| {
        if error.nobody_listens() { LinkError::NoLeader(dir.team().clone()) } else { LinkError::Socket(error) }
    })?;
    let greeting = peer.with_request_timeout(ANSWER_WITHIN).hello(ProtocolHello { protocol: PROTOCOL_VERSION }).await;
    let leader = match greeting {
        Err(ClientError::RequestTimeout) => {
            let holder = presence::read_holder(&dir.leader_lock()).ok().flatten();
            return Err(LinkError::Hangs { pid: holder.map(|holder| holder.process.pid) });
        }
        // A leader that is ending takes no more calls, and leads nobody.
        Err(ClientError::RestartNeeded(_)) => return Err(LinkError::NoLeader(dir.team().clone())),
        greeted => greeted?,
    };
    Ok((peer.with_request_timeout(CALL_PATIENCE), leader))
}

/// Connects to a leader that holds the lock and may not listen yet, or that is about to be started.
pub(crate) async fn await_leader(dir: &TeamDir, poll: Duration) -> Result<(Peer, LeaderInfo), LinkError> {
    let mut watch = FileWatch::new(poll);
    watch.add(dir.leader_socket());
    let dialled = async {
        loop {
            match dial(dir).await {
                // A leader that takes over a large team may need long.
                Err(LinkError::NoLeader(_) | LinkError::Hangs { .. }) => watch.changed().await,
                dialled => return dialled,
            };
        }
    };
    match timeout(START_WITHIN, dialled).await {
        Ok(dialled) => dialled,
        Err(_) => dial(dir).await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use serde_json::json;
    use tempfile::TempDir;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    use super::*;

    /// Dials, and lets `leader` happen as soon as the connection waits at its socket.
    async fn dialled_while(leader: impl AsyncFnOnce(socket::SocketListener)) -> Result<(Peer, LeaderInfo), LinkError> {
        let root = TempDir::new().unwrap();
        let dir = TeamDir::new(root.path(), "app".parse().unwrap());
        fs::create_dir(dir.path()).unwrap();
        let listener = socket::listen(&dir.leader_socket()).unwrap();
        let mut dialling = pin!(dial(&dir));
        // The runtime has told of nothing yet: the connection is there, and the dialler has not heard of it.
        let waits = poll_fn(|context| Poll::Ready(dialling.as_mut().poll(context).is_pending())).await;
        assert!(waits, "it was over before the runtime told of anything");
        leader(listener).await;
        dialling.await
    }

    #[tokio::test]
    async fn a_leader_that_dies_before_it_takes_the_connection_is_none() {
        let dialled = dialled_while(async |listener| drop(listener)).await;
        assert!(matches!(dialled, Err(LinkError::NoLeader(_))), "{dialled:?}");
    }

    #[tokio::test]
    async fn a_leader_that_dies_before_it_takes_the_call_is_none() {
        let dialled = dialled_while(async |listener| drop(listener.accept().await.unwrap())).await;
        assert!(matches!(dialled, Err(LinkError::NoLeader(_))), "{dialled:?}");
    }

    #[tokio::test]
    async fn a_leader_that_does_not_listen_yet_is_waited_for() {
        let root = TempDir::new().unwrap();
        let dir = TeamDir::new(root.path(), "app".parse().unwrap());
        fs::create_dir(dir.path()).unwrap();
        // No poll makes this pass.
        let mut waiting = pin!(await_leader(&dir, Duration::from_secs(3600)));
        let waits = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(waits, "there is nobody yet");
        let listener = socket::listen(&dir.leader_socket()).unwrap();
        let listening = async {
            let (read, mut write) = listener.accept().await.unwrap().into_split();
            let mut asked = BufReader::new(read).lines();
            let hello: serde_json::Value = serde_json::from_str(&asked.next_line().await.unwrap().unwrap()).unwrap();
            let info = json!({"team": "app", "pid": 7, "since_ms": 0, "protocol": PROTOCOL_VERSION, "version": "0"});
            let answer = json!({"jsonrpc": "2.0", "id": hello["id"], "result": info});
            write.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            (asked, write)
        };
        let (leader, _open) = tokio::join!(waiting, listening);
        assert_eq!(leader.unwrap().1.pid, 7);
    }
}
