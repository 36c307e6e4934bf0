//! Tasks and members that are waited for and do not go on by themselves, such as a task that no member can take, or a member
//! whose agent asks for permission: a wait for them says so.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::pace::STANDSTILL_LOOK;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::TeamView;
use tokio::time::Instant;

use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::why::{CauseText, WaitCause, causes_of_members, causes_of_task};

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
    /// The member is at work, and stays as it is until somebody does something about it.
    MemberStandsStill {
        /// The member.
        member: MemberName,
        /// The causes that stand still, each with the way out.
        because: Vec<CauseText>,
    },
    /// The member stood still, and does so no longer.
    MemberGoesOn {
        /// The member.
        member: MemberName,
        /// What it does now.
        because: Vec<CauseText>,
    },
}

/// A task or a member that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum WaitSubject {
    Task(TaskId),
    Member(MemberName),
}

/// What was told of everything that stands still.
#[derive(Debug)]
pub(super) struct StandstillWatch {
    view: TeamView,
    told: BTreeMap<WaitSubject, Vec<WaitCause>>,
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
            news.extend(self.news_of(WaitSubject::Task(task), because));
        }
        Ok(news)
    }

    /// Looks at these members, which are at work, and returns what is new. Nothing is told of one that is no longer among them.
    pub(super) fn look_at_members(
        &mut self,
        session: &Session,
        members: &[MemberName],
    ) -> Result<Vec<WaitNews>, OpsError> {
        self.looked = Some(Instant::now());
        self.view.refresh()?;
        self.told.retain(|subject, _| match subject {
            WaitSubject::Member(name) => members.contains(name),
            WaitSubject::Task(_) => true,
        });
        let causes = causes_of_members(session, &self.view, members)?.into_iter().zip(members);
        Ok(causes.filter_map(|(because, name)| self.news_of(WaitSubject::Member(name.clone()), because)).collect())
    }

    fn news_of(&mut self, subject: WaitSubject, because: Vec<CauseText>) -> Option<WaitNews> {
        let still: Vec<CauseText> = because.iter().filter(|why| why.cause.stands_still()).cloned().collect();
        if still.is_empty() {
            return self.told.remove(&subject).map(|_| match subject {
                WaitSubject::Task(task) => WaitNews::GoesOn { task, because },
                WaitSubject::Member(member) => WaitNews::MemberGoesOn { member, because },
            });
        }
        let causes: Vec<WaitCause> = still.iter().map(|why| why.cause.clone()).collect();
        if self.told.get(&subject) == Some(&causes) {
            return None;
        }
        self.told.insert(subject.clone(), causes);
        Some(match subject {
            WaitSubject::Task(task) => WaitNews::StandsStill { task, because: still },
            WaitSubject::Member(member) => WaitNews::MemberStandsStill { member, because: still },
        })
    }
}
