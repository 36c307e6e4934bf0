//! A team as it is watched: what happened since the last look, and how it stands now.

use std::collections::BTreeMap;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{MemberView, TeamView};

use super::error::OpsError;
use super::events::{TeamEvent, TeamLogs};
use super::session::Session;
use super::task::TaskCounts;
use crate::verb::Verb;

/// What happens in a team, for whoever goes on watching it. What happened before it was opened is not told.
#[derive(Debug)]
pub struct TeamFeed {
    logs: TeamLogs,
    view: TeamView,
    watch: FileWatch,
    /// What was written before its file was watched.
    found: Vec<TeamEvent>,
}

/// How a team stands at one moment.
#[derive(Debug)]
pub struct TeamGlance {
    /// Its members, without those that left.
    pub members: Vec<MemberView>,
    /// The titles of the tasks that they are on.
    pub titles: BTreeMap<TaskId, String>,
    /// How many tasks stand where.
    pub tasks: TaskCounts,
}

impl TeamFeed {
    /// Begins to watch. Refused for a team that nobody ever made.
    pub fn open(session: &Session) -> Result<TeamFeed, OpsError> {
        session.authorize(Verb::Events)?;
        let view = session.view()?;
        let mut watch = FileWatch::new(session.settings.poll);
        watch.add(session.dir.board());
        watch.add(session.dir.roster());
        let (logs, _) = TeamLogs::open(session.dir.clone())?;
        let mut feed = TeamFeed { logs, view, watch, found: Vec::new() };
        feed.found = feed.read_news()?;
        Ok(feed)
    }

    /// Waits until something may have happened.
    pub async fn changed(&mut self) {
        if self.found.is_empty() {
            self.watch.changed().await;
        }
    }

    /// What happened since the last time, in order.
    pub fn take_news(&mut self) -> Result<Vec<TeamEvent>, OpsError> {
        let mut news = std::mem::take(&mut self.found);
        news.extend(self.read_news()?);
        Ok(news)
    }

    /// How the team stands now.
    pub fn glance(&mut self) -> Result<TeamGlance, OpsError> {
        self.view.refresh()?;
        let mut members = self.view.members()?;
        members.retain(|member| member.left.is_none() || member.again_ms.is_some());
        let tasks = members.iter().flat_map(|member| &member.tasks);
        let titles = tasks.map(|id| Ok((*id, self.view.new_task(*id)?.title))).collect::<Result<_, OpsError>>()?;
        Ok(TeamGlance { members, titles, tasks: TaskCounts::of(self.view.board()) })
    }

    fn read_news(&mut self) -> Result<Vec<TeamEvent>, OpsError> {
        let mut news = self.logs.refresh()?;
        for path in self.logs.take_unwatched() {
            self.watch.add(path);
            // It was read before it was watched.
            news.extend(self.logs.refresh()?);
        }
        Ok(news)
    }
}
