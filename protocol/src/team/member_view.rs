//! A member as people see it: what `list` shows, put together from the roster, the board, the mailbox and the locks.

use serde::{Deserialize, Serialize};

use crate::model::agent::SessionId;
use crate::model::agent::options::AgentOptions;
use crate::model::approval::QuestionName;
use crate::model::board::AutoClaim;
use crate::model::budget::UsageBudget;
use crate::model::id::{AgentName, MemberName, Role, TaskId};
use crate::model::roster::{CellIsolation, StartedBy, WorkerEnd, Workspace};
use crate::model::usage::UsageSum;

/// One member as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The member's name.
    pub name: MemberName,
    /// The member's state, taken from its lock and the board.
    pub state: MemberState,
    /// The tasks that the member has claimed and not ended.
    pub tasks: Vec<TaskId>,
    /// The turn that runs, if it is one without a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// The time since which the member is in that state.
    pub since_ms: u64,
    /// The agent it drives.
    pub agent: AgentName,
    /// The settings of the agent beyond its name. Of its variables the names are shown and never the values.
    #[serde(default, skip_serializing_if = "AgentOptions::is_empty")]
    pub options: AgentOptions,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether it takes tasks that are not assigned to it.
    pub auto: AutoClaim,
    /// The place the member works in.
    pub workspace: Workspace,
    /// Its worker's process id, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The starter of the member's worker, while that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<StartedBy>,
    /// The isolation of the worker's processes, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<CellIsolation>,
    /// The number of messages that the member has not handed on.
    pub unread: usize,
    /// The number of tasks the member completed that are still on the board.
    pub completed: usize,
    /// Tasks that failed on its hands.
    pub failed: usize,
    /// The use of all its turns, with the one that runs.
    #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
    pub used: UsageSum,
    /// Tokens of its agent's context that are in use, if the agent tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
    /// The agent's name for its conversation, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// How much it may use.
    #[serde(default, skip_serializing_if = "UsageBudget::is_empty")]
    pub budget: UsageBudget,
    /// How it left, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<WorkerEnd>,
    /// When its next worker is due, if it is being started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_ms: Option<u64>,
    /// When it goes on by itself, if it waits for its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_until_ms: Option<u64>,
    /// The questions of its agent that wait for the lead, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionName>,
    /// Why its transcript can not be read, if it can not: whether it is in a turn for no task, and what it has used, is not
    /// known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript_unread: Option<String>,
}

/// The state of a member. Whether it runs comes from its worker's lock, never from what the worker said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// The member's worker is not ready yet.
    Starting,
    /// The member runs, and has neither a task nor a turn.
    Idle,
    /// As idle, and its agent's process is not there: it is started with the next turn.
    Asleep,
    /// The member is on a task, or runs a turn without one.
    Busy,
    /// The member's provider takes no more for now: the member waits, keeps its task, and goes on by itself.
    Parked,
    /// The member is at work, and its agent waits for an answer of the lead.
    Asking,
    /// The member is at work, and its agent has said nothing for longer than it may.
    Stalled,
    /// The member is at work, and its worker does not answer.
    Hung,
    /// The member runs, and was asked or told to end: it finishes its turn at most.
    Ending,
    /// The member's worker died, and the leader starts it again at a time.
    Restarting,
    /// The member left, and stays away until somebody spawns it.
    Left,
    /// The member's worker is dead without having left.
    Dead,
    /// The member's workers died so often that none is started again.
    GivenUp,
}
