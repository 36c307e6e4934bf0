//! `stop`: aborts a member's turn.

use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::worker_life;
use teamster_protocol::wire::api::{LeaderApiClient, StoppedTurn};

use super::connect;
use super::error::OpsError;
use super::session::Session;
use crate::api::by_mail::stop_by_mail;
use crate::verb::Verb;

/// How the worker was told, its task, and how the turn ended if that is known.
#[derive(Debug, Serialize)]
pub struct StoppedMember {
    /// The member.
    pub name: MemberName,
    /// The outcome.
    #[serde(flatten)]
    pub stopped: StoppedTurn,
}

/// Aborts the turn; its task is held for the member. Waits for the turn's end where a leader runs; without one the worker
/// is asked by mail. Refused if its worker does not run.
pub async fn stop(session: &Session, name: MemberName, reason: String) -> Result<StoppedMember, OpsError> {
    session.authorize(Verb::Stop)?;
    session.must_be_member(&session.view()?, &name)?;
    let stopped = match connect::connect(session).await {
        Ok((leader, _)) => leader.stop(name.clone(), reason).await?,
        Err(OpsError::NoLeader { .. }) => stop_without_leader(session, &name, reason)?,
        Err(error) => return Err(error),
    };
    Ok(StoppedMember { name, stopped })
}

/// Asks a worker that runs without a leader.
fn stop_without_leader(session: &Session, name: &MemberName, reason: String) -> Result<StoppedTurn, OpsError> {
    let mut team = session.team()?;
    let presence = &team.roster().member(name)?.presence;
    if worker_life(&session.dir, name, presence)? == WorkerLife::Dead {
        return Err(OpsError::NotRunning(name.clone()));
    }
    Ok(stop_by_mail(&mut team, name, reason)?)
}
