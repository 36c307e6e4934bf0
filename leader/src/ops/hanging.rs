//! A leader that hangs: it holds its lock, its socket takes connections, and nothing answers there. It is shown, and
//! whoever ends the team by force or restarts the leader kills it first.

use std::fs;
use std::time::Duration;

use jsonrpsee::core::ClientError;
use nix::sys::signal::Signal;
use teamster_protocol::host::process::{self, ProcessIdentity};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::pace::HANGING_LOOK_WITHIN;
use teamster_protocol::model::limits::{DEATH_LOOK, KILL_GRACE, PROTOCOL_VERSION};
use teamster_protocol::store::presence::{self, LockError};
use teamster_protocol::wire::api::{LeaderApiClient, ProtocolHello};
use teamster_protocol::wire::peer::socket;
use tokio::time::{Instant, sleep, timeout};

use super::error::hanging::HangingError;
use super::session::Session;
use crate::warden;

/// The process of the leader, if one takes connections and does not answer within this time. A leader that does not listen,
/// because it has just begun or is about to end, does not hang.
pub async fn hanging_leader(dir: &TeamDir, within: Duration) -> Result<Option<ProcessIdentity>, LockError> {
    let Some(holder) = presence::read_holder(&dir.leader_lock())? else { return Ok(None) };
    let answer = async {
        let Ok(leader) = socket::dial(&dir.leader_socket()).await else { return };
        // A refusal is an answer too, and so is a connection that ends. The limit of a call is as good as the one around this.
        if let Err(ClientError::RequestTimeout) = leader.hello(ProtocolHello { protocol: PROTOCOL_VERSION }).await {
            std::future::pending().await
        }
    };
    match timeout(within, answer).await {
        Ok(()) => Ok(None),
        // It may have ended meanwhile.
        Err(_) => {
            Ok(presence::read_holder(&dir.leader_lock())?.map(|now| now.process).filter(|now| *now == holder.process))
        }
    }
}

/// A line for people below what a command shows, if the leader does not answer; else nothing.
pub async fn note_of_hanging(session: &Session) -> Result<String, LockError> {
    Ok(match hanging_leader(&session.dir, HANGING_LOOK_WITHIN).await? {
        Some(leader) => format!(
            "\nthe leader (process {}) does not answer; kill it with teamster restart-leader, or end the team with \
             teamster down --force",
            leader.pid
        ),
        None => String::new(),
    })
}

/// The warden of a leader, if it has one: its parent, as its environment says.
pub fn warden_of(leader: &ProcessIdentity) -> Option<ProcessIdentity> {
    let parent = process::parent(leader.pid).ok()?;
    let environment = fs::read(format!("/proc/{}/environ", leader.pid)).ok()?;
    let entry = format!("{}={parent}", warden::VARIABLE);
    let is_warden = environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes());
    if is_warden { process::identity(parent).ok() } else { None }
}

/// Kills a leader that hangs, and waits until its lock is free. Its warden, which may have been stopped with it, goes on: it
/// starts the next leader, or ends when the team was ended.
pub async fn kill_leader(dir: &TeamDir, leader: &ProcessIdentity) -> Result<(), HangingError> {
    let pid = leader.pid;
    if let Some(warden) = warden_of(leader)
        && let Err(error) = warden.signal(Signal::SIGCONT)
    {
        tracing::warn!("cannot wake the leader's warden (process {}): {error}", warden.pid);
    }
    leader.signal(Signal::SIGKILL).map_err(|source| HangingError::Signal { pid, source })?;
    let until = Instant::now() + KILL_GRACE;
    while presence::read_holder(&dir.leader_lock())?.is_some_and(|now| now.process == *leader) {
        if Instant::now() >= until {
            return Err(HangingError::Stuck { pid });
        }
        sleep(DEATH_LOOK).await;
    }
    Ok(())
}
