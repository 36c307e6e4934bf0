//! `forget`: takes members that left off the roster. Their worktrees, mailboxes and transcripts stay where they are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, Roster};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::{Team, TeamError};

use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// The members that were taken off the roster.
#[derive(Debug, Serialize)]
pub struct ForgottenMembers {
    /// The members, by name.
    pub members: Vec<ForgottenMember>,
}

/// A member that was taken off the roster.
#[derive(Debug, Serialize)]
pub struct ForgottenMember {
    /// The member's name.
    pub name: MemberName,
    /// Its worktree, which stays until the team is cleaned up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
    /// The branch of that worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// The reason why a member stays on the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ForgetObstacle {
    /// The member has not left: it runs, is being started, or will be started again.
    IsThere,
    /// Only this member may do these tasks, and they are still to be done.
    HasTasks(Vec<TaskId>),
}

/// Takes the members off the roster: all of them, or none if one of them is still there or has tasks.
pub fn forget(session: &Session, names: Vec<MemberName>) -> Result<ForgottenMembers, OpsError> {
    session.authorize(Verb::Forget)?;
    let names: BTreeSet<MemberName> = names.into_iter().collect();
    let view = session.view()?;
    for name in &names {
        session.must_be_member(&view, name)?;
        refuse_if_kept(name, view.roster(), view.board())?;
    }
    let mut team = session.team()?;
    let mut members = Vec::new();
    for name in names {
        members.push(forget_one(&mut team, name)?);
    }
    Ok(ForgottenMembers { members })
}

fn forget_one(team: &mut Team, name: MemberName) -> Result<ForgottenMember, OpsError> {
    // No worker takes up the name while this lock is held.
    let _lock = match team.take_lock_of_dead(&name) {
        Err(TeamError::Lock(LockError::Held { .. } | LockError::Dying { .. } | LockError::Astray { .. })) => {
            return Err(kept_by(&name, ForgetObstacle::IsThere));
        }
        taken => taken?,
    };
    team.refresh(|_| ())?;
    refuse_if_kept(&name, team.roster(), team.board())?;
    let workspace = team.roster().member(&name)?.spec.workspace.clone();
    team.remove_member(&name, |board, roster| obstacle(&name, roster, board))?
        .map_err(|obstacle| kept_by(&name, obstacle))?;
    let branch = workspace.branch().map(ToOwned::to_owned);
    let worktree = branch.is_some().then(|| workspace.dir().to_owned());
    Ok(ForgottenMember { name, worktree, branch })
}

fn refuse_if_kept(name: &MemberName, roster: &Roster, board: &Board) -> Result<(), OpsError> {
    obstacle(name, roster, board).map_or(Ok(()), |obstacle| Err(kept_by(name, obstacle)))
}

fn obstacle(name: &MemberName, roster: &Roster, board: &Board) -> Option<ForgetObstacle> {
    let has_left = match roster.member(name).map(|member| &member.presence) {
        Ok(MemberPresence::Left { then: AfterLeaving::Stays, .. }) => true,
        Ok(
            MemberPresence::Left { then: AfterLeaving::Again { .. } | AfterLeaving::Undecided { .. }, .. }
            | MemberPresence::Expected { .. }
            | MemberPresence::Joined { .. },
        ) => false,
        // The member is off the roster already: another command was quicker.
        Err(_) => true,
    };
    if !has_left {
        return Some(ForgetObstacle::IsThere);
    }
    let is_its = |status: &TaskStatus| match status {
        TaskStatus::Pending { assignee, .. } => assignee.as_ref() == Some(name),
        TaskStatus::InProgress { owner, .. } => owner == name,
        TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => false,
    };
    let tasks: Vec<TaskId> = board.tasks().filter(|(_, task)| is_its(&task.status)).map(|(id, _)| id).collect();
    (!tasks.is_empty()).then_some(ForgetObstacle::HasTasks(tasks))
}

fn kept_by(name: &MemberName, obstacle: ForgetObstacle) -> OpsError {
    match obstacle {
        ForgetObstacle::IsThere => OpsError::refused(
            format!("{name} has not left"),
            format!("end it first with teamster shutdown {name}, or teamster kill {name}"),
        ),
        ForgetObstacle::HasTasks(tasks) => {
            let numbers: Vec<String> = tasks.iter().map(TaskId::to_string).collect();
            let (what, first) = match &numbers[..] {
                [one] => (format!("task {one} is"), one),
                more => (format!("tasks {} are", more.join(", ")), &more[0]),
            };
            OpsError::refused(
                format!("{what} for {name} alone"),
                format!(
                    "give it to another with teamster task assign {first} NAME, or to all with teamster task unassign {first}"
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::roster::{MemberSpec, TeamFact, WorkerEnd, Workspace};
    use teamster_protocol::model::task::{NewTask, TaskWork};
    use teamster_protocol::store::file::{FactOffset, FactStamp, LogFold};

    use super::*;

    fn stamp() -> FactStamp<'static> {
        FactStamp { seq: 1, at_ms: 1, by: "lead", offset: FactOffset::NONE }
    }

    fn alice() -> MemberName {
        "alice".parse().unwrap()
    }

    fn roster(facts: impl IntoIterator<Item = TeamFact>) -> Roster {
        let spec = MemberSpec::new("shell".parse().unwrap(), Workspace::Shared { dir: "/".into() });
        let mut roster = Roster::default();
        let added = TeamFact::Added { name: alice(), spec: Box::new(spec) };
        [added].into_iter().chain(facts).for_each(|fact| roster.apply(fact, &stamp()));
        roster
    }

    #[test]
    fn only_who_left_for_good_and_has_nothing_to_do_is_forgotten() {
        let left = || TeamFact::Left { name: alice(), how: WorkerEnd::Shutdown };
        let how = WorkerEnd::Died { reason: "killed".to_owned() };
        let again = TeamFact::Restarting { name: alice(), how, at_ms: 9 };
        let mut board = Board::default();
        assert_eq!(obstacle(&alice(), &roster([]), &board), Some(ForgetObstacle::IsThere), "it is being started");
        assert_eq!(obstacle(&alice(), &roster([again]), &board), Some(ForgetObstacle::IsThere));
        assert_eq!(obstacle(&alice(), &roster([left()]), &board), None);
        let task = NewTask { to: Some(alice()), ..NewTask::new(TaskWork::run("true")) };
        board.add(vec![task]).unwrap().into_iter().for_each(|fact| board.apply(fact, &stamp()));
        let obstacle = obstacle(&alice(), &roster([left()]), &board);
        assert_eq!(obstacle, Some(ForgetObstacle::HasTasks(vec![TaskId(1)])));
    }
}
