//! The way to the leader: its control socket, and starting one in the background where none runs.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jsonrpsee::core::ClientError;
use teamster_protocol::host::plain_file;
use teamster_protocol::host::stderr_log;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, TeamName};
use teamster_protocol::model::limits::{ANSWER_WITHIN, PROTOCOL_VERSION, START_WITHIN};
use teamster_protocol::store::presence;
use teamster_protocol::store::watch::Watch;
use teamster_protocol::wire::api::{Hello, LeaderApiClient, LeaderInfo};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::peer::socket::{self, SocketError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::error::OpsError;
use super::session::Session;

/// How long a call waits that ends when something happens, such as a turn: as long as the leader lives.
const CALL_PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How much of a dead leader's log is shown.
const LAST_WORDS_LINES_MAX: usize = 12;
const LAST_WORDS_BYTES_MAX: u64 = 4096;

/// Why there is no link to a leader.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// None runs.
    #[error("no leader runs for team {0}")]
    NoLeader(TeamName),
    /// Its socket can not be used.
    #[error(transparent)]
    Socket(SocketError),
    /// It takes connections and answers nothing.
    #[error("the leader{} does not answer", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Hangs {
        /// Its process, if that can be read.
        pid: Option<u32>,
    },
    /// It does not speak with us.
    #[error("the leader did not take the call: {0}")]
    Call(#[from] ClientError),
}

/// Connects to the leader that runs, and greets it. Calls on the link wait for as long as the leader lives.
pub(crate) async fn dial(dir: &TeamDir) -> Result<(Peer, LeaderInfo), LinkError> {
    let peer = socket::dial(&dir.leader_socket()).await.map_err(|error| {
        if error.nobody_listens() { LinkError::NoLeader(dir.team().clone()) } else { LinkError::Socket(error) }
    })?;
    let greeting = peer.with_request_timeout(ANSWER_WITHIN).hello(Hello { protocol: PROTOCOL_VERSION }).await;
    let leader = match greeting {
        Err(ClientError::RequestTimeout) => {
            let holder = presence::holder(&dir.leader_lock()).ok().flatten();
            return Err(LinkError::Hangs { pid: holder.map(|holder| holder.process.pid) });
        }
        // One that ends takes no more calls, and leads nobody.
        Err(ClientError::RestartNeeded(_)) => return Err(LinkError::NoLeader(dir.team().clone())),
        greeted => greeted?,
    };
    Ok((peer.with_request_timeout(CALL_PATIENCE), leader))
}

/// As [`dial`], for a command. Fails with [`OpsError::NoLeader`] if none runs.
pub(crate) async fn connect(session: &Session) -> Result<(Peer, LeaderInfo), OpsError> {
    Ok(dial(&session.dir).await?)
}

/// As [`connect`], but starts a leader in the background if none runs.
pub(crate) async fn connect_or_start(session: &Session) -> Result<(Peer, LeaderInfo), OpsError> {
    match connect(session).await {
        Err(OpsError::NoLeader { .. }) => start(session).await,
        connected => connected,
    }
}

/// Starts a leader in the background and waits until it is ready.
///
/// It says so with a line on its standard output, a pipe; if it ends before, its last words are in the error.
/// If another command started one in the same moment, that one is connected to.
pub(crate) async fn start(session: &Session) -> Result<(Peer, LeaderInfo), OpsError> {
    session.make_team()?;
    let path = session.dir.log_of(&Address::Lead);
    let log = stderr_log::open(&path).map_err(|source| OpsError::Path { doing: "open", path: path.clone(), source })?;
    let said_before = fs::metadata(&path).map_or(0, |found| found.len());
    let program =
        std::env::current_exe().map_err(|source| OpsError::Process { doing: "find out the own program", source })?;
    let mut child = Command::new(program)
        .arg("--root")
        .arg(session.dir.root())
        .args(["--team", session.dir.team().as_str(), "up", "--in-background"])
        // What files of settings say is passed on: the leader reads none.
        .envs(session.settings.variables())
        .current_dir(&session.here)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|source| OpsError::Process { doing: "start the leader", source })?;
    let output = child.stdout.take().expect("it was asked for as a pipe");
    let mut line = String::new();
    let Ok(read) = timeout(START_WITHIN, BufReader::new(output).read_line(&mut line)).await else {
        return Err(OpsError::Leading(format!(
            "the leader (process {}) is not ready after {}s",
            child.id().unwrap_or(0),
            START_WITHIN.as_secs()
        )));
    };
    if read.is_ok() && line.ends_with('\n') {
        match connect(session).await {
            // It has died since.
            Err(OpsError::NoLeader { .. }) => {}
            connected => return connected,
        }
    }
    // A pipe that closes without a line is a leader that ended. Its warden ends with it, or starts the next.
    tokio::select! {
        _ = timeout(START_WITHIN, child.wait()) => {}
        joined = join(session) => return joined,
    }
    if presence::is_held(&session.dir.leader_lock())? {
        return join(session).await;
    }
    Err(OpsError::LeaderDied { log: last_words(&path, said_before), path })
}

/// As [`await_leader`], for a command.
pub(crate) async fn join(session: &Session) -> Result<(Peer, LeaderInfo), OpsError> {
    Ok(await_leader(&session.dir, session.settings.poll).await?)
}

/// Connects to a leader that holds the lock and may not listen yet, or that is about to be started.
pub(crate) async fn await_leader(dir: &TeamDir, poll: Duration) -> Result<(Peer, LeaderInfo), LinkError> {
    let mut watch = Watch::new(poll);
    watch.add(dir.leader_socket());
    let dialled = async {
        loop {
            match dial(dir).await {
                // One that takes over what is much may take long.
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

/// The last lines that were written to a log after `from`.
fn last_words(path: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let (file, there) = plain_file::open_to_read(path)?;
        let length = there.len();
        // It may have been begun anew meanwhile.
        let from = if from > length { 0 } else { from };
        let mut bytes = vec![0; LAST_WORDS_BYTES_MAX as usize];
        let got = plain_file::read_full(&file, &mut bytes, from.max(length.saturating_sub(LAST_WORDS_BYTES_MAX)))?;
        bytes.truncate(got);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // The error that is being told must not be hidden by a second one.
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS_LINES_MAX)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use serde_json::json;
    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Dials, and lets `leader` happen as soon as the connection waits at its socket.
    async fn dialled_while(leader: impl AsyncFnOnce(socket::Listener)) -> Result<(Peer, LeaderInfo), LinkError> {
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
