//! A task whole, for people and tools: what `task show` prints and what `tasks/<id>.json` holds.

use serde::{Deserialize, Serialize};

use crate::model::id::{Address, MemberName, TaskId};
use crate::model::task::{NewTask, ReleaseWhy, StatusWord};
use crate::model::usage::UsageSum;

/// One task with its texts and its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task's number.
    pub id: TaskId,
    /// The task's status in one word.
    pub status: StatusWord,
    /// The member that works on the task or ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<MemberName>,
    /// The only member that may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<MemberName>,
    /// The tasks it waits for: its dependencies that are not completed.
    pub waits_for: Vec<TaskId>,
    /// The tasks that wait for it.
    pub blocks: Vec<TaskId>,
    /// The task as it was asked for.
    pub task: NewTask,
    /// The time at which it was added.
    pub added_ms: u64,
    /// The member, or the lead, that added it.
    pub added_by: Address,
    /// The history of the task, one entry an attempt, oldest first.
    pub attempts: Vec<AttemptView>,
}

impl TaskView {
    /// The result of the last attempt that left one, which need not be the last attempt.
    pub fn result(&self) -> Option<&str> {
        self.last_result().map(|(_, result)| result)
    }

    /// The same, with the number of that attempt: a later one may be running, or have left nothing.
    pub fn last_result(&self) -> Option<(u32, &str)> {
        let ends = self.attempts.iter().rev().filter_map(|attempt| Some((attempt.attempt, attempt.end.as_ref()?)));
        ends.map(|(number, end)| (number, end.result.as_str())).find(|(_, result)| !result.is_empty())
    }

    /// The result of the last attempt. Nothing if that said nothing, or runs: what an earlier one said is none of its.
    pub fn result_of_last_attempt(&self) -> Option<&str> {
        let end = self.attempts.last()?.end.as_ref()?;
        (!end.result.is_empty()).then_some(end.result.as_str())
    }

    /// Why the last attempt failed, if it did.
    pub fn reason(&self) -> Option<&str> {
        match &self.attempts.last()?.end.as_ref()?.how {
            AttemptEndKind::Failed { reason } => Some(reason),
            AttemptEndKind::Completed | AttemptEndKind::Released { .. } => None,
        }
    }

    /// The use of all attempts that have ended.
    pub fn used(&self) -> UsageSum {
        self.attempts.iter().filter_map(|attempt| attempt.end.as_ref()).map(|end| end.used).sum()
    }

    /// How long the last attempt took, or has taken until `now_ms`.
    pub fn duration_ms(&self, now_ms: u64) -> Option<u64> {
        let last = self.attempts.last()?;
        Some(last.end.as_ref().map_or(now_ms, |end| end.at_ms).saturating_sub(last.since_ms))
    }
}

/// One claim of a task and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The number of the attempt, counted from 1.
    pub attempt: u32,
    /// The member that claimed the task.
    pub owner: MemberName,
    /// The time at which it did.
    pub since_ms: u64,
    /// How it ended; nothing while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<AttemptEndView>,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEndView {
    /// The time at which the attempt ended.
    pub at_ms: u64,
    /// The kind of the end.
    pub how: AttemptEndKind,
    /// The result, or the part of it there was: the last of what the agent said.
    #[serde(default)]
    pub result: String,
    /// The use of the attempt.
    #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
    pub used: UsageSum,
}

/// The kind of an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEndKind {
    /// The attempt completed the task.
    Completed,
    /// The attempt failed, and the task with it.
    Failed {
        /// The reason, in words.
        reason: String,
    },
    /// The attempt ended unfinished: the task went back.
    Released {
        /// The reason why the task was given back.
        why: ReleaseWhy,
    },
}
