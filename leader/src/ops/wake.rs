//! A text or a task for a member that has left starts it again: with its settings, its place and its conversation, as it is on
//! the roster. Where no leader runs nothing is started; whoever wrote is told what to type.
//!
//! Only a member that left in order is started by this. One that was killed, that died or was given up, or that has used up
//! its budget stays away until somebody spawns it: so nothing is started again and again that can not run.

use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence};
use teamster_protocol::team::is_worker_alive;
use teamster_protocol::wire::api::LeaderApiClient;

use super::connect;
use super::error::OpsError;
use super::session::Session;

/// Whether a member that has left is started again for what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeWish {
    /// It is.
    IfLeft,
    /// It stays away.
    Never,
}

/// The consequence of a text or a task for whether its member runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberWaking {
    /// The member runs or is being started, or it was not to be started.
    NotNeeded,
    /// The member had left, and runs again.
    Woken,
    /// The member has left and stays away.
    StaysAway {
        /// The reason, as a sentence that begins with its name.
        why: String,
        /// A command to type.
        hint: String,
    },
    /// The member has left, and could not be started.
    Failed {
        /// The failure, and its way out where it has one.
        why: String,
    },
}

/// The answer of an operation that gave a member something, and whether that started it.
#[derive(Debug, Serialize)]
pub struct AnswerWithWaking<T> {
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
    /// The consequence for whether the member runs.
    #[serde(skip_serializing_if = "MemberWaking::is_not_needed")]
    pub waking: MemberWaking,
}

impl MemberWaking {
    fn is_not_needed(&self) -> bool {
        *self == MemberWaking::NotNeeded
    }

    /// The same in words; nothing where nothing happened.
    pub fn sentence(&self, name: &MemberName) -> Option<String> {
        match self {
            MemberWaking::NotNeeded => None,
            MemberWaking::Woken => Some(format!("{name} had left, and is started again as it was")),
            MemberWaking::StaysAway { why, hint } => Some(format!("{why}; start it with {hint}")),
            MemberWaking::Failed { why } => Some(why.clone()),
        }
    }
}

/// Starts the member again if it has left and may be started by this. Never fails: what it got is written by then, and is there
/// when the member runs.
pub(super) async fn wake_if_left(session: &Session, name: &MemberName, wish: WakeWish) -> MemberWaking {
    let failed = |error: &OpsError| {
        let (what, hint) = error.told();
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        MemberWaking::Failed { why: format!("{name} has left and could not be started again: {what}{hint}") }
    };
    wake(session, name, wish).await.unwrap_or_else(|error| failed(&error))
}

async fn wake(session: &Session, name: &MemberName, wish: WakeWish) -> Result<MemberWaking, OpsError> {
    let view = session.view()?;
    let Ok(member) = view.roster().member(name) else { return Ok(MemberWaking::NotNeeded) };
    let MemberPresence::Left { how, then: AfterLeaving::Stays | AfterLeaving::Undecided { .. }, .. } = &member.presence
    else {
        return Ok(MemberWaking::NotNeeded);
    };
    if wish == WakeWish::Never || is_worker_alive(view.dir(), name, &member.presence)? {
        return Ok(MemberWaking::NotNeeded);
    }
    let hint = format!("teamster spawn {name}");
    if !how.may_be_woken() {
        let why = format!("{name} stays away, because {}", how.sentence());
        return Ok(MemberWaking::StaysAway { why, hint });
    }
    let leader = match connect::connect(session).await {
        Ok((leader, _)) => leader,
        Err(OpsError::NoLeader { .. }) => {
            let why = format!("{name} has left, and no leader runs that would start it again");
            return Ok(MemberWaking::StaysAway { why, hint });
        }
        Err(error) => return Err(error),
    };
    Ok(match leader.wake(name.clone()).await? {
        Some(_) => MemberWaking::Woken,
        None => MemberWaking::NotNeeded,
    })
}
