//! Facts about tasks: the records of `board.jsonl`.

use crate::model::task::ReleaseWhy;
use serde::{Deserialize, Serialize};

use super::snapshot::KeptTask;
use super::waiting::WaitingClaimant;
use crate::model::id::{MemberName, TaskId};
use crate::model::task::{NewTask, TaskChanges, TaskClaim};
use crate::model::usage::UsageSum;

/// One fact about the board. Past tense: it has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum BoardFact {
    /// A task was put on the board.
    Added { id: TaskId, task: NewTask },
    /// A member claimed the task.
    Claimed(TaskClaim),
    /// The task's owner completed it.
    Completed {
        id: TaskId,
        attempt: u32,
        result: String,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// The attempt ended without success, and the task with it.
    Failed {
        id: TaskId,
        attempt: u32,
        reason: String,
        result: String,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// The owner gave the task back unfinished.
    Released {
        id: TaskId,
        attempt: u32,
        why: ReleaseWhy,
        partial: String,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// The task is for one member only.
    Assigned { id: TaskId, to: MemberName },
    /// The task is for everybody.
    Unassigned { id: TaskId },
    /// The task waits for another.
    DependencyAdded { id: TaskId, on: TaskId },
    /// The task waits for that other no longer.
    DependencyRemoved { id: TaskId, on: TaskId },
    /// The task failed, was cancelled or was stopped, and is to be done after all.
    Retried { id: TaskId },
    /// Nobody takes these tasks until they are assigned, unassigned or retried.
    Held { ids: Vec<TaskId> },
    /// The task is not to be done.
    Cancelled { id: TaskId },
    /// The task is asked for differently than before.
    Edited { id: TaskId, changes: TaskChanges },
    /// The tasks are off the board.
    Cleared { ids: Vec<TaskId> },
    /// The tasks of the last clear are on the board again, as they were.
    Restored { ids: Vec<TaskId> },
    /// A worker found nothing to claim and wants to be rung.
    Waiting(WaitingClaimant),
    /// A worker that waited no longer does.
    Away { member: MemberName },
    /// In a new generation of the log: a task with all that happened to it.
    Kept(Box<KeptTask>),
    /// In a new generation of the log, after the tasks: these of them were cleared last, and can be restored.
    ClearedBefore { ids: Vec<TaskId> },
    /// In a new generation of the log: the highest number ever given.
    Numbered { last_id: u32 },
}

impl BoardFact {
    /// The keys of all facts.
    pub const KEYS: &'static [&'static str] = &[
        "added",
        "claimed",
        "completed",
        "failed",
        "released",
        "assigned",
        "unassigned",
        "dependency_added",
        "dependency_removed",
        "retried",
        "held",
        "cancelled",
        "edited",
        "cleared",
        "restored",
        "waiting",
        "away",
        "kept",
        "cleared_before",
        "numbered",
    ];

    /// Whether a task may have become claimable by it, or a ring may have gone to a worker that is away now:
    /// its writer then rings those of [`Board::to_wake`](super::Board::to_wake).
    pub fn makes_work(&self) -> bool {
        match self {
            BoardFact::Added { .. }
            | BoardFact::Completed { .. }
            | BoardFact::Released { .. }
            | BoardFact::Assigned { .. }
            | BoardFact::Unassigned { .. }
            | BoardFact::DependencyRemoved { .. }
            | BoardFact::Retried { .. }
            | BoardFact::Edited { .. }
            | BoardFact::Cleared { .. }
            | BoardFact::Restored { .. }
            | BoardFact::Away { .. } => true,
            BoardFact::Claimed(_)
            | BoardFact::Failed { .. }
            | BoardFact::DependencyAdded { .. }
            | BoardFact::Held { .. }
            | BoardFact::Cancelled { .. }
            | BoardFact::Waiting(_)
            | BoardFact::Kept(_)
            | BoardFact::ClearedBefore { .. }
            | BoardFact::Numbered { .. } => false,
        }
    }

    /// The same end of an attempt, which has used so much.
    pub fn with_usage(mut self, sum: UsageSum) -> BoardFact {
        match &mut self {
            BoardFact::Completed { used, .. } | BoardFact::Failed { used, .. } | BoardFact::Released { used, .. } => {
                *used = sum;
            }
            BoardFact::Added { .. }
            | BoardFact::Claimed(_)
            | BoardFact::Assigned { .. }
            | BoardFact::Unassigned { .. }
            | BoardFact::DependencyAdded { .. }
            | BoardFact::DependencyRemoved { .. }
            | BoardFact::Retried { .. }
            | BoardFact::Held { .. }
            | BoardFact::Cancelled { .. }
            | BoardFact::Edited { .. }
            | BoardFact::Cleared { .. }
            | BoardFact::Restored { .. }
            | BoardFact::Waiting(_)
            | BoardFact::Away { .. }
            | BoardFact::Kept(_)
            | BoardFact::ClearedBefore { .. }
            | BoardFact::Numbered { .. } => {}
        }
        self
    }

    /// The tasks whose standing it changes.
    pub fn tasks(&self) -> Vec<TaskId> {
        match self {
            BoardFact::Added { id, .. }
            | BoardFact::Completed { id, .. }
            | BoardFact::Failed { id, .. }
            | BoardFact::Released { id, .. }
            | BoardFact::Assigned { id, .. }
            | BoardFact::Unassigned { id }
            | BoardFact::DependencyAdded { id, .. }
            | BoardFact::DependencyRemoved { id, .. }
            | BoardFact::Retried { id }
            | BoardFact::Edited { id, .. }
            | BoardFact::Cancelled { id } => vec![*id],
            BoardFact::Claimed(claim) => vec![claim.id],
            BoardFact::Held { ids }
            | BoardFact::Cleared { ids }
            | BoardFact::Restored { ids }
            | BoardFact::ClearedBefore { ids } => ids.clone(),
            BoardFact::Kept(kept) => vec![kept.id],
            BoardFact::Waiting(_) | BoardFact::Away { .. } | BoardFact::Numbered { .. } => Vec::new(),
        }
    }
}

/// The tasks that `task clear` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClearedTasks {
    /// Completed tasks.
    Completed,
    /// Failed tasks that none which is still to be done waits for.
    Failed,
    /// Every task. Refused while somebody is on one.
    All,
}
