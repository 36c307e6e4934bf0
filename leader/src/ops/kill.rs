//! `kill`: ends a member's worker without asking.

use futures_util::future::join_all;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::{EndedMember, LeaderApiClient};

use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::shutdown::{MemberEndings, is_anybody_running};
use crate::verb::Verb;

/// Ends the workers side by side, by SIGKILL if it has to be, and waits for their ends. A member that has left for good is left
/// as it is, and not named in the answer. Refused where a worker runs and no leader does.
pub async fn kill(session: &Session, names: Vec<MemberName>) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Kill)?;
    let view = session.view()?;
    session.must_be_members(&view, Verb::Kill, &names)?;
    let held: Vec<TaskId> = names.iter().flat_map(|name| view.board().owned_by(name)).collect();
    let answers = names.into_iter().map(async |name| {
        let ended = kill_one(session, &view, &name).await;
        (name, ended)
    });
    let mut endings = MemberEndings::of(join_all(answers).await)?;
    let after = session.view()?;
    let is_pending = |id: &TaskId| matches!(after.board().status(*id), Ok(TaskStatus::Pending { .. }));
    endings.given_back = held.into_iter().filter(is_pending).collect();
    Ok(endings)
}

async fn kill_one(session: &Session, view: &TeamView, name: &MemberName) -> Result<Vec<EndedMember>, OpsError> {
    if has_left(view, name)? {
        return Ok(Vec::new());
    }
    let leader = match connect::connect(session).await {
        Ok((leader, _)) => leader,
        Err(OpsError::NoLeader { .. }) if !is_anybody_running(view, Some(name))? => return Ok(Vec::new()),
        Err(error) => return Err(with_process(error, view, name)),
    };
    Ok(vec![leader.kill(name.clone()).await?])
}

/// Whether the member has left, and no leader starts it again.
fn has_left(view: &TeamView, name: &MemberName) -> Result<bool, OpsError> {
    let has_left = match &view.roster().member(name)?.presence {
        MemberPresence::Left { then: AfterLeaving::Stays, .. } => true,
        MemberPresence::Left { then: AfterLeaving::Again { .. } | AfterLeaving::Undecided { .. }, .. }
        | MemberPresence::Expected { .. }
        | MemberPresence::Joined { .. } => false,
    };
    Ok(has_left && !is_anybody_running(view, Some(name))?)
}

/// Names the process to end by hand where no leader runs that would end it.
fn with_process(error: OpsError, view: &TeamView, name: &MemberName) -> OpsError {
    let process = view.roster().member(name).ok().and_then(|member| member.presence.joined());
    match (error, process) {
        (OpsError::NoLeader { team, .. }, Some(process)) => {
            let pid = process.pid;
            OpsError::NoLeader { team, hint: format!("{name} runs as process {pid}: kill {pid} ends it") }
        }
        (error, None) => error.nothing_to_end(),
        (error, Some(_)) => error,
    }
}
