//! The settings of a member: what it drives, where it works, and what is done when its agent falls silent.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::agent::options::AgentOptions;
use crate::model::approval::ApprovalRule;
use crate::model::board::{AutoClaim, WaitingClaimant};
use crate::model::budget::UsageBudget;
use crate::model::id::{AgentName, MemberName, Role, TaskId};
use crate::model::limits::STALL_AFTER;
use crate::model::task::{BoardRefusal, PromptKind, WorkKind};

/// The directory that a member works in, and how much of it is the member's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// A directory that others may use too.
    Shared {
        /// The shared directory.
        dir: PathBuf,
    },
    /// A git worktree that no other member uses.
    Worktree {
        /// The top directory of the worktree.
        dir: PathBuf,
        /// The branch that is checked out in the worktree.
        branch: String,
        /// The commit the branch began at.
        base: String,
        /// The common git directory of the repository that the worktree belongs to.
        repository: PathBuf,
    },
}

impl Workspace {
    /// The directory in which the agent runs, whether others use it or not.
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

/// When an agent that is silent in the middle of a turn counts as stalled, and how the worker answers: hung is not
/// idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallPolicy {
    /// The silence after which a turn counts as stalled, in milliseconds.
    pub after_ms: u64,
    /// The worker's answer to a stall, besides showing it.
    pub then: OnStall,
}

/// The worker's answer to an agent that stalls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStall {
    /// Nothing is done: the stall is only shown.
    #[default]
    Show,
    /// The agent is asked to go on, and asked again each time the same silence has passed.
    Steer,
    /// The agent's turn is aborted; if the turn was for a task, the task fails.
    Abort,
    /// The agent is ended with its worker and both are started anew; its task is open again, as after a death.
    Restart,
}

/// A word that names no answer to a stall: the error of reading an [`OnStall`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of show, steer, abort, restart")]
pub struct NotOnStall(String);

impl OnStall {
    /// Every word that can be read as an `OnStall`, as people write it.
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

/// The settings of a member: the agent it drives, its role, and where and how it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSpec {
    /// The kind of agent the member drives, by its name in the catalogue.
    pub agent: AgentName,
    /// The settings of the agent beyond its name.
    #[serde(default, skip_serializing_if = "AgentOptions::is_empty")]
    pub options: AgentOptions,
    /// The role of the member: tasks that need a role go only to members who have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether the member takes tasks that are not assigned to it.
    #[serde(default)]
    pub auto: AutoClaim,
    /// The directory the member works in.
    pub workspace: Workspace,
    /// The answer to an agent that is silent in a turn.
    #[serde(default, skip_serializing_if = "StallPolicy::is_default")]
    pub stall: StallPolicy,
    /// The rules that answer its agent's questions for permission before anybody is asked; the first that fits decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ApprovalRule>,
    /// How much all its turns together may use before it takes no more.
    #[serde(default, skip_serializing_if = "UsageBudget::is_empty")]
    pub budget: UsageBudget,
}

impl MemberSpec {
    /// A member with this agent and place, and everything else as it is where nothing is said: no role, open tasks are
    /// taken, no options, and the usual answer to silence.
    pub fn new(agent: AgentName, workspace: Workspace) -> MemberSpec {
        MemberSpec {
            agent,
            options: AgentOptions::default(),
            role: None,
            auto: AutoClaim::On,
            workspace,
            stall: StallPolicy::default(),
            rules: Vec::new(),
            budget: UsageBudget::default(),
        }
    }

    /// What a prompt is to its agent. Of an agent that this program does not know, nothing is ruled out.
    pub fn prompts(&self) -> PromptKind {
        self.options.abilities(&self.agent).map_or_else(PromptKind::default, |abilities| abilities.prompts)
    }

    /// Refuses work that its agent can not be given, which is words where nobody reads, and work that asks for another
    /// `agent`. `id` is the task, if it is on the board.
    pub fn must_take(
        &self,
        name: &MemberName,
        kind: WorkKind,
        agent: Option<&AgentName>,
        id: Option<TaskId>,
    ) -> Result<(), BoardRefusal> {
        if let Some(wanted) = agent.filter(|wanted| **wanted != self.agent) {
            let (to, agent, wanted) = (name.clone(), self.agent.clone(), wanted.clone());
            return Err(BoardRefusal::OtherAgent { id, to, agent, wanted });
        }
        match self.prompts().takes(kind) {
            true => Ok(()),
            false => Err(BoardRefusal::NobodyReads { id, to: name.clone(), agent: self.agent.clone() }),
        }
    }

    /// Whether the other's agent is the same one, which can go on with the conversation of this.
    pub fn has_the_agent_of(&self, other: &MemberSpec) -> bool {
        let (ours, theirs) = (&self.options, &other.options);
        self.agent == other.agent && ours.driver == theirs.driver && ours.command == theirs.command
    }

    /// Whether the other's agent uses the same account of the same provider, as far as the settings of both tell. Then it is
    /// reached by the same program with the same arguments and variables, and its model is of the same provider. Any variable
    /// may choose an account, and two that are taken for two cost one refused question, while two that are taken for one
    /// stop a member for nothing: so all are compared.
    pub fn has_the_account_of(&self, other: &MemberSpec) -> bool {
        let provider = |spec: &MemberSpec| Some(spec.options.model.as_ref()?.split_once('/')?.0.to_owned());
        let (Ok(ours), Ok(theirs)) = (self.options.launch(&self.agent), other.options.launch(&other.agent)) else {
            return false;
        };
        (ours.driver, &ours.command, &ours.args) == (theirs.driver, &theirs.command, &theirs.args)
            && provider(self) == provider(other)
            && ours.env == theirs.env
    }

    /// The member as the board knows it.
    pub fn claimant(&self, name: &MemberName) -> WaitingClaimant {
        WaitingClaimant {
            name: name.clone(),
            role: self.role.clone(),
            agent: Some(self.agent.clone()),
            auto: self.auto,
            prompts: self.prompts(),
        }
    }
}
