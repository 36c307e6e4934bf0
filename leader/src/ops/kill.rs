//! `kill`: ends a member's worker without asking.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::LeaderApiClient;

use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::shutdown::{MemberEndings, is_anybody_running};
use super::verb::Verb;

/// Ends the worker, by SIGKILL if it has to be, and waits for its end. Refused where it does not run, and where no leader does.
pub async fn kill(session: &Session, name: MemberName) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Kill)?;
    let view = session.view()?;
    session.must_be_member(&view, &name)?;
    let leader = match connect::connect(session).await {
        Ok((leader, _)) => leader,
        Err(OpsError::NoLeader { .. }) if !is_anybody_running(&view, Some(&name))? => {
            return Err(OpsError::NotRunning(name));
        }
        Err(error) => return Err(with_process(error, &view, &name)),
    };
    Ok(MemberEndings { members: vec![leader.kill(name).await?] })
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
