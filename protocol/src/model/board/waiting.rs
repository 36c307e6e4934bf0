//! The workers that found nothing to claim. They are on the board so that whoever makes work can wake about as
//! many of them as it made work for, and not all.

use serde::{Deserialize, Serialize};

use super::ClaimLane;
use crate::model::id::{MemberName, Role};

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
    /// Whether it takes what is not assigned to it.
    #[serde(default)]
    pub auto: AutoClaim,
}

impl WaitingClaimant {
    /// The lanes it claims from.
    pub(super) fn lanes(&self) -> Vec<ClaimLane> {
        let mut lanes = vec![ClaimLane::Member(self.name.clone())];
        match self.auto {
            AutoClaim::Off => {}
            AutoClaim::On => {
                lanes.extend(self.role.clone().map(ClaimLane::Role));
                lanes.push(ClaimLane::Open);
            }
        }
        lanes
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
