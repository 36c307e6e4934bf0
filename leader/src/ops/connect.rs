//! The way to a leader for an operation: the one that runs, or one that is started in the background.

use std::fs;
use std::process::Stdio;

use teamster_protocol::host::stderr_log;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::limits::START_WITHIN;
use teamster_protocol::store::presence;
use teamster_protocol::wire::api::LeaderInfo;
use teamster_protocol::wire::peer::Peer;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::error::OpsError;
use super::link::{await_leader, dial};
use super::session::Session;

/// How much of a dead leader's log is shown.
const LEADER_WORDS_LINES_MAX: usize = 12;

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
/// The leader says that it is ready with a line on its standard output, a pipe; if it ends before, its last words are
/// in the error.
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
        // The settings from files are passed on as variables: the leader reads no such file.
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
            // The leader has died since.
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
    // The error that is being told must not be hidden by a second one.
    let log = stderr_log::last_lines(&path, said_before, LEADER_WORDS_LINES_MAX).unwrap_or_default();
    Err(OpsError::LeaderDied { log, path })
}

/// As [`await_leader`], for a command.
pub(crate) async fn join(session: &Session) -> Result<(Peer, LeaderInfo), OpsError> {
    Ok(await_leader(&session.dir, session.settings.poll).await?)
}
