//! Tasks that nobody works at, or can. Why one task does not run is what `teamster why` tells.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::roster::MemberPresence;
use teamster_protocol::model::shell_word::shell_word;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::presence;
use teamster_protocol::team::TeamView;

use super::CheckGroup;
use super::report::{DoctorFindings, REPAIR, counted};

/// Tasks that are named one by one.
const TASKS_NAMED_MAX: usize = 5;

pub(super) fn check(view: &TeamView, found: &mut DoctorFindings) {
    let before = found.troubles();
    let (board, roster) = (view.board(), view.roster());
    for owner in board.owners() {
        match presence::is_held(&view.dir().member_lock(owner)) {
            Ok(true) => {}
            Ok(false) => {
                let tasks = named(board.owned_by(owner));
                let what = format!("{tasks} in progress by {owner}, whose worker is dead");
                found.wrong(CheckGroup::Board, what).hint(REPAIR);
            }
            Err(error) => {
                found.wrong(CheckGroup::Board, format!("whether {owner} runs is not known: {error}"));
            }
        }
    }
    let mut lacking: BTreeMap<(String, String), Vec<TaskId>> = BTreeMap::new();
    let mut ended: BTreeMap<TaskId, BTreeSet<TaskId>> = BTreeMap::new();
    for (id, task) in board.tasks() {
        match &task.status {
            TaskStatus::Pending { assignee: Some(name), .. } => {
                match roster.member(name).map(|member| &member.presence) {
                    Err(_) => lacking
                        .entry((format!("for {name}, who is not on the roster"), format!("teamster spawn {name}")))
                        .or_default()
                        .push(id),
                    Ok(MemberPresence::Left { .. }) => lacking
                        .entry((format!("for {name}, who has left"), format!("teamster spawn {name}")))
                        .or_default()
                        .push(id),
                    Ok(MemberPresence::Expected { .. } | MemberPresence::Joined { .. }) => {}
                }
            }
            TaskStatus::Pending { assignee: None, .. } => {
                if let Some(role) = &task.role
                    && !roster.members().any(|(_, member)| member.spec.role.as_ref() == Some(role))
                {
                    let key = (
                        format!("for the role {role}, which nobody has"),
                        format!("teamster spawn NAME --role {role}"),
                    );
                    lacking.entry(key).or_default().push(id);
                }
                if let Some(agent) = &task.agent
                    && !roster.members().any(|(_, member)| member.spec.agent == *agent)
                {
                    let key = (
                        format!("for the agent {agent}, which no member drives"),
                        format!("teamster spawn NAME --agent {}", shell_word(agent.as_str())),
                    );
                    lacking.entry(key).or_default().push(id);
                }
            }
            TaskStatus::Failed { .. } | TaskStatus::Cancelled => {
                let waiting = task
                    .blocks
                    .iter()
                    .filter(|blocked| matches!(board.status(**blocked), Ok(TaskStatus::Pending { .. })));
                ended.entry(id).or_default().extend(waiting);
            }
            TaskStatus::InProgress { .. } | TaskStatus::Completed { .. } => {}
        }
    }
    for ((why, hint), tasks) in lacking {
        found.note(CheckGroup::Board, format!("{} pending {why}", named(tasks.into_iter()))).hint(hint);
    }
    for (on, waiting) in ended.into_iter().filter(|(_, waiting)| !waiting.is_empty()) {
        let is = board.status(on).map_or("", |status| status.word().shown());
        let first = waiting.first().map(TaskId::to_string).unwrap_or_default();
        let what = format!("{} blocked for good: task {on} is {is}", named(waiting.into_iter()));
        found
            .note(CheckGroup::Board, what)
            .hint(format!("teamster task retry {on}, or teamster task dep rm {first} {on}"));
    }
    if found.troubles() == before {
        found.ok(CheckGroup::Board, format!("{}, and none that nobody can do", counted(board.len(), "task")));
    }
}

/// `task 3 is`, `tasks 3, 4 are`.
fn named(ids: impl Iterator<Item = TaskId>) -> String {
    let ids: Vec<TaskId> = ids.collect();
    let mut words: Vec<String> = ids.iter().take(TASKS_NAMED_MAX).map(TaskId::to_string).collect();
    if ids.len() > TASKS_NAMED_MAX {
        words.push(format!("and {} more", ids.len() - TASKS_NAMED_MAX));
    }
    match ids.len() {
        1 => format!("task {} is", words.join(", ")),
        _ => format!("tasks {} are", words.join(", ")),
    }
}
