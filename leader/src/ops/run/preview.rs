//! `run --dry-run`: the preview of a run. Its tasks stand in the order in which one worker would do them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::PathBuf;

use serde::Serialize;
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId, TeamName};
use teamster_protocol::model::task::{NewTask, StatusWord, TaskWork};
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::WorkspaceRequest;

use super::crew::CrewMember;
use super::outline::RunOutline;
use super::places::{CrewPlace, CrewPlaces};
use crate::ops::error::run::RunError;

/// The preview of a run; in JSON its `kind` is `preview`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename = "preview")]
pub struct RunPreview {
    /// The team.
    pub team: TeamName,
    /// The tasks, in the order in which one worker would do them; those that nobody could do come last.
    pub tasks: Vec<PlannedRow>,
    /// The members that are there and would take some of the tasks.
    pub there: Vec<MemberName>,
    /// Those that would be spawned.
    pub spawns: Vec<PlannedMember>,
}

/// A task of a run that was not begun.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedRow {
    /// Its number on the board, or the one that it would get.
    pub id: TaskId,
    /// The status of the task, if it is on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusWord>,
    /// Its name in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its title.
    pub title: String,
    /// The work that the task asks for.
    pub work: TaskWork,
    /// The tasks that it waits for, the completed ones left out.
    pub waits_for: Vec<TaskId>,
    /// Whether it waits for a task that nobody would do.
    pub stuck: bool,
    /// The only member that may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<MemberName>,
    /// The role its taker must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The agent its taker must drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Higher is taken first.
    pub priority: i32,
}

/// A member that would be spawned.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedMember {
    /// Its name.
    pub name: MemberName,
    /// Its role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The agent that it would drive.
    pub agent: AgentName,
    /// The place in which it would work.
    pub workspace: WorkspaceRequest,
    /// The worktree that it had, where it would go on in that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
}

impl RunPreview {
    /// The preview of this outline. Refused where a member could not work where it did before.
    pub(super) fn of(view: &TeamView, outline: RunOutline, places: &CrewPlaces<'_>) -> Result<RunPreview, RunError> {
        let board = view.board();
        let RunOutline { ids, tasks, crew, .. } = outline;
        let new_ids = (board.next_id().0..).map(TaskId);
        let row = |(id, task): (TaskId, NewTask)| {
            let on_board = board.task(id).ok();
            PlannedRow {
                id,
                status: on_board.as_ref().map(|task| task.status.word()),
                waits_for: on_board.map_or_else(|| task.after.clone(), |task| board.open_dependencies(&task)),
                stuck: false,
                label: task.label,
                title: task.title,
                work: task.work,
                to: task.to,
                role: task.role,
                agent: task.agent,
                priority: task.priority,
            }
        };
        let rows = ids.iter().copied().chain(new_ids).zip(tasks).map(row).collect();
        let planned = |member: CrewMember| {
            let CrewPlace { agent, workspace, worktree, role, stall: _, budget: _ } = places.of_member(&member)?;
            let role = member.role.or(role);
            Ok(PlannedMember { name: member.name, role, agent: agent.name, workspace, worktree })
        };
        Ok(RunPreview {
            team: view.dir().team().clone(),
            tasks: in_order_of_work(rows),
            there: crew.there,
            spawns: crew.spawns.into_iter().map(planned).collect::<Result<_, RunError>>()?,
        })
    }
}

/// Puts tasks in the order in which one worker would take them: of those that wait for nothing any more the one with the
/// highest priority, then the lowest number. Those that wait for what is not done here come last, and are stuck.
fn in_order_of_work(rows: Vec<PlannedRow>) -> Vec<PlannedRow> {
    let mut dependents: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut open: BTreeMap<TaskId, usize> = BTreeMap::new();
    let mut ready = BinaryHeap::new();
    let mut by_id: BTreeMap<TaskId, PlannedRow> = BTreeMap::new();
    for row in rows {
        let waits_for: BTreeSet<TaskId> = row.waits_for.iter().copied().collect();
        open.insert(row.id, waits_for.len());
        if waits_for.is_empty() {
            ready.push((row.priority, Reverse(row.id)));
        }
        for on in waits_for {
            dependents.entry(on).or_default().push(row.id);
        }
        by_id.insert(row.id, row);
    }
    let mut order = Vec::with_capacity(by_id.len());
    while let Some((_, Reverse(id))) = ready.pop() {
        order.extend(by_id.remove(&id));
        for dependent in dependents.remove(&id).unwrap_or_default() {
            let Some(left) = open.get_mut(&dependent) else { continue };
            *left -= 1;
            if let (0, Some(row)) = (*left, by_id.get(&dependent)) {
                ready.push((row.priority, Reverse(dependent)));
            }
        }
    }
    order.extend(by_id.into_values().map(|row| PlannedRow { stuck: true, ..row }));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u32, waits_for: &[u32], priority: i32) -> PlannedRow {
        PlannedRow {
            id: TaskId(id),
            status: None,
            label: None,
            title: "x".to_owned(),
            work: TaskWork::run("x"),
            waits_for: waits_for.iter().copied().map(TaskId).collect(),
            stuck: false,
            to: None,
            role: None,
            agent: None,
            priority,
        }
    }

    fn ordered(rows: Vec<PlannedRow>) -> Vec<(u32, bool)> {
        in_order_of_work(rows).iter().map(|row| (row.id.0, row.stuck)).collect()
    }

    #[test]
    fn tasks_come_after_what_they_wait_for_then_by_priority_then_by_number() {
        let rows = vec![row(1, &[3], 0), row(2, &[], 0), row(3, &[], 0), row(4, &[], 5), row(5, &[4, 4, 2], 9)];
        assert_eq!(ordered(rows), [(4, false), (2, false), (5, false), (3, false), (1, false)]);
    }

    #[test]
    fn what_waits_for_something_that_nobody_does_comes_last_and_is_stuck() {
        assert_eq!(ordered(vec![row(2, &[1], 9), row(3, &[2], 0), row(4, &[], 0)]), [(4, false), (2, true), (3, true)]);
    }
}
