//! `down`: ends the team for good. Its leader is told to end, and so is the one that comes after it if it dies of that.
//! Where a leader died and nobody leads, this process does, to end what it left. Either way the leader's lock says
//! afterwards that the team was ended, so a warden that was about to start a leader again leaves it at that.

use std::time::Duration;

use jsonrpsee::core::ClientError;
use teamster_protocol::model::limits::KILL_GRACE;
use teamster_protocol::store::presence::{self, Holder};
use tokio::time::{sleep, timeout};

use super::ending::{Endings, endings_text, exit_of, nothing_to_end};
use super::interrupt::unless_interrupted;
use super::link::{self, LinkError};
use super::{Context, Exit, FrontError, founding_dir};
use crate::front::cli::args::DownArgs;
use crate::ops::leadership::{Leadership, LeadershipError};

/// Who said its last word holds its lock for a moment longer, and no file tells when it lets go.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a leader may take to go after its last answer. Before it goes it ends, twice, what dead workers left.
const GONE_WITHIN: Duration = Duration::from_secs(3 * KILL_GRACE.as_secs());

pub(super) async fn down(context: &Context, args: &DownArgs) -> Result<Exit, FrontError> {
    // Only that the team is there: one whose logs are damaged must be ended before they are mended.
    context.must_exist()?;
    let members = unless_interrupted(async {
        let mut members = Vec::new();
        loop {
            let leadership = leadership(context).await?;
            let leader = presence::last_holder(&context.dir.leader_lock())?;
            match leadership.down(args.force).await {
                Ok(ended) => members.extend(ended),
                // It died of being told to: what it left is still to be ended.
                Err(LeadershipError::Call(error)) if is_lost(&error) => {}
                Err(error) => return Err(error.into()),
            }
            until_gone(context, leader).await?;
            if !was_left(context)? {
                return Ok(members);
            }
        }
    })
    .await?;
    let exit = exit_of(&members);
    context.show(&Endings { members }, |endings| match endings.members.is_empty() {
        true => "the leader ended; no member ran".to_owned(),
        false => format!("{}\nthe leader ended", endings_text(endings)),
    })?;
    Ok(exit)
}

/// The leader that is to end: the one there is, or this process in place of one that died.
async fn leadership(context: &Context) -> Result<Leadership, FrontError> {
    match link::connect(context).await {
        Ok((peer, _)) => return Ok(Leadership::of_another(peer)),
        Err(FrontError::NoLeader { .. }) if was_left(context)? || context.dir.leader_socket().exists() => {}
        Err(FrontError::Call(error)) if is_lost(&error) => {}
        Err(error) => return Err(nothing_to_end(error)),
    }
    match Leadership::begin(&context.dir, &founding_dir(&context.here)?, context.settings).await {
        Err(error @ LeadershipError::Link(LinkError::NoLeader(_))) => Err(nothing_to_end(error.into())),
        begun => Ok(begun?),
    }
}

/// Whether the last leader went without a goodbye, or is still there.
fn was_left(context: &Context) -> Result<bool, FrontError> {
    let last = presence::last_holder(&context.dir.leader_lock())?;
    Ok(last.is_some_and(|last| last.ended_ms.is_none()))
}

/// Whether the other end went away.
fn is_lost(error: &ClientError) -> bool {
    matches!(error, ClientError::RestartNeeded(_) | ClientError::Transport(_))
}

/// Waits until a leader that gave its last answer is gone: who starts the next one right away should not meet it.
async fn until_gone(context: &Context, leader: Option<Holder>) -> Result<(), FrontError> {
    let lock = context.dir.leader_lock();
    let gone = async {
        while presence::is_held(&lock)? && is_same(leader.as_ref(), presence::last_holder(&lock)?.as_ref()) {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    };
    timeout(GONE_WITHIN, gone).await.unwrap_or_else(|_| {
        let what = format!("the leader ended its members, and is still there after {}s", GONE_WITHIN.as_secs());
        Err(FrontError::refused(what, "see teamster status for its process, and end that yourself"))
    })
}

/// Whether both are one process. Who can not be told is no other.
fn is_same(one: Option<&Holder>, other: Option<&Holder>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.process == other.process)
}
