//! Why a task is not being done, or a member does nothing: from the board, the roster and who is alive to the root of
//! it, and to the way out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::board::{Board, Task};
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, Roster, WorkerEnd};
use teamster_protocol::model::task::{BoardRefusal, TaskHold, TaskStatus, TaskWork, WorkKind};

mod standstill;
mod takers;
mod words;

pub(crate) use takers::{TakerNeeds, takers};
use words::CauseSubject;
pub(crate) use words::{because, raise_file_limit, started_again};

#[cfg(test)]
mod tests;

/// The state of a team at one moment, of which `why` gives its answers.
pub struct TeamScene<'a> {
    /// All tasks.
    pub board: &'a Board,
    /// All members.
    pub roster: &'a Roster,
    /// The members whose worker runs: it holds the member's lock.
    pub running: &'a BTreeSet<MemberName>,
    /// The members in a turn that is for no task, such as a prompt or mail, and since when.
    pub in_turn: &'a BTreeMap<MemberName, u64>,
    /// The members whose agent waits for an answer of the lead, with the number of the oldest question.
    pub asking: &'a BTreeMap<MemberName, u64>,
    /// The members in a turn whose agent has said nothing for longer than it may.
    pub quiet: &'a BTreeSet<MemberName>,
    /// The members whose provider takes no more for now, and until when.
    pub parked: &'a BTreeMap<MemberName, ParkedWait>,
    /// The members whose agent's process is not there until it has work, and since when.
    pub asleep: &'a BTreeMap<MemberName, u64>,
    /// The members whose worker may write no file as long as the logs are, and how long it may.
    pub over_file_limit: &'a BTreeMap<MemberName, u64>,
    /// The members whose worker lives and does not hold the member's lock, because its file was tidied away.
    pub lock_lost: &'a BTreeSet<MemberName>,
    /// The prompts of `send` that are lost, by member; of those members that are asked about.
    pub lost_prompts: &'a BTreeMap<MemberName, LostPrompt>,
    /// Why a task failed, in the words of its last attempt.
    pub reason: Box<dyn Fn(TaskId) -> Option<String> + 'a>,
}

/// A wait for a provider that takes no more for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedWait {
    /// The time at which the member goes on.
    pub until_ms: u64,
    /// The provider's words.
    pub reason: String,
}

/// A prompt of `send` that the agent will not answer any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostPrompt {
    /// The turn that it had begun.
    pub turn: u64,
    /// The prompt.
    pub work: TaskWork,
    /// The reason, in one line.
    pub reason: String,
}

/// One cause. There is one for each thing that would have to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum WaitCause {
    /// The task is done.
    Completed { owner: MemberName, at_ms: u64 },
    /// The task ended without success.
    Failed { owner: MemberName, at_ms: u64, reason: Option<String> },
    /// The task is not to be done.
    Cancelled,
    /// The task is being done.
    InProgress { owner: MemberName, since_ms: u64 },
    /// The task's owner is on it, and is kept from it.
    OwnerHindered { owner: MemberName, since_ms: u64, by: MemberHindrance },
    /// The task's owner is dead, and nobody has given the task back yet.
    OwnerDead { owner: MemberName },
    /// The task was stopped, and is held.
    Stopped { assignee: Option<MemberName> },
    /// The task waits for another, by way of those between.
    WaitsFor { task: TaskId, via: Vec<TaskId>, because: Box<WaitCause> },
    /// The task is for a member that is on another task.
    AssigneeBusy { member: MemberName, task: TaskId, since_ms: u64 },
    /// The task is for a member that is in a turn for mail or a prompt.
    AssigneeInTurn { member: MemberName, since_ms: u64 },
    /// The task is for a member that does not run.
    AssigneeAbsent { member: MemberName, presence: MemberAbsence },
    /// The task is for a member that runs and takes nothing.
    AssigneeHindered { member: MemberName, by: MemberHindrance },
    /// The task is for a name that is not on the roster.
    AssigneeUnknown { member: MemberName },
    /// The task needs a role that nobody on the roster has.
    RoleMissing { role: Role },
    /// The task needs a role, and none of the members who have it runs.
    RoleAbsent { role: Role, members: Vec<MemberName> },
    /// The task asks for an agent that nobody on the roster drives who might take it.
    AgentMissing { agent: AgentName, role: Option<Role> },
    /// The task asks for an agent, and none of the members who drive it runs.
    AgentAbsent { agent: AgentName, members: Vec<MemberName> },
    /// The task asks for another agent than the member drives that it is for.
    AssigneeOtherAgent { member: MemberName, agent: AgentName, wanted: AgentName },
    /// The task is words, and the agent of the member that it is for runs commands only.
    AssigneeCommandsOnly { member: MemberName, agent: AgentName },
    /// The task is words, and the agents of all that might take it run commands only.
    CommandsOnly { members: Vec<(MemberName, AgentName)> },
    /// The task is words, and none of those whose agent reads runs.
    ReadersAbsent { members: Vec<MemberName> },
    /// No member runs at all.
    NoWorker,
    /// All members that run take only tasks that are assigned to them.
    NoneClaims { members: Vec<MemberName> },
    /// All members that might take the task are on other tasks, or in a turn for none.
    AllBusy { members: Vec<(MemberName, Option<TaskId>)> },
    /// The task would be the next for this member, which takes nothing.
    NextHindered { member: MemberName, by: MemberHindrance },
    /// The task is the next for this member.
    Next { member: MemberName },
    /// The member is kept from all work.
    Hindered { member: MemberName, by: MemberHindrance },
    /// The member is on this task.
    Busy { task: TaskId, since_ms: u64 },
    /// The member is in a turn for mail or a prompt.
    InTurn { since_ms: u64 },
    /// The prompt of the member's last turn is lost.
    PromptLost { member: MemberName, lost: LostPrompt },
    /// The member does not run.
    Absent { member: MemberName, presence: MemberAbsence },
    /// The member is about to take this task.
    Takes { task: TaskId },
    /// There is nothing to be done on the board.
    NothingToDo,
    /// The process of the member's agent is not there: it is started with the next turn.
    AgentAsleep { since_ms: u64 },
    /// These may not be begun: they wait for others.
    Blocked { tasks: Vec<TaskId> },
    /// These tasks are for other members.
    ForOthers { tasks: Vec<TaskId> },
    /// These need another role than the member has.
    OtherRole { tasks: Vec<TaskId> },
    /// These need another agent than the member drives.
    OtherAgent { tasks: Vec<TaskId> },
    /// These tasks are words, and the member's agent runs commands only.
    Unreadable { tasks: Vec<TaskId> },
    /// These tasks are held after a stop.
    Held { tasks: Vec<TaskId> },
    /// These tasks are open, and the member takes only those that are assigned to it.
    ClaimsNothing { tasks: Vec<TaskId> },
}

/// A hindrance that keeps a member that runs from its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberHindrance {
    /// The member's worker does not answer.
    Hung {
        /// The time since which that is known.
        since_ms: u64,
    },
    /// Its worker may write no file as long as the team's logs are: it writes nothing down.
    FileLimit {
        /// How long a file may be.
        bytes: u64,
    },
    /// The worker does not hold its member's lock, whose file was removed or replaced: it takes no task.
    LockLost,
    /// The member's agent waits for an answer of the lead.
    Asking {
        /// The number of the oldest of its questions.
        question: u64,
    },
    /// The provider of the member's agent takes no more for now. The member keeps its task, and goes on by itself.
    Parked {
        /// The time at which it goes on.
        until_ms: u64,
        /// The provider's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The member's agent is silent in a turn.
    Stalled,
    /// The member was asked or told to end.
    Ending {
        /// The time at which it was asked or told.
        since_ms: u64,
    },
}

/// Why a member does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberAbsence {
    /// The member is being started.
    Starting {
        /// The time since which it is.
        since_ms: u64,
    },
    /// Its worker died, and nobody has written that down yet.
    Died {
        /// The time at which its worker had joined.
        joined_ms: u64,
    },
    /// The member's worker left.
    Left {
        /// The time at which it left.
        at_ms: u64,
        /// The way in which it ended.
        how: WorkerEnd,
    },
    /// The member's worker died, and the leader starts the member again.
    Restarting {
        /// The time of the death.
        at_ms: u64,
        /// The cause of the death.
        how: WorkerEnd,
        /// The time at which that is due.
        again_ms: u64,
    },
}

/// A cause in words, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseText {
    /// The cause.
    #[serde(flatten)]
    pub cause: WaitCause,
    /// The cause in words.
    pub says: String,
    /// The advice, where there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl TeamScene<'_> {
    /// Why a task is where it is. There is always a cause; refuses a task that is not there.
    pub fn task(&self, id: TaskId, now_ms: u64) -> Result<Vec<CauseText>, BoardRefusal> {
        let task = self.board.task(id)?;
        let causes = match self.standing(id, &task) {
            Some(cause) => vec![cause],
            None if task.open_dependencies > 0 => self.roots(id),
            None => vec![self.unclaimed(id, &task)],
        };
        let subject = CauseSubject { task: Some(id), member: None, reads: &|member| self.reads_words(member) };
        Ok(causes.into_iter().map(|cause| words::because_of(cause, subject, now_ms)).collect())
    }

    /// Why a member does what it does, or nothing. There is always a cause.
    pub fn member(&self, name: &MemberName, now_ms: u64) -> Vec<CauseText> {
        let causes = match self.absence(name) {
            Some(presence) => vec![WaitCause::Absent { member: name.clone(), presence }],
            None => {
                let hindered: Vec<WaitCause> =
                    self.hindrances(name).map(|by| WaitCause::Hindered { member: name.clone(), by }).collect();
                let at = match (self.at(name), self.in_turn.get(name)) {
                    (Some((task, since_ms)), _) => vec![WaitCause::Busy { task, since_ms }],
                    (None, Some(since_ms)) => vec![WaitCause::InTurn { since_ms: *since_ms }],
                    (None, None) if !hindered.is_empty() => Vec::new(),
                    (None, None) => {
                        let asleep =
                            self.asleep.get(name).map(|since_ms| WaitCause::AgentAsleep { since_ms: *since_ms });
                        self.idle(name).into_iter().chain(asleep).collect()
                    }
                };
                at.into_iter().chain(hindered).collect()
            }
        };
        let lost = self.lost_prompts.get(name);
        let lost = lost.map(|lost| WaitCause::PromptLost { member: name.clone(), lost: lost.clone() });
        let subject = CauseSubject { task: None, member: Some(name), reads: &|member| self.reads_words(member) };
        causes.into_iter().chain(lost).map(|cause| words::because_of(cause, subject, now_ms)).collect()
    }

    /// The cause that a task has in itself; none for one that is free to be taken as far as it is concerned.
    fn standing(&self, id: TaskId, task: &Task) -> Option<WaitCause> {
        match &task.status {
            TaskStatus::Completed { owner, at_ms } => {
                Some(WaitCause::Completed { owner: owner.clone(), at_ms: *at_ms })
            }
            TaskStatus::Failed { owner, at_ms } => {
                Some(WaitCause::Failed { owner: owner.clone(), at_ms: *at_ms, reason: (self.reason)(id) })
            }
            TaskStatus::Cancelled => Some(WaitCause::Cancelled),
            TaskStatus::InProgress { owner, .. } if !self.running.contains(owner) => {
                Some(WaitCause::OwnerDead { owner: owner.clone() })
            }
            TaskStatus::InProgress { owner, since_ms } => {
                let (owner, since_ms) = (owner.clone(), *since_ms);
                Some(match self.hindrance(&owner) {
                    Some(
                        by @ (MemberHindrance::Hung { .. }
                        | MemberHindrance::FileLimit { .. }
                        | MemberHindrance::Asking { .. }
                        | MemberHindrance::Parked { .. }
                        | MemberHindrance::Stalled),
                    ) => WaitCause::OwnerHindered { owner, since_ms, by },
                    // The member finishes its task before it ends.
                    Some(MemberHindrance::Ending { .. } | MemberHindrance::LockLost) | None => {
                        WaitCause::InProgress { owner, since_ms }
                    }
                })
            }
            TaskStatus::Pending { assignee, hold: TaskHold::Stopped } => {
                Some(WaitCause::Stopped { assignee: assignee.clone() })
            }
            TaskStatus::Pending { hold: TaskHold::Free, .. } => None,
        }
    }

    /// The causes of the wait of a blocked task: every task before it that itself waits for none, each with its own
    /// cause.
    fn roots(&self, id: TaskId) -> Vec<WaitCause> {
        let mut came_from: BTreeMap<TaskId, TaskId> = BTreeMap::new();
        let mut roots = BTreeMap::new();
        // With a stack of our own: a chain may be as long as a board.
        let mut todo = vec![id];
        while let Some(at) = todo.pop() {
            let Ok(task) = self.board.task(at) else { continue };
            if at != id {
                let cause = match self.standing(at, &task) {
                    Some(cause) => Some(cause),
                    None if task.open_dependencies == 0 => Some(self.unclaimed(at, &task)),
                    None => None,
                };
                if let Some(cause) = cause {
                    roots.insert(at, cause);
                    continue;
                }
            }
            for on in self.board.open_dependencies(&task) {
                came_from.entry(on).or_insert_with(|| {
                    todo.push(on);
                    at
                });
            }
        }
        let via = |root: TaskId| {
            let mut way = Vec::new();
            let mut at = came_from.get(&root).copied();
            while let Some(between) = at.filter(|between| *between != id) {
                way.push(between);
                at = came_from.get(&between).copied();
            }
            way.reverse();
            way
        };
        let waits = |(task, cause)| WaitCause::WaitsFor { task, via: via(task), because: Box::new(cause) };
        roots.into_iter().map(waits).collect()
    }

    /// Why nobody has taken a task that could be.
    fn unclaimed(&self, id: TaskId, task: &Task) -> WaitCause {
        if let TaskStatus::Pending { assignee: Some(name), .. } = &task.status {
            let member = name.clone();
            return match (self.absence(name), self.at(name)) {
                _ if self.roster.member(name).is_err() => WaitCause::AssigneeUnknown { member },
                _ if let Some((agent, wanted)) = self.other_agent(name, task) => {
                    WaitCause::AssigneeOtherAgent { member, agent, wanted }
                }
                _ if let Some(agent) = self.reads_nothing(name, task.kind) => {
                    WaitCause::AssigneeCommandsOnly { member, agent }
                }
                (Some(presence), _) => WaitCause::AssigneeAbsent { member, presence },
                (None, _) if let Some(by) = self.hindrance(name) => WaitCause::AssigneeHindered { member, by },
                (None, Some((task, since_ms))) => WaitCause::AssigneeBusy { member, task, since_ms },
                (None, None) => match self.in_turn.get(name) {
                    Some(since_ms) => WaitCause::AssigneeInTurn { member, since_ms: *since_ms },
                    None => WaitCause::Next { member },
                },
            };
        }
        let needs = TakerNeeds { role: task.role.as_ref(), agent: task.agent.as_ref(), kind: task.kind };
        let claiming = match takers(self.roster, needs, |name, _| self.running.contains(name)) {
            Ok(claiming) => claiming,
            Err(cause) => return cause,
        };
        let at = |name: &MemberName| (name.clone(), self.at(name).map(|(task, _)| task));
        let is_idle = |name: &MemberName| self.at(name).is_none() && !self.in_turn.contains_key(name);
        let is_free = |name: &MemberName| is_idle(name) && self.hindrance(name).is_none();
        let hindered =
            claiming.iter().filter(|name| is_idle(name)).find_map(|name| Some((*name, self.hindrance(name)?)));
        // A free member for which the task is the very next goes first, else any free one: the others are about to be
        // taken.
        let free: Vec<&MemberName> = claiming.iter().copied().filter(|name| is_free(name)).collect();
        let next = free.iter().find(|name| self.next_for(name) == Some(id)).or(free.first());
        match next {
            Some(member) => WaitCause::Next { member: (*member).clone() },
            None if let Some((member, by)) = hindered => WaitCause::NextHindered { member: member.clone(), by },
            None => WaitCause::AllBusy { members: claiming.into_iter().map(at).collect() },
        }
    }

    fn idle(&self, name: &MemberName) -> Vec<WaitCause> {
        if let Some(task) = self.next_for(name) {
            return vec![WaitCause::Takes { task }];
        }
        let own = self.roster.member(name).ok().map(|member| &member.spec);
        let (mut blocked, mut others, mut role, mut held, mut open) = (vec![], vec![], vec![], vec![], vec![]);
        let (mut unreadable, mut agent) = (vec![], vec![]);
        for (id, task) in self.board.tasks() {
            let TaskStatus::Pending { assignee, hold } = &task.status else { continue };
            match (hold, assignee) {
                (TaskHold::Stopped, _) => held.push(id),
                (TaskHold::Free, Some(to)) if to != name => others.push(id),
                (TaskHold::Free, _) if task.open_dependencies > 0 => blocked.push(id),
                (TaskHold::Free, _) if task.role.is_some() && task.role != own.and_then(|own| own.role.clone()) => {
                    role.push(id);
                }
                (TaskHold::Free, _) if self.other_agent(name, &task).is_some() => agent.push(id),
                (TaskHold::Free, _) if self.reads_nothing(name, task.kind).is_some() => unreadable.push(id),
                (TaskHold::Free, _) => open.push(id),
            }
        }
        let each = [
            (open, (|tasks| WaitCause::ClaimsNothing { tasks }) as fn(Vec<TaskId>) -> WaitCause),
            (unreadable, |tasks| WaitCause::Unreadable { tasks }),
            (blocked, |tasks| WaitCause::Blocked { tasks }),
            (held, |tasks| WaitCause::Held { tasks }),
            (role, |tasks| WaitCause::OtherRole { tasks }),
            (agent, |tasks| WaitCause::OtherAgent { tasks }),
            (others, |tasks| WaitCause::ForOthers { tasks }),
        ];
        let causes: Vec<WaitCause> =
            each.into_iter().filter(|(tasks, _)| !tasks.is_empty()).map(|(tasks, of)| of(tasks)).collect();
        if causes.is_empty() { vec![WaitCause::NothingToDo] } else { causes }
    }

    fn next_for(&self, name: &MemberName) -> Option<TaskId> {
        let member = self.roster.member(name).ok()?;
        self.board.next_for(&member.spec.claimant(name))
    }

    /// The agent of a member, and the other one that a task asks for.
    fn other_agent(&self, name: &MemberName, task: &Task) -> Option<(AgentName, AgentName)> {
        let spec = &self.roster.member(name).ok()?.spec;
        let wanted = task.agent.as_ref().filter(|wanted| **wanted != spec.agent)?;
        Some((spec.agent.clone(), wanted.clone()))
    }

    /// Whether the agent of a member reads words.
    fn reads_words(&self, name: &MemberName) -> bool {
        self.reads_nothing(name, WorkKind::Text).is_none()
    }

    /// The agent of a member that can not be given such work.
    fn reads_nothing(&self, name: &MemberName, kind: WorkKind) -> Option<AgentName> {
        let spec = &self.roster.member(name).ok()?.spec;
        (!spec.prompts().takes(kind)).then(|| spec.agent.clone())
    }

    /// The task a member is on, and since when.
    fn at(&self, name: &MemberName) -> Option<(TaskId, u64)> {
        let id = self.board.owned_by(name).next()?;
        match self.board.status(id).ok()? {
            TaskStatus::InProgress { since_ms, .. } => Some((id, since_ms)),
            TaskStatus::Pending { .. }
            | TaskStatus::Completed { .. }
            | TaskStatus::Failed { .. }
            | TaskStatus::Cancelled => None,
        }
    }

    /// The first hindrance that keeps a running member from its work, if there is one.
    fn hindrance(&self, name: &MemberName) -> Option<MemberHindrance> {
        self.hindrances(name).next()
    }

    /// All that keeps a member that runs from its work, the worst first.
    fn hindrances(&self, name: &MemberName) -> impl Iterator<Item = MemberHindrance> {
        let member = self.roster.member(name).ok();
        let hung = member.and_then(|member| member.hung_ms).map(|since_ms| MemberHindrance::Hung { since_ms });
        let limit = self.over_file_limit.get(name).map(|bytes| MemberHindrance::FileLimit { bytes: *bytes });
        let asking = self.asking.get(name).map(|question| MemberHindrance::Asking { question: *question });
        let parked = self.parked.get(name).cloned();
        let parked = parked.map(|ParkedWait { until_ms, reason }| MemberHindrance::Parked { until_ms, reason });
        let stalled = self.quiet.contains(name).then_some(MemberHindrance::Stalled);
        let ending = member.and_then(|member| member.ending_since_ms());
        let ending = ending.map(|since_ms| MemberHindrance::Ending { since_ms });
        let lock_lost = self.lock_lost.contains(name).then_some(MemberHindrance::LockLost);
        [hung, limit, asking, parked, stalled, ending, lock_lost].into_iter().flatten()
    }

    /// Why a member does not run; nothing if it does, or if nobody knows of it.
    fn absence(&self, name: &MemberName) -> Option<MemberAbsence> {
        let presence = &self.roster.member(name).ok()?.presence;
        match (self.running.contains(name), presence) {
            (true, MemberPresence::Joined { .. }) => None,
            (_, MemberPresence::Expected { since_ms }) => Some(MemberAbsence::Starting { since_ms: *since_ms }),
            // The worker is between taking its lock and joining again.
            (true, MemberPresence::Left { at_ms, .. }) => Some(MemberAbsence::Starting { since_ms: *at_ms }),
            (false, MemberPresence::Joined { at_ms, .. }) => Some(MemberAbsence::Died { joined_ms: *at_ms }),
            (false, MemberPresence::Left { at_ms, how, then: AfterLeaving::Again { at_ms: again_ms } }) => {
                Some(MemberAbsence::Restarting { at_ms: *at_ms, how: how.clone(), again_ms: *again_ms })
            }
            (false, MemberPresence::Left { at_ms, how, .. }) => {
                Some(MemberAbsence::Left { at_ms: *at_ms, how: how.clone() })
            }
        }
    }
}
