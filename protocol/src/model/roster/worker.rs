//! The worker of a member, as it is written on the roster: its process while it runs, and how it ended.

use serde::{Deserialize, Serialize};

use crate::model::id::Address;
use crate::model::process::ProcessIdentity;

/// The starter of a worker, who is also the one to start it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// The leader, which starts it again if it dies.
    Leader,
    /// A person or another program, who ends the worker too: the leader does not start it again.
    Hand,
}

/// The means by which no process that a worker starts outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellIsolation {
    /// A PID namespace: the kernel ends all processes in it when the worker dies, however it dies.
    Namespace,
    /// A subreaper: orphans fall to the worker, which ends them; if the worker is killed, they fall to its leader or
    /// the leader's warden.
    Subreaper,
}

/// The answer of the worker program to `--probe`, printed as JSON: the isolation that a worker reaches on this machine,
/// and why none higher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// The isolation that was reached.
    pub isolation: CellIsolation,
    /// The reason why the system refused a higher level; nothing if none was asked for.
    pub refused: Option<String>,
}

/// A running worker, as the worker itself wrote it down on the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerProcess {
    /// The process id with the start time, which together name one process for good.
    #[serde(flatten)]
    pub identity: ProcessIdentity,
    /// The starter of the worker.
    pub started_by: StartedBy,
    /// The isolation of the worker's processes; nothing if the worker did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<CellIsolation>,
    /// The outer half of the worker's cell, if it is in one: its parent process, which is to end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer_half: Option<ProcessIdentity>,
}

/// The way in which a worker ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerEnd {
    /// The worker left in order after it approved a shutdown.
    Shutdown,
    /// The worker was told to end by a signal and ended in order.
    Terminated,
    /// The lead had the worker ended at once: by a kill, or by an end of the team by force.
    Killed,
    /// The worker ended because its leader was gone for longer than the grace.
    LeaderGone,
    /// The worker ended because its agent could not start or go on.
    AgentGone {
        /// The agent's failure, in one line.
        reason: String,
    },
    /// The worker ended because the provider of its agent serves it no more: a bad key, no credit, or no room after many tries.
    /// A new life would fare no better, so no leader starts one.
    ProviderRefused {
        /// The provider's words, in one line.
        reason: String,
    },
    /// The worker left in order because its member has used its budget, and takes no more.
    BudgetSpent {
        /// The limit that was reached, such as `1012 of 1000 tokens`.
        reason: String,
    },
    /// The worker died: by `kill`, by a crash, or before it was ready.
    Died {
        /// The cause as far as it is known, such as `killed by SIGKILL`.
        reason: String,
    },
    /// The worker was not started, because the machine had no room, no memory or the like at that time.
    NotStarted {
        /// The want of the machine, such as `cannot start teamster-worker: Resource temporarily unavailable`.
        reason: String,
    },
    /// The worker died so often that the leader does not start it again.
    GivenUp {
        /// The cause of the last death, and the number of deaths before it.
        reason: String,
    },
}

/// Those whose text or task starts a member again that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeRight {
    /// Anybody: the member left without anybody's wish.
    Anybody,
    /// The lead alone, by whose wish the member left: no agent undoes that.
    LeadAlone,
    /// Nobody: the member could not run, or was not to. It is started by a spawn.
    Nobody,
}

impl WorkerEnd {
    /// Those whose text or task starts the member again.
    pub fn wake_right(&self) -> WakeRight {
        match self {
            WorkerEnd::LeaderGone | WorkerEnd::NotStarted { .. } => WakeRight::Anybody,
            WorkerEnd::Shutdown => WakeRight::LeadAlone,
            WorkerEnd::Terminated
            | WorkerEnd::Killed
            | WorkerEnd::AgentGone { .. }
            | WorkerEnd::ProviderRefused { .. }
            | WorkerEnd::BudgetSpent { .. }
            | WorkerEnd::Died { .. }
            | WorkerEnd::GivenUp { .. } => WakeRight::Nobody,
        }
    }

    /// Whether a text or a task of this writer starts the member again.
    pub fn may_be_woken_by(&self, writer: &Address) -> bool {
        match (self.wake_right(), writer) {
            (WakeRight::Anybody, _) | (WakeRight::LeadAlone, Address::Lead) => true,
            (WakeRight::LeadAlone, Address::Member(_)) | (WakeRight::Nobody, _) => false,
        }
    }

    /// The reason for people, such as `it was asked to end`.
    pub fn sentence(&self) -> String {
        match self {
            WorkerEnd::Shutdown => "it was asked to end".to_owned(),
            WorkerEnd::Terminated => "a signal ended it".to_owned(),
            WorkerEnd::Killed => "killed by the lead".to_owned(),
            WorkerEnd::LeaderGone => "its leader is gone".to_owned(),
            WorkerEnd::AgentGone { reason } => format!("its agent is gone: {reason}"),
            WorkerEnd::ProviderRefused { reason } => format!("its provider serves it no more: {reason}"),
            WorkerEnd::BudgetSpent { reason } => format!("its budget is used up: {reason}"),
            WorkerEnd::NotStarted { reason } => format!("it could not be started: {reason}"),
            WorkerEnd::Died { reason } | WorkerEnd::GivenUp { reason } => reason.clone(),
        }
    }
}
