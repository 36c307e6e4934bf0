//! `status`: how the team is doing, or one member.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use teamster_protocol::model::id::{Address, MemberName, TaskId, TeamName};
use teamster_protocol::model::limits::sizes::LAST_ENTRIES_MAX;
use teamster_protocol::model::mail::{LetterState, MessageBody};
use teamster_protocol::store::transcript;
use teamster_protocol::team::{MemberView, read_mail};

use super::approvals::{ApprovalRow, waiting_of};
use super::error::OpsError;
use super::hanging::LeaderStatus;
use super::list::{MemberList, member_list};
use super::logs::MemberLogEntry;
use super::session::Session;
use super::task::{TaskCounts, TaskRow, TaskStanding};
use crate::verb::Verb;

/// How the team is doing.
#[derive(Debug, Serialize)]
pub struct TeamStatus {
    /// The team.
    pub team: TeamName,
    /// The directory the team is for, if that was written.
    pub dir: Option<PathBuf>,
    /// The directory of the team's files.
    pub files: PathBuf,
    /// The leader that runs, if one does.
    pub leader: Option<LeaderStatus>,
    /// Its members.
    pub members: Vec<MemberView>,
    /// The questions for permission that wait for the lead, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRow>,
    /// How many tasks stand where.
    pub tasks: TaskCounts,
    /// Tasks that wait for others.
    pub blocked: Vec<TaskRow>,
    /// Tasks that need a person: failed or stopped.
    pub attention: Vec<TaskRow>,
    /// Messages in the lead's mailbox that were not read, without those that programs act on and without questions for
    /// permission, which are above.
    pub unread: usize,
    /// The titles of the tasks that members are on.
    #[serde(skip)]
    pub titles: BTreeMap<TaskId, String>,
}

/// How one member is doing.
#[derive(Debug, Serialize)]
pub struct MemberStatus {
    /// The member, as in a list.
    #[serde(flatten)]
    pub member: MemberView,
    /// The questions of its agent that wait for the lead, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRow>,
    /// The tasks it is on.
    pub task_rows: Vec<TaskRow>,
    /// The last it said.
    pub last: Vec<MemberLogEntry>,
}

/// Shows how the team is doing.
pub async fn team_status(session: &Session) -> Result<TeamStatus, OpsError> {
    session.authorize(Verb::Status)?;
    let view = session.look()?;
    let MemberList { team, leader, members, approvals, hidden: _, titles } = member_list(&view).await?;
    let asked = view.new_tasks()?;
    let mut blocked = Vec::new();
    let mut attention = Vec::new();
    for (id, task) in view.board().tasks() {
        let row = || TaskRow::of(view.board(), id, &task, asked.get(&id));
        match TaskStanding::of(&task) {
            TaskStanding::Blocked => blocked.push(row()),
            TaskStanding::Failed | TaskStanding::Stopped => attention.push(row()),
            TaskStanding::Pending | TaskStanding::InProgress | TaskStanding::Completed | TaskStanding::Cancelled => {}
        }
    }
    let is_unread = |state: LetterState, body: &MessageBody| {
        let is_question = matches!(body, MessageBody::PermissionAsked(_));
        state == LetterState::Unread && !body.is_control() && !is_question
    };
    let mail = read_mail(view.dir(), &Address::Lead)?;
    let unread = mail.iter().filter(|(state, message)| is_unread(*state, &message.body)).count();
    Ok(TeamStatus {
        team,
        dir: view.roster().dir().map(ToOwned::to_owned),
        files: view.dir().path().to_owned(),
        leader,
        members,
        approvals,
        tasks: TaskCounts::of(view.board()),
        blocked,
        attention,
        unread,
        titles,
    })
}

/// Shows how one member is doing.
pub fn member_status(session: &Session, name: &MemberName) -> Result<MemberStatus, OpsError> {
    session.authorize(Verb::Status)?;
    let view = session.view()?;
    session.must_be_member(&view, name)?;
    let members = view.members()?;
    let member = members.into_iter().find(|member| member.name == *name).expect("it was looked for on the roster");
    let mut task_rows = Vec::new();
    for id in &member.tasks {
        if let Ok(task) = view.board().task(*id) {
            task_rows.push(TaskRow::of(view.board(), *id, &task, Some(&view.new_task(*id)?)));
        }
    }
    let dir = view.dir().turns(name);
    let mut last = Vec::new();
    for turn in transcript::turns(&dir)?.into_iter().rev() {
        let mut entries = transcript::read(&dir, turn, 0)?.entries;
        entries.append(&mut last);
        last = entries;
        if last.len() >= LAST_ENTRIES_MAX {
            break;
        }
    }
    last.drain(..last.len().saturating_sub(LAST_ENTRIES_MAX));
    let last = last.into_iter().map(|entry| MemberLogEntry { member: name.clone(), attempt: None, entry }).collect();
    let approvals = waiting_of(&view, std::slice::from_ref(&member))?;
    Ok(MemberStatus { member, approvals, task_rows, last })
}
