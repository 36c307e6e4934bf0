//! `shutdown`: asks members to end.

use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::{TeamView, worker_life};
use teamster_protocol::wire::api::{EndOutcome, EndedMember, LeaderApiClient};

use super::connect;
use super::ending_news::{EndingNews, EndingTeller, RunningTurns};
use super::error::OpsError;
use super::leadership::Leadership;
use super::session::Session;
use super::team_name::founding_dir;
use crate::verb::Verb;

/// The outcome for each member that was to end.
#[derive(Debug, Serialize)]
pub struct MemberEndings {
    /// Each member that ran.
    pub members: Vec<EndedMember>,
}

impl MemberEndings {
    /// Whether every member ended.
    pub fn are_complete(&self) -> bool {
        self.members.iter().all(|ended| match ended.outcome {
            EndOutcome::Left { .. } => true,
            EndOutcome::Refused { .. } | EndOutcome::Stuck => false,
        })
    }
}

/// Asks one member, or all that run, to end, and waits for their answers and for the end of those that agree; tells
/// `news` how that goes. Where no leader runs, this process leads meanwhile. Members that do not run are left as they
/// are.
pub async fn shutdown(
    session: &Session,
    name: Option<MemberName>,
    reason: String,
    when_busy: WhenBusy,
    mut news: impl FnMut(&[EndingNews]),
) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Shutdown)?;
    let view = session.view()?;
    if let Some(name) = &name {
        session.must_be_member(&view, name)?;
    }
    let leadership = match connect::connect(session).await {
        Ok((peer, _)) => Leadership::of_another(peer),
        Err(OpsError::NoLeader { .. }) if !is_anybody_running(&view, name.as_ref())? => {
            return Ok(MemberEndings { members: Vec::new() });
        }
        Err(OpsError::NoLeader { .. }) => {
            Leadership::begin(&session.dir, &founding_dir(&session.here)?, session.settings).await?
        }
        Err(error) => return Err(error),
    };
    let turns = match when_busy {
        WhenBusy::Finish => RunningTurns::AreFinished,
        WhenBusy::Refuse => RunningTurns::AreNot,
    };
    let mut teller = EndingTeller::begin(session, name.clone(), turns, &mut news);
    let ended = teller.tell_while(leadership.peer.shutdown(name, reason, when_busy)).await;
    // Whatever was answered: who was not asked to end goes on, and so does who refused.
    leadership.let_go().await?;
    let members = ended?;
    teller.conclude(&members);
    Ok(MemberEndings { members })
}

/// Whether the worker of that member runs, or of any.
pub(super) fn is_anybody_running(view: &TeamView, name: Option<&MemberName>) -> Result<bool, OpsError> {
    for (member, kept) in view.roster().members().filter(|(member, _)| name.is_none_or(|name| name == *member)) {
        if worker_life(view.dir(), member, &kept.presence)? != WorkerLife::Dead {
            return Ok(true);
        }
    }
    Ok(false)
}
