//! State that the tasks of the leader share: the team's files, the links to its workers, and the ways to the loop.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::{LeaderInfo, TeamEnding};
use tokio::sync::{mpsc, oneshot};

use super::links::WorkerLinks;
use crate::core::{LeaderAnswer, LeaderAsk, LeaderEvent};

/// State that the tasks of the leader share.
#[derive(Debug)]
pub struct LeaderShared {
    /// The team's directory.
    pub dir: TeamDir,
    /// The leader as it introduces itself to fronts.
    pub info: LeaderInfo,
    /// The path of the program that workers run.
    pub worker_program: PathBuf,
    /// How many files a worker may have open: as many as this process might before it raised its own limit. Nothing if there
    /// was none.
    pub open_files: Option<u64>,
    /// The settings that the workers have to hold to as well: how their files are kept, and how long they wait.
    pub settings: CommonSettings,
    /// The links to the workers.
    pub links: WorkerLinks,
    pub(super) team: Mutex<Team>,
    /// How the team is being ended, if it is.
    pub(super) ending: Mutex<Option<TeamEnding>>,
    pub(super) inputs: mpsc::Sender<LeaderInput>,
}

/// An input of the loop.
#[derive(Debug)]
pub(super) enum LeaderInput {
    /// A call that the core decides on.
    Ask { what: LeaderAsk, answer: oneshot::Sender<Result<LeaderAnswer, String>> },
    /// The outcome of an action, or news from a worker.
    Event(LeaderEvent),
    /// The process of a worker that was launched has ended. The roster may tell more of how.
    Exited { name: MemberName, status: String },
}

/// Why a call got no answer from the core.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The loop is over.
    #[error("the leader has ended")]
    Ended,
    /// The core refused.
    #[error("{0}")]
    Refused(String),
}

impl LeaderShared {
    /// The team's files. Not to be held across an await.
    pub fn team(&self) -> MutexGuard<'_, Team> {
        self.team.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the team is being ended, if it is.
    pub fn ending(&self) -> Option<TeamEnding> {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the team is being ended, if it is.
    pub(super) fn note_ending(&self, ending: Option<TeamEnding>) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = ending;
    }

    /// Asks the core, and waits for its answer.
    pub async fn ask(&self, what: LeaderAsk) -> Result<LeaderAnswer, AskError> {
        let (answer, answered) = oneshot::channel();
        self.inputs.send(LeaderInput::Ask { what, answer }).await.map_err(|_| AskError::Ended)?;
        answered.await.map_err(|_| AskError::Ended)?.map_err(AskError::Refused)
    }

    /// Reports to the loop what happened.
    pub(super) async fn report(&self, input: LeaderInput) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!("a report came after the end");
        }
    }
}
