//! `restart-leader`: replaces the leader.

use serde::Serialize;
use teamster_protocol::wire::api::{LeaderApiClient, LeaderInfo};

use super::error::OpsError;
use super::link;
use super::session::Session;
use super::verb::Verb;

/// The leader that leads now, and the process that did before.
#[derive(Debug, Serialize)]
pub struct RestartedLeader {
    /// Who leads now.
    pub leader: LeaderInfo,
    /// The process that led before.
    pub before: u32,
}

/// Ends the leader and no worker, and waits for the one that its warden starts: of the program as it is installed now.
pub async fn restart_leader(session: &Session) -> Result<RestartedLeader, OpsError> {
    session.authorize(Verb::RestartLeader)?;
    session.must_exist()?;
    let (peer, before) = link::connect(session).await?;
    peer.hand_over().await?;
    peer.closed().await;
    loop {
        let (_, leader) = link::join(session).await?;
        if leader.pid != before.pid {
            return Ok(RestartedLeader { leader, before: before.pid });
        }
    }
}
