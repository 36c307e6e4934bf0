//! `stop`: aborts a member's turn.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::wire::api::{LeaderApiClient, StoppedTurn};

use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::shutdown::must_be_reason;
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

/// Aborts the turns of the members side by side; the task of each is held for it. Tells `listener` of each as soon as its turn
/// has ended where a leader runs; without one the worker is asked by mail. Refused for a member whose worker does not run.
pub async fn stop(
    session: &Session,
    names: Vec<MemberName>,
    reason: String,
    mut listener: impl FnMut(&MemberName, Result<StoppedMember, OpsError>),
) -> Result<(), OpsError> {
    session.authorize(Verb::Stop)?;
    must_be_reason(&reason)?;
    session.must_be_members(&session.view()?, Verb::Stop, &names)?;
    let mut stopping: FuturesUnordered<_> = names
        .into_iter()
        .map(async |name| {
            let stopped = stop_one(session, &name, reason.clone()).await;
            (name, stopped)
        })
        .collect();
    while let Some((name, stopped)) = stopping.next().await {
        listener(&name, stopped.map(|stopped| StoppedMember { name: name.clone(), stopped }));
    }
    Ok(())
}

async fn stop_one(session: &Session, name: &MemberName, reason: String) -> Result<StoppedTurn, OpsError> {
    match connect::connect(session).await {
        Ok((leader, _)) => Ok(leader.stop(name.clone(), reason).await?),
        Err(OpsError::NoLeader { .. }) => Ok(stop_by_mail(&mut session.team_of_running(name)?, name, reason)?),
        Err(error) => Err(error),
    }
}
