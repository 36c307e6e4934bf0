//! Whether a board that many processes change at once behaves like one that they change one after another: what
//! each process asked and was answered, with times that all of them share, against the pure board.

use std::io;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use teamster_protocol::model::board::{Board, BoardFact, ClearedTasks, WaitingClaimant, WorkerDeath};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::task::{BoardRefusal, NewTask, ReleaseWhy, TaskChanges, TaskClaim};

mod check;
pub mod client;

pub use check::{Seen, Verdict, check};

/// One thing a process asks of the board, with all that decides about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in Board's methods")]
pub enum Op {
    Add { tasks: Vec<NewTask> },
    ClaimNext { who: WaitingClaimant },
    Complete { claim: TaskClaim, result: String },
    Fail { claim: TaskClaim, reason: String },
    Release { claim: TaskClaim, why: ReleaseWhy, partial: String },
    Bury { name: MemberName },
    Assign { id: TaskId, to: MemberName },
    Unassign { id: TaskId },
    AddDependency { id: TaskId, on: TaskId },
    RemoveDependency { id: TaskId, on: TaskId },
    Retry { id: TaskId },
    Cancel { id: TaskId },
    Edit { id: TaskId, changes: TaskChanges },
    Clear { scope: ClearedTasks },
    Restore,
}

impl Op {
    /// What a board decides on it: the facts to write, or a refusal.
    pub fn decide(&self, board: &Board) -> Result<Vec<BoardFact>, BoardRefusal> {
        Ok(match self {
            Op::Add { tasks } => board.add(tasks.clone())?,
            Op::ClaimNext { who } => board.claim_next(who).0,
            Op::Complete { claim, result } => vec![board.complete(claim, result.clone())?],
            Op::Fail { claim, reason } => vec![board.fail(claim, reason.clone(), String::new())?],
            Op::Release { claim, why, partial } => vec![board.release(claim, *why, partial.clone())?],
            Op::Bury { name } => board.bury(name, WorkerDeath::default()),
            Op::Assign { id, to } => vec![board.assign(*id, to.clone())?],
            Op::Unassign { id } => vec![board.unassign(*id)?],
            Op::AddDependency { id, on } => vec![board.add_dependency(*id, *on)?],
            Op::RemoveDependency { id, on } => vec![board.remove_dependency(*id, *on)?],
            Op::Retry { id } => vec![board.retry(*id)?],
            Op::Cancel { id } => vec![board.cancel(*id)?],
            Op::Edit { id, changes } => vec![board.edit_task(*id, changes.clone())?],
            Op::Clear { scope } => board.clear(*scope)?,
            Op::Restore => vec![board.restore()?],
        })
    }
}

/// What a process was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// These facts were written, as that record.
    Wrote {
        /// The number of the record.
        seq: u64,
        /// The facts.
        facts: Vec<BoardFact>,
    },
    /// There was nothing to write, such as nothing to claim for one that is known to wait.
    Nothing,
    /// The refusal's words.
    Refused(String),
}

/// One call and its answer. Times are nanoseconds of the clock that all processes of the machine share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Just before it was asked.
    pub invoked_ns: u64,
    /// Just after it was answered.
    pub responded_ns: u64,
    /// What was asked.
    pub op: Op,
    /// What was answered.
    pub answer: Answer,
}

/// Now, on the clock that all processes of the machine share.
fn now_ns() -> io::Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned())
}
