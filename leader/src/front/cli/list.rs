//! `teamster list`: the members, one a line.

use std::collections::BTreeMap;
use std::time::Duration;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::team::{MemberState, MemberView};

use super::approvals;
use super::leader_line::leader_note;
use super::print::{
    DayClock, TableCell, TableColumn, TextTable, TextTone, WHOLE_TABLE_COLUMNS_MIN, cost, humane, tokens,
};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::list::{MemberList, WantedMembers, list_members};

/// From this width on there is room for what members have used.
const USED_COLUMNS_MIN: usize = 100;

/// `teamster list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Show those that left too
    #[arg(long, short)]
    pub all: bool,
}

pub(super) async fn list(context: &CliContext, ListArgs { all }: ListArgs) -> Result<ExitStatus, CliError> {
    if context.says_how_to_begin()? {
        return Ok(ExitStatus::Done);
    }
    let list = list_members(&context.session, if all { WantedMembers::All } else { WantedMembers::There }).await?;
    context.show_page(&list, |list| {
        let table = table(&list.members, &list.titles, &context.clock(), context.columns);
        let text = match (list.members.is_empty(), hidden_text(list)) {
            (true, None) => "no members yet; start one with teamster spawn NAME".to_owned(),
            (true, Some(hidden)) => format!("no members are there; {hidden}"),
            (false, None) => table,
            (false, Some(hidden)) => format!("{table}\n\n{hidden}"),
        };
        let asked = approvals::notes(&list.approvals, context.columns);
        let asked = if asked.is_empty() { asked } else { format!("\n\n{asked}") };
        format!("{text}{asked}{}{}", unread_text(&list.members), leader_note(list.leader.as_ref()))
    })?;
    Ok(ExitStatus::Done)
}

/// The note on members that left, which the list hides.
fn hidden_text(list: &MemberList) -> Option<String> {
    match list.hidden {
        0 => None,
        1 => Some("1 left: teamster list --all shows it, teamster forget takes it off".to_owned()),
        more => Some(format!("{more} left: teamster list --all shows them, teamster forget takes them off")),
    }
}

/// The notes on members whose transcripts can not be read.
fn unread_text(members: &[MemberView]) -> String {
    let unread = members.iter().filter_map(|member| Some((&member.name, member.transcript_unread.as_ref()?)));
    unread.map(|(name, why)| format!("\n\nthe turn of {name} and what it has used are not known: {why}")).collect()
}

/// The members as a table. Where there is little room, who does what is shown, and not by which agent and where.
pub(super) fn table(
    members: &[MemberView],
    titles: &BTreeMap<TaskId, String>,
    clock: &DayClock,
    columns: usize,
) -> String {
    let now_ms = clock.now_ms();
    let [name, state, length] = [TableColumn::left("name"), TableColumn::left("state"), TableColumn::right("for")];
    let [task, place, mail] = [TableColumn::wide("task"), TableColumn::wide("works in"), TableColumn::right("mail")];
    let tokens_head = TableColumn::right("tokens").optional();
    let cost_head = TableColumn::right("cost").optional();
    let mut whole =
        TextTable::new([name, state, length, task, TableColumn::left("agent"), tokens_head, cost_head, place, mail]);
    let mut narrow = TextTable::new([name, state, length, task, mail.optional()]);
    for member in members {
        let task = |id: &TaskId| format!("{id} {}", titles.get(id).map_or("", String::as_str));
        let turn = member.turn.map(|turn| format!("turn {turn}, no task"));
        let tasks: Vec<String> = member.tasks.iter().map(task).chain(turn).collect();
        let agent = match &member.role {
            Some(role) => format!("{} ({role})", member.agent),
            None => member.agent.to_string(),
        };
        let place = match member.workspace.branch() {
            Some(branch) => branch.to_owned(),
            None => member.workspace.dir().display().to_string(),
        };
        let unread = if member.unread == 0 { String::new() } else { member.unread.to_string() };
        let who = TableCell::toned(TextTone::Name, member.name.as_str());
        let state = TableCell::toned(tone(member.state), state_text(member, clock));
        let length = TableCell::from(humane(Duration::from_millis(now_ms.saturating_sub(member.since_ms))));
        let task = TableCell::from(tasks.join("; ").trim_end());
        let mail = TableCell::toned(TextTone::Warn, unread);
        let has_room = columns >= USED_COLUMNS_MIN;
        let used = Some(member.used.tokens()).filter(|count| has_room && *count > 0).map(tokens).unwrap_or_default();
        let price = cost(&member.used).filter(|_| has_room).unwrap_or_default();
        if columns < WHOLE_TABLE_COLUMNS_MIN {
            narrow.row([who, state, length, task, mail]);
        } else {
            whole.row([who, state, length, task, agent.into(), used.into(), price.into(), place.into(), mail]);
        }
    }
    if columns < WHOLE_TABLE_COLUMNS_MIN { narrow.render(columns) } else { whole.render(columns) }
}

/// The word for what a member is at, with the end of a wait for its provider.
pub(super) fn state_text(member: &MemberView, clock: &DayClock) -> String {
    match member.parked_until_ms {
        Some(until_ms) => format!("{} until {}", word(member.state), clock.at(until_ms)),
        None => word(member.state).to_owned(),
    }
}

/// The word for what a member is at.
pub(super) fn word(state: MemberState) -> &'static str {
    match state {
        MemberState::Starting => "starting",
        MemberState::Idle => "idle",
        MemberState::Asleep => "asleep",
        MemberState::Busy => "busy",
        MemberState::Parked => "parked",
        MemberState::Asking => "asking",
        MemberState::Stalled => "stalled",
        MemberState::Hung => "hung",
        MemberState::Ending => "ending",
        MemberState::Restarting => "restarting",
        MemberState::Left => "left",
        MemberState::Dead => "dead",
        MemberState::GivenUp => "given up",
    }
}

/// The colour of a state.
pub(super) fn tone(state: MemberState) -> TextTone {
    match state {
        MemberState::Starting
        | MemberState::Restarting
        | MemberState::Ending
        | MemberState::Parked
        | MemberState::Asking
        | MemberState::Stalled
        | MemberState::Hung => TextTone::Warn,
        MemberState::Idle => TextTone::Ok,
        MemberState::Asleep => TextTone::Faint,
        MemberState::Busy => TextTone::Busy,
        MemberState::Left => TextTone::Faint,
        MemberState::Dead | MemberState::GivenUp => TextTone::Error,
    }
}

/// How a member left, as the end of a sentence that begins with its name.
pub(super) fn left(how: &WorkerEnd) -> String {
    match how {
        WorkerEnd::Shutdown => "shut down".to_owned(),
        WorkerEnd::Terminated => "ended at once, by a signal".to_owned(),
        WorkerEnd::Killed => "was killed by the lead".to_owned(),
        WorkerEnd::LeaderGone => "ended because its leader was gone".to_owned(),
        WorkerEnd::AgentGone { reason } => format!("ended because its agent could not go on: {reason}"),
        WorkerEnd::ProviderRefused { reason } => format!("left, as its provider serves it no more: {reason}"),
        WorkerEnd::BudgetSpent { reason } => format!("left, as its budget was used up: {reason}"),
        WorkerEnd::NotStarted { reason } => format!("could not be started: {reason}"),
        WorkerEnd::Died { reason } => format!("died: {reason}"),
        WorkerEnd::GivenUp { reason } => format!("was given up: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use teamster_protocol::model::roster::Workspace;

    use super::*;
    use crate::front::cli::fixtures::member;

    #[test]
    fn members_at_80_and_at_40_columns() {
        let mut alice = member("alice", MemberState::Busy, &[3]);
        alice.workspace = Workspace::Worktree {
            dir: PathBuf::from("/s/worktrees/alice"),
            branch: "teamster/tool-1a2b3c/alice".to_owned(),
            base: "abc".to_owned(),
            repository: PathBuf::from("/src/tool/.git"),
        };
        alice.role = Some("tests".parse().expect("a name"));
        let mut bob = member("bob", MemberState::Idle, &[]);
        bob.unread = 2;
        let mut dora = member("dora", MemberState::Busy, &[]);
        dora.turn = Some(7);
        let members = [alice, bob, member("carol", MemberState::Dead, &[]), dora];
        let titles = BTreeMap::from([(TaskId(3), "make the parser say where it was".to_owned())]);
        let clock = DayClock::new(jiff::tz::TimeZone::UTC, 185_000);
        let shown = |columns| anstream::adapter::strip_str(&table(&members, &titles, &clock, columns)).to_string();
        insta::assert_snapshot!(shown(40), @"
        name   state     for  task          mail
        alice  busy   3m 04s  3 make the …
        bob    idle   3m 04s                   2
        carol  dead   3m 04s
        dora   busy   3m 04s  turn 7, no …
        ");
        insta::assert_snapshot!(shown(80), @"
        name   state     for  task                agent          works in           mail
        alice  busy   3m 04s  3 make the parser…  shell (tests)  teamster/tool-1a…
        bob    idle   3m 04s                      shell          /src/tool             2
        carol  dead   3m 04s                      shell          /src/tool
        dora   busy   3m 04s  turn 7, no task     shell          /src/tool
        ");
    }

    #[test]
    fn a_parked_member_says_until_when() {
        let mut alice = member("alice", MemberState::Parked, &[3]);
        alice.parked_until_ms = Some(50_700_000);
        let clock = DayClock::new(jiff::tz::TimeZone::UTC, 185_000);
        assert_eq!(state_text(&alice, &clock), "parked until 14:05:00");
    }
}
