//! What is done for a member whose worker is dead: what it had started is ended, what it held goes back, and how it
//! left is written down, now or as soon as that can be done.

use std::sync::Arc;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::Identity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, LOG_LOCK_WITHIN};
use teamster_protocol::model::roster::{LeftHow, Presence, Roster, TeamFact, Then};
use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::{Team, TeamError};
use tokio::sync::oneshot;

use super::{Leader, end_orphans};
use crate::core::Answer;

/// What is to be written down of a member that left.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) how: LeftHow,
    /// When it is started again, if it is.
    pub(super) again_ms: Option<u64>,
}

impl Leaving {
    /// Nothing follows.
    pub(super) fn for_good(how: LeftHow) -> Leaving {
        Leaving { how, again_ms: None }
    }

    fn fact(&self, name: MemberName) -> TeamFact {
        let how = self.how.clone();
        match self.again_ms {
            Some(at_ms) => TeamFact::Restarting { name, how, at_ms },
            None => TeamFact::Left { name, how },
        }
    }

    /// The fact, if the last that the roster says of the member is a worker that is dead.
    fn of_the_dead(&self, name: &MemberName, roster: &Roster) -> Option<TeamFact> {
        match &roster.member(name).ok()?.presence {
            Presence::Joined { process, .. } if !process.identity.exists() => Some(self.fact(name.clone())),
            Presence::Joined { .. } | Presence::Expected { .. } | Presence::Left { .. } => None,
        }
    }

    /// Whether it is news to a roster that says this.
    fn is_news(&self, presence: &Presence) -> bool {
        match (presence, self) {
            (Presence::Left { how, .. }, Leaving { how: LeftHow::GivenUp { .. }, .. }) if *how == self.how => false,
            (Presence::Expected { .. } | Presence::Joined { .. }, _) => true,
            (_, Leaving { again_ms: Some(_), .. } | Leaving { how: LeftHow::GivenUp { .. }, .. }) => true,
            (Presence::Left { then: Then::Undecided { .. } | Then::Again { .. }, .. }, _) => true,
            // Its worker wrote that down itself.
            (Presence::Left { then: Then::Stays, .. }, _) => false,
        }
    }
}

/// What came of writing down that a member left.
enum Burial {
    Done,
    /// Its lock could not be taken at the moment.
    LockHeld,
}

impl Leader<'_> {
    /// Answers who waited for members to end once what they had started has ended too, or is known not to.
    pub(super) fn answer_when_nothing_is_left(
        &mut self,
        asker: oneshot::Sender<Result<Answer, String>>,
        answer: Result<Answer, String>,
    ) {
        // Those that were sent need no place any more.
        while self.answering.try_join_next().is_some() {}
        let mut ending = self.ending.subscribe();
        self.answering.spawn(async move {
            // That nobody ends anything any more is as good.
            let _ = ending.wait_for(|count| *count == 0).await;
            let _ = asker.send(answer);
        });
    }

    /// Writes down, before its worker gets the signal, that nobody is to start it again: this leader may die before it
    /// has buried it. It is signalled in any case, and not kept waiting by one that hangs with the roster in its hands.
    pub(super) fn dismiss(&self, name: MemberName) {
        if self.is_displaced() {
            return;
        }
        let mut team = self.shared.team();
        team.set_lock_within(LOG_LOCK_BY_FORCE);
        if let Err(error) = team.enroll_if(|roster| dismissal(&name, roster)) {
            tracing::warn!(%name, "cannot write down that it ends for good: {error}");
        }
        if !self.core.is_forced() {
            team.set_lock_within(LOG_LOCK_WITHIN);
        }
        drop(team);
        point("dismissed, not told");
    }

    /// Never fails for good: what cannot be done is tried again with each slow poll.
    pub(super) fn bury(&mut self, name: &MemberName, leaving: Leaving) {
        let (shared, ending) = (Arc::clone(&self.shared), Arc::clone(&self.ending));
        ending.send_modify(|count| *count += 1);
        tokio::spawn(async move {
            end_orphans(&shared).await;
            ending.send_modify(|count| *count -= 1);
        });
        match self.write_leaving(name, &leaving) {
            Ok(Burial::Done) => {
                self.unburied.remove(name);
            }
            Ok(Burial::LockHeld) => {
                self.unburied.insert(name.clone(), leaving);
            }
            Err(error) => {
                tracing::error!(%name, "cannot give back what it held, trying again: {error}");
                self.unburied.insert(name.clone(), leaving);
            }
        }
    }

    /// Writes down what could not be written when it happened. Who runs again gave it back at its start.
    pub(super) fn bury_the_rest(&mut self) {
        for (name, leaving) in std::mem::take(&mut self.unburied) {
            if !self.core.is_running(&name) {
                self.bury(&name, leaving);
            }
        }
    }

    fn write_leaving(&self, name: &MemberName, leaving: &Leaving) -> Result<Burial, TeamError> {
        if self.is_displaced() {
            return Ok(Burial::Done);
        }
        let mut team = self.shared.team();
        let lock = match team.take_lock_of_dead(name) {
            Ok(lock) => lock,
            // The next one was started by hand, and gives back itself what its former life held.
            Err(TeamError::Lock(LockError::Held { holder: Some(holder), .. }))
                if joined(&team, name) == Some(&holder.process) =>
            {
                return Ok(Burial::Done);
            }
            // Somebody gives back what it held, or starts the next one. What follows is this leader's to say all the same.
            Err(TeamError::Lock(LockError::Held { .. })) => {
                team.enroll_if(|roster| leaving.of_the_dead(name, roster))?;
                return Ok(Burial::LockHeld);
            }
            // The process that was started for it has ended, and the worker itself not yet.
            Err(TeamError::Lock(LockError::Astray { .. })) => return Ok(Burial::LockHeld),
            Err(error) => return Err(error),
        };
        point("about to bury");
        let cause = match &leaving.how {
            LeftHow::Died { reason } | LeftHow::AgentGone { reason } | LeftHow::GivenUp { reason } => Some(&**reason),
            LeftHow::Shutdown | LeftHow::Terminated | LeftHow::LeaderGone => None,
        };
        team.bury(name, cause, &lock)?;
        point("buried, leaving not written");
        team.refresh(|_| ())?;
        if team.roster().member(name).is_ok_and(|member| leaving.is_news(&member.presence)) {
            team.enroll(leaving.fact(name.clone()))?;
        }
        Ok(Burial::Done)
    }
}

/// That its worker is to end for good, if the roster does not say so.
fn dismissal(name: &MemberName, roster: &Roster) -> Option<TeamFact> {
    let member = roster.member(name).ok()?;
    let is_news = match &member.presence {
        Presence::Joined { .. } => member.dismissed_ms.is_none(),
        Presence::Left { then, .. } => *then != Then::Stays,
        Presence::Expected { .. } => false,
    };
    is_news.then(|| TeamFact::Dismissed { name: name.clone() })
}

/// The process that joined last as this member.
fn joined<'a>(team: &'a Team, name: &MemberName) -> Option<&'a Identity> {
    match &team.roster().member(name).ok()?.presence {
        Presence::Joined { process, .. } => Some(&process.identity),
        Presence::Expected { .. } | Presence::Left { .. } => None,
    }
}
