//! A task as a row of a list, and how many of a board stand where.

use serde::Serialize;
use teamster_protocol::model::board::{Board, Task};
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId};
use teamster_protocol::model::task::{NewTask, StatusWord, TaskHold, TaskStatus, WorkKind};

/// One task of `task list --json`. `task show --json` has the texts and the history too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskRow {
    /// The number of the task.
    pub id: TaskId,
    /// A short text.
    pub title: String,
    /// The name a plan gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The task's status in one word.
    pub status: StatusWord,
    /// The member that works on the task or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<MemberName>,
    /// The only member that may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<MemberName>,
    /// The role its taker must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The agent its taker must drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// `run` for a command, `prompt` for words.
    pub kind: WorkKind,
    /// Why no member can take it, for words that nobody reads and for an agent that nobody drives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_taker: Option<String>,
    /// Higher is taken first.
    pub priority: i32,
    /// How often it was claimed.
    pub attempt: u32,
    /// The tasks it waits for that are not completed.
    pub waits_for: Vec<TaskId>,
    /// The tasks that wait for it.
    pub blocks: Vec<TaskId>,
}

impl TaskRow {
    /// The row of a task; without what was asked for it has no title.
    pub fn of(board: &Board, id: TaskId, task: &Task, asked: Option<&NewTask>) -> TaskRow {
        let (owner, assignee) = match &task.status {
            TaskStatus::Pending { assignee, .. } => (None, assignee.clone()),
            TaskStatus::InProgress { owner, .. }
            | TaskStatus::Completed { owner, .. }
            | TaskStatus::Failed { owner, .. } => (Some(owner.clone()), None),
            TaskStatus::Cancelled => (None, None),
        };
        TaskRow {
            id,
            title: asked.map(|asked| asked.title.clone()).unwrap_or_default(),
            label: asked.and_then(|asked| asked.label.clone()),
            status: task.status.word(),
            owner,
            assignee,
            role: task.role.clone(),
            agent: task.agent.clone(),
            kind: task.kind,
            no_taker: None,
            priority: task.priority,
            attempt: task.attempt,
            waits_for: board.open_dependencies(task),
            blocks: task.blocks.iter().copied().collect(),
        }
    }
}

/// Where a task stands as people ask for it: a pending one that waits for others is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the word for it")]
pub enum TaskStanding {
    Pending,
    Blocked,
    Stopped,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

impl TaskStanding {
    /// The standing of a task by the board.
    pub fn of(task: &Task) -> TaskStanding {
        match &task.status {
            TaskStatus::Pending { hold: TaskHold::Stopped, .. } => TaskStanding::Stopped,
            TaskStatus::Pending { hold: TaskHold::Free, .. } if task.open_dependencies > 0 => TaskStanding::Blocked,
            TaskStatus::Pending { hold: TaskHold::Free, .. } => TaskStanding::Pending,
            TaskStatus::InProgress { .. } => TaskStanding::InProgress,
            TaskStatus::Completed { .. } => TaskStanding::Completed,
            TaskStatus::Failed { .. } => TaskStanding::Failed,
            TaskStatus::Cancelled => TaskStanding::Cancelled,
        }
    }
}

/// How many tasks stand where; `blocked` are the pending ones that wait for others, and `pending` the rest of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is the number of those that stand so")]
pub struct TaskCounts {
    pub total: usize,
    pub pending: usize,
    pub blocked: usize,
    pub stopped: usize,
    pub in_progress: usize,
    pub completed: usize,
    pub failed: usize,
    pub cancelled: usize,
}

impl TaskCounts {
    /// Counts the tasks of a board.
    pub fn of(board: &Board) -> TaskCounts {
        let mut counts = TaskCounts::default();
        for (_, task) in board.tasks() {
            counts.total += 1;
            *match TaskStanding::of(&task) {
                TaskStanding::Pending => &mut counts.pending,
                TaskStanding::Blocked => &mut counts.blocked,
                TaskStanding::Stopped => &mut counts.stopped,
                TaskStanding::InProgress => &mut counts.in_progress,
                TaskStanding::Completed => &mut counts.completed,
                TaskStanding::Failed => &mut counts.failed,
                TaskStanding::Cancelled => &mut counts.cancelled,
            } += 1;
        }
        counts
    }
}
