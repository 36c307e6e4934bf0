//! One task: what it asks for, where it stands, and the steps from one standing to the next. Each step is a
//! method that may refuse; what it allows is written to the board by the caller.

use serde::{Deserialize, Serialize};

use crate::model::budget::UsageBudget;
use crate::model::id::{AgentName, MemberName, Role, TaskId};
use crate::model::limits::{ATTEMPTS_DEFAULT_MAX, TASK_TEXT_BYTES_MAX, TITLE_BYTES_MAX};

mod changes;
pub mod status_word;
pub mod view;
mod work;

pub use changes::{FieldChange, TaskChanges};
pub use status_word::StatusWord;
pub use work::{BadWork, CommandInput, PromptKind, TaskWork, WorkKind};

/// A task as it is asked for: everything but its number and its standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    /// The work to do.
    pub work: TaskWork,
    /// A short text for lists.
    pub title: String,
    /// The name a plan gave it, such as `build`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The tasks that must be completed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TaskId>,
    /// The only member that may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<MemberName>,
    /// The role its taker must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The agent that its taker must drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Higher is claimed first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// How long one attempt may take before it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How much all attempts together may use before it fails.
    #[serde(default, skip_serializing_if = "UsageBudget::is_empty")]
    pub budget: UsageBudget,
    /// How many workers may die on it before it fails.
    #[serde(default = "attempts_default", skip_serializing_if = "is_attempts_default")]
    pub max_attempts: u32,
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

fn attempts_default() -> u32 {
    ATTEMPTS_DEFAULT_MAX
}

fn is_attempts_default(attempts: &u32) -> bool {
    *attempts == ATTEMPTS_DEFAULT_MAX
}

impl NewTask {
    /// A task with nothing but its work; the title is the first line of the text, shortened.
    pub fn new(work: TaskWork) -> NewTask {
        let title = title_of(work.text());
        NewTask {
            work,
            title,
            label: None,
            after: Vec::new(),
            to: None,
            role: None,
            agent: None,
            priority: 0,
            timeout_ms: None,
            budget: UsageBudget::default(),
            max_attempts: ATTEMPTS_DEFAULT_MAX,
        }
    }

    /// Refuses a task without text and one that is too large to keep.
    pub fn check(&self) -> Result<(), BoardRefusal> {
        check_work(&self.work)?;
        check_title(&self.title)
    }
}

fn check_work(work: &TaskWork) -> Result<(), BoardRefusal> {
    let text = work.text();
    if text.trim().is_empty() {
        return Err(BoardRefusal::EmptyTask);
    }
    if text.len() > TASK_TEXT_BYTES_MAX {
        return Err(BoardRefusal::TooLong { what: "text", bytes: text.len(), max: TASK_TEXT_BYTES_MAX });
    }
    Ok(())
}

fn check_title(title: &str) -> Result<(), BoardRefusal> {
    match title.len() > TITLE_BYTES_MAX {
        true => Err(BoardRefusal::TooLong { what: "title", bytes: title.len(), max: TITLE_BYTES_MAX }),
        false => Ok(()),
    }
}

/// The first line of a text with anything in it, cut to 60 characters.
pub fn title_of(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let mut title: String = line.chars().take(60).collect();
    if title.len() < line.len() {
        title.pop();
        title.push('…');
    }
    title
}

/// Whether a pending task may be taken, or waits for a person after a `stop` or the end of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskHold {
    /// Anyone it is meant for may take it.
    Free,
    /// The task or its run was stopped: nobody takes it until it is assigned, unassigned or retried.
    Stopped,
}

/// Where a task stands. *Blocked* is no standing: it is computed from the dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// To be done, by its assignee if it has one.
    Pending {
        /// The only member that may take it.
        assignee: Option<MemberName>,
        /// Whether the task may be taken or was stopped.
        hold: TaskHold,
    },
    /// A worker is on it.
    InProgress {
        /// The member that works on the task.
        owner: MemberName,
        /// The time at which it claimed the task.
        since_ms: u64,
    },
    /// The task is done.
    Completed {
        /// The member that completed the task.
        owner: MemberName,
        /// The time at which it did.
        at_ms: u64,
    },
    /// The task ended without success; only `retry` opens it again.
    Failed {
        /// The member on whose hands it failed.
        owner: MemberName,
        /// The time at which the attempt ended.
        at_ms: u64,
    },
    /// The task is not to be done.
    Cancelled,
}

impl TaskStatus {
    /// The word for it in lists, errors and JSON.
    pub fn word(&self) -> StatusWord {
        match self {
            TaskStatus::Pending { hold: TaskHold::Free, .. } => StatusWord::Pending,
            TaskStatus::Pending { hold: TaskHold::Stopped, .. } => StatusWord::Stopped,
            TaskStatus::InProgress { .. } => StatusWord::InProgress,
            TaskStatus::Completed { .. } => StatusWord::Completed,
            TaskStatus::Failed { .. } => StatusWord::Failed,
            TaskStatus::Cancelled => StatusWord::Cancelled,
        }
    }

    /// Whether what waits for it may be done.
    pub fn is_completed(&self) -> bool {
        matches!(self, TaskStatus::Completed { .. })
    }

    /// Allows what changes a task that nobody is on: assigning, unassigning, dependencies.
    pub(crate) fn edit(&self, id: TaskId, step: &'static str) -> Result<(), BoardRefusal> {
        match self {
            TaskStatus::Pending { .. } => Ok(()),
            TaskStatus::InProgress { .. }
            | TaskStatus::Completed { .. }
            | TaskStatus::Failed { .. }
            | TaskStatus::Cancelled => Err(self.refuse(id, step)),
        }
    }

    /// Allows the owner of a running attempt, and only it, to end that attempt.
    pub(crate) fn end(
        &self,
        id: TaskId,
        step: &'static str,
        claim: &TaskClaim,
        attempt: u32,
    ) -> Result<(), BoardRefusal> {
        match self {
            TaskStatus::InProgress { owner, .. } if *owner == claim.owner && attempt == claim.attempt => Ok(()),
            TaskStatus::InProgress { owner, .. } => {
                Err(BoardRefusal::NotYours { id, step, owner: owner.clone(), attempt, claim: claim.clone() })
            }
            TaskStatus::Pending { .. }
            | TaskStatus::Completed { .. }
            | TaskStatus::Failed { .. }
            | TaskStatus::Cancelled => Err(self.refuse(id, step)),
        }
    }

    /// Allows a retry of what failed, was cancelled or was stopped.
    pub(crate) fn retry(&self, id: TaskId) -> Result<(), BoardRefusal> {
        match self {
            TaskStatus::Failed { .. } | TaskStatus::Cancelled | TaskStatus::Pending { hold: TaskHold::Stopped, .. } => {
                Ok(())
            }
            TaskStatus::Pending { hold: TaskHold::Free, .. }
            | TaskStatus::InProgress { .. }
            | TaskStatus::Completed { .. } => Err(self.refuse(id, "retry")),
        }
    }

    /// Allows changes of what is asked for: not while somebody is on it, and not of what is done.
    pub(crate) fn rewrite(&self, id: TaskId) -> Result<(), BoardRefusal> {
        match self {
            TaskStatus::Pending { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => Ok(()),
            TaskStatus::InProgress { .. } | TaskStatus::Completed { .. } => Err(self.refuse(id, "edit")),
        }
    }

    /// Allows the cancelling of what is not done and not being done.
    pub(crate) fn cancel(&self, id: TaskId) -> Result<(), BoardRefusal> {
        match self {
            TaskStatus::Pending { .. } | TaskStatus::Failed { .. } => Ok(()),
            TaskStatus::InProgress { .. } | TaskStatus::Completed { .. } | TaskStatus::Cancelled => {
                Err(self.refuse(id, "cancel"))
            }
        }
    }

    fn refuse(&self, id: TaskId, step: &'static str) -> BoardRefusal {
        let by = match self {
            TaskStatus::InProgress { owner, .. } => Some(owner.clone()),
            TaskStatus::Pending { .. }
            | TaskStatus::Completed { .. }
            | TaskStatus::Failed { .. }
            | TaskStatus::Cancelled => None,
        };
        BoardRefusal::Standing { id, step, is: self.word(), by }
    }
}

/// The right to end an attempt: who claimed it, and which attempt it was. A worker that was taken for dead and
/// comes back holds an older attempt and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClaim {
    /// The task.
    pub id: TaskId,
    /// The member that claimed the task.
    pub owner: MemberName,
    /// Counted from 1, over all claims of this task.
    pub attempt: u32,
}

/// Why the board does not take a step. The display is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the sentences show")]
pub enum BoardRefusal {
    #[error("there is no task {0}")]
    NoTask(TaskId),
    #[error("cannot {step} task {id}: it is {is}{}", by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    Standing { id: TaskId, step: &'static str, is: StatusWord, by: Option<MemberName> },
    #[error(
        "cannot {step} task {id}: {} holds attempt {}, and it is now attempt {attempt} of {owner}",
        claim.owner, claim.attempt
    )]
    NotYours { id: TaskId, step: &'static str, owner: MemberName, attempt: u32, claim: TaskClaim },
    #[error("cannot claim task {id}: it waits for {}", list(waits_for))]
    Blocked { id: TaskId, waits_for: Vec<TaskId> },
    #[error("cannot claim task {id}: it is assigned to {to}")]
    AssignedToOther { id: TaskId, to: MemberName },
    #[error("task {id} cannot wait for itself: {}", chain(path))]
    Cycle { id: TaskId, path: Vec<TaskId> },
    #[error("task {id} cannot wait for task {on}: there is no task {on}")]
    NoDependency { id: TaskId, on: TaskId },
    #[error("task {id} cannot wait for task {on}: it is cancelled")]
    DependencyCancelled { id: TaskId, on: TaskId },
    #[error("task {id} does not wait for task {on}")]
    NotWaiting { id: TaskId, on: TaskId },
    #[error("task {id} waits for task {on} already")]
    WaitsAlready { id: TaskId, on: TaskId },
    #[error("nothing of the task is to be changed")]
    NothingToChange,
    #[error("nothing was cleared since the last restore")]
    NothingCleared,
    #[error("{to} can not take {}: it drives {agent}, which runs commands only", task_or_new(*id))]
    NobodyReads { id: Option<TaskId>, to: MemberName, agent: AgentName },
    #[error(
        "{to} can not take {}: it asks for {wanted}, and {to} drives {agent}",
        id.map_or("the task".to_owned(), |id| format!("task {id}"))
    )]
    OtherAgent { id: Option<TaskId>, to: MemberName, agent: AgentName, wanted: AgentName },
    #[error("a task needs a text")]
    EmptyTask,
    #[error("the {what} of the task is {bytes} bytes long, and {max} are allowed")]
    TooLong { what: &'static str, bytes: usize, max: usize },
    #[error("{0} tasks at once are too many, {max} are allowed", max = crate::model::limits::TASKS_PER_ADD_MAX)]
    TooMany(usize),
    #[error("the board has no task numbers left")]
    NoNumbersLeft,
    #[error("cannot clear the board: {} in progress", in_progress(.0))]
    InProgress(Vec<TaskId>),
}

fn task_or_new(id: Option<TaskId>) -> String {
    id.map_or("words".to_owned(), |id| format!("task {id}, which is words"))
}

fn list(ids: &[TaskId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
    match ids.len() {
        1 => format!("task {}", ids[0]),
        _ => format!("tasks {}", ids.join(", ")),
    }
}

fn in_progress(ids: &[TaskId]) -> String {
    format!("{} {}", list(ids), if ids.len() == 1 { "is" } else { "are" })
}

fn chain(path: &[TaskId]) -> String {
    path.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" → ")
}

/// Why a task went back unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseWhy {
    /// Somebody stopped the turn: it keeps its assignee and is held.
    Stopped,
    /// The task's worker died.
    WorkerDied,
    /// Its worker was told to end and gave it back.
    WorkerLeft,
}

/// The output of an attempt that was stopped for this reason, if one was given, with the reason before it.
pub fn stopped_partial(reason: &str, output: String) -> String {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() { output } else { format!("(stopped: {reason})\n{output}") }
}

/// The reason that such an output begins with.
pub fn stop_reason(partial: &str) -> Option<&str> {
    partial.lines().next()?.strip_prefix("(stopped: ")?.strip_suffix(')')
}
