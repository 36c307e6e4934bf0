//! Tasks that are waited for and do not go on by themselves, such as one that no member can take: a wait for them says so.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::limits::pace::STANDSTILL_LOOK;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::TeamView;
use tokio::time::Instant;

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::why::{CauseText, WaitCause, causes_of_task};

/// News of a wait, as it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum WaitNews {
    /// The task stays as it is until somebody does something about it.
    StandsStill {
        /// The task.
        task: TaskId,
        /// The causes that stand still, each with the way out.
        because: Vec<CauseText>,
    },
    /// The task stood still, and does so no longer.
    GoesOn {
        /// The task.
        task: TaskId,
        /// Every cause of its wait now.
        because: Vec<CauseText>,
    },
}

/// What was told of each task that stands still.
#[derive(Debug)]
pub(super) struct StandstillWatch {
    view: TeamView,
    told: BTreeMap<TaskId, Vec<WaitCause>>,
    /// The time of the last look: each asks for the locks of all members, so they are not as frequent as the facts.
    looked: Option<Instant>,
}

impl StandstillWatch {
    pub(super) fn new(session: &Session) -> Result<StandstillWatch, OpsError> {
        Ok(StandstillWatch { view: session.view()?, told: BTreeMap::new(), looked: None })
    }

    /// How long until the next look may be taken.
    pub(super) fn due_in(&self) -> Duration {
        self.looked.map_or(Duration::ZERO, |looked| STANDSTILL_LOOK.saturating_sub(looked.elapsed()))
    }

    /// Looks at these tasks, and returns what is new.
    pub(super) fn look(
        &mut self,
        session: &Session,
        tasks: impl IntoIterator<Item = TaskId>,
    ) -> Result<Vec<WaitNews>, OpsError> {
        self.looked = Some(Instant::now());
        self.view.refresh()?;
        let mut news = Vec::new();
        for task in tasks {
            let because = match self.view.board().status(task) {
                Ok(TaskStatus::Pending { .. } | TaskStatus::InProgress { .. }) => {
                    causes_of_task(session, &self.view, task)?
                }
                // The verdict on the wait tells of all others.
                Ok(TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled) | Err(_) => {
                    continue;
                }
            };
            news.extend(self.news_of(task, because));
        }
        Ok(news)
    }

    fn news_of(&mut self, task: TaskId, because: Vec<CauseText>) -> Option<WaitNews> {
        let still: Vec<CauseText> = because.iter().filter(|why| why.cause.stands_still()).cloned().collect();
        if still.is_empty() {
            return self.told.remove(&task).map(|_| WaitNews::GoesOn { task, because });
        }
        let causes: Vec<WaitCause> = still.iter().map(|why| why.cause.clone()).collect();
        if self.told.get(&task) == Some(&causes) {
            return None;
        }
        self.told.insert(task, causes);
        Some(WaitNews::StandsStill { task, because: still })
    }
}
