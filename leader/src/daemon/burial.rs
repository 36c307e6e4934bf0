//! Facts that the core has written: how a member left, with its tasks given back, and changes of one that runs.

use std::sync::Arc;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::{ProcessFate, ProcessIdentity};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, LOG_LOCK_WITHIN};
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::TeamError;

use super::{LeaderDaemon, end_orphans};
use crate::core::{BurialLock, BurialStep, LeaderEvent, MemberLeaving, fact_if_news};

impl LeaderDaemon<'_> {
    /// Ends what the worker left behind, and writes its leaving down.
    pub(super) fn bury(&mut self, name: MemberName, leaving: &MemberLeaving) -> Option<LeaderEvent> {
        let (shared, ending) = (Arc::clone(&self.shared), self.answers.end_orphans());
        tokio::spawn(async move {
            end_orphans(&shared).await;
            drop(ending);
        });
        match self.write_leaving(&name, leaving) {
            Ok(BurialStep::Bury | BurialStep::Leave) => Some(LeaderEvent::Buried { name }),
            Ok(BurialStep::WriteLeaving | BurialStep::Wait) => None,
            Err(error) => {
                tracing::error!(%name, "cannot bury its worker, trying again: {error}");
                None
            }
        }
    }

    /// Takes the step of the burial that the core decides on, and returns it.
    fn write_leaving(&self, name: &MemberName, leaving: &MemberLeaving) -> Result<BurialStep, TeamError> {
        if self.is_displaced() {
            return Ok(BurialStep::Leave);
        }
        let mut team = self.shared.team();
        let lock = match team.take_lock_of_dead(name) {
            Ok(lock) => Ok(lock),
            Err(TeamError::Lock(
                held @ (LockError::Held { .. } | LockError::Astray { .. } | LockError::Dying { .. }),
            )) => Err(held),
            Err(error) => return Err(error),
        };
        let seen = match &lock {
            Ok(_) => BurialLock::Taken,
            Err(LockError::Held { holder, .. }) => {
                BurialLock::Held { by: holder.as_ref().map(|holder| &holder.process) }
            }
            Err(_) => BurialLock::Dying,
        };
        let step = leaving.burial_step(&seen, team.roster().member(name).ok().map(|member| &member.presence));
        match (step, &lock) {
            (BurialStep::Bury, Ok(lock)) => {
                point("about to bury");
                team.bury(name, leaving.cause_of_death(), lock)?;
                point("buried, leaving not written");
                team.enroll_if(|roster| leaving.fact_if_news(name, roster))?;
            }
            (BurialStep::WriteLeaving, _) => {
                team.enroll_if(|roster| leaving.fact_of_the_dead(name, roster, has_ended))?;
            }
            (BurialStep::Bury | BurialStep::Wait | BurialStep::Leave, _) => {}
        }
        Ok(step)
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

/// Whether a worker has ended. The inner half of a cell that was killed with its outer half stays a zombie until the warden
/// waits for it, and the next life of the member may have begun by then.
fn has_ended(worker: &ProcessIdentity) -> bool {
    worker.fate() == ProcessFate::Ended
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    use nix::unistd::Pid;
    use teamster_protocol::host::process;

    use super::*;

    #[test]
    fn a_dead_worker_has_ended_before_anybody_waits_for_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let worker = process::identity(child.id()).expect("it runs");
        assert!(!has_ended(&worker));
        child.kill().expect("it runs");
        let pid = Pid::from_raw(child.id() as i32);
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("it ends");
        assert!(worker.exists() && has_ended(&worker));
        child.wait().expect("it ended");
        assert!(has_ended(&worker));
    }
}
