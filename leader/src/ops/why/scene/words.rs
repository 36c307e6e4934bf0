//! Causes in words: what is the case, and the command that changes it.

use std::time::Duration;

use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{AgentName, MemberName, TaskId};
use teamster_protocol::model::last_turn::{first_lines, send_again};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shell_word::shell_word;

use super::{CauseText, LostPrompt, MemberAbsence, MemberHindrance, WaitCause};
use crate::ops::approvals::ways_to_answer;
use crate::ops::text::{ago, humane};

/// Tasks or members that are named one by one.
const NAMED_MAX: usize = 6;

/// The subject of a cause, as far as the way out depends on that.
#[derive(Clone, Copy)]
pub(super) struct CauseSubject<'a> {
    /// The task that was asked about, if one was.
    pub(super) task: Option<TaskId>,
    /// The member that was asked about, if one was.
    pub(super) member: Option<&'a MemberName>,
    /// Whether the agent of a member reads words.
    pub(super) reads: &'a dyn Fn(&MemberName) -> bool,
}

/// The words for a cause of `task`, or of a member.
pub(crate) fn because(cause: WaitCause, task: Option<TaskId>, now_ms: u64) -> CauseText {
    because_of(cause, CauseSubject { task, member: None, reads: &|_| true }, now_ms)
}

/// As [`because`], with a way out that fits the agents of the members.
pub(super) fn because_of(cause: WaitCause, subject: CauseSubject<'_>, now_ms: u64) -> CauseText {
    CauseText { says: says(&cause, now_ms), hint: hint(&cause, subject), cause }
}

fn says(cause: &WaitCause, now_ms: u64) -> String {
    let since = |since_ms: &u64| humane(Duration::from_millis(now_ms.saturating_sub(*since_ms)));
    match cause {
        WaitCause::Completed { owner, at_ms } => format!("completed by {owner} {}", ago(*at_ms, now_ms)),
        WaitCause::Failed { owner, at_ms, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("failed on {owner} {}{reason}", ago(*at_ms, now_ms))
        }
        WaitCause::Cancelled => "cancelled".to_owned(),
        WaitCause::InProgress { owner, since_ms } => format!("in progress by {owner} for {}", since(since_ms)),
        WaitCause::OwnerHindered { owner, since_ms, by } => {
            format!("in progress by {owner} for {}, who {}", since(since_ms), hindrance(by, now_ms))
        }
        WaitCause::OwnerDead { owner } => format!("in progress by {owner}, whose worker is dead"),
        WaitCause::Stopped { assignee: Some(name) } => format!("held for {name} after a stop"),
        WaitCause::Stopped { assignee: None } => "held after a stop".to_owned(),
        WaitCause::WaitsFor { task, via, because } => {
            let way: Vec<String> = via.iter().take(NAMED_MAX).map(|id| id.to_string()).collect();
            let way = match (via.len(), via.len() > NAMED_MAX) {
                (0, _) => String::new(),
                (_, false) => format!(" (by way of {})", way.join(", ")),
                (count, true) => format!(" (by way of {} and {} more)", way.join(", "), count - NAMED_MAX),
            };
            format!("waits for task {task}{way}: {}", says(because, now_ms))
        }
        WaitCause::AssigneeBusy { member, task, since_ms } => {
            format!("for {member}, who has been on task {task} for {}", since(since_ms))
        }
        WaitCause::AssigneeInTurn { member, since_ms } => {
            format!("for {member}, who has been in a turn for mail or a prompt for {}", since(since_ms))
        }
        WaitCause::AssigneeAbsent { member, presence } => format!("for {member}, who {}", absence(presence, now_ms)),
        WaitCause::AssigneeHindered { member, by } => format!("for {member}, who {}", hindrance(by, now_ms)),
        WaitCause::AssigneeUnknown { member } => format!("for {member}, who is not on the roster"),
        WaitCause::RoleMissing { role } => format!("needs the role {role}, which nobody has"),
        WaitCause::RoleAbsent { role, members } => {
            format!("needs the role {role}; {} it, and none of them runs", have(members))
        }
        WaitCause::AgentMissing { agent, role: None } => format!("no member drives {agent}, which it asks for"),
        WaitCause::AgentMissing { agent, role: Some(role) } => {
            format!("no member with the role {role} drives {agent}, which it asks for")
        }
        WaitCause::AgentAbsent { agent, members } => {
            format!("asks for {agent}; {} it, and none of them runs", verb(members, "drives", "drive"))
        }
        WaitCause::AssigneeOtherAgent { member, agent, wanted } => {
            format!("for {member}, who drives {agent}, and it asks for {wanted}")
        }
        WaitCause::AssigneeCommandsOnly { member, agent } => {
            format!("it is words for {member}, who drives {agent}, which runs commands only")
        }
        WaitCause::CommandsOnly { members } => format!("no member can take it: {}", drives(members)),
        WaitCause::ReadersAbsent { members } => {
            format!(
                "it is words, and none of those who read runs: {}",
                list(members.iter().map(|name| name.to_string()))
            )
        }
        WaitCause::NoWorker => "no worker runs".to_owned(),
        WaitCause::NoneClaims { members } => {
            format!("nobody takes open tasks: {} only what is assigned to them", verb(members, "takes", "take"))
        }
        WaitCause::AllBusy { members } => {
            let at = |(name, task): &(MemberName, Option<TaskId>)| match task {
                Some(task) => format!("{name} (task {task})"),
                None => format!("{name} (a turn for no task)"),
            };
            format!("all that may take it are busy: {}", list(members.iter().map(at)))
        }
        WaitCause::NextHindered { member, by } => format!("the next for {member}, who {}", hindrance(by, now_ms)),
        WaitCause::Next { member } => format!("{member} is free, and about to take it"),
        WaitCause::Hindered { by, .. } => hindrance(by, now_ms),
        WaitCause::Busy { task, since_ms } => format!("on task {task} for {}", since(since_ms)),
        WaitCause::InTurn { since_ms } => format!("in a turn for mail or a prompt for {}", since(since_ms)),
        WaitCause::PromptLost { lost: LostPrompt { turn, work, reason }, .. } => {
            let prompt = first_lines(work.text()).into_iter().next().unwrap_or_default();
            format!("the prompt of turn {turn} is lost ({prompt}): {reason}")
        }
        WaitCause::Absent { presence, .. } => absence(presence, now_ms),
        WaitCause::Takes { task } => format!("about to take task {task}"),
        WaitCause::NothingToDo => "idle: there is nothing to do".to_owned(),
        WaitCause::AgentAsleep { since_ms } => {
            format!("asleep for {}: its agent is started with its next turn", since(since_ms))
        }
        WaitCause::Blocked { tasks } => format!("idle: {} for others", waits(tasks)),
        WaitCause::ForOthers { tasks } => format!("idle: {} for somebody else", is_are(tasks)),
        WaitCause::OtherRole { tasks } => format!("idle: {} for a role that it has not", is_are(tasks)),
        WaitCause::OtherAgent { tasks } => format!("idle: {} for an agent that it does not drive", is_are(tasks)),
        WaitCause::Unreadable { tasks } => format!("idle: {} words, and its agent runs commands only", is_are(tasks)),
        WaitCause::Held { tasks } => format!("idle: {} held after a stop", is_are(tasks)),
        WaitCause::ClaimsNothing { tasks } => {
            format!("idle: {} open, and it takes only what is assigned to it", is_are(tasks))
        }
    }
}

/// The way out, for the task or the member that was asked about.
fn hint(cause: &WaitCause, subject: CauseSubject<'_>) -> Option<String> {
    let CauseSubject { task, member: asked, reads } = subject;
    let way_on = |member: &MemberName, by: &MemberHindrance| way_on(member, by, reads(member));
    let id = task.map(|task| task.to_string()).unwrap_or_else(|| "ID".to_owned());
    match cause {
        WaitCause::Completed { .. } => Some(format!("teamster task show {id}")),
        WaitCause::Failed { .. } => {
            Some(format!("teamster logs {id} shows its attempts; teamster task retry {id} opens it again"))
        }
        WaitCause::Cancelled => Some(format!("teamster task retry {id}")),
        WaitCause::InProgress { owner, .. } => Some(format!("teamster logs {owner} -f")),
        // There is nothing to do but to wait, or to hurry it.
        WaitCause::Hindered { member, by: MemberHindrance::Ending { .. } } => Some(format!("teamster kill {member}")),
        WaitCause::OwnerHindered { owner: member, by, .. } | WaitCause::Hindered { member, by } => way_on(member, by),
        WaitCause::AssigneeHindered { member, by } => {
            let unassign = format!("teamster task unassign {id}");
            Some(way_on(member, by).map_or(unassign.clone(), |way| format!("{way}, or {unassign}")))
        }
        WaitCause::NextHindered { member, by } => way_on(member, by).or(Some("teamster spawn NAME".to_owned())),
        WaitCause::OwnerDead { owner } => Some(format!("teamster spawn {owner}, or teamster doctor --repair")),
        WaitCause::Stopped { .. } => Some(format!("teamster task retry {id}, or teamster task assign {id} NAME")),
        WaitCause::WaitsFor { task: on, via, because } => match &**because {
            // Nothing is to be done but to wait; an impatient person may look at the transcript.
            WaitCause::InProgress { .. } | WaitCause::OwnerHindered { .. } | WaitCause::Next { .. } => {
                hint(because, CauseSubject { task: Some(*on), ..subject })
            }
            WaitCause::Failed { .. } => {
                let rm = dependency_rm(via.last().copied().or(task), *on);
                Some(format!("teamster logs {on} shows why; teamster task retry {on}, or {rm}"))
            }
            WaitCause::Cancelled => {
                let rm = dependency_rm(via.last().copied().or(task), *on);
                Some(format!("teamster task retry {on}, or {rm}"))
            }
            other => hint(other, CauseSubject { task: Some(*on), ..subject }),
        },
        WaitCause::AssigneeBusy { .. } | WaitCause::AssigneeInTurn { .. } => {
            Some(format!("teamster task unassign {id}"))
        }
        WaitCause::AssigneeAbsent {
            presence: MemberAbsence::Starting { .. } | MemberAbsence::Restarting { .. },
            ..
        } => None,
        WaitCause::AssigneeAbsent { member, .. } | WaitCause::AssigneeUnknown { member } => {
            Some(format!("teamster spawn {member}, or teamster task unassign {id}"))
        }
        WaitCause::RoleMissing { role } => Some(format!("teamster spawn NAME --role {role}")),
        WaitCause::RoleAbsent { members, .. } => members.first().map(|name| format!("teamster spawn {name}")),
        WaitCause::AgentMissing { agent, role } => {
            let role = role.as_ref().map(|role| format!(" --role {role}")).unwrap_or_default();
            Some(format!("teamster spawn NAME --agent {}{role}", shell_word(agent.as_str())))
        }
        WaitCause::AgentAbsent { members, .. } => members.first().map(|name| format!("teamster spawn {name}")),
        WaitCause::AssigneeOtherAgent { .. } => {
            Some(format!("teamster task unassign {id}, or teamster task edit {id} --no-agent"))
        }
        WaitCause::AssigneeCommandsOnly { .. } => {
            Some(format!("teamster task unassign {id}; or, if it is a command, teamster task edit {id} --run"))
        }
        WaitCause::CommandsOnly { .. } => {
            Some(format!("if it is a command, teamster task edit {id} --run; else spawn a member that reads"))
        }
        WaitCause::ReadersAbsent { members } => members.first().map(|name| format!("teamster spawn {name}")),
        WaitCause::NoWorker => Some("teamster spawn NAME".to_owned()),
        WaitCause::NoneClaims { members } => members.first().map(|name| format!("teamster task assign {id} {name}")),
        WaitCause::AllBusy { .. } => Some("teamster spawn NAME".to_owned()),
        WaitCause::Next { .. } => None,
        WaitCause::Busy { task, .. } => Some(format!("teamster task show {task}")),
        WaitCause::InTurn { .. } => None,
        WaitCause::PromptLost { member, lost } => Some(send_again(member, &lost.work)),
        WaitCause::Absent { presence: MemberAbsence::Starting { .. } | MemberAbsence::Restarting { .. }, .. } => None,
        WaitCause::Absent { member, .. } => Some(format!("teamster spawn {member}")),
        WaitCause::Takes { .. } | WaitCause::AgentAsleep { .. } => None,
        WaitCause::NothingToDo if asked.is_none_or(reads) => Some("teamster task add TEXT".to_owned()),
        WaitCause::NothingToDo => Some("teamster task add --run COMMAND".to_owned()),
        WaitCause::Blocked { tasks } => tasks.first().map(|id| format!("teamster why {id}")),
        WaitCause::ForOthers { tasks }
        | WaitCause::OtherRole { tasks }
        | WaitCause::OtherAgent { tasks }
        | WaitCause::Unreadable { tasks } => tasks.first().map(|id| format!("teamster why {id}")),
        WaitCause::Held { tasks } => tasks.first().map(|id| format!("teamster task retry {id}")),
        WaitCause::ClaimsNothing { tasks } => tasks.first().map(|id| format!("teamster task assign {id} NAME")),
    }
}

/// The end of a sentence that begins with a member's name.
fn absence(presence: &MemberAbsence, now_ms: u64) -> String {
    match presence {
        MemberAbsence::Starting { since_ms } => {
            format!("is starting, since {}", humane(Duration::from_millis(now_ms.saturating_sub(*since_ms))))
        }
        MemberAbsence::Died { joined_ms } => format!("died: its worker, started {}, is gone", ago(*joined_ms, now_ms)),
        MemberAbsence::Left { at_ms, how } => left(how, &ago(*at_ms, now_ms)),
        MemberAbsence::Restarting { at_ms, how, again_ms } => {
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

fn left(how: &WorkerEnd, at: &str) -> String {
    match how {
        WorkerEnd::Shutdown => format!("left {at}: it was asked to"),
        WorkerEnd::Terminated => format!("left {at}: a signal ended it at once"),
        WorkerEnd::Killed => format!("left {at}: killed by the lead"),
        WorkerEnd::LeaderGone => format!("left {at}: its leader was gone"),
        WorkerEnd::AgentGone { reason } => format!("left {at}: its agent could not go on: {reason}"),
        WorkerEnd::ProviderRefused { reason } => {
            format!("left {at}: its provider serves it no more: {reason}; once that is mended, spawn it again")
        }
        WorkerEnd::BudgetSpent { reason } => {
            format!("left {at}: its budget was used up: {reason}; it goes on with a higher limit")
        }
        WorkerEnd::NotStarted { reason } => format!("could not be started {at}: {reason}"),
        WorkerEnd::Died { reason } => format!("died {at}: {reason}"),
        WorkerEnd::GivenUp { reason } => format!("was given up {at}: {reason}"),
    }
}

/// The end of a sentence that begins with a member's name.
fn hindrance(by: &MemberHindrance, now_ms: u64) -> String {
    match by {
        MemberHindrance::Hung { since_ms } => {
            let since = humane(Duration::from_millis(now_ms.saturating_sub(*since_ms)));
            format!("hangs: its worker has not answered for more than {since}")
        }
        MemberHindrance::FileLimit { bytes } => format!(
            "can write nothing down: its worker may write files of {bytes} bytes only, and the team's logs are as long"
        ),
        MemberHindrance::Asking { .. } => "waits for you: its agent asks for permission".to_owned(),
        MemberHindrance::Parked { until_ms, reason } => {
            let wait = humane(Duration::from_millis(until_ms.saturating_sub(now_ms)));
            let words = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            format!("is parked: its provider takes no more for {wait}{words}, and then it goes on by itself")
        }
        MemberHindrance::Stalled => "waits for its agent, which has said nothing for longer than it may".to_owned(),
        MemberHindrance::Ending { since_ms } => {
            let since = humane(Duration::from_millis(now_ms.saturating_sub(*since_ms)));
            format!("has been ending for {since}: it finishes its turn, and takes nothing more")
        }
        MemberHindrance::LockLost => {
            "does not hold its lock, whose file was removed or replaced, and takes no task".to_owned()
        }
    }
}

/// The command by which the task that waits for another one directly no longer does.
fn dependency_rm(waiting: Option<TaskId>, on: TaskId) -> String {
    match waiting {
        Some(waiting) => format!("teamster task dep rm {waiting} {on}"),
        None => format!("teamster task dep rm ID {on}"),
    }
}

/// The command that frees a member of its hindrance, if there is one. A command reads what steers it only if it was started
/// to, so somebody whose agent runs commands is not told to steer.
fn way_on(member: &MemberName, by: &MemberHindrance, reads: bool) -> Option<String> {
    match by {
        MemberHindrance::Hung { .. } => Some(format!("teamster kill {member}, then teamster spawn {member}")),
        MemberHindrance::FileLimit { .. } => Some(raise_file_limit(member)),
        MemberHindrance::Asking { question } => {
            let id = QuestionName { member: member.clone(), number: *question };
            Some(format!("teamster approvals; then {}", ways_to_answer(&id)))
        }
        MemberHindrance::Parked { .. } => Some(format!(
            "teamster unpark {member} lets it go on now; one that is spawned with --no-park gives its task back instead"
        )),
        MemberHindrance::Stalled if reads => Some(format!("teamster steer {member} TEXT, or teamster stop {member}")),
        MemberHindrance::Stalled => Some(format!("teamster logs {member}, or teamster stop {member}")),
        MemberHindrance::Ending { .. } => None,
        MemberHindrance::LockLost => {
            Some("teamster doctor; a worker takes its lock anew once nothing stands there".to_owned())
        }
    }
}

/// The way out for a member whose worker may write no file as long as the logs are.
pub(crate) fn raise_file_limit(member: &MemberName) -> String {
    format!("end the leader, raise ulimit -f where it is started, and teamster spawn {member}")
}

/// `alice, bob drive shell, which runs commands only`.
fn drives(members: &[(MemberName, AgentName)]) -> String {
    match members {
        [(_, agent), rest @ ..] if rest.iter().all(|(_, other)| other == agent) => {
            let names: Vec<MemberName> = members.iter().map(|(name, _)| name.clone()).collect();
            format!("{} {agent}, which runs commands only", verb(&names, "drives", "drive"))
        }
        _ => {
            let named = list(members.iter().map(|(name, agent)| format!("{name} ({agent})")));
            format!("the agents of {named} run commands only")
        }
    }
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
