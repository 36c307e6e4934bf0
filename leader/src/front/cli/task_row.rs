//! A task as a line of a list, and how many of a board stand where.

use serde::Serialize;
use teamster_protocol::model::board::{Board, Task};
use teamster_protocol::model::id::{MemberName, Role, TaskId};
use teamster_protocol::model::task::{Hold, NewTask, TaskStatus};

use crate::front::cli::args::StatusFilter;
use crate::front::cli::print::{Cell, Tone};

/// One task of `task list --json`. `task show --json` has the texts and the history too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TaskRow {
    /// Its number.
    pub(crate) id: TaskId,
    /// A short text.
    pub(crate) title: String,
    /// The name a plan gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// `pending`, `stopped`, `in progress`, `completed`, `failed` or `cancelled`.
    pub(crate) status: &'static str,
    /// Who is on it or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<MemberName>,
    /// The only member that may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assignee: Option<MemberName>,
    /// The role its taker must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// Higher is taken first.
    pub(crate) priority: i32,
    /// How often it was claimed.
    pub(crate) attempt: u32,
    /// The tasks it waits for that are not completed.
    pub(crate) waits_for: Vec<TaskId>,
    /// The tasks that wait for it.
    pub(crate) blocks: Vec<TaskId>,
}

impl TaskRow {
    /// The row of a task; without what was asked for it has no title.
    pub(crate) fn of(board: &Board, id: TaskId, task: &Task, asked: Option<&NewTask>) -> TaskRow {
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
            priority: task.priority,
            attempt: task.attempt,
            waits_for: board.open_dependencies(task),
            blocks: task.blocks.iter().copied().collect(),
        }
    }

    /// Whose it is: who is on it or ended it, or `for alice`, or `role tests`.
    pub(crate) fn whose(&self) -> Cell {
        match (&self.owner, &self.assignee, &self.role) {
            (Some(owner), _, _) => Cell::toned(Tone::Name, owner.as_str()),
            (None, Some(assignee), _) => Cell::from(format!("for {assignee}")),
            (None, None, Some(role)) => Cell::toned(Tone::Faint, format!("role {role}")),
            (None, None, None) => Cell::from(""),
        }
    }
}

/// Where a task stands as people ask for it: `pending` is told apart by whether it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready,
    Blocked,
    Stopped,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

impl Standing {
    pub(crate) fn of(task: &Task) -> Standing {
        match &task.status {
            TaskStatus::Pending { hold: Hold::Stopped, .. } => Standing::Stopped,
            TaskStatus::Pending { hold: Hold::Free, .. } if task.open_dependencies > 0 => Standing::Blocked,
            TaskStatus::Pending { hold: Hold::Free, .. } => Standing::Ready,
            TaskStatus::InProgress { .. } => Standing::InProgress,
            TaskStatus::Completed { .. } => Standing::Completed,
            TaskStatus::Failed { .. } => Standing::Failed,
            TaskStatus::Cancelled => Standing::Cancelled,
        }
    }

    /// Whether it is what a filter asks for.
    pub(crate) fn is(self, filter: StatusFilter) -> bool {
        match filter {
            StatusFilter::Ready => self == Standing::Ready,
            StatusFilter::Blocked => self == Standing::Blocked,
            StatusFilter::Pending => matches!(self, Standing::Ready | Standing::Blocked),
            StatusFilter::Stopped => self == Standing::Stopped,
            StatusFilter::InProgress => self == Standing::InProgress,
            StatusFilter::Completed => self == Standing::Completed,
            StatusFilter::Failed => self == Standing::Failed,
            StatusFilter::Cancelled => self == Standing::Cancelled,
            StatusFilter::Open => match self {
                Standing::Ready | Standing::Blocked | Standing::Stopped | Standing::InProgress => true,
                Standing::Completed | Standing::Failed | Standing::Cancelled => false,
            },
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Standing::Ready => Tone::Plain,
            Standing::Blocked | Standing::Cancelled => Tone::Faint,
            Standing::Stopped => Tone::Warn,
            Standing::InProgress => Tone::Busy,
            Standing::Completed => Tone::Ok,
            Standing::Failed => Tone::Error,
        }
    }
}

/// How many tasks stand where; `ready` and `blocked` together are the pending ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TaskCounts {
    pub(crate) total: usize,
    pub(crate) ready: usize,
    pub(crate) blocked: usize,
    pub(crate) stopped: usize,
    pub(crate) in_progress: usize,
    pub(crate) completed: usize,
    pub(crate) failed: usize,
    pub(crate) cancelled: usize,
}

impl TaskCounts {
    pub(crate) fn of(board: &Board) -> TaskCounts {
        let mut counts = TaskCounts::default();
        for (_, task) in board.tasks() {
            counts.total += 1;
            *match Standing::of(&task) {
                Standing::Ready => &mut counts.ready,
                Standing::Blocked => &mut counts.blocked,
                Standing::Stopped => &mut counts.stopped,
                Standing::InProgress => &mut counts.in_progress,
                Standing::Completed => &mut counts.completed,
                Standing::Failed => &mut counts.failed,
                Standing::Cancelled => &mut counts.cancelled,
            } += 1;
        }
        counts
    }

    /// `5 tasks: 2 completed, 1 in progress, 2 blocked`.
    pub(crate) fn sentence(&self) -> String {
        let plural = if self.total == 1 { "" } else { "s" };
        format!("{} task{plural}: {}", self.total, self.parts())
    }

    /// `2 completed, 1 in progress, 2 blocked`.
    pub(crate) fn parts(&self) -> String {
        parts(&[
            (self.completed, "completed"),
            (self.in_progress, "in progress"),
            (self.ready, "ready"),
            (self.blocked, "blocked"),
            (self.stopped, "stopped"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
        ])
    }
}

/// `1 busy, 2 idle`: what there is any of.
pub(crate) fn parts(counts: &[(usize, &str)]) -> String {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// `3, 4`.
pub(crate) fn numbers(ids: &[TaskId]) -> String {
    ids.iter().map(TaskId::to_string).collect::<Vec<_>>().join(", ")
}
