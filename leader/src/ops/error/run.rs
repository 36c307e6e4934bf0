//! Why a run could not begin, or go on.

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::model::id::{AgentName, TaskId};
use teamster_protocol::team::TeamError;

use crate::ops::call_message::call_message;
use crate::ops::leadership::LeadershipError;

/// Why a run could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The board has unfinished tasks.
    #[error("the board of team {team} has unfinished tasks: {}", shortened(ids))]
    Unfinished {
        /// The team.
        team: String,
        /// The unfinished tasks.
        ids: Vec<TaskId>,
    },
    /// There is nothing to do.
    #[error("there is nothing to run: no plan, and no task on the board")]
    Nothing,
    /// A prompt needs an agent that reads.
    #[error("task {label} has a `prompt`, and the workers drive {agent}, which runs commands only")]
    PromptForShell {
        /// The task's name in the plan.
        label: String,
        /// What they drive.
        agent: AgentName,
    },
    /// A member can not work where it did.
    #[error("{what}")]
    Place {
        /// The place that is not there any more.
        what: String,
        /// A way out.
        hint: Option<String>,
    },
    /// No leader.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// The team's files.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// A worker could not be spawned.
    #[error("{}", call_message(.0))]
    Spawn(RpcError),
}

impl RunError {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            RunError::Unfinished { .. } => {
                Some("go on with them: teamster run --resume; or drop them: teamster task clear all")
            }
            RunError::PromptForShell { .. } => Some("write `run` instead of `prompt`, or choose an agent with --agent"),
            RunError::Place { hint, .. } => hint.as_deref(),
            RunError::Nothing | RunError::Leadership(_) | RunError::Team(_) | RunError::Spawn(_) => None,
        }
    }
}

fn shortened(ids: &[TaskId]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = ids.iter().take(SHOWN).map(|id| id.to_string()).collect();
    if ids.len() > SHOWN {
        text.push(format!("… ({} in all)", ids.len()));
    }
    text.join(", ")
}
