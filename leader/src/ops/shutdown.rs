//! `shutdown`: asks members to end.

use futures_util::future::join_all;
use serde::Serialize;
use teamster_protocol::model::id::{MemberName, TaskId};
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
#[derive(Debug, Default, Serialize)]
pub struct MemberEndings {
    /// Each member that ran.
    pub members: Vec<EndedMember>,
    /// The tasks that members gave back, as far as that was looked at: they are pending again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given_back: Vec<TaskId>,
    /// Each member that could not be asked or told, where others could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<UnendedMember>,
}

/// A member of which it is not known that it ends.
#[derive(Debug, Serialize)]
pub struct UnendedMember {
    /// The member.
    pub name: MemberName,
    /// Why it could not be asked or told.
    pub error: String,
    /// The way out, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl MemberEndings {
    /// The outcome for members that were asked or told side by side. If it is one, its failure is that of the command.
    pub(super) fn of(
        answers: Vec<(MemberName, Result<Vec<EndedMember>, OpsError>)>,
    ) -> Result<MemberEndings, OpsError> {
        let is_one = answers.len() == 1;
        let mut endings = MemberEndings::default();
        for (name, answer) in answers {
            match answer {
                Ok(ended) => endings.members.extend(ended),
                Err(error) if is_one => return Err(error),
                Err(failed) => {
                    let (error, hint) = failed.told();
                    endings.failed.push(UnendedMember { name, error, hint });
                }
            }
        }
        Ok(endings)
    }

    /// Whether every member ended.
    pub fn are_complete(&self) -> bool {
        self.failed.is_empty()
            && self.members.iter().all(|ended| match ended.outcome {
                EndOutcome::Left { .. } => true,
                EndOutcome::Refused { .. } | EndOutcome::Stuck => false,
            })
    }
}

/// Asks the named members, or all that run if none is named, to end, and waits for their answers and for the end of those
/// that agree; tells `news` how that goes. Where no leader runs, this process leads meanwhile. Members that do not run are left
/// as they are.
pub async fn shutdown(
    session: &Session,
    names: Vec<MemberName>,
    reason: String,
    when_busy: WhenBusy,
    mut news: impl FnMut(&[EndingNews]),
) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Shutdown)?;
    must_be_reason(&reason)?;
    let view = session.view()?;
    session.must_be_members(&view, Verb::Shutdown, &names)?;
    let leadership = match connect::connect(session).await {
        Ok((peer, _)) => Leadership::of_another(peer),
        Err(OpsError::NoLeader { .. }) if !is_any_running(&view, &names)? => return Ok(MemberEndings::default()),
        Err(OpsError::NoLeader { .. }) => {
            Leadership::begin(&session.dir, &founding_dir(&session.here)?, session.settings).await?
        }
        Err(error) => return Err(error),
    };
    let turns = match when_busy {
        WhenBusy::Finish => RunningTurns::AreFinished,
        WhenBusy::Refuse => RunningTurns::AreNot,
    };
    let mut teller = EndingTeller::begin(session, names.clone(), turns, &mut news);
    let ask = async |name: Option<MemberName>| {
        let ended = leadership.peer.shutdown(name.clone(), reason.clone(), when_busy).await;
        (name, ended.map_err(OpsError::from))
    };
    let asked = async {
        match names.is_empty() {
            true => vec![ask(None).await],
            false => join_all(names.into_iter().map(Some).map(ask)).await,
        }
    };
    let answers = teller.tell_while(asked).await;
    // Whatever was answered: who was not asked to end goes on, and so does who refused.
    leadership.let_go().await?;
    let mut endings = MemberEndings::default();
    let mut of_one = Vec::new();
    for (name, answer) in answers {
        match name {
            Some(name) => of_one.push((name, answer)),
            None => endings.members.extend(answer?),
        }
    }
    if !of_one.is_empty() {
        endings = MemberEndings::of(of_one)?;
    }
    teller.conclude(&endings.members);
    Ok(endings)
}

/// Refuses a reason that could not be kept.
pub(super) fn must_be_reason(reason: &str) -> Result<(), OpsError> {
    if reason.contains('\0') {
        return Err(OpsError::misused("the reason holds a NUL character", "say it in plain text"));
    }
    Ok(())
}

/// Whether the worker of one of these members runs, or of any if none is named.
fn is_any_running(view: &TeamView, names: &[MemberName]) -> Result<bool, OpsError> {
    if names.is_empty() {
        return is_anybody_running(view, None);
    }
    for name in names {
        if is_anybody_running(view, Some(name))? {
            return Ok(true);
        }
    }
    Ok(false)
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
