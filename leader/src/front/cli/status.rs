//! `teamster status`.

use std::time::Duration;

use teamster_protocol::model::agent::options::AgentOptions;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::sizes::LAST_ENTRIES_MAX;
use teamster_protocol::model::roster::{CellIsolation, StartedBy};
use teamster_protocol::team::{MemberState, MemberView};

use super::leader_line::condition;
use super::print::{
    TableCell, TableColumn, TextTable, TextTone, ago, columns, harmless, humane, paint, shorten, tokens, used_text,
};
use super::task_text::{counts_text, numbers, parts};
use super::{CliContext, CliError, ExitStatus, approvals, list, logs};
use crate::ops::agents::add_task_command;
use crate::ops::budget::budget_text;
use crate::ops::duration::format_idle_limit;
use crate::ops::status::{MemberStatus, TeamStatus, member_status, team_status};
use crate::ops::task::TaskRow;
use crate::ops::why::started_again;

/// How many tasks that need a look the overview names.
const TASKS_NAMED_MAX: usize = 10;

/// `teamster status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The member; the whole team if not given
    pub name: Option<MemberName>,
}

pub(super) async fn status(context: &CliContext, args: StatusArgs) -> Result<ExitStatus, CliError> {
    match &args.name {
        Some(name) => {
            context.show_page(&member_status(&context.session, name)?, |status| member_text(status, context))?;
        }
        None if context.says_how_to_begin()? => {}
        None => {
            let now_ms = context.session.now_ms();
            context.show_page(&team_status(&context.session).await?, |status| {
                // Those that left are counted, and not shown.
                let there: Vec<MemberView> =
                    status.members.iter().filter(|member| member.state != MemberState::Left).cloned().collect();
                let members = match there.is_empty() {
                    true => String::new(),
                    false => list::table(&there, &status.titles, &context.clock(), context.columns),
                };
                team_text(status, &members, add_task_command(&context.session.config), now_ms, context.columns)
            })?;
        }
    }
    Ok(ExitStatus::Done)
}

fn line(text: &mut String, label: &str, value: &str) {
    let pad = 10usize.saturating_sub(label.len());
    text.push_str(&format!("{}{:pad$}{value}\n", paint(TextTone::Faint, label), ""));
}

fn team_text(status: &TeamStatus, members: &str, add_task: &str, now_ms: u64, columns: usize) -> String {
    let mut text = String::new();
    let dir = status.dir.as_deref().map(|dir| dir.display().to_string()).unwrap_or_default();
    line(
        &mut text,
        "team",
        &format!("{}  {}", paint(TextTone::Name, status.team.as_str()), paint(TextTone::Plain, &dir)),
    );
    line(
        &mut text,
        "leader",
        &match &status.leader {
            Some(leader) => {
                let up = humane(Duration::from_millis(now_ms.saturating_sub(leader.since_ms)));
                match condition(leader) {
                    Some(condition) => format!("process {}, up {up}, {condition}", leader.pid),
                    None => format!("process {}, up {up}", leader.pid),
                }
            }
            None => "none runs; start one with teamster up --detach".to_owned(),
        },
    );
    let count = |state| status.members.iter().filter(|member| member.state == state).count();
    let states = [
        MemberState::Busy,
        MemberState::Parked,
        MemberState::Asking,
        MemberState::Stalled,
        MemberState::Hung,
        MemberState::Ending,
        MemberState::Idle,
        MemberState::Asleep,
        MemberState::Starting,
        MemberState::Restarting,
        MemberState::Left,
        MemberState::Dead,
        MemberState::GivenUp,
    ];
    let members_line = match status.members.is_empty() {
        true => "none; start one with teamster spawn NAME".to_owned(),
        false => parts(&states.map(|state| (count(state), list::word(state)))),
    };
    line(&mut text, "members", &members_line);
    let tasks = match status.tasks.total {
        0 => format!("none; add one with {add_task}"),
        _ => counts_text(&status.tasks),
    };
    line(&mut text, "tasks", &tasks);
    if status.unread > 0 {
        line(&mut text, "mail", &format!("{} unread; read it with teamster inbox", status.unread));
    }
    line(&mut text, "files", &paint(TextTone::Plain, &status.files.display().to_string()).to_string());
    if !members.is_empty() {
        text.push_str(&format!("\n{members}\n"));
    }
    if !status.approvals.is_empty() {
        text.push_str(&format!("\n{}\n", approvals::notes(&status.approvals, columns)));
    }
    members_that_need_a_look(&mut text, &status.members, columns);
    section(&mut text, "needs a look; see teamster task show ID", &status.attention, columns, |row| match &row.owner {
        Some(owner) => format!("{}, {owner}", row.status),
        None => row.status.to_string(),
    });
    section(&mut text, "blocked", &status.blocked, columns, |row| format!("waits for {}", numbers(&row.waits_for)));
    text
}

/// The members that nobody starts again although they were to go on. Nothing else tells of them.
fn members_that_need_a_look(text: &mut String, members: &[MemberView], columns: usize) {
    let [name, why] = [TableColumn::left("name"), TableColumn::wide("needs a look; see teamster why NAME")];
    let mut table = TextTable::new([name, why]);
    let mut count = 0;
    for member in members {
        let why = match (member.state, &member.left) {
            (MemberState::GivenUp, Some(how)) => list::left(how),
            (MemberState::Dead, _) => "died, and nobody has noticed".to_owned(),
            (MemberState::Hung, _) => "hangs: its worker does not answer".to_owned(),
            (
                MemberState::GivenUp
                | MemberState::Starting
                | MemberState::Idle
                | MemberState::Asleep
                | MemberState::Busy
                | MemberState::Parked
                | MemberState::Asking
                | MemberState::Stalled
                | MemberState::Ending
                | MemberState::Restarting
                | MemberState::Left,
                _,
            ) => continue,
        };
        table.row([TableCell::toned(TextTone::Name, member.name.as_str()), why.as_str().into()]);
        count += 1;
    }
    if count > 0 {
        text.push_str(&format!("\n{}\n", table.render(columns)));
    }
}

fn section(text: &mut String, title: &'static str, rows: &[TaskRow], columns: usize, say: impl Fn(&TaskRow) -> String) {
    if rows.is_empty() {
        return;
    }
    let mut table = TextTable::new([TableColumn::right("id"), TableColumn::wide(title), TableColumn::left("")]);
    for row in rows.iter().take(TASKS_NAMED_MAX) {
        table.row([row.id.to_string().into(), row.title.as_str().into(), TableCell::from(say(row))]);
    }
    text.push_str(&format!("\n{}\n", table.render(columns)));
    if rows.len() > TASKS_NAMED_MAX {
        text.push_str(&format!("and {} more; see teamster task list\n", rows.len() - TASKS_NAMED_MAX));
    }
}

fn member_text(status: &MemberStatus, context: &CliContext) -> String {
    let member = &status.member;
    let now_ms = context.session.now_ms();
    let mut text = String::new();
    let state = paint(list::tone(member.state), &list::state_text(member, &context.clock())).to_string();
    let since = humane(Duration::from_millis(now_ms.saturating_sub(member.since_ms)));
    line(&mut text, "member", &format!("{}, {state} for {since}", paint(TextTone::Name, member.name.as_str())));
    for row in &status.task_rows {
        line(&mut text, "task", &format!("{} {}", row.id, shorten(&row.title, columns().saturating_sub(15))));
    }
    if !status.approvals.is_empty() {
        text.push_str(&format!("{}\n", approvals::notes(&status.approvals, columns())));
    }
    if let Some(turn) = member.turn {
        line(&mut text, "turn", &format!("{turn}, without a task"));
    }
    if let Some(how) = &member.left {
        let again =
            member.again_ms.map(|again_ms| format!("; {}", started_again(again_ms, now_ms))).unwrap_or_default();
        line(&mut text, "left", &format!("it {}{again}", paint(TextTone::Plain, &list::left(how))));
    }
    let role = member.role.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
    let auto = match member.auto {
        AutoClaim::On => "takes open tasks",
        AutoClaim::Off => "takes only what is assigned to it",
    };
    line(&mut text, "agent", &format!("{}{}{role}; {auto}", member.agent, agent_options(&member.options)));
    if let Some(session) = &member.session {
        line(&mut text, "session", &paint(TextTone::Plain, &session.0).to_string());
    }
    let dir = member.workspace.dir().display().to_string();
    line(&mut text, "works in", &paint(TextTone::Plain, &dir).to_string());
    if let Some(branch) = member.workspace.branch() {
        line(&mut text, "branch", &paint(TextTone::Plain, branch).to_string());
    }
    if let Some(pid) = member.pid {
        let by = match member.started_by {
            Some(StartedBy::Hand) => ", started by hand",
            Some(StartedBy::Leader) => ", started by the leader",
            None => "",
        };
        let kept = match member.isolation {
            Some(CellIsolation::Namespace) => ", in a namespace of its own",
            Some(CellIsolation::Subreaper) => ", without a namespace",
            None => "",
        };
        line(&mut text, "process", &format!("{pid}{by}{kept}"));
    }
    if !member.used.is_empty() {
        line(&mut text, "used", &used_text(&member.used));
    }
    if !member.budget.is_empty() {
        line(&mut text, "budget", &budget_text(&member.budget, &member.used));
    }
    if let Some(context) = member.context {
        line(&mut text, "context", &format!("{} tokens", tokens(context)));
    }
    line(&mut text, "done", &format!("{} completed, {} failed", member.completed, member.failed));
    line(&mut text, "unread", &member.unread.to_string());
    if let Some(last) = status.last.last() {
        text.push_str(&format!(
            "\n{}\n",
            paint(TextTone::Faint, &format!("last said, {}", ago(last.entry.at_ms, now_ms)))
        ));
        let said = logs::rendered(status.last.iter().map(|last| &last.entry), &context.clock());
        let lines: Vec<&str> = said.lines().collect();
        text.push_str(&lines[lines.len().saturating_sub(LAST_ENTRIES_MAX)..].join("\n"));
    }
    text
}

/// What a member's agent is told, in words: `, model m1, effort high`.
fn agent_options(options: &AgentOptions) -> String {
    let AgentOptions {
        driver: _,
        command,
        args,
        env,
        model,
        effort,
        approval,
        context,
        identity,
        idle_after,
        start,
        on_limit,
    } = options;
    let words = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
    let parts = [
        ("model", model.clone()),
        ("effort", effort.clone()),
        ("approval", approval.map(|approval| approval.word().to_owned())),
        ("context", context.as_ref().map(ToString::to_string)),
        ("told who it is by", identity.as_ref().map(|_| "[prompt] of the settings".to_owned())),
        ("sleeps after", idle_after.map(format_idle_limit)),
        ("at a limit", on_limit.map(|on_limit| on_limit.word().to_owned())),
        ("started", start.map(|start| start.word().to_owned())),
        ("command", words(command)),
        ("arguments", words(args)),
        ("variables", (!env.is_empty()).then(|| env.keys().cloned().collect::<Vec<_>>().join(" "))),
    ];
    let told = parts.into_iter().filter_map(|(what, value)| Some(format!(", {what} {}", harmless(&value?))));
    told.collect()
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::roster::WorkerEnd;

    use super::*;
    use crate::front::cli::fixtures::member;

    #[test]
    fn members_that_nobody_starts_again_need_a_look() {
        let mut alice = member("alice", MemberState::GivenUp, &[]);
        alice.left = Some(WorkerEnd::GivenUp { reason: "killed by SIGKILL; it died 6 times within 60 s".to_owned() });
        let members = [alice, member("bob", MemberState::Idle, &[]), member("carol", MemberState::Dead, &[])];
        let mut text = String::new();
        members_that_need_a_look(&mut text, &members, 80);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string().trim(), @"
        name   needs a look; see teamster why NAME
        alice  was given up: killed by SIGKILL; it died 6 times within 60 s
        carol  died, and nobody has noticed
        ");
        let mut text = String::new();
        members_that_need_a_look(&mut text, &[member("bob", MemberState::Idle, &[])], 80);
        assert_eq!(text, "");
    }
}
