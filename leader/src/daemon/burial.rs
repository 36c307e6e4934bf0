//! Facts that the core has written: how a member left, with its tasks given back, and changes of one that runs.

use std::sync::Arc;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, LOG_LOCK_WITHIN};
use teamster_protocol::model::roster::{MemberPresence, TeamFact};
use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::{Team, TeamError};

use super::{LeaderDaemon, end_orphans};
use crate::core::{LeaderEvent, MemberLeaving, fact_if_news};

/// The outcome of writing down that a member left.
enum BurialOutcome {
    Done,
    /// The member's lock could not be taken at the moment.
    LockHeld,
}

impl LeaderDaemon<'_> {
    /// Ends what the worker left behind, and writes its leaving down.
    pub(super) fn bury(&mut self, name: MemberName, leaving: &MemberLeaving) -> Option<LeaderEvent> {
        let (shared, ending) = (Arc::clone(&self.shared), self.answers.end_orphans());
        tokio::spawn(async move {
            end_orphans(&shared).await;
            drop(ending);
        });
        match self.write_leaving(&name, leaving) {
            Ok(BurialOutcome::Done) => Some(LeaderEvent::Buried { name }),
            Ok(BurialOutcome::LockHeld) => None,
            Err(error) => {
                tracing::error!(%name, "cannot bury its worker, trying again: {error}");
                None
            }
        }
    }

    fn write_leaving(&self, name: &MemberName, leaving: &MemberLeaving) -> Result<BurialOutcome, TeamError> {
        if self.is_displaced() {
            return Ok(BurialOutcome::Done);
        }
        let mut team = self.shared.team();
        let lock = match team.take_lock_of_dead(name) {
            Ok(lock) => lock,
            // The next one was started by hand, and gives back itself what its former life held.
            Err(TeamError::Lock(LockError::Held { holder: Some(holder), .. }))
                if joined(&team, name) == Some(&holder.process) =>
            {
                return Ok(BurialOutcome::Done);
            }
            // Another process gives the member's tasks back, or starts the next worker. The consequence is this
            // leader's to write all the same.
            Err(TeamError::Lock(LockError::Held { .. })) => {
                team.enroll_if(|roster| leaving.fact_of_the_dead(name, roster, ProcessIdentity::exists))?;
                return Ok(BurialOutcome::LockHeld);
            }
            // The process that was started for it has ended, and the worker itself not yet.
            Err(TeamError::Lock(LockError::Astray { .. } | LockError::Dying { .. })) => {
                return Ok(BurialOutcome::LockHeld);
            }
            Err(error) => return Err(error),
        };
        point("about to bury");
        team.bury(name, leaving.cause_of_death(), &lock)?;
        point("buried, leaving not written");
        team.enroll_if(|roster| leaving.fact_if_news(name, roster))?;
        Ok(BurialOutcome::Done)
    }

    /// Writes a fact about a worker that runs onto the roster, if it is news there.
    pub(super) fn write_fact(&self, fact: TeamFact) {
        if self.is_displaced() {
            return;
        }
        if let TeamFact::Dismissed { .. } = fact {
            return self.write_dismissal(fact);
        }
        let mut team = self.shared.team();
        // Most often it is none, and that is known without the roster's lock.
        if fact_if_news(fact.clone(), team.roster()).is_some()
            && let Err(error) = team.enroll_if(|roster| fact_if_news(fact, roster))
        {
            tracing::error!("{error}");
        }
    }

    /// Before its worker gets the signal, because this leader may die before it has buried it. The worker is signalled in any
    /// case, and that is not kept waiting by a process that hangs with the roster in its hands.
    fn write_dismissal(&self, fact: TeamFact) {
        let mut team = self.shared.team();
        team.set_lock_within(LOG_LOCK_BY_FORCE);
        if let Err(error) = team.enroll_if(|roster| fact_if_news(fact, roster)) {
            tracing::warn!("cannot write down that a member ends for good: {error}");
        }
        if !self.core.is_forced() {
            team.set_lock_within(LOG_LOCK_WITHIN);
        }
        drop(team);
        point("dismissed, not told");
    }
}

/// The process that joined last as this member.
fn joined<'a>(team: &'a Team, name: &MemberName) -> Option<&'a ProcessIdentity> {
    match &team.roster().member(name).ok()?.presence {
        MemberPresence::Joined { process, .. } => Some(&process.identity),
        MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
    }
}
