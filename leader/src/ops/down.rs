//! `down`: ends the team for good. Its leader is told to end, and so is the one that comes after it if it dies of that.
//! Where a leader died and nobody leads, this process does, to end what it left. Either way the leader's lock says
//! afterwards that the team was ended, so a warden that was about to start a leader again leaves it at that.

use jsonrpsee::core::ClientError;
use teamster_protocol::model::limits::pace::LEADER_GONE_WITHIN;
use teamster_protocol::model::limits::{ANSWER_WITHIN, DEATH_LOOK};
use teamster_protocol::store::presence::{self, LockHolder};
use tokio::time::{sleep, timeout};

use super::connect;
use super::error::OpsError;
use super::hanging::{hanging_leader, kill_leader};
use super::leadership::{Leadership, LeadershipError};
use super::link::LinkError;
use super::session::Session;
use super::shutdown::MemberEndings;
use super::team_name::founding_dir;
use super::verb::Verb;

/// Ends every member and then the leader, and waits until nothing of it runs: each after its turn, or at once by force.
pub async fn down(session: &Session, force: bool) -> Result<MemberEndings, OpsError> {
    session.authorize(Verb::Down)?;
    // Only that the team is there: one whose logs are damaged must be ended before they are mended.
    session.must_exist()?;
    let mut members = Vec::new();
    loop {
        if force && let Some(leader) = hanging_leader(&session.dir, ANSWER_WITHIN).await? {
            kill_leader(&session.dir, &leader).await?;
        }
        let leadership = leadership(session).await?;
        let leader = presence::read_last_holder(&session.dir.leader_lock())?;
        match leadership.down(force).await {
            Ok(ended) => members.extend(ended),
            // It died of being told to: what it left is still to be ended.
            Err(LeadershipError::Call(error)) if is_lost(&error) => {}
            Err(error) => return Err(error.into()),
        }
        until_gone(session, leader).await?;
        if !was_left(session)? {
            return Ok(MemberEndings { members });
        }
    }
}

/// The leader that is to end: the one there is, or this process in place of one that died.
async fn leadership(session: &Session) -> Result<Leadership, OpsError> {
    match connect::connect(session).await {
        Ok((peer, _)) => return Ok(Leadership::of_another(peer)),
        Err(OpsError::NoLeader { .. }) if was_left(session)? || session.dir.leader_socket().exists() => {}
        Err(OpsError::Call(error)) if is_lost(&error) => {}
        Err(error) => return Err(error.nothing_to_end()),
    }
    match Leadership::begin(&session.dir, &founding_dir(&session.here)?, session.settings).await {
        Err(error @ LeadershipError::Link(LinkError::NoLeader(_))) => Err(OpsError::from(error).nothing_to_end()),
        begun => Ok(begun?),
    }
}

/// Whether the last leader went without a goodbye, or is still there.
fn was_left(session: &Session) -> Result<bool, OpsError> {
    let last = presence::read_last_holder(&session.dir.leader_lock())?;
    Ok(last.is_some_and(|last| last.ended_ms.is_none()))
}

/// Whether the other end went away.
fn is_lost(error: &ClientError) -> bool {
    matches!(error, ClientError::RestartNeeded(_) | ClientError::Transport(_))
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

/// Whether both are one process. Who can not be told is no other.
fn is_same(one: Option<&LockHolder>, other: Option<&LockHolder>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.process == other.process)
}
