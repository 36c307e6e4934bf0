//! A leader that hangs: it holds its lock, its socket takes connections, and nothing answers there. It is shown, and
//! whoever ends the team by force or restarts the leader kills it first.

use std::fs;
use std::time::Duration;

use jsonrpsee::core::ClientError;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use teamster_protocol::host::process::ladder::{LadderError, climb_ladder};
use teamster_protocol::host::process::{self, ProcessIdentity};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::kill_ladder::KillLadder;
use teamster_protocol::model::limits::pace::HANGING_LOOK_WITHIN;
use teamster_protocol::model::limits::{DEATH_LOOK, PROTOCOL_VERSION};
use teamster_protocol::store::presence::{self, LockError, LockHolder};
use teamster_protocol::wire::api::{LeaderApiClient, LeaderInfo, ProtocolHello, TeamEnding};
use teamster_protocol::wire::peer::socket;
use tokio::time::{sleep, timeout};

use super::error::hanging::HangingError;
use crate::warden;

/// The leader of a team, as whoever looks at the team finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderStatus {
    /// The process id of the leader.
    pub pid: u32,
    /// The time since which it leads.
    pub since_ms: u64,
    /// Whether it takes connections and answers nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hangs: bool,
    /// How it ends the team, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<TeamEnding>,
}

/// The process of the leader, if one takes connections and does not answer within this time. A leader that does not listen,
/// because it has just begun or is about to end, does not hang.
pub async fn hanging_leader(dir: &TeamDir, within: Duration) -> Result<Option<ProcessIdentity>, LockError> {
    Ok(match ask_leader(dir, within).await? {
        Some((holder, LeaderAnswer::Silence)) => Some(holder.process),
        Some((_, LeaderAnswer::Info(_) | LeaderAnswer::Other)) | None => None,
    })
}

/// The leader that holds its lock, and what it says when it is asked.
pub async fn look_at_leader(dir: &TeamDir) -> Result<Option<LeaderStatus>, LockError> {
    let Some((holder, answer)) = ask_leader(dir, HANGING_LOOK_WITHIN).await? else { return Ok(None) };
    let (hangs, ending) = match answer {
        LeaderAnswer::Info(info) => (false, info.ending),
        LeaderAnswer::Silence => (true, None),
        LeaderAnswer::Other => (false, None),
    };
    Ok(Some(LeaderStatus { pid: holder.process.pid, since_ms: holder.since_ms, hangs, ending }))
}

/// The answer of a leader that is asked who it is.
enum LeaderAnswer {
    /// The leader introduced itself.
    Info(LeaderInfo),
    /// The leader takes connections and answers nothing.
    Silence,
    /// The leader does not listen, speaks another version, or has just ended.
    Other,
}

async fn ask_leader(dir: &TeamDir, within: Duration) -> Result<Option<(LockHolder, LeaderAnswer)>, LockError> {
    let Some(holder) = presence::read_holder(&dir.leader_lock())? else { return Ok(None) };
    let answer = async {
        let Ok(leader) = socket::dial(&dir.leader_socket()).await else { return LeaderAnswer::Other };
        match leader.hello(ProtocolHello { protocol: PROTOCOL_VERSION }).await {
            Ok(info) => LeaderAnswer::Info(info),
            // The limit of a call is as good as the one around this.
            Err(ClientError::RequestTimeout) => LeaderAnswer::Silence,
            // A refusal is an answer too, and so is a connection that ends.
            Err(_) => LeaderAnswer::Other,
        }
    };
    let answer = timeout(within, answer).await.unwrap_or(LeaderAnswer::Silence);
    // The leader may have ended meanwhile.
    let is_there = presence::read_holder(&dir.leader_lock())?.is_some_and(|now| now.process == holder.process);
    Ok(is_there.then_some((holder, answer)))
}

/// The warden of a leader, if it has one: its parent, as its environment says.
pub fn warden_of(leader: &ProcessIdentity) -> Option<ProcessIdentity> {
    let parent = process::parent(leader.pid).ok()?;
    let environment = fs::read(format!("/proc/{}/environ", leader.pid)).ok()?;
    let entry = format!("{}={parent}", warden::VARIABLE);
    let is_warden = environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes());
    if is_warden { process::identity(parent).ok() } else { None }
}

/// Kills a leader that hangs, and waits until its lock is free. It begins on the last rung: the leader was asked by call and did
/// not answer, and SIGTERM would be another question to it. Its warden, which may have been stopped with it, goes on: it
/// starts the next leader, or ends when the team was ended.
pub async fn kill_leader(dir: &TeamDir, leader: &ProcessIdentity) -> Result<(), HangingError> {
    let pid = leader.pid;
    if let Some(warden) = warden_of(leader)
        && let Err(error) = warden.signal(Signal::SIGCONT)
    {
        tracing::warn!("cannot wake the leader's warden (process {}): {error}", warden.pid);
    }
    let let_go = async {
        while presence::read_holder(&dir.leader_lock())?.is_some_and(|now| now.process == *leader) {
            sleep(DEATH_LOOK).await;
        }
        Ok(())
    };
    climb_ladder(KillLadder::kill, |wanted| leader.send(wanted), let_go).await.map_err(|error| match error {
        LadderError::Unsent(source) => HangingError::Signal { pid, source },
        LadderError::Stuck => HangingError::Stuck { pid },
    })?
}
