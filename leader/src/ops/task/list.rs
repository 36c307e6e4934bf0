//! `task list`.

use serde::Serialize;
use teamster_protocol::model::board::Task;
use teamster_protocol::model::id::{TaskId, TeamName};
use teamster_protocol::model::roster::{MemberPresence, Roster};
use teamster_protocol::model::task::{BoardRefusal, TaskStatus, WorkKind};

use super::row::{TaskCounts, TaskRow, TaskStanding};
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::why::{TakerNeeds, WaitCause, because, takers};
use crate::verb::Verb;

/// The choice of tasks that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskFilter {
    /// Pending and waiting for nothing.
    Ready,
    /// Pending and waiting for other tasks.
    Blocked,
    /// Tasks that were not begun, whether they wait or not.
    Pending,
    /// Tasks that were stopped and are held.
    Stopped,
    /// Tasks that a worker is on.
    InProgress,
    /// Completed tasks.
    Completed,
    /// Failed tasks.
    Failed,
    /// Cancelled tasks.
    Cancelled,
    /// All that is not completed, failed or cancelled.
    Open,
}

impl TaskFilter {
    /// Whether tasks that stand so are listed.
    pub fn takes(self, standing: TaskStanding) -> bool {
        match self {
            TaskFilter::Ready => standing == TaskStanding::Pending,
            TaskFilter::Blocked => standing == TaskStanding::Blocked,
            TaskFilter::Pending => matches!(standing, TaskStanding::Pending | TaskStanding::Blocked),
            TaskFilter::Stopped => standing == TaskStanding::Stopped,
            TaskFilter::InProgress => standing == TaskStanding::InProgress,
            TaskFilter::Completed => standing == TaskStanding::Completed,
            TaskFilter::Failed => standing == TaskStanding::Failed,
            TaskFilter::Cancelled => standing == TaskStanding::Cancelled,
            TaskFilter::Open => match standing {
                TaskStanding::Pending | TaskStanding::Blocked | TaskStanding::Stopped | TaskStanding::InProgress => {
                    true
                }
                TaskStanding::Completed | TaskStanding::Failed | TaskStanding::Cancelled => false,
            },
        }
    }
}

/// Tasks by number, and how many of all stand where.
#[derive(Debug, Serialize)]
pub struct TaskList {
    /// The team.
    pub team: TeamName,
    /// How many of all tasks stand where.
    pub counts: TaskCounts,
    /// The tasks that were asked for.
    pub tasks: Vec<TaskRow>,
    /// Where each of them stands.
    #[serde(skip)]
    pub standings: Vec<TaskStanding>,
}

/// Why a task that is to be taken is for no member that there is: none reads its words, or none drives the agent that it asks
/// for. Whether those who could take it run is another thing, which `why` tells.
fn no_taker(roster: &Roster, id: TaskId, task: &Task, now_ms: u64) -> Option<String> {
    let TaskStatus::Pending { assignee, .. } = &task.status else { return None };
    if task.kind == WorkKind::Command && task.agent.is_none() {
        return None;
    }
    let cause = match assignee {
        Some(name) => {
            let refused = roster.member(name).ok()?.spec.must_take(name, task.kind, task.agent.as_ref(), Some(id));
            let (member, agent) = (name.clone(), roster.member(name).ok()?.spec.agent.clone());
            match refused.err()? {
                BoardRefusal::OtherAgent { wanted, .. } => WaitCause::AssigneeOtherAgent { member, agent, wanted },
                _ => WaitCause::AssigneeCommandsOnly { member, agent },
            }
        }
        None => {
            let needs = TakerNeeds { role: task.role.as_ref(), agent: task.agent.as_ref(), kind: task.kind };
            let cause =
                takers(roster, needs, |_, member| !matches!(member.presence, MemberPresence::Left { .. })).err()?;
            matches!(cause, WaitCause::CommandsOnly { .. } | WaitCause::AgentMissing { .. }).then_some(cause)?
        }
    };
    Some(because(cause, Some(id), now_ms).says)
}

/// Lists the tasks that one of the filters takes, or all if there is none.
pub fn list(session: &Session, filters: &[TaskFilter]) -> Result<TaskList, OpsError> {
    session.authorize(Verb::TaskList)?;
    let view = session.look()?;
    let (board, asked) = (view.board(), view.new_tasks()?);
    let mut rows = Vec::new();
    for (id, task) in board.tasks() {
        let standing = TaskStanding::of(&task);
        if filters.is_empty() || filters.iter().any(|filter| filter.takes(standing)) {
            let no_taker = no_taker(view.roster(), id, &task, session.now_ms());
            rows.push((standing, TaskRow { no_taker, ..TaskRow::of(board, id, &task, asked.get(&id)) }));
        }
    }
    let (standings, tasks) = rows.into_iter().unzip();
    Ok(TaskList { team: session.dir.team().clone(), counts: TaskCounts::of(board), tasks, standings })
}
