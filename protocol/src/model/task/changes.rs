//! Changes to a task after it was put on the board.

use serde::{Deserialize, Serialize};

use super::{BoardRefusal, NewTask, TaskWork, check_title, check_work};
use crate::model::budget::UsageBudget;
use crate::model::id::{AgentName, Role, TaskId};

/// The changes of one edit; what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskChanges {
    /// The new work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<TaskWork>,
    /// The short text for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All tasks that must be completed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<TaskId>>,
    /// The role its taker must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<FieldChange<Role>>,
    /// The agent its taker must drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<FieldChange<AgentName>>,
    /// Higher is claimed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// How long one attempt may take before it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<FieldChange<u64>>,
    /// How much all attempts together may use, whole: what is not in it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<UsageBudget>,
}

/// The change of a field that a task need not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldChange<T> {
    /// The field gets this value.
    Set(T),
    /// The task loses the field.
    Removed,
}

impl<T> FieldChange<T> {
    /// The field afterwards.
    pub fn into_value(self) -> Option<T> {
        match self {
            FieldChange::Set(value) => Some(value),
            FieldChange::Removed => None,
        }
    }
}

impl TaskChanges {
    /// Refuses an edit that changes nothing, and what no task may have.
    pub fn check(&self) -> Result<(), BoardRefusal> {
        if *self == TaskChanges::default() {
            return Err(BoardRefusal::NothingToChange);
        }
        self.work.as_ref().map_or(Ok(()), check_work)?;
        self.title.as_deref().map_or(Ok(()), check_title)
    }

    /// Applies the changes to a task as it was asked for.
    pub fn apply(self, task: &mut NewTask) {
        let TaskChanges { work, title, after, role, agent, priority, timeout_ms, budget } = self;
        if let Some(work) = work {
            task.work = work;
        }
        if let Some(title) = title {
            task.title = title;
        }
        if let Some(after) = after {
            task.after = after;
        }
        if let Some(role) = role {
            task.role = role.into_value();
        }
        if let Some(agent) = agent {
            task.agent = agent.into_value();
        }
        if let Some(priority) = priority {
            task.priority = priority;
        }
        if let Some(timeout_ms) = timeout_ms {
            task.timeout_ms = timeout_ms.into_value();
        }
        if let Some(budget) = budget {
            task.budget = budget;
        }
    }
}
