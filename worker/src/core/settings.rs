//! How one worker is set up.

use std::time::Duration;

use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::agent::preset::AgentAbilities;
use teamster_protocol::model::approval::ApprovalRule;
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::limits::sizes::PROMPT_JOINED_BYTES_MAX;
use teamster_protocol::model::limits::{AGENT_IDLE_AFTER, LEADER_GRACE, PERMISSION_WITHIN, RECORD_RETRY};
use teamster_protocol::model::roster::{StallPolicy, StartedBy};

/// The words that an agent is told before the work of its first prompt, since no other way tells it them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentBriefing {
    /// Who it is; told again when it may have forgotten that.
    pub identity: Option<String>,
    /// The summary of the conversation of another that its own begins with.
    pub recap: Option<String>,
}

/// The settings of the worker, fixed for its life but for what its agent tells of itself.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The member, as the board knows it.
    pub me: WaitingClaimant,
    /// The abilities of its agent.
    pub abilities: AgentAbilities,
    /// The starter of the worker.
    pub started_by: StartedBy,
    /// The answer to an agent that is silent in a turn.
    pub stall: StallPolicy,
    /// The rules that answer the agent's questions for permission before anything else; the first that fits decides.
    pub rules: Vec<ApprovalRule>,
    /// The answer to the agent's other questions.
    pub approval: ApprovalPolicy,
    /// What is done once the provider of the agent takes no more for now.
    pub on_limit: OnLimit,
    /// How long the agent may have nothing to do before it is put to sleep; nothing if it never is.
    pub idle_after: Option<Duration>,
    /// The time that a question for permission may stay open; then the answer is no.
    pub permission_within: Duration,
    /// The words before the work of the first prompt.
    pub briefing: AgentBriefing,
    /// The longest prompt that is put together of several texts; some agents take less than others.
    pub prompt_bytes_max: usize,
    /// How much the member may use, in all its lives.
    pub budget: UsageBudget,
    /// How long the worker goes on without its leader.
    pub leader_grace: Duration,
    /// How long it waits before it tries again to write what could not be written.
    pub record_retry: Duration,
}

impl WorkerSettings {
    /// Settings with the default times.
    pub fn new(me: WaitingClaimant, abilities: AgentAbilities, started_by: StartedBy) -> WorkerSettings {
        WorkerSettings {
            me,
            abilities,
            started_by,
            stall: StallPolicy::default(),
            rules: Vec::new(),
            approval: ApprovalPolicy::default(),
            on_limit: OnLimit::default(),
            idle_after: Some(AGENT_IDLE_AFTER),
            permission_within: PERMISSION_WITHIN,
            briefing: AgentBriefing::default(),
            prompt_bytes_max: PROMPT_JOINED_BYTES_MAX,
            budget: UsageBudget::default(),
            leader_grace: LEADER_GRACE,
            record_retry: RECORD_RETRY,
        }
    }
}
