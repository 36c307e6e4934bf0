//! `kill`: ends a member's worker without asking.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::MemberPresence;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::LeaderApiClient;

use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::shutdown::MemberEndings;
use super::verb::Verb;

/// Ends the worker, by SIGKILL if it has to be, and waits for its end. Refused where no leader runs.
pub async fn kill(session: &Session, name: MemberName) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Kill)?;
    let view = session.view()?;
    session.must_be_member(&view, &name)?;
    let (leader, _) = connect::connect(session).await.map_err(|error| with_process(error, &view, &name))?;
    Ok(MemberEndings { members: vec![leader.kill(name).await?] })
}

/// Names the process to end by hand where no leader runs that would end it.
fn with_process(error: OpsError, view: &TeamView, name: &MemberName) -> OpsError {
    let process = view.roster().member(name).ok().and_then(|member| match &member.presence {
        MemberPresence::Joined { process, .. } if process.identity.exists() => Some(process.identity.pid),
        MemberPresence::Joined { .. } | MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
    });
    match (error, process) {
        (OpsError::NoLeader { team, .. }, Some(pid)) => {
            OpsError::NoLeader { team, hint: format!("{name} runs as process {pid}: kill {pid} ends it") }
        }
        (error, None) => error.nothing_to_end(),
        (error, Some(_)) => error,
    }
}
