//! How one worker is set up.

use std::time::Duration;

use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::preset::AgentAbilities;
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::limits::{LEADER_GRACE, PERMISSION_WITHIN, RECORD_RETRY};
use teamster_protocol::model::roster::{StallPolicy, StartedBy};

/// What the worker is set up to do; fixed for its life.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The member, as the board knows it.
    pub me: WaitingClaimant,
    /// What its agent can do.
    pub abilities: AgentAbilities,
    /// Who started the worker.
    pub started_by: StartedBy,
    /// What is done when its agent says nothing.
    pub stall: StallPolicy,
    /// What becomes of its agent's questions for permission.
    pub approval: ApprovalPolicy,
    /// How long a question may stay open.
    pub permission_within: Duration,
    /// How long the worker goes on without its leader.
    pub leader_grace: Duration,
    /// How long it waits before it tries again to write what could not be written.
    pub record_retry: Duration,
}

impl WorkerSettings {
    /// With the default times.
    pub fn new(me: WaitingClaimant, abilities: AgentAbilities, started_by: StartedBy) -> WorkerSettings {
        WorkerSettings {
            me,
            abilities,
            started_by,
            stall: StallPolicy::default(),
            approval: ApprovalPolicy::default(),
            permission_within: PERMISSION_WITHIN,
            leader_grace: LEADER_GRACE,
            record_retry: RECORD_RETRY,
        }
    }
}
