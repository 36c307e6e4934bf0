//! Agents as every layer speaks of them: how a turn and an agent end, whose fault a failure is, and what an agent tells
//! about itself. Only the worker's drivers know how a particular agent is spoken to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::limits::{QUESTION_DETAIL_BYTES_MAX, QUESTION_TITLE_BYTES_MAX};

mod context;
pub mod options;
pub mod preset;

pub use context::{BadContext, SessionContext};

/// How a turn came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEnd {
    /// The agent says that it did what it was told.
    Completed,
    /// The turn began and was not completed.
    Failed {
        /// The reason, in one line.
        reason: String,
        /// The cause that the driver blames: a task fails only by the prompt's fault.
        #[serde(default, skip_serializing_if = "AgentFault::is_of_prompt")]
        fault: AgentFault,
    },
    /// No part of the prompt was acted on. The fault lies with the place or the machine, never with the prompt.
    NotBegun {
        /// The reason, in one line.
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

/// The part of the system that a failure is blamed on. The driver knows; the worker's core decides what follows.
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
    /// The program ended by itself.
    Died {
        /// The cause, in one line.
        reason: String,
    },
    /// The program can not begin before somebody gives it a login or a key: a new life of it would meet the same.
    Refused {
        /// What is missing, in one line.
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
    /// The agent's name for the conversation.
    pub id: SessionId,
    /// Whether the conversation is a new one.
    pub begun: SessionBegin,
}

/// How an agent came to its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionBegin {
    /// The conversation is new: the agent remembers nothing.
    Fresh,
    /// The conversation is new, and begins with a summary of what the transcripts have of an earlier one.
    Summarized,
    /// The conversation goes on where an earlier life of the agent was.
    Resumed,
    /// The same, and the agent had to tell all of it again first.
    Loaded,
    /// The conversation began as a copy of another member's.
    Forked,
}

/// How far a tool call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// The tool runs, or waits for permission.
    Running,
    /// The tool did its work.
    Done,
    /// The tool failed or was refused.
    Failed,
}

/// One step of an agent's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The step, in one line.
    pub text: String,
    /// The progress of the step.
    pub state: PlanState,
}

/// How far a step of a plan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Nobody has begun the step.
    Pending,
    /// The agent is at work on the step.
    Active,
    /// The step is done.
    Done,
}

/// The name of one question for permission, unique in the life of its agent.
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
    /// The name by which the answer finds the question.
    pub question: QuestionId,
    /// The tool that the agent wants to use.
    pub tool: String,
    /// The planned use, in one line for people.
    pub title: String,
    /// The tool's arguments in readable form; empty if the agent does not show them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The thing that the tool is to act on, whole and unchanged: the command, the path, the address. Empty if the agent does
    /// not tell it: a rule that allows goes by this and by nothing else.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

impl PermissionQuestion {
    /// The same, with no text longer than is kept. A subject that is too long is dropped, for a part of it would be another
    /// one.
    pub fn bounded(mut self) -> PermissionQuestion {
        cut(&mut self.tool, QUESTION_TITLE_BYTES_MAX);
        cut(&mut self.title, QUESTION_TITLE_BYTES_MAX);
        cut(&mut self.detail, QUESTION_DETAIL_BYTES_MAX);
        if self.subject.len() > QUESTION_DETAIL_BYTES_MAX {
            self.subject.clear();
        }
        self
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
}

/// The answer to a question for permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes, this time.
    Once,
    /// Yes, and also to every like question while the agent lives.
    Always,
    /// No; the turn goes on without the tool.
    Never {
        /// The reason, which the agent is told.
        reason: String,
    },
}

/// The origin of an answer to a question for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionBy {
    /// A rule of the team.
    Rule,
    /// The member's own setting.
    Policy,
    /// The lead, by a call or by mail.
    Lead,
    /// Nobody: the question was open for as long as a question may be.
    Timeout,
    /// Nobody: the turn ended, which takes its questions back.
    TurnEnd,
    /// Nobody: the question could not be put to the lead.
    Unasked,
}

/// The setting of a member that says how its agent's questions for permission are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalPolicy {
    /// Each waits for an answer of the lead, for a limited time.
    #[default]
    Ask,
    /// Each is answered with yes at once.
    Auto,
    /// Each is answered with no at once.
    Deny,
}

impl ApprovalPolicy {
    /// Every word that can be read as an `ApprovalPolicy`, as people write it.
    pub const WORDS: [&str; 3] = ["ask", "auto", "deny"];

    /// The setting as people write it.
    pub fn word(self) -> &'static str {
        match self {
            ApprovalPolicy::Ask => "ask",
            ApprovalPolicy::Auto => "auto",
            ApprovalPolicy::Deny => "deny",
        }
    }

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

/// A word that names no answer to questions: the error of reading an [`ApprovalPolicy`].
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

/// A refusal by the model's provider to take more for now. No failure: the member waits, and goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLimit {
    /// The time at which the provider takes prompts again; nothing if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The provider's words, in one line.
    pub reason: String,
}
