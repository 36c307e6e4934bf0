//! `down`: ends the team for good. Its leader is told to end, and so is the one that comes after it if it dies of that.
//! Where a leader died and nobody leads, this process does, to end what it left. Either way the leader's lock says
//! afterwards that the team was ended, so a warden that was about to start a leader again leaves it at that.

use jsonrpsee::core::ClientError;
use serde::Serialize;
use teamster_protocol::model::limits::pace::LEADER_GONE_WITHIN;
use teamster_protocol::model::limits::{ANSWER_WITHIN, DEATH_LOOK};
use teamster_protocol::store::presence::{self, LockHolder};
use teamster_protocol::wire::api::code;
use tokio::time::{sleep, timeout};

use super::connect;
use super::ending_news::{EndingNews, EndingTeller, RunningTurns};
use super::error::OpsError;
use super::hanging::{hanging_leader, kill_leader};
use super::leadership::{Leadership, LeadershipError};
use super::link::LinkError;
use super::session::Session;
use super::shutdown::{MemberEndings, is_anybody_running};
use super::team_name::founding_dir;
use crate::verb::Verb;

/// The outcome for a team that was to end.
#[derive(Debug, Serialize)]
pub struct EndedTeam {
    /// The outcome for each member that ran.
    #[serde(flatten)]
    pub endings: MemberEndings,
    /// Whether a leader was there to end.
    pub leader_ended: bool,
}

/// Ends every member and then the leader, and waits until no process of them runs: each after its turn, or at once by
/// force. Tells `news` how it goes. A team of which no process runs is left as it is.
pub async fn down(session: &Session, force: bool, mut news: impl FnMut(&[EndingNews])) -> Result<EndedTeam, OpsError> {
    session.authorize(Verb::Down)?;
    // Only that the team is there: one whose logs are damaged must be ended before they are mended.
    session.must_exist()?;
    let turns = if force { RunningTurns::AreNot } else { RunningTurns::AreFinished };
    let mut teller = EndingTeller::begin(session, Vec::new(), turns, &mut news);
    let (mut members, mut leader_ended) = (Vec::new(), false);
    loop {
        if force && let Some(leader) = hanging_leader(&session.dir, ANSWER_WITHIN).await? {
            kill_leader(&session.dir, &leader).await?;
        }
        // A leader that died is replaced by one in this process, which ends the workers in its place.
        let had_died = was_left(session)?;
        let Some(leadership) = leadership(session).await? else { break };
        leader_ended |= had_died || !leadership.is_own();
        let leader = presence::read_last_holder(&session.dir.leader_lock())?;
        match teller.tell_while(leadership.down(force)).await {
            Ok(ended) => members.extend(ended),
            // The leader died of being told to end: the workers that it left are still to be ended.
            Err(LeadershipError::Call(error)) if is_lost(&error) => {}
            Err(error) => return Err(error.into()),
        }
        until_gone(session, leader).await?;
        if !was_left(session)? {
            break;
        }
    }
    teller.conclude(&members);
    Ok(EndedTeam { endings: MemberEndings { members, ..MemberEndings::default() }, leader_ended })
}

/// The leader that is to end: the one there is, or this process in place of one that died or for workers that run without
/// any. None where nothing runs.
async fn leadership(session: &Session) -> Result<Option<Leadership>, OpsError> {
    match connect::connect(session).await {
        Ok((peer, _)) => return Ok(Some(Leadership::of_another(peer))),
        Err(OpsError::NoLeader { .. }) if was_left(session)? || session.dir.leader_socket().exists() => {}
        Err(OpsError::NoLeader { .. }) if !is_anybody_running(&session.view()?, None)? => return Ok(None),
        Err(OpsError::NoLeader { .. }) => {}
        Err(OpsError::Call(error)) if is_lost(&error) => {}
        Err(error) => return Err(error.nothing_to_end()),
    }
    match Leadership::begin(&session.dir, &founding_dir(&session.here)?, session.settings).await {
        Err(error @ LeadershipError::Link(LinkError::NoLeader(_))) => Err(OpsError::from(error).nothing_to_end()),
        begun => Ok(Some(begun?)),
    }
}

/// Whether the last leader went without a goodbye, or is still there.
fn was_left(session: &Session) -> Result<bool, OpsError> {
    let last = presence::read_last_holder(&session.dir.leader_lock())?;
    Ok(last.is_some_and(|last| last.ended_ms.is_none()))
}

/// Whether the leader that was asked went away, or answers that it is about to.
fn is_lost(error: &ClientError) -> bool {
    match error {
        ClientError::Call(refusal) => refusal.code() == code::ENDED,
        error => matches!(error, ClientError::RestartNeeded(_) | ClientError::Transport(_)),
    }
}

/// Waits until a leader that gave its last answer is gone: who starts the next one right away should not meet it.
async fn until_gone(session: &Session, leader: Option<LockHolder>) -> Result<(), OpsError> {
    let lock = session.dir.leader_lock();
    let gone = async {
        while presence::is_held(&lock)? && is_same(leader.as_ref(), presence::read_last_holder(&lock)?.as_ref()) {
            sleep(DEATH_LOOK).await;
        }
        Ok(())
    };
    timeout(LEADER_GONE_WITHIN, gone).await.unwrap_or_else(|_| {
        let what = format!("the leader ended its members, and is still there after {}s", LEADER_GONE_WITHIN.as_secs());
        Err(OpsError::refused(what, "see teamster status for its process, and end that yourself"))
    })
}

/// Whether both are one process. A holder that can not be read counts as the same.
fn is_same(one: Option<&LockHolder>, other: Option<&LockHolder>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.process == other.process)
}
