//! Facts for the roster about a worker that ends, hangs or answers again. Each is decided on while nobody else writes
//! there: the caller asks these functions inside of the step on the roster.

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::{AfterLeaving, Member, MemberPresence, Roster, TeamFact, WorkerEnd};

/// How a member left, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLeaving {
    /// The way in which the worker ended.
    pub how: WorkerEnd,
    /// When it is started again, if it is.
    pub again_ms: Option<u64>,
}

/// The state of a dead member's lock, as the leader finds it that is to bury the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurialLock<'a> {
    /// The leader holds the lock.
    Taken,
    /// Another process holds the lock.
    Held {
        /// The process, if it has written itself into the lock.
        by: Option<&'a ProcessIdentity>,
    },
    /// Nobody can take the lock yet: the dead worker is still ending, or its lock is elsewhere.
    Dying,
}

/// The next step of a burial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurialStep {
    /// Give back what the member held, then write its leaving down. The burial is done.
    Bury,
    /// Write the leaving down if the roster's last worker is dead, and try the burial again later.
    WriteLeaving,
    /// Try the burial again later.
    Wait,
    /// Nothing is left to do: the next worker does it.
    Leave,
}

impl MemberLeaving {
    /// The leaving of a member that is not started again.
    pub(super) fn for_good(how: WorkerEnd) -> MemberLeaving {
        MemberLeaving { how, again_ms: None }
    }

    /// How the worker died, if that was no end in order.
    pub fn cause_of_death(&self) -> Option<&str> {
        match &self.how {
            WorkerEnd::Died { reason } | WorkerEnd::AgentGone { reason } | WorkerEnd::GivenUp { reason } => {
                Some(reason)
            }
            WorkerEnd::Shutdown
            | WorkerEnd::Terminated
            | WorkerEnd::Killed
            | WorkerEnd::LeaderGone
            | WorkerEnd::ProviderRefused { .. }
            | WorkerEnd::BudgetSpent { .. }
            | WorkerEnd::NotStarted { .. } => None,
        }
    }

    /// The step to take for the burial of that member, by its lock and by what the roster says last of it.
    pub fn burial_step(&self, lock: &BurialLock<'_>, presence: Option<&MemberPresence>) -> BurialStep {
        let joined = match presence {
            Some(MemberPresence::Joined { process, .. }) => Some(&process.identity),
            Some(MemberPresence::Expected { .. } | MemberPresence::Left { .. }) | None => None,
        };
        match lock {
            BurialLock::Taken => BurialStep::Bury,
            // The next worker was started by hand, and gives back itself what the former one held.
            BurialLock::Held { by: Some(holder) } if joined == Some(*holder) => BurialStep::Leave,
            // Another process gives the member's tasks back, or starts the next worker. The consequence is this leader's to
            // write all the same.
            BurialLock::Held { .. } => BurialStep::WriteLeaving,
            // The process that was started for the worker has ended, and the worker itself not yet.
            BurialLock::Dying => BurialStep::Wait,
        }
    }

    /// The fact to write about the leaving: nothing if the roster has it already, as a worker that ends in order writes
    /// it itself.
    pub fn fact_if_news(&self, name: &MemberName, roster: &Roster) -> Option<TeamFact> {
        let member = roster.member(name).ok()?;
        self.is_news(&member.presence).then(|| self.fact(name.clone(), member))
    }

    /// The same while somebody else holds the member's lock: only if the last that the roster says of the member is a
    /// worker that `has_ended`.
    pub fn fact_of_the_dead(
        &self,
        name: &MemberName,
        roster: &Roster,
        has_ended: impl FnOnce(&ProcessIdentity) -> bool,
    ) -> Option<TeamFact> {
        let member = roster.member(name).ok()?;
        match &member.presence {
            MemberPresence::Joined { process, .. } if has_ended(&process.identity) => {
                Some(self.fact(name.clone(), member))
            }
            MemberPresence::Joined { .. } | MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
        }
    }

    fn fact(&self, name: MemberName, member: &Member) -> TeamFact {
        let how = self.how.clone();
        match self.again_ms {
            Some(at_ms) => TeamFact::Restarting { name, how, at_ms },
            None => TeamFact::Left { name, how: member.end_of_worker(how) },
        }
    }

    fn is_news(&self, presence: &MemberPresence) -> bool {
        match (presence, self) {
            (MemberPresence::Left { how, .. }, MemberLeaving { how: WorkerEnd::GivenUp { .. }, .. })
                if *how == self.how =>
            {
                false
            }
            (MemberPresence::Expected { .. } | MemberPresence::Joined { .. }, _) => true,
            (_, MemberLeaving { again_ms: Some(_), .. } | MemberLeaving { how: WorkerEnd::GivenUp { .. }, .. }) => true,
            (MemberPresence::Left { then: AfterLeaving::Undecided { .. } | AfterLeaving::Again { .. }, .. }, _) => true,
            (MemberPresence::Left { then: AfterLeaving::Stays, .. }, _) => false,
        }
    }
}

/// How a worker left whose process ended like this: as it says itself, if it does, else as the roster knows better.
pub fn how_it_left(name: &MemberName, roster: &Roster, ended: WorkerEnd) -> WorkerEnd {
    match roster.member(name) {
        Ok(Member { presence: MemberPresence::Left { how, .. }, .. }) => how.clone(),
        Ok(member) => member.end_of_worker(ended),
        Err(_) => ended,
    }
}

/// A fact about a worker that runs, unless the roster says it already: that the worker hangs, answers again, was asked to
/// end, goes on all the same, or is to end for good.
pub fn fact_if_news(fact: TeamFact, roster: &Roster) -> Option<TeamFact> {
    let member = |name: &MemberName| roster.member(name).ok();
    let is_news = match &fact {
        TeamFact::Hung { name } => member(name).is_some_and(|member| member.hung_ms.is_none()),
        TeamFact::Answering { name } => member(name).is_some_and(|member| member.hung_ms.is_some()),
        TeamFact::Ending { name } => member(name).is_some_and(|member| match &member.presence {
            MemberPresence::Joined { .. } => member.asked_to_end_ms.is_none(),
            MemberPresence::Expected { .. } | MemberPresence::Left { .. } => false,
        }),
        TeamFact::Staying { name } => member(name).is_some_and(|member| member.asked_to_end_ms.is_some()),
        TeamFact::Dismissed { name } => member(name).is_some_and(|member| match &member.presence {
            MemberPresence::Joined { .. } => member.dismissed_ms.is_none(),
            MemberPresence::Left { then, .. } => *then != AfterLeaving::Stays,
            MemberPresence::Expected { .. } => false,
        }),
        TeamFact::Founded { .. }
        | TeamFact::Moved { .. }
        | TeamFact::Added { .. }
        | TeamFact::Joined { .. }
        | TeamFact::Session { .. }
        | TeamFact::Left { .. }
        | TeamFact::Restarting { .. }
        | TeamFact::TurnStopped { .. }
        | TeamFact::Limited { .. }
        | TeamFact::BudgetNearly { .. }
        | TeamFact::Unlimited { .. }
        | TeamFact::Removed { .. } => true,
    };
    is_news.then_some(fact)
}
