//! The workers that found nothing to claim. They are on the board so that whoever makes work can wake about as
//! many of them as it made work for, and not all.

use serde::{Deserialize, Serialize};

use super::{ClaimLane, LaneOwner, Task};
use crate::model::id::{AgentName, MemberName, Role};
use crate::model::task::{PromptKind, TaskStatus, WorkKind};

/// Whether a worker takes tasks that are not assigned to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoClaim {
    /// The worker takes such tasks.
    #[default]
    On,
    /// The worker takes only tasks that are assigned to it.
    Off,
}

/// The facts about a worker that decide which tasks it may claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingClaimant {
    /// The member's name.
    pub name: MemberName,
    /// The member's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The agent that the member drives; nothing if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Whether it takes what is not assigned to it.
    #[serde(default)]
    pub auto: AutoClaim,
    /// Whether its agent reads text: one that does not takes only commands.
    #[serde(default, skip_serializing_if = "PromptKind::is_default")]
    pub prompts: PromptKind,
}

impl WaitingClaimant {
    /// A member that takes whatever is for everybody.
    pub fn new(name: MemberName) -> WaitingClaimant {
        WaitingClaimant { name, role: None, agent: None, auto: AutoClaim::On, prompts: PromptKind::Conversation }
    }

    /// The lanes of tasks that are assigned to it.
    pub(super) fn own_lanes(&self) -> impl Iterator<Item = ClaimLane> + '_ {
        self.of_kinds(LaneOwner::Member(self.name.clone()))
    }

    /// The lanes of tasks that are for more than one member, and that it claims from.
    pub(super) fn shared_lanes(&self) -> impl Iterator<Item = ClaimLane> + '_ {
        let owners = match self.auto {
            AutoClaim::Off => Vec::new(),
            AutoClaim::On => self.role.clone().map(LaneOwner::Role).into_iter().chain([LaneOwner::Everybody]).collect(),
        };
        owners.into_iter().flat_map(|owner| self.of_kinds(owner))
    }

    /// Whether it takes this task once that is ready, as far as the two are concerned.
    pub fn may_take(&self, task: &Task) -> bool {
        match &task.status {
            TaskStatus::Pending { assignee, .. } => {
                self.fits(assignee.as_ref(), task.role.as_ref(), task.agent.as_ref(), task.kind)
            }
            TaskStatus::InProgress { .. }
            | TaskStatus::Completed { .. }
            | TaskStatus::Failed { .. }
            | TaskStatus::Cancelled => false,
        }
    }

    /// Whether it takes a task of that kind which is meant for `to`, or for those with a role, and for those with an agent.
    pub fn fits(
        &self,
        to: Option<&MemberName>,
        role: Option<&Role>,
        agent: Option<&AgentName>,
        kind: WorkKind,
    ) -> bool {
        let is_for_it = match to {
            Some(to) => *to == self.name,
            None => self.auto == AutoClaim::On && (role.is_none() || role == self.role.as_ref()),
        };
        let has_agent = agent.is_none() || agent == self.agent.as_ref();
        is_for_it && has_agent && self.prompts.takes(kind)
    }

    fn of_kinds(&self, owner: LaneOwner) -> impl Iterator<Item = ClaimLane> + use<> {
        let prompts = self.prompts;
        let kinds = [WorkKind::Command, WorkKind::Text].into_iter().filter(move |kind| prompts.takes(*kind));
        let agents: Vec<Option<AgentName>> = [None].into_iter().chain(self.agent.clone().map(Some)).collect();
        kinds.flat_map(move |kind| {
            let owner = owner.clone();
            agents.clone().into_iter().map(move |agent| ClaimLane { owner: owner.clone(), kind, agent })
        })
    }
}

/// The waiting workers, longest first, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct WaitingWorkers(Vec<WaitingClaimant>);

impl WaitingWorkers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &WaitingClaimant> {
        self.0.iter()
    }

    pub(super) fn has(&self, who: &WaitingClaimant) -> bool {
        self.0.contains(who)
    }

    pub(super) fn has_name(&self, name: &MemberName) -> bool {
        self.0.iter().any(|who| who.name == *name)
    }

    pub(super) fn push(&mut self, who: WaitingClaimant) {
        self.remove(&who.name);
        self.0.push(who);
    }

    pub(super) fn remove(&mut self, name: &MemberName) {
        self.0.retain(|who| who.name != *name);
    }
}
