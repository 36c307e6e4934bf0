//! Agents as every layer speaks of them: how a turn and an agent end, whose fault a failure is, and what an agent tells
//! of itself. How an agent is spoken to is the business of its driver in the worker.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod preset;

/// How a turn came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEnd {
    /// The agent says that it did what it was told.
    Completed,
    /// The turn began and was not completed.
    Failed {
        /// Why, in one line.
        reason: String,
        /// Whose fault that is: a task fails by its own fault only.
        #[serde(default, skip_serializing_if = "AgentFault::is_of_prompt")]
        fault: AgentFault,
    },
    /// No part of the prompt was acted on. The fault lies with the place or the machine, never with the prompt.
    NotBegun {
        /// Why, in one line.
        reason: String,
    },
    /// The worker stopped the turn.
    Aborted,
}

impl TurnEnd {
    /// A turn that failed by what it was told to do, such as a command with an exit status above 0.
    pub fn failed(reason: impl Into<String>) -> TurnEnd {
        TurnEnd::Failed { reason: reason.into(), fault: AgentFault::Prompt }
    }
}

/// Whose fault a failure is. The driver knows; the worker's core decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentFault {
    /// The prompt's: no agent of this kind can do it, so its task fails.
    #[default]
    Prompt,
    /// The place's or the machine's: another worker may have better luck.
    Place,
    /// The provider's of the model: a bad key, no credit, a service that is down.
    Provider,
    /// The agent's: its program died, hung or spoke nonsense.
    Agent,
}

impl AgentFault {
    fn is_of_prompt(&self) -> bool {
        *self == AgentFault::Prompt
    }
}

/// How an agent's program came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentExit {
    /// The worker closed it.
    Closed,
    /// It ended by itself.
    Died {
        /// Why, in one line.
        reason: String,
    },
}

/// An agent's own name for its conversation, by which a later life of the agent goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A conversation, and how this life of the agent came to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSession {
    /// Its name.
    pub id: SessionId,
    /// Whether it is a new one.
    pub begun: SessionBegin,
}

/// How an agent came to its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionBegin {
    /// It is new: the agent remembers nothing.
    Fresh,
    /// It goes on where an earlier life of the agent was.
    Resumed,
}

/// How far a tool call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// It runs, or waits for permission.
    Running,
    /// It did what it should.
    Done,
    /// It failed or was refused.
    Failed,
}

/// One step of an agent's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What is to be done, in one line.
    pub text: String,
    /// How far it has come.
    pub state: PlanState,
}

/// How far a step of a plan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// It is not begun.
    Pending,
    /// The agent is at it.
    Active,
    /// It is done.
    Done,
}

/// What a turn has cost so far, as far as the agent tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Of those read, the ones that came from the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Millionths of a US dollar, where the agent tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
    /// Tokens of the context that are in use, where the agent tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
}

fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

/// Names one question for permission, among those of its agent's life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub String);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An agent's question whether it may use a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionQuestion {
    /// Its name.
    pub question: QuestionId,
    /// The tool.
    pub tool: String,
    /// What it is to do, in one line for people.
    pub title: String,
    /// Its arguments in readable form; empty if the agent does not show them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The answer to a question for permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes, this time.
    Once,
    /// Yes, and also whenever the like is asked again while the agent lives.
    Always,
    /// No; the turn goes on without.
    Never {
        /// Why, for the agent.
        reason: String,
    },
}

/// Who answered a question for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionBy {
    /// The member's own setting.
    Policy,
    /// The lead, by a call.
    Lead,
    /// The time that a question may stay open.
    Timeout,
    /// The end of the turn, which takes its questions back.
    TurnEnd,
}

/// What becomes of an agent's questions for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalPolicy {
    /// They wait for an answer of the lead, for a limited time.
    #[default]
    Ask,
    /// They are answered with yes.
    Auto,
    /// They are answered with no.
    Deny,
}

impl ApprovalPolicy {
    /// All, as they are written.
    pub const WORDS: [&str; 3] = ["ask", "auto", "deny"];

    /// The answer that this setting gives at once; nothing if somebody is to be asked.
    pub fn answer(self) -> Option<Permission> {
        match self {
            ApprovalPolicy::Ask => None,
            ApprovalPolicy::Auto => Some(Permission::Once),
            ApprovalPolicy::Deny => {
                Some(Permission::Never { reason: "this member is set up to deny every question".to_owned() })
            }
        }
    }
}

/// A word that is no [`ApprovalPolicy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of ask, auto, deny")]
pub struct BadApproval(String);

impl FromStr for ApprovalPolicy {
    type Err = BadApproval;

    fn from_str(word: &str) -> Result<ApprovalPolicy, BadApproval> {
        match word {
            "ask" => Ok(ApprovalPolicy::Ask),
            "auto" => Ok(ApprovalPolicy::Auto),
            "deny" => Ok(ApprovalPolicy::Deny),
            _ => Err(BadApproval(word.to_owned())),
        }
    }
}

/// A provider takes no more for now. No failure: the member waits, and goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLimit {
    /// When it takes prompts again; nothing if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// What it says, in one line.
    pub reason: String,
}
