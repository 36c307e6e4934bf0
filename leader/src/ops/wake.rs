//! A text or a task for a member that has left starts it again: with its settings, its place and its conversation, as it is on
//! the roster. Where no leader runs nothing is started; whoever wrote is told what to type.
//!
//! Only a member that left in order is started by this, and one that the lead had asked to end only by what the lead writes:
//! no agent undoes that. One that was killed, that died or was given up, or that has used up its budget stays away until
//! somebody spawns it: so nothing is started again and again that can not run.

use serde::Serialize;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, WakeRight};
use teamster_protocol::wire::api::LeaderApiClient;

use super::connect;
use super::error::OpsError;
use super::session::Session;
use crate::verb::ASK_THE_LEAD;

/// Whether a member that has left is started again for what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeWish {
    /// It is started again, if it has left and the writer may wake it.
    IfLeft,
    /// It stays away, and finds what it got when somebody starts it.
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
    /// The member has left, or is ending, and stays away.
    StaysAway {
        /// The reason, as a sentence that begins with its name.
        why: String,
        /// The way out, with a command to type.
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
            MemberWaking::StaysAway { why, hint } => Some(format!("{why}; {hint}")),
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
    let how = match (&member.presence, wish) {
        (_, WakeWish::Never) => return Ok(MemberWaking::NotNeeded),
        (MemberPresence::Left { how, then: AfterLeaving::Stays | AfterLeaving::Undecided { .. }, .. }, _) => how,
        (MemberPresence::Joined { .. }, _) if member.ending_since_ms().is_some() => {
            let why = format!("{name} was asked to end and takes nothing more");
            return Ok(MemberWaking::StaysAway { why, hint: way_out(session, name, "once it has left, ") });
        }
        (
            MemberPresence::Joined { .. }
            | MemberPresence::Expected { .. }
            | MemberPresence::Left { then: AfterLeaving::Again { .. }, .. },
            _,
        ) => return Ok(MemberWaking::NotNeeded),
    };
    let stays_away = |why| Ok(MemberWaking::StaysAway { why, hint: way_out(session, name, "") });
    if !how.may_be_woken_by(&session.caller) {
        let only = if how.wake_right() == WakeRight::LeadAlone { ", and only the lead starts it again" } else { "" };
        return stays_away(format!("{name} stays away, because {}{only}", how.sentence()));
    }
    let leader = match connect::connect(session).await {
        Ok((leader, _)) => leader,
        Err(OpsError::NoLeader { .. }) => {
            return stays_away(format!("{name} has left, and no leader runs that would start it again"));
        }
        Err(error) => return Err(error),
    };
    Ok(match leader.wake(name.clone()).await? {
        Some(_) => MemberWaking::Woken,
        None => MemberWaking::NotNeeded,
    })
}

/// The way in which the caller has the member again.
fn way_out(session: &Session, name: &MemberName, when: &str) -> String {
    match &session.caller {
        Address::Lead => format!("{when}start it with teamster spawn {name}"),
        Address::Member(_) => ASK_THE_LEAD.to_owned(),
    }
}
