//! The faults that a plan can have, beside those of any document.

use super::name::NameError;
use crate::ops::budget::BudgetError;
use crate::ops::document::{self, DocumentError, DocumentFault, quoted};
use teamster_protocol::model::limits::sizes::{PLAN_BYTES_MAX, PLAN_ID_CHARS_MAX, PLAN_TASKS_MAX};

const CYCLE_SHOWN_MAX: usize = 20;

/// One thing that is wrong with a plan.
pub type PlanProblem = document::DocumentProblem<PlanFault>;
/// Everything that is wrong with a plan.
pub type PlanError = DocumentError<PlanFault>;
/// A problem with a plan on its way into the list.
pub(super) type PlanReport = document::ProblemReport<PlanFault>;
/// The problems of a plan found so far.
pub(super) type PlanProblems = document::DocumentProblems<PlanFault>;

/// A fault in a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// A fault that any document can have.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// The plan has more than [`PLAN_BYTES_MAX`] bytes.
    #[error("the plan has {size_bytes} bytes, at most {PLAN_BYTES_MAX} are read")]
    TooLarge {
        /// The size of the file.
        size_bytes: u64,
    },
    /// The plan has more than [`PLAN_TASKS_MAX`] tasks.
    #[error("the plan has {tasks} tasks, at most {PLAN_TASKS_MAX} are allowed")]
    TooManyTasks {
        /// The number of tasks that it has.
        tasks: usize,
    },
    /// No task at all.
    #[error("the plan has no task")]
    Empty,
    /// A task has neither `run` nor `prompt`.
    #[error("task `{}` has nothing to do", quoted(id))]
    NoWork {
        /// The task's name in the plan.
        id: String,
    },
    /// A task has both `run` and `prompt`.
    #[error("task `{}` has both `run` and `prompt`", quoted(id))]
    TwoWorks {
        /// The task's name in the plan.
        id: String,
    },
    /// `interactive` beside `prompt`.
    #[error("task `{}` has a `prompt`, which can not be `interactive`", quoted(id))]
    InteractivePrompt {
        /// The id of the task in the plan.
        id: String,
    },
    /// An id over [`PLAN_ID_CHARS_MAX`].
    #[error("an id has at most {PLAN_ID_CHARS_MAX} characters, this one has {chars}")]
    LongId {
        /// The number of characters that it has.
        chars: usize,
    },
    /// Two tasks of one id.
    #[error("a second task is called `{}`", quoted(id))]
    DuplicateId {
        /// The id of both.
        id: String,
    },
    /// `after` names a task that is not in the plan.
    #[error("task `{}` comes after `{}`, but no task is called so", quoted(id), quoted(missing))]
    UnknownTask {
        /// The name of the task whose `after` it is.
        id: String,
        /// The name that no task has.
        missing: String,
    },
    /// Tasks that wait for each other.
    #[error("these tasks wait for each other and could never start: {}", arrows(ids))]
    Cycle {
        /// Each waits for the next; the last is the first again.
        ids: Vec<String>,
    },
    /// Not a name of a member or a role.
    #[error("`{}` can not be {field}: {why}", quoted(text))]
    BadName {
        /// The key in question.
        field: &'static str,
        /// The text as it was written.
        text: String,
        /// The fault of the name.
        why: NameError,
    },
    /// A budget that is none.
    #[error("{field}: {why}")]
    BadBudget {
        /// The key in question.
        field: &'static str,
        /// The fault of the budget.
        why: BudgetError,
    },
    /// Not a whole number of 32 bits.
    #[error("priority must be a whole number from {} to {}, not {}", i32::MIN, i32::MAX, quoted(text))]
    BadPriority {
        /// The text as it was written.
        text: String,
    },
}

fn arrows(ids: &[String]) -> String {
    let shown: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    if shown.len() <= CYCLE_SHOWN_MAX {
        return shown.join(" → ");
    }
    let (head, tail) = (CYCLE_SHOWN_MAX / 2, CYCLE_SHOWN_MAX / 2);
    let hidden = shown.len() - head - tail;
    format!("{} → … {hidden} more … → {}", shown[..head].join(" → "), shown[shown.len() - tail..].join(" → "))
}
