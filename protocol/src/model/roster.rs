//! The roster: who is on the team, what each member is set up to do and where it works. Whether a member runs
//! is not written here: the kernel knows, by the lock its worker holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::agent::SessionId;
use crate::model::board::{AutoClaim, WaitingClaimant};
use crate::model::id::{AgentName, LEAD, MemberName, Role};
use crate::model::limits::{RESTARTS_MAX, STALL_AFTER};
use crate::model::log::{FactStamp, LogFold, SnapshotSink};
use crate::model::process::ProcessIdentity;

/// Where a member works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// A directory that others may use too.
    Shared {
        /// It.
        dir: PathBuf,
    },
    /// A git worktree of its own.
    Worktree {
        /// It.
        dir: PathBuf,
        /// The branch that is checked out there.
        branch: String,
        /// The commit the branch began at.
        base: String,
        /// The common directory of the repository it belongs to.
        repository: PathBuf,
    },
}

impl Workspace {
    /// The directory.
    pub fn dir(&self) -> &Path {
        match self {
            Workspace::Shared { dir } | Workspace::Worktree { dir, .. } => dir,
        }
    }

    /// The branch, for a worktree.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Workspace::Shared { .. } => None,
            Workspace::Worktree { branch, .. } => Some(branch),
        }
    }
}

/// What is done about a turn in which the agent says nothing for long: hung is not idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallPolicy {
    /// How long nothing has to be said, in milliseconds.
    pub after_ms: u64,
    /// What is done then, besides that it is shown.
    pub then: OnStall,
}

/// What is done about an agent that stalls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStall {
    /// Nothing.
    #[default]
    Show,
    /// It is asked to go on, again after each such time.
    Steer,
    /// Its turn is aborted; a task of it fails.
    Abort,
    /// It is ended with its worker and both are started anew; a task of it is open again, as after a death.
    Restart,
}

/// A word that is no [`OnStall`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of show, steer, abort, restart")]
pub struct NotOnStall(String);

impl OnStall {
    /// All, as they are written.
    pub const WORDS: [&str; 4] = ["show", "steer", "abort", "restart"];
}

impl FromStr for OnStall {
    type Err = NotOnStall;

    fn from_str(word: &str) -> Result<OnStall, NotOnStall> {
        match word {
            "show" => Ok(OnStall::Show),
            "steer" => Ok(OnStall::Steer),
            "abort" => Ok(OnStall::Abort),
            "restart" => Ok(OnStall::Restart),
            _ => Err(NotOnStall(word.to_owned())),
        }
    }
}

impl Default for StallPolicy {
    fn default() -> StallPolicy {
        StallPolicy { after_ms: STALL_AFTER.as_millis() as u64, then: OnStall::Show }
    }
}

impl StallPolicy {
    fn is_default(&self) -> bool {
        *self == StallPolicy::default()
    }
}

/// What a member is set up to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSpec {
    /// The kind of agent it drives.
    pub agent: AgentName,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether it takes tasks that are not assigned to it.
    #[serde(default)]
    pub auto: AutoClaim,
    /// Where it works.
    pub workspace: Workspace,
    /// What is done when its agent says nothing.
    #[serde(default, skip_serializing_if = "StallPolicy::is_default")]
    pub stall: StallPolicy,
}

impl MemberSpec {
    /// The member as the board knows it.
    pub fn claimant(&self, name: &MemberName) -> WaitingClaimant {
        WaitingClaimant { name: name.clone(), role: self.role.clone(), auto: self.auto }
    }
}

/// Who started a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// The leader, which starts it again if it dies.
    Leader,
    /// A person or a program, who ends it too.
    Hand,
}

/// What keeps in the processes that a worker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellIsolation {
    /// A PID namespace: the kernel ends them all when the worker dies, however it dies.
    Namespace,
    /// They fall to the worker, which ends them; if it is killed, to its leader or the leader's warden.
    Subreaper,
}

/// What the worker program prints, as JSON, to `--probe`: the level that a worker reaches where it was tried, and why no
/// higher one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// The level.
    pub isolation: CellIsolation,
    /// What the system refused; nothing if no higher level was asked for.
    pub refused: Option<String>,
}

/// A running worker as it writes itself down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerProcess {
    /// Which process.
    #[serde(flatten)]
    pub identity: ProcessIdentity,
    /// Who started it.
    pub started_by: StartedBy,
    /// What keeps in its processes, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<CellIsolation>,
    /// The outer half of its cell, if it is in one: its parent, which is to end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer_half: Option<ProcessIdentity>,
}

/// How a worker left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerEnd {
    /// After an approved shutdown.
    Shutdown,
    /// It was told to end by a signal and ended in order.
    Terminated,
    /// Its leader was gone for longer than its grace.
    LeaderGone,
    /// Its agent could not start or go on.
    AgentGone {
        /// Why.
        reason: String,
    },
    /// It died: by `kill`, by a crash, or never got ready.
    Died {
        /// What is known of it, such as `killed by SIGKILL`.
        reason: String,
    },
    /// It died so often that the leader does not start it again.
    GivenUp {
        /// How it died last, and how often it had before.
        reason: String,
    },
}

/// One fact about the roster: the records of `team.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum TeamFact {
    /// The team is for this directory.
    Founded { dir: PathBuf },
    /// The directory was moved: all that was beneath `from` is beneath `to`.
    Moved { from: PathBuf, to: PathBuf },
    /// A member is on the roster, or is set up anew.
    Added { name: MemberName, spec: MemberSpec },
    /// Its worker is ready.
    Joined { name: MemberName, process: WorkerProcess },
    /// Its agent has a conversation of this name, with which a later life goes on.
    Session { name: MemberName, session: SessionId },
    /// Its worker ended.
    Left { name: MemberName, how: WorkerEnd },
    /// Its worker died, and is started again at a time.
    Restarting { name: MemberName, how: WorkerEnd, at_ms: u64 },
    /// Its worker is told to end for good: whoever leads does not start it again.
    Dismissed { name: MemberName },
    /// Its worker was asked to end.
    Ending { name: MemberName },
    /// It was asked to end and refused, or could not be asked: it goes on.
    Staying { name: MemberName },
    /// Its worker does not answer its leader.
    Hung { name: MemberName },
    /// It answers again.
    Answering { name: MemberName },
    /// It is off the roster.
    Removed { name: MemberName },
}

/// A member as the roster keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is set up to do.
    pub spec: MemberSpec,
    /// What was last written of its worker.
    pub presence: MemberPresence,
    /// The conversation of its agent, if that has told its name: the next life goes on with it.
    pub session: Option<SessionId>,
    /// When its workers died that were, or are to be, started again since it was set up; no more than count.
    pub deaths: Vec<MemberDeath>,
    /// Since when its worker is said to hang. Of a worker that runs.
    pub hung_ms: Option<u64>,
    /// Since when its worker is to end for good. Of a worker that runs, or has died of that.
    pub dismissed_ms: Option<u64>,
    /// Since when its worker is asked to end, and has not refused. Of a worker that runs.
    pub asked_to_end_ms: Option<u64>,
}

impl Member {
    /// Since when its worker is being ended: it was asked to end, or told to by a signal. Nothing of one that does not run.
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
    /// When it was written down.
    pub died_ms: u64,
    /// How it died.
    pub how: WorkerEnd,
    /// When the next start was due.
    pub again_ms: u64,
}

/// What was last written of a member's worker. Whether that still holds, its lock tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberPresence {
    /// It has not joined yet.
    Expected {
        /// Since when.
        since_ms: u64,
    },
    /// It joined.
    Joined {
        /// When.
        at_ms: u64,
        /// As what process.
        process: WorkerProcess,
    },
    /// It left.
    Left {
        /// When.
        at_ms: u64,
        /// How.
        how: WorkerEnd,
        /// What comes of the member.
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

/// What comes of a member whose worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterLeaving {
    /// Nothing, until somebody spawns it.
    Stays,
    /// Its worker said that its agent is gone. The leader that had started it has not said what follows, so it died
    /// with that to do, or nobody led.
    Undecided {
        /// That worker.
        process: WorkerProcess,
    },
    /// The leader starts it again.
    Again {
        /// When.
        at_ms: u64,
    },
}

/// The team's members by name.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    members: BTreeMap<MemberName, Member>,
    dir: Option<PathBuf>,
}

/// Why the roster does not take a step.
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
                let before = self.members.get(&name).filter(|before| before.spec.agent == spec.agent);
                let session = before.and_then(|before| before.session.clone());
                let deaths = Vec::new();
                let (hung_ms, dismissed_ms, asked_to_end_ms) = (None, None, None);
                let member = Member { spec, presence, session, deaths, hung_ms, dismissed_ms, asked_to_end_ms };
                self.members.insert(name, member);
            }
            TeamFact::Joined { name, process } => {
                self.change(&name, |member| member.is(MemberPresence::Joined { at_ms, process }));
            }
            TeamFact::Session { name, session } => self.change(&name, |member| member.session = Some(session)),
            TeamFact::Left { name, how } => self.change(&name, |member| member.left(at_ms, how)),
            TeamFact::Restarting { name, how, at_ms: again_ms } => {
                self.change(&name, |member| member.restarting(MemberDeath { died_ms: at_ms, how, again_ms }));
            }
            TeamFact::Dismissed { name } => self.change(&name, |member| member.dismissed(at_ms)),
            TeamFact::Ending { name } => self.change(&name, |member| member.asked_to_end(at_ms)),
            TeamFact::Staying { name } => self.change(&name, |member| member.asked_to_end_ms = None),
            TeamFact::Hung { name } => self.change(&name, |member| member.hung_ms = Some(at_ms)),
            TeamFact::Answering { name } => self.change(&name, |member| member.hung_ms = None),
            TeamFact::Removed { name } => {
                self.members.remove(&name);
            }
        }
    }

    fn snapshot<S: SnapshotSink<TeamFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        if let Some(dir) = &self.dir {
            next.write(0, LEAD, &[TeamFact::Founded { dir: dir.clone() }])?;
        }
        for (name, member) in &self.members {
            let added = TeamFact::Added { name: name.clone(), spec: member.spec.clone() };
            let joined = |process: &WorkerProcess| TeamFact::Joined { name: name.clone(), process: process.clone() };
            let left = |how: &WorkerEnd| TeamFact::Left { name: name.clone(), how: how.clone() };
            let (at_ms, last) = match &member.presence {
                MemberPresence::Expected { since_ms } => (*since_ms, vec![]),
                MemberPresence::Joined { at_ms, process } => (*at_ms, vec![joined(process)]),
                MemberPresence::Left { at_ms, how, then: AfterLeaving::Stays } => (*at_ms, vec![left(how)]),
                MemberPresence::Left { at_ms, how, then: AfterLeaving::Undecided { process } } => {
                    (*at_ms, vec![joined(process), left(how)])
                }
                // The last of its deaths says so.
                MemberPresence::Left { at_ms, then: AfterLeaving::Again { .. }, .. } => (*at_ms, vec![]),
            };
            next.write(member.deaths.first().map_or(at_ms, |death| death.died_ms), LEAD, &[added])?;
            if let Some(session) = &member.session {
                let session = TeamFact::Session { name: name.clone(), session: session.clone() };
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
        Ok(())
    }
}

impl Roster {
    /// The worktrees themselves lie with the team's files, and stay where they are.
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

    /// One that does not run can not be asked.
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
            // Nobody but the leader that asked for it starts it.
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
