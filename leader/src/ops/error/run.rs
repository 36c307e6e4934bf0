//! Why a run could not begin, or go on.

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::model::id::{AgentName, MemberName, TaskId};
use teamster_protocol::team::TeamError;

use crate::ops::call_message::call_message;
use crate::ops::document::quoted;
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
    #[error("{} has a `prompt`, and the workers drive {agent}, which runs commands only", named_in_plan(label))]
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
    /// An agent that tasks ask for can not be had.
    #[error("{what}")]
    Agent {
        /// The fault.
        what: String,
        /// A way out.
        hint: Option<String>,
    },
    /// Not each of the agents that tasks ask for can have a worker.
    #[error("{workers} are too few workers: the tasks ask for {}, and each needs a worker", asked(agents, *others))]
    TooFewWorkers {
        /// How many there may be.
        workers: usize,
        /// The agents that tasks name.
        agents: Vec<AgentName>,
        /// Whether other tasks name none, which the workers of the run are for.
        others: bool,
    },
    /// One member can not drive the agents that its tasks ask for.
    #[error("the tasks for {member} ask for {one} and for {other}, and a member drives one agent")]
    TwoAgents {
        /// The member that a plan names.
        member: MemberName,
        /// One of the agents.
        one: AgentName,
        /// An agent that another task for the same member asks for.
        other: AgentName,
    },
    /// No leader could be started, or the one that runs did not answer.
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
            RunError::Place { hint, .. } | RunError::Agent { hint, .. } => hint.as_deref(),
            RunError::TooFewWorkers { .. } => {
                Some("give more with --workers, or leave it out: then each has one at least")
            }
            RunError::TwoAgents { .. } => Some("name another member in `to`, or the same agent"),
            RunError::Nothing => {
                Some("give it a plan: see teamster run --help; or add tasks: see teamster task add --help")
            }
            RunError::Leadership(_) | RunError::Team(_) | RunError::Spawn(_) => None,
        }
    }
}

/// A task that has no number yet, as the faults of a plan name it.
fn named_in_plan(label: &str) -> String {
    match label.parse::<u32>() {
        Ok(position) => format!("the plan's task {position}, counted from the top,"),
        Err(_) => format!("the plan's task `{}`", quoted(label)),
    }
}

/// `pi, codex and any other`.
fn asked(agents: &[AgentName], others: bool) -> String {
    let names: Vec<&str> = agents.iter().map(AgentName::as_str).collect();
    let names = names.join(", ");
    if others { format!("{names} and, some of them, for no agent by name") } else { names }
}

fn shortened(ids: &[TaskId]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = ids.iter().take(SHOWN).map(|id| id.to_string()).collect();
    if ids.len() > SHOWN {
        text.push(format!("… ({} in all)", ids.len()));
    }
    text.join(", ")
}
