//! The plan that `run` is given: a file of tasks, read once, checked whole, and trusted from then on.
//!
//! Text in, [`Plan`] or every problem found out; no file is opened here. TOML and JSON are read into one
//! tree with positions ([`document`]), so that each rule and each message exists once.

mod fields;
mod graph;
mod name;
mod problem;

use std::path::Path;
use std::time::Duration;

use teamster_protocol::model::limits::sizes::PLAN_BYTES_MAX;

pub use name::NameError;
pub use problem::{PlanError, PlanFault, PlanProblem};
use problem::{PlanProblems, PlanReport};
pub use teamster_protocol::model::task::{CommandInput, TaskWork, WorkKind};

use super::budget::WantedBudget;
use super::document;
pub use super::document::{DocumentFault, DocumentFormat, TextPosition};

/// Tasks that can be put on a board: at least one, ids unique, every dependency in the plan, no cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the file; [`PlannedTask::after`] counts from here.
    pub tasks: Vec<PlannedTask>,
}

/// One `[[task]]` of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTask {
    /// The task's name in the plan, by default its position counted from 1; the board gives its own id.
    pub id: String,
    /// The work to do.
    pub work: TaskWork,
    /// One line for lists, by default the first line of the work, shortened.
    pub title: String,
    /// Positions in [`Plan::tasks`] of the tasks that must complete first, each once.
    pub after: Vec<usize>,
    /// The only member that may do it.
    pub to: Option<String>,
    /// The role that a member must have to do it.
    pub role: Option<String>,
    /// The agent that a member must drive to do it.
    pub agent: Option<String>,
    /// Higher goes first; 0 unless given.
    pub priority: i32,
    /// How long one attempt may take; more than zero.
    pub timeout: Option<Duration>,
    /// How much all attempts together may use.
    pub budget: WantedBudget,
}

impl Plan {
    /// Reads the bytes of `path`, or of standard input if there is no path.
    ///
    /// Decides the [`DocumentFormat`], refuses what is over [`PLAN_BYTES_MAX`] or not UTF-8, then as [`Plan::parse`].
    pub fn parse_bytes(bytes: &[u8], path: Option<&Path>) -> Result<Self, PlanError> {
        let source = path.map_or("<stdin>".into(), Path::to_string_lossy);
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(PlanError::of_one(&source, PlanFault::TooLarge { size_bytes: bytes.len() as u64 }));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, DocumentFormat::of(path, text), &source),
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let text = std::str::from_utf8(good).expect("valid up to here");
                let mut problems = PlanProblems::default();
                problems.add(Some(text.len()..text.len()), || PlanReport::of(DocumentFault::NotText));
                Err(problems.into_error(&source, text))
            }
        }
    }

    /// Reads a plan; `source` is what messages call it, usually its path.
    ///
    /// Refuses anything that a board or a worker would have to refuse later. Problems of syntax hide those of
    /// meaning; of the latter all are found, and the first `PROBLEMS_SHOWN_MAX` are kept. Takes time in
    /// proportion to the text.
    pub fn parse(text: &str, format: DocumentFormat, source: &str) -> Result<Self, PlanError> {
        if text.len() > PLAN_BYTES_MAX {
            return Err(PlanError::of_one(source, PlanFault::TooLarge { size_bytes: text.len() as u64 }));
        }
        // Some editors begin a file with a mark that takes no column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut problems = PlanProblems::default();
        let read = document::read(text, format, &mut problems).and_then(|root| fields::drafts(root, &mut problems));
        let plan = read.map(|drafts| Self { tasks: graph::connect(drafts, &mut problems) });
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            Some(_) | None => Err(problems.into_error(source, text)),
        }
    }
}

#[cfg(test)]
mod tests;
