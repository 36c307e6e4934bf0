//! The roster: who is on the team, what each member is set up to do and where it works. Whether a member runs
//! is not written here: the kernel knows, by the lock its worker holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::agent::{ProviderLimit, SessionId};
use crate::model::id::{LEAD, MemberName, TaskId};
use crate::model::limits::RESTARTS_MAX;
use crate::model::log::{FactStamp, LogFold, SnapshotSink};
use crate::model::process::ProcessIdentity;

mod setup;
mod worker;

pub use setup::{MemberSpec, NotOnStall, OnStall, StallPolicy, Workspace};
pub use worker::{CellIsolation, ProbeAnswer, StartedBy, WakeRight, WorkerEnd, WorkerProcess};

/// One fact about the roster: the records of `team.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum TeamFact {
    /// The team was founded for this directory.
    Founded { dir: PathBuf },
    /// The directory was moved: all that was beneath `from` is beneath `to`.
    Moved { from: PathBuf, to: PathBuf },
    /// A member is put on the roster, or its settings are replaced.
    Added { name: MemberName, spec: Box<MemberSpec> },
    /// The member's worker is ready.
    Joined { name: MemberName, process: WorkerProcess },
    /// The member's agent has a conversation of this name, with which a later life goes on. Nothing: it is given up, and the
    /// next life begins another one.
    Session { name: MemberName, session: Option<SessionId> },
    /// The member's worker ended.
    Left { name: MemberName, how: WorkerEnd },
    /// The member's worker died, and the leader will start it again at this time.
    Restarting { name: MemberName, how: WorkerEnd, at_ms: u64 },
    /// The member's worker is told to end for good: no leader starts it again.
    Dismissed { name: MemberName },
    /// The member's worker was asked to end.
    Ending { name: MemberName },
    /// The member's worker was asked to end and refused, or could not be asked: it goes on.
    Staying { name: MemberName },
    /// The member's worker does not answer its leader.
    Hung { name: MemberName },
    /// The member's worker, said to hang before, answers again.
    Answering { name: MemberName },
    /// The member was told to stop a turn that is for no task; that of one for a task is told by the board.
    TurnStopped { name: MemberName, turn: u64, reason: String },
    /// The provider of the member's agent takes no more until this time: nobody with the same account asks it before.
    Limited { name: MemberName, until_ms: u64, reason: String },
    /// The limit of the member's account is lifted: somebody says that its provider takes more again.
    Unlimited { name: MemberName },
    /// The member has used most of its budget or, with a task, of the budget of that.
    BudgetNearly {
        name: MemberName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        used: String,
    },
    /// The member is taken off the roster.
    Removed { name: MemberName },
}

/// A member as the roster keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The settings of the member.
    pub spec: MemberSpec,
    /// The last written state of the member's worker.
    pub presence: MemberPresence,
    /// The conversation of its agent, if that has told its name: the next life goes on with it.
    pub session: Option<SessionId>,
    /// The deaths of the member's workers since it was set up, oldest first, after each of which one was, or is to be,
    /// started again. At most [`RESTARTS_MAX`]: no more are counted.
    pub deaths: Vec<MemberDeath>,
    /// The time since which the worker is said to hang. Only set while the worker runs.
    pub hung_ms: Option<u64>,
    /// The time since which the worker is told to end for good. Only set while it runs.
    pub dismissed_ms: Option<u64>,
    /// The time since which the worker is asked to end and has not refused. Only set while it runs.
    pub asked_to_end_ms: Option<u64>,
}

impl Member {
    /// How the member's worker ended, by what it looks like and by what the roster knows: one that was told to end for good was
    /// killed by the lead, by whichever signal.
    pub fn end_of_worker(&self, how: WorkerEnd) -> WorkerEnd {
        match how {
            WorkerEnd::Terminated | WorkerEnd::Died { .. } if self.dismissed_ms.is_some() => WorkerEnd::Killed,
            how => how,
        }
    }

    /// The time since which the worker is being ended: it was asked to, or told by a signal. Nothing if it does not run.
    pub fn ending_since_ms(&self) -> Option<u64> {
        match &self.presence {
            MemberPresence::Joined { .. } => [self.asked_to_end_ms, self.dismissed_ms].into_iter().flatten().min(),
            MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
        }
    }
}

/// A death after which a member is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDeath {
    /// The time at which the death was written down.
    pub died_ms: u64,
    /// The way in which the worker died.
    pub how: WorkerEnd,
    /// The time at which the next start was due.
    pub again_ms: u64,
}

/// The state of a member's worker as it was last written. Whether it still holds, the worker's lock tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberPresence {
    /// The member is set up, and its worker has not joined yet.
    Expected {
        /// The time at which the member was set up.
        since_ms: u64,
    },
    /// The worker said that it is ready.
    Joined {
        /// The time at which it said so.
        at_ms: u64,
        /// The worker's process, as the worker wrote it down.
        process: WorkerProcess,
    },
    /// The worker ended.
    Left {
        /// The time at which the end was written down.
        at_ms: u64,
        /// The way in which it ended.
        how: WorkerEnd,
        /// The member's future.
        then: AfterLeaving,
    },
}

impl MemberPresence {
    /// The process that joined, if it has not left since.
    pub fn joined(&self) -> Option<&ProcessIdentity> {
        match self {
            MemberPresence::Joined { process, .. } => Some(&process.identity),
            MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
        }
    }
}

/// The future of a member whose worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterLeaving {
    /// The member has no worker until somebody spawns it.
    Stays,
    /// The worker said that its agent is gone, and the leader that had started the worker has not written what follows:
    /// that leader died before it could, or nobody led. The next leader decides.
    Undecided {
        /// The worker that ended.
        process: WorkerProcess,
    },
    /// The leader starts the member again.
    Again {
        /// The time at which it does.
        at_ms: u64,
    },
}

/// The team's members by name.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    members: BTreeMap<MemberName, Member>,
    /// What was told last of the limits of providers, one an account.
    limits: Vec<AccountLimit>,
    dir: Option<PathBuf>,
}

/// The limit of an account, kept as long as somebody on the roster uses that.
#[derive(Debug, Clone)]
struct AccountLimit {
    /// The settings of a member that uses the account.
    spec: MemberSpec,
    standing: LimitStanding,
}

/// What was told last of the limit of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitStanding {
    /// The provider takes no more until this time, which may be past.
    Told {
        /// The time at which the limit is over.
        until_ms: u64,
        /// The provider's reason.
        reason: String,
    },
    /// Somebody said that the provider takes more again. Kept also where no limit was told before: a member that could not
    /// write its own down finds here that it is lifted.
    Lifted {
        /// The time at which that was said.
        at_ms: u64,
    },
}

impl LimitStanding {
    /// The limit, if it holds at this time.
    pub fn holding(&self, now_ms: u64) -> Option<ProviderLimit> {
        match self {
            LimitStanding::Told { until_ms, reason } if *until_ms > now_ms => {
                Some(ProviderLimit { until_ms: Some(*until_ms), reason: reason.clone() })
            }
            LimitStanding::Told { .. } | LimitStanding::Lifted { .. } => None,
        }
    }

    fn holds_after(&self, at_ms: u64) -> bool {
        self.holding(at_ms).is_some()
    }
}

/// The reason why the roster refuses a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterRefusal {
    /// No member has that name.
    #[error("there is no member {0}")]
    NoMember(MemberName),
}

impl Roster {
    /// A member, or the refusal that names it.
    pub fn member(&self, name: &MemberName) -> Result<&Member, RosterRefusal> {
        self.members.get(name).ok_or_else(|| RosterRefusal::NoMember(name.clone()))
    }

    /// All members by name.
    pub fn members(&self) -> impl Iterator<Item = (&MemberName, &Member)> {
        self.members.iter()
    }

    /// The members that use the same account of a provider as this one, itself among them, as far as their settings tell.
    pub fn account_of(&self, name: &MemberName) -> impl Iterator<Item = &MemberName> {
        let spec = self.members.get(name).map(|member| &member.spec);
        let shares = move |other: &Member| spec.is_some_and(|spec| spec.has_the_account_of(&other.spec));
        self.members.iter().filter(move |(_, other)| shares(other)).map(|(name, _)| name)
    }

    /// The limit of this member's account, whichever member told it; nothing if it is over.
    pub fn limit_of(&self, name: &MemberName, now_ms: u64) -> Option<ProviderLimit> {
        self.limit_standing(name)?.holding(now_ms)
    }

    /// What was told last of the limit of this member's account; nothing if nothing ever was.
    pub fn limit_standing(&self, name: &MemberName) -> Option<&LimitStanding> {
        let member = self.members.get(name)?;
        let limit = self.limits.iter().find(|limit| limit.spec.has_the_account_of(&member.spec))?;
        Some(&limit.standing)
    }

    /// The directory the team was founded for.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

impl LogFold for Roster {
    type Fact = TeamFact;
    const KIND: &'static str = "team";
    const FACTS: &'static [&'static str] = &[
        "founded",
        "moved",
        "added",
        "joined",
        "session",
        "left",
        "restarting",
        "dismissed",
        "ending",
        "staying",
        "hung",
        "answering",
        "turn_stopped",
        "limited",
        "unlimited",
        "budget_nearly",
        "removed",
    ];

    fn apply(&mut self, fact: TeamFact, at: &FactStamp<'_>) {
        let at_ms = at.at_ms;
        match fact {
            TeamFact::Founded { dir } => self.dir = Some(dir),
            TeamFact::Moved { from, to } => self.move_paths(&from, &to),
            TeamFact::Added { name, spec } => {
                let presence = MemberPresence::Expected { since_ms: at_ms };
                // Another agent does not know the conversation of the one before it.
                let before = self.members.get(&name).filter(|before| before.spec.has_the_agent_of(&spec));
                let session = before.and_then(|before| before.session.clone());
                let deaths = Vec::new();
                let (hung_ms, dismissed_ms, asked_to_end_ms) = (None, None, None);
                let member = Member { spec: *spec, presence, session, deaths, hung_ms, dismissed_ms, asked_to_end_ms };
                self.members.insert(name, member);
                self.forget_limits_of_nobody();
            }
            TeamFact::Joined { name, process } => {
                self.change(&name, |member| member.is(MemberPresence::Joined { at_ms, process }));
            }
            TeamFact::Session { name, session } => self.change(&name, |member| member.session = session),
            TeamFact::Left { name, how } => self.change(&name, |member| member.left(at_ms, how)),
            TeamFact::Restarting { name, how, at_ms: again_ms } => {
                self.change(&name, |member| member.restarting(MemberDeath { died_ms: at_ms, how, again_ms }));
            }
            TeamFact::Dismissed { name } => self.change(&name, |member| member.dismissed(at_ms)),
            TeamFact::Ending { name } => self.change(&name, |member| member.asked_to_end(at_ms)),
            TeamFact::Staying { name } => self.change(&name, |member| member.asked_to_end_ms = None),
            TeamFact::Hung { name } => self.change(&name, |member| member.hung_ms = Some(at_ms)),
            TeamFact::Answering { name } => self.change(&name, |member| member.hung_ms = None),
            // How a turn stands is in its transcript; this is for whoever follows the team.
            TeamFact::TurnStopped { .. } => {}
            // Told to people.
            TeamFact::BudgetNearly { .. } => {}
            TeamFact::Limited { name, until_ms, reason } => {
                self.tell_of_limit(&name, at_ms, LimitStanding::Told { until_ms, reason });
            }
            TeamFact::Unlimited { name } => self.tell_of_limit(&name, at_ms, LimitStanding::Lifted { at_ms }),
            TeamFact::Removed { name } => {
                self.members.remove(&name);
                self.forget_limits_of_nobody();
            }
        }
    }

    fn snapshot<S: SnapshotSink<TeamFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        if let Some(dir) = &self.dir {
            next.write(0, LEAD, &[TeamFact::Founded { dir: dir.clone() }])?;
        }
        for (name, member) in &self.members {
            let added = TeamFact::Added { name: name.clone(), spec: Box::new(member.spec.clone()) };
            let joined = |process: &WorkerProcess| TeamFact::Joined { name: name.clone(), process: process.clone() };
            let left = |how: &WorkerEnd| TeamFact::Left { name: name.clone(), how: how.clone() };
            let (at_ms, last) = match &member.presence {
                MemberPresence::Expected { since_ms } => (*since_ms, vec![]),
                MemberPresence::Joined { at_ms, process } => (*at_ms, vec![joined(process)]),
                MemberPresence::Left { at_ms, how, then: AfterLeaving::Stays } => (*at_ms, vec![left(how)]),
                MemberPresence::Left { at_ms, how, then: AfterLeaving::Undecided { process } } => {
                    (*at_ms, vec![joined(process), left(how)])
                }
                // Nothing more: the last of the deaths, written below, says that the member is started again.
                MemberPresence::Left { at_ms, then: AfterLeaving::Again { .. }, .. } => (*at_ms, vec![]),
            };
            next.write(member.deaths.first().map_or(at_ms, |death| death.died_ms), LEAD, &[added])?;
            if let Some(session) = &member.session {
                let session = TeamFact::Session { name: name.clone(), session: Some(session.clone()) };
                next.write(at_ms, LEAD, &[session])?;
            }
            for MemberDeath { died_ms, how, again_ms } in &member.deaths {
                let died = TeamFact::Restarting { name: name.clone(), how: how.clone(), at_ms: *again_ms };
                next.write(*died_ms, LEAD, &[died])?;
            }
            if !last.is_empty() {
                next.write(at_ms, LEAD, &last)?;
            }
            if let Some(dismissed_ms) = member.dismissed_ms {
                next.write(dismissed_ms, LEAD, &[TeamFact::Dismissed { name: name.clone() }])?;
            }
            if let Some(asked_ms) = member.asked_to_end_ms {
                next.write(asked_ms, LEAD, &[TeamFact::Ending { name: name.clone() }])?;
            }
            if let Some(hung_ms) = member.hung_ms {
                next.write(hung_ms, LEAD, &[TeamFact::Hung { name: name.clone() }])?;
            }
        }
        for AccountLimit { spec, standing } in &self.limits {
            let Some((name, _)) = self.members.iter().find(|(_, member)| member.spec.has_the_account_of(spec)) else {
                continue;
            };
            let name = name.clone();
            let (at_ms, told) = match standing.clone() {
                LimitStanding::Told { until_ms, reason } => (0, TeamFact::Limited { name, until_ms, reason }),
                LimitStanding::Lifted { at_ms } => (at_ms, TeamFact::Unlimited { name }),
            };
            next.write(at_ms, LEAD, &[told])?;
        }
        Ok(())
    }
}

impl Roster {
    /// Rewrites every path that a move of the team's directory changed. Worktrees lie with the team's files, and stay.
    fn move_paths(&mut self, from: &Path, to: &Path) {
        if let Some(dir) = &mut self.dir {
            move_path(dir, from, to);
        }
        for member in self.members.values_mut() {
            match &mut member.spec.workspace {
                Workspace::Shared { dir } => move_path(dir, from, to),
                Workspace::Worktree { repository, .. } => move_path(repository, from, to),
            }
        }
    }

    /// Keeps what is told of the limit of an account. Of two limits that both hold, the longer one does.
    fn tell_of_limit(&mut self, name: &MemberName, now_ms: u64, told: LimitStanding) {
        let Some(member) = self.members.get(name) else { return };
        let spec = &member.spec;
        let known = self.limits.iter_mut().find(|limit| limit.spec.has_the_account_of(spec));
        match (known, &told) {
            (Some(limit), LimitStanding::Told { until_ms, .. })
                if limit.standing.holds_after(now_ms.max(*until_ms)) => {}
            (Some(limit), LimitStanding::Told { .. } | LimitStanding::Lifted { .. }) => limit.standing = told,
            (None, LimitStanding::Told { .. } | LimitStanding::Lifted { .. }) => {
                self.limits.push(AccountLimit { spec: spec.clone(), standing: told })
            }
        }
    }

    fn forget_limits_of_nobody(&mut self) {
        let members = &self.members;
        self.limits.retain(|limit| members.values().any(|member| limit.spec.has_the_account_of(&member.spec)));
    }

    fn change(&mut self, name: &MemberName, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(name) {
            change(member);
        }
    }
}

fn move_path(path: &mut PathBuf, from: &Path, to: &Path) {
    if path == from {
        *path = to.to_owned();
    } else if let Ok(rest) = path.strip_prefix(from) {
        *path = to.join(rest);
    }
}

impl Member {
    fn is(&mut self, presence: MemberPresence) {
        self.presence = presence;
        self.hung_ms = None;
        self.dismissed_ms = None;
        self.asked_to_end_ms = None;
    }

    /// Notes that the worker was asked to end. A worker that does not run can not be asked.
    fn asked_to_end(&mut self, now_ms: u64) {
        match &self.presence {
            MemberPresence::Joined { .. } => drop(self.asked_to_end_ms.get_or_insert(now_ms)),
            MemberPresence::Expected { .. } | MemberPresence::Left { .. } => {}
        }
    }

    fn dismissed(&mut self, now_ms: u64) {
        match &mut self.presence {
            MemberPresence::Joined { .. } => self.dismissed_ms = Some(now_ms),
            MemberPresence::Left { then, .. } => *then = AfterLeaving::Stays,
            // A member that is expected was not started yet; only the leader that was told to dismiss it would start
            // it.
            MemberPresence::Expected { .. } => {}
        }
    }

    fn left(&mut self, at_ms: u64, how: WorkerEnd) {
        let then = match (&how, &self.presence) {
            (WorkerEnd::AgentGone { .. }, MemberPresence::Joined { process, .. })
                if process.started_by == StartedBy::Leader && self.dismissed_ms.is_none() =>
            {
                AfterLeaving::Undecided { process: process.clone() }
            }
            (WorkerEnd::GivenUp { .. }, _) => {
                self.deaths.clear();
                AfterLeaving::Stays
            }
            (_, MemberPresence::Expected { .. } | MemberPresence::Joined { .. } | MemberPresence::Left { .. }) => {
                AfterLeaving::Stays
            }
        };
        self.is(MemberPresence::Left { at_ms, how, then });
    }

    fn restarting(&mut self, death: MemberDeath) {
        let (at_ms, how, then) = (death.died_ms, death.how.clone(), AfterLeaving::Again { at_ms: death.again_ms });
        if self.deaths.len() == RESTARTS_MAX {
            self.deaths.remove(0);
        }
        self.deaths.push(death);
        self.is(MemberPresence::Left { at_ms, how, then });
    }
}

#[cfg(test)]
mod tests;
