//! `teams`: every team under the root. Each is only looked at, and one that can not be read keeps no other from being
//! shown.

use std::path::PathBuf;

use futures_util::future::join_all;
use serde::Serialize;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::TeamName;
use teamster_protocol::team::{MemberState, TeamView};

use super::error::OpsError;
use super::hanging::{LeaderStatus, look_at_leader};
use super::session::Session;
use super::task::TaskCounts;
use crate::verb::Verb;

/// The teams of one root, by name.
#[derive(Debug, Serialize)]
pub struct TeamList {
    /// The root directory in which they are kept.
    pub root: PathBuf,
    /// The teams.
    pub teams: Vec<TeamRow>,
}

/// One team.
#[derive(Debug, Serialize)]
pub struct TeamRow {
    /// The team's name.
    pub team: TeamName,
    /// Whether commands that are typed here are about it.
    pub here: bool,
    /// The repository or directory that the team is for, if that was written.
    pub dir: Option<PathBuf>,
    /// The leader that runs, if one does.
    pub leader: Option<LeaderStatus>,
    /// The number of members that have not left.
    pub members: usize,
    /// The number of members that left, and are still on the roster.
    pub left: usize,
    /// The number of tasks that are to be done or being done.
    pub open: usize,
    /// The reason why the team can not be read; nothing else is known of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Lists the teams.
pub async fn list_teams(session: &Session) -> Result<TeamList, OpsError> {
    session.authorize(Verb::Teams)?;
    let root = session.dir.root();
    // The teams are read side by side, because a leader that hangs is waited for.
    let looks = team_names(session)?.into_iter().map(async |team| {
        let here = team == *session.dir.team();
        let row = look_at_team(TeamDir::new(root, team.clone()), here).await;
        row.unwrap_or_else(|error| TeamRow {
            error: Some(error.told().0),
            ..TeamRow { team, here, dir: None, leader: None, members: 0, left: 0, open: 0, error: None }
        })
    });
    let teams = join_all(looks).await;
    Ok(TeamList { root: root.to_owned(), teams })
}

/// The names of the teams under the root, in order. A root that is not there has none.
pub fn team_names(session: &Session) -> Result<Vec<TeamName>, OpsError> {
    session.authorize(Verb::Teams)?;
    let root = session.dir.root();
    let failed = |source| OpsError::Path { doing: "look for teams in", path: root.to_owned(), source };
    let entries = match root.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        // A directory whose name can not be that of a team is none.
        let Some(team) = name.to_str().and_then(|name| name.parse::<TeamName>().ok()) else { continue };
        if TeamDir::new(root, team.clone()).exists() {
            names.push(team);
        }
    }
    names.sort();
    Ok(names)
}

async fn look_at_team(dir: TeamDir, here: bool) -> Result<TeamRow, OpsError> {
    let view = TeamView::open(dir)?;
    let members = view.members()?;
    let left = members.iter().filter(|member| member.state == MemberState::Left).count();
    let TaskCounts { pending, blocked, stopped, in_progress, total: _, completed: _, failed: _, cancelled: _ } =
        TaskCounts::of(view.board());
    Ok(TeamRow {
        team: view.dir().team().clone(),
        here,
        dir: view.roster().dir().map(ToOwned::to_owned),
        leader: look_at_leader(view.dir()).await?,
        members: members.len() - left,
        left,
        open: pending + blocked + stopped + in_progress,
        error: None,
    })
}
