//! `restart-leader`: replaces the leader.

use serde::Serialize;
use teamster_protocol::model::limits::pace::HANGING_LOOK_WITHIN;
use teamster_protocol::wire::api::{LeaderApiClient, LeaderInfo};

use super::connect;
use super::error::OpsError;
use super::hanging::{hanging_leader, kill_leader, warden_of};
use super::session::Session;
use crate::verb::Verb;

/// The leader that leads now, and the process that did before.
#[derive(Debug, Serialize)]
pub struct RestartedLeader {
    /// The leader that leads now.
    pub leader: LeaderInfo,
    /// The process that led before.
    pub before: u32,
}

/// Ends the leader and no worker, and waits for the one that its warden starts: of the program as it is installed now.
pub async fn restart_leader(session: &Session) -> Result<RestartedLeader, OpsError> {
    session.authorize(Verb::RestartLeader)?;
    session.must_exist()?;
    let before = match connect::connect(session).await {
        Ok((peer, before)) => {
            peer.hand_over().await?;
            peer.closed().await;
            before.pid
        }
        Err(error @ OpsError::LeaderHangs(_)) => kill_for_the_next(session).await?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    loop {
        let (_, leader) = connect::join(session).await?;
        if leader.pid != before {
            return Ok(RestartedLeader { leader, before });
        }
    }
}

/// Kills the leader that hangs, so that its warden starts the next one. Returns its process; nothing if it answers by now.
async fn kill_for_the_next(session: &Session) -> Result<Option<u32>, OpsError> {
    let Some(leader) = hanging_leader(&session.dir, HANGING_LOOK_WITHIN).await? else { return Ok(None) };
    if warden_of(&leader).is_none() {
        let pid = leader.pid;
        return Err(OpsError::refused(
            format!("the leader (process {pid}) does not answer, and has no warden that would start the next one"),
            "end the team with teamster down --force",
        ));
    }
    kill_leader(&session.dir, &leader).await?;
    Ok(Some(leader.pid))
}
