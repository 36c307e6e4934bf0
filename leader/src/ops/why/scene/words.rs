//! Causes in words: what is the case, and the command that changes it.

use std::time::Duration;

use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::roster::LeftHow;

use super::{Absence, Because, Cause, Hindrance};
use crate::ops::text::{ago, humane};

/// Tasks or members that are named one by one.
const NAMED_MAX: usize = 6;

/// The words for a cause of `task`, or of a member.
pub(super) fn because(cause: Cause, task: Option<TaskId>, now_ms: u64) -> Because {
    Because { says: says(&cause, now_ms), hint: hint(&cause, task), cause }
}

fn says(cause: &Cause, now_ms: u64) -> String {
    let since = |since_ms: &u64| humane(Duration::from_millis(now_ms.saturating_sub(*since_ms)));
    match cause {
        Cause::Completed { owner, at_ms } => format!("completed by {owner} {}", ago(*at_ms, now_ms)),
        Cause::Failed { owner, at_ms, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("failed on {owner} {}{reason}", ago(*at_ms, now_ms))
        }
        Cause::Cancelled => "cancelled".to_owned(),
        Cause::InProgress { owner, since_ms } => format!("in progress by {owner} for {}", since(since_ms)),
        Cause::OwnerHindered { owner, since_ms, by } => {
            format!("in progress by {owner} for {}, who {}", since(since_ms), hindrance(by, now_ms))
        }
        Cause::OwnerDead { owner } => format!("in progress by {owner}, whose worker is dead"),
        Cause::Stopped { assignee: Some(name) } => format!("held for {name} after a stop"),
        Cause::Stopped { assignee: None } => "held after a stop".to_owned(),
        Cause::WaitsFor { task, via, because } => {
            let way: Vec<String> = via.iter().take(NAMED_MAX).map(|id| id.to_string()).collect();
            let way = match (via.len(), via.len() > NAMED_MAX) {
                (0, _) => String::new(),
                (_, false) => format!(" (by way of {})", way.join(", ")),
                (count, true) => format!(" (by way of {} and {} more)", way.join(", "), count - NAMED_MAX),
            };
            format!("waits for task {task}{way}: {}", says(because, now_ms))
        }
        Cause::AssigneeBusy { member, task, since_ms } => {
            format!("for {member}, who has been on task {task} for {}", since(since_ms))
        }
        Cause::AssigneeInTurn { member, since_ms } => {
            format!("for {member}, who has been in a turn for mail or a prompt for {}", since(since_ms))
        }
        Cause::AssigneeAbsent { member, presence } => format!("for {member}, who {}", absence(presence, now_ms)),
        Cause::AssigneeHindered { member, by } => format!("for {member}, who {}", hindrance(by, now_ms)),
        Cause::AssigneeUnknown { member } => format!("for {member}, who is not on the roster"),
        Cause::RoleMissing { role } => format!("needs the role {role}, which nobody has"),
        Cause::RoleAbsent { role, members } => {
            format!("needs the role {role}; {} it, and none of them runs", have(members))
        }
        Cause::NoWorker => "no worker runs".to_owned(),
        Cause::NoneClaims { members } => {
            format!("nobody takes open tasks: {} only what is assigned to them", verb(members, "takes", "take"))
        }
        Cause::AllBusy { members } => {
            let at = |(name, task): &(MemberName, Option<TaskId>)| match task {
                Some(task) => format!("{name} (task {task})"),
                None => format!("{name} (a turn for no task)"),
            };
            format!("all that may take it are busy: {}", list(members.iter().map(at)))
        }
        Cause::NextHindered { member, by } => format!("the next for {member}, who {}", hindrance(by, now_ms)),
        Cause::Next { member } => format!("{member} is free, and about to take it"),
        Cause::Hindered { by, .. } => hindrance(by, now_ms),
        Cause::Busy { task, since_ms } => format!("on task {task} for {}", since(since_ms)),
        Cause::InTurn { since_ms } => format!("in a turn for mail or a prompt for {}", since(since_ms)),
        Cause::Absent { presence, .. } => absence(presence, now_ms),
        Cause::Takes { task } => format!("about to take task {task}"),
        Cause::NothingToDo => "idle: there is nothing to do".to_owned(),
        Cause::Blocked { tasks } => format!("idle: {} for others", waits(tasks)),
        Cause::ForOthers { tasks } => format!("idle: {} for somebody else", is_are(tasks)),
        Cause::OtherRole { tasks } => format!("idle: {} for a role that it has not", is_are(tasks)),
        Cause::Held { tasks } => format!("idle: {} held after a stop", is_are(tasks)),
        Cause::ClaimsNothing { tasks } => {
            format!("idle: {} open, and it takes only what is assigned to it", is_are(tasks))
        }
    }
}

/// The way out, for `task` if the cause is that of a task.
fn hint(cause: &Cause, task: Option<TaskId>) -> Option<String> {
    let id = task.map(|task| task.to_string()).unwrap_or_else(|| "ID".to_owned());
    match cause {
        Cause::Completed { .. } => Some(format!("teamster task show {id}")),
        Cause::Failed { .. } | Cause::Cancelled => Some(format!("teamster task retry {id}")),
        Cause::InProgress { owner, .. } => Some(format!("teamster logs {owner} -f")),
        Cause::OwnerHindered { owner: member, by, .. } | Cause::Hindered { member, by } => way_on(member, by),
        Cause::AssigneeHindered { member, by } => {
            let unassign = format!("teamster task unassign {id}");
            Some(way_on(member, by).map_or(unassign.clone(), |way| format!("{way}, or {unassign}")))
        }
        Cause::NextHindered { member, by } => way_on(member, by).or(Some("teamster spawn NAME".to_owned())),
        Cause::OwnerDead { owner } => Some(format!("teamster spawn {owner}, or teamster doctor --repair")),
        Cause::Stopped { .. } => Some(format!("teamster task retry {id}, or teamster task assign {id} NAME")),
        Cause::WaitsFor { task: on, because, .. } => match &**because {
            // To wait is all there is to do; who is impatient may look.
            Cause::InProgress { .. } | Cause::OwnerHindered { .. } | Cause::Next { .. } => hint(because, Some(*on)),
            Cause::Failed { .. } | Cause::Cancelled => {
                Some(format!("teamster task retry {on}, or teamster task dep rm ID {on} for what waits for it"))
            }
            other => hint(other, Some(*on)),
        },
        Cause::AssigneeBusy { .. } | Cause::AssigneeInTurn { .. } => Some(format!("teamster task unassign {id}")),
        Cause::AssigneeAbsent { presence: Absence::Starting { .. } | Absence::Restarting { .. }, .. } => None,
        Cause::AssigneeAbsent { member, .. } | Cause::AssigneeUnknown { member } => {
            Some(format!("teamster spawn {member}, or teamster task unassign {id}"))
        }
        Cause::RoleMissing { role } => Some(format!("teamster spawn NAME --role {role}")),
        Cause::RoleAbsent { members, .. } => members.first().map(|name| format!("teamster spawn {name}")),
        Cause::NoWorker => Some("teamster spawn NAME".to_owned()),
        Cause::NoneClaims { members } => members.first().map(|name| format!("teamster task assign {id} {name}")),
        Cause::AllBusy { .. } => Some("teamster spawn NAME".to_owned()),
        Cause::Next { .. } => None,
        Cause::Busy { task, .. } => Some(format!("teamster task show {task}")),
        Cause::InTurn { .. } => None,
        Cause::Absent { presence: Absence::Starting { .. } | Absence::Restarting { .. }, .. } => None,
        Cause::Absent { member, .. } => Some(format!("teamster spawn {member}")),
        Cause::Takes { .. } => None,
        Cause::NothingToDo => Some("teamster task add TEXT".to_owned()),
        Cause::Blocked { tasks } => tasks.first().map(|id| format!("teamster why {id}")),
        Cause::ForOthers { tasks } | Cause::OtherRole { tasks } => tasks.first().map(|id| format!("teamster why {id}")),
        Cause::Held { tasks } => tasks.first().map(|id| format!("teamster task retry {id}")),
        Cause::ClaimsNothing { tasks } => tasks.first().map(|id| format!("teamster task assign {id} NAME")),
    }
}

/// The end of a sentence that begins with a member's name.
fn absence(presence: &Absence, now_ms: u64) -> String {
    match presence {
        Absence::Starting { since_ms } => {
            format!("is starting, since {}", humane(Duration::from_millis(now_ms.saturating_sub(*since_ms))))
        }
        Absence::Died { joined_ms } => format!("died: its worker, started {}, is gone", ago(*joined_ms, now_ms)),
        Absence::Left { at_ms, how } => left(how, &ago(*at_ms, now_ms)),
        Absence::Restarting { at_ms, how, again_ms } => {
            format!("{}; {}", left(how, &ago(*at_ms, now_ms)), started_again(*again_ms, now_ms))
        }
    }
}

/// When a member's next worker is due, as the last part of a sentence about it.
pub(crate) fn started_again(again_ms: u64, now_ms: u64) -> String {
    match again_ms.checked_sub(now_ms) {
        Some(ms) => format!("it is started again in {}", humane(Duration::from_millis(ms))),
        None => "it is started again as soon as its leader can".to_owned(),
    }
}

fn left(how: &LeftHow, at: &str) -> String {
    match how {
        LeftHow::Shutdown => format!("left {at}: it was asked to"),
        LeftHow::Terminated => format!("left {at}: a signal told it to"),
        LeftHow::LeaderGone => format!("left {at}: its leader was gone"),
        LeftHow::AgentGone { reason } => format!("left {at}: its agent could not go on: {reason}"),
        LeftHow::Died { reason } => format!("died {at}: {reason}"),
        LeftHow::GivenUp { reason } => format!("was given up {at}: {reason}"),
    }
}

/// The end of a sentence that begins with a member's name.
fn hindrance(by: &Hindrance, now_ms: u64) -> String {
    match by {
        Hindrance::Hung { since_ms } => {
            let since = humane(Duration::from_millis(now_ms.saturating_sub(*since_ms)));
            format!("hangs: its worker has not answered for more than {since}")
        }
        Hindrance::FileLimit { bytes } => format!(
            "can write nothing down: its worker may write files of {bytes} bytes only, and the team's logs are as long"
        ),
        Hindrance::Stalled => "waits for its agent, which has said nothing for longer than it may".to_owned(),
        Hindrance::Ending => "was asked to end, and takes nothing more".to_owned(),
        Hindrance::LockLost => {
            "does not hold its lock, whose file was removed or replaced, and takes no task".to_owned()
        }
    }
}

/// What frees a member.
fn way_on(member: &MemberName, by: &Hindrance) -> Option<String> {
    match by {
        Hindrance::Hung { .. } => Some(format!("teamster kill {member}, then teamster spawn {member}")),
        Hindrance::FileLimit { .. } => Some(raise_file_limit(member)),
        Hindrance::Stalled => Some(format!("teamster steer {member} TEXT, or teamster stop {member}")),
        Hindrance::Ending => None,
        Hindrance::LockLost => {
            Some("teamster doctor; a worker takes its lock anew once nothing stands there".to_owned())
        }
    }
}

/// The way out for a member whose worker may write no file as long as the logs are.
pub(crate) fn raise_file_limit(member: &MemberName) -> String {
    format!("end the leader, raise ulimit -f where it is started, and teamster spawn {member}")
}

fn is_are(tasks: &[TaskId]) -> String {
    format!("{} {}", numbered(tasks), if tasks.len() == 1 { "is" } else { "are" })
}

fn waits(tasks: &[TaskId]) -> String {
    format!("{} {}", numbered(tasks), if tasks.len() == 1 { "waits" } else { "wait" })
}

fn numbered(tasks: &[TaskId]) -> String {
    let ids = list(tasks.iter().map(|id| id.to_string()));
    if tasks.len() == 1 { format!("task {ids}") } else { format!("tasks {ids}") }
}

fn have(members: &[MemberName]) -> String {
    verb(members, "has", "have")
}

fn verb(members: &[MemberName], one: &str, many: &str) -> String {
    format!("{} {}", list(members.iter().map(|name| name.to_string())), if members.len() == 1 { one } else { many })
}

fn list(words: impl ExactSizeIterator<Item = String>) -> String {
    let count = words.len();
    let mut named: Vec<String> = words.take(NAMED_MAX).collect();
    if count > NAMED_MAX {
        named.push(format!("and {} more", count - NAMED_MAX));
    }
    named.join(", ")
}
