//! `list`: the members.

use std::collections::BTreeMap;

use serde::Serialize;
use teamster_protocol::model::id::{TaskId, TeamName};
use teamster_protocol::team::{MemberState, MemberView, TeamView};

use super::approvals::{ApprovalRow, waiting_of};
use super::error::OpsError;
use super::hanging::{LeaderStatus, look_at_leader};
use super::session::Session;
use crate::verb::Verb;

/// The members of a team, by name.
#[derive(Debug, Serialize)]
pub struct MemberList {
    /// The team.
    pub team: TeamName,
    /// The leader that runs, if one does.
    pub leader: Option<LeaderStatus>,
    /// Its members, as far as they were wanted.
    pub members: Vec<MemberView>,
    /// The questions for permission of these that wait for the lead, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRow>,
    /// How many members left, and are not among these.
    pub hidden: usize,
    /// The titles of the tasks that members are on.
    #[serde(skip)]
    pub titles: BTreeMap<TaskId, String>,
}

/// Which members are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedMembers {
    /// All members on the roster.
    All,
    /// Members that have not left.
    There,
}

/// Lists the members.
pub async fn list_members(session: &Session, wanted: WantedMembers) -> Result<MemberList, OpsError> {
    session.authorize(Verb::List)?;
    let mut list = member_list(&session.look()?).await?;
    if wanted == WantedMembers::There {
        let all = list.members.len();
        list.members.retain(|member| member.state != MemberState::Left);
        list.hidden = all - list.members.len();
    }
    Ok(list)
}

/// The members with the titles of what they are on.
pub(super) async fn member_list(view: &TeamView) -> Result<MemberList, OpsError> {
    let members = view.members()?;
    let tasks = members.iter().flat_map(|member| &member.tasks);
    let titles = tasks.map(|id| Ok((*id, view.new_task(*id)?.title))).collect::<Result<_, OpsError>>()?;
    let approvals = waiting_of(view, &members)?;
    let leader = look_at_leader(view.dir()).await?;
    Ok(MemberList { team: view.dir().team().clone(), leader, members, approvals, hidden: 0, titles })
}
