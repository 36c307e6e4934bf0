//! The outline of a run, before anything is begun: its tasks, those on the board and those of the plan, and who works on
//! them.

use std::collections::BTreeSet;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, WaitingClaimant};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::roster::Roster;
use teamster_protocol::model::task::{NewTask, TaskHold, TaskStatus};
use teamster_protocol::store::presence;
use teamster_protocol::team::{Team, TeamError, TeamView};

use super::RunLeftover;
use super::crew::{RunCrew, WorkerCount, crew};
use crate::ops::config::TaskLimits;
use crate::ops::error::run::RunError;
use crate::ops::plan::Plan;

/// The team as it is read for a run.
pub(super) trait ReadTeam {
    fn dir(&self) -> &TeamDir;
    fn board(&self) -> &Board;
    fn roster(&self) -> &Roster;
    /// Reads what was asked for with a task.
    fn new_task(&self, id: TaskId) -> Result<NewTask, TeamError>;
}

macro_rules! read_team {
    ($($team:ty),*) => {$(
        impl ReadTeam for $team {
            fn dir(&self) -> &TeamDir {
                self.dir()
            }

            fn board(&self) -> &Board {
                self.board()
            }

            fn roster(&self) -> &Roster {
                self.roster()
            }

            fn new_task(&self, id: TaskId) -> Result<NewTask, TeamError> {
                self.new_task(id)
            }
        }
    )*};
}

read_team!(Team, TeamView);

/// The wishes for a run, as far as its tasks and its crew depend on that.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutlineRequest<'a> {
    pub(super) plan: Option<&'a Plan>,
    pub(super) leftover: RunLeftover,
    pub(super) workers: Option<usize>,
    pub(super) task_limits: TaskLimits,
}

/// The tasks of a run, and its crew.
#[derive(Debug)]
pub(super) struct RunOutline {
    /// The tasks that are on the board already, lowest number first.
    pub(super) ids: Vec<TaskId>,
    /// Those of them that somebody has to open again first: they failed, or were stopped.
    pub(super) to_open: Vec<TaskId>,
    /// All tasks: those on the board, then those of the plan.
    pub(super) tasks: Vec<NewTask>,
    /// The members that work on them.
    pub(super) crew: RunCrew,
}

impl RunOutline {
    /// Looks whether there is something to run, and by whom. Refuses to mix a plan with what others left, unless that was
    /// asked for. An outline without tasks is one where nothing is left to do.
    pub(super) fn of(team: &impl ReadTeam, wanted: &OutlineRequest<'_>) -> Result<RunOutline, RunError> {
        let board = team.board();
        let standing: Vec<(TaskId, RunShare)> =
            board.tasks().filter_map(|(id, task)| Some((id, run_share(&task.status, wanted.leftover)?))).collect();
        let ids: Vec<TaskId> = standing.iter().map(|(id, _)| *id).collect();
        if wanted.leftover == RunLeftover::Refuse && !ids.is_empty() {
            return Err(RunError::Unfinished { team: team.dir().team().to_string(), ids });
        }
        let to_open = standing.iter().filter(|(_, share)| *share == RunShare::ToOpen).map(|(id, _)| *id).collect();
        let mut tasks = Vec::with_capacity(ids.len());
        for id in &ids {
            let mut task = team.new_task(*id)?;
            // The assignee may have changed since the task was added.
            task.to = board.task(*id).map_err(TeamError::from)?.meant_for.clone();
            tasks.push(task);
        }
        let first = board.next_id();
        tasks.extend(wanted.plan.iter().flat_map(|plan| planned_tasks(plan, first, wanted.task_limits)));
        let (there, taken) = who_is_there(team)?;
        let before = team.roster().members().map(|(name, _)| name);
        let usual = || WorkerCount::usual(wanted.leftover, before);
        let workers = wanted.workers.map_or_else(usual, WorkerCount::Wanted);
        let crew = match tasks.is_empty() {
            true => RunCrew::default(),
            false => crew(&tasks, workers, &there, &taken)?,
        };
        Ok(RunOutline { ids, to_open, tasks, crew })
    }
}

/// How a task of the board takes part in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunShare {
    /// The task is to be done, or is being done.
    Open,
    /// The task is to be opened again first.
    ToOpen,
}

fn run_share(status: &TaskStatus, leftover: RunLeftover) -> Option<RunShare> {
    match (status, leftover) {
        (TaskStatus::Pending { hold: TaskHold::Free, .. } | TaskStatus::InProgress { .. }, _) => Some(RunShare::Open),
        (TaskStatus::Pending { hold: TaskHold::Stopped, .. }, _) => Some(RunShare::ToOpen),
        (TaskStatus::Failed { .. }, RunLeftover::RetryFailed) => Some(RunShare::ToOpen),
        (TaskStatus::Failed { .. }, RunLeftover::Refuse | RunLeftover::Resume)
        | (TaskStatus::Completed { .. } | TaskStatus::Cancelled, _) => None,
    }
}

/// The members that run and can take tasks; and the names of all that run, those included that hang or are to end.
fn who_is_there(team: &impl ReadTeam) -> Result<(Vec<WaitingClaimant>, BTreeSet<MemberName>), RunError> {
    let (mut there, mut taken) = (Vec::new(), BTreeSet::new());
    for (name, member) in team.roster().members() {
        if !presence::is_held(&team.dir().member_lock(name)).map_err(TeamError::from)? {
            continue;
        }
        taken.insert(name.clone());
        if member.hung_ms.is_none() && member.dismissed_ms.is_none() {
            there.push(member.spec.claimant(name));
        }
    }
    Ok((there, taken))
}

/// The names of all members that run.
pub(super) fn running(team: &impl ReadTeam) -> Result<BTreeSet<MemberName>, RunError> {
    Ok(who_is_there(team)?.1)
}

/// The tasks of a plan, numbered from `first` in its order.
pub(super) fn planned_tasks(plan: &Plan, first: TaskId, limits: TaskLimits) -> impl Iterator<Item = NewTask> + '_ {
    let number = move |index: &usize| TaskId(first.0 + *index as u32);
    plan.tasks.iter().map(move |planned| {
        let name = "the plan was checked";
        let mut task = NewTask::new(planned.work.clone());
        task.title = planned.title.clone();
        task.label = Some(planned.id.clone());
        task.after = planned.after.iter().map(number).collect();
        task.to = planned.to.as_ref().map(|to| to.parse().expect(name));
        task.role = planned.role.as_ref().map(|role| role.parse().expect(name));
        task.agent = planned.agent.as_ref().map(|agent| agent.parse().expect(name));
        task.priority = planned.priority;
        task.timeout_ms = planned.timeout.map(|timeout| timeout.as_millis() as u64);
        task.budget = planned.budget.budget();
        limits.apply(&mut task);
        task
    })
}
