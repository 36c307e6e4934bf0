//! `teamster teams`: every team, one a line.

use std::time::Duration;

use super::print::{TableCell, TableColumn, TextTable, TextTone, WHOLE_TABLE_COLUMNS_MIN, harmless, humane};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::agents::add_task_command;
use crate::ops::teams::{TeamList, TeamRow, list_teams};

/// `teamster teams`.
#[derive(Debug, clap::Args)]
pub struct TeamsArgs {}

pub(super) async fn teams(context: &CliContext, TeamsArgs {}: TeamsArgs) -> Result<ExitStatus, CliError> {
    let now_ms = context.session.now_ms();
    let add_task = add_task_command(&context.session.config);
    context.show_page(&list_teams(&context.session).await?, |teams| text(teams, add_task, now_ms, context.columns))?;
    Ok(ExitStatus::Done)
}

fn text(list: &TeamList, add_task: &str, now_ms: u64, columns: usize) -> String {
    if list.teams.is_empty() {
        let root = list.root.display().to_string();
        return format!("no teams in {} yet; begin with teamster spawn NAME or {add_task}", harmless(&root));
    }
    let [team, leader] = [TableColumn::left("team"), TableColumn::left("leader")];
    let [members, open] = [TableColumn::right("members"), TableColumn::right("open tasks")];
    let mut whole = TextTable::new([team, leader, members, open, TableColumn::wide("works in")]);
    let mut narrow = TextTable::new([team, leader, members, TableColumn::right("tasks")]);
    for row in &list.teams {
        let [team, leader, members, open, place] = cells(row, now_ms);
        if columns < WHOLE_TABLE_COLUMNS_MIN {
            narrow.row([team, leader, members, open]);
        } else {
            whole.row([team, leader, members, open, place]);
        }
    }
    let table = if columns < WHOLE_TABLE_COLUMNS_MIN { narrow.render(columns) } else { whole.render(columns) };
    let here = list.teams.iter().find(|row| row.here).map(|row| format!("\n\n{} is the team here", row.team));
    format!("{table}{}", here.unwrap_or_default())
}

fn cells(row: &TeamRow, now_ms: u64) -> [TableCell; 5] {
    let name = TableCell::toned(if row.here { TextTone::Name } else { TextTone::Plain }, row.team.as_str());
    if let Some(error) = &row.error {
        let empty = || TableCell::from("");
        return [name, TableCell::toned(TextTone::Error, "unreadable"), empty(), empty(), TableCell::from(error)];
    }
    let leader = match &row.leader {
        Some(leader) if leader.hangs => TableCell::toned(TextTone::Error, "does not answer"),
        Some(leader) if leader.ending.is_some() => TableCell::toned(TextTone::Warn, "ending"),
        Some(leader) => {
            let up = humane(Duration::from_millis(now_ms.saturating_sub(leader.since_ms)));
            TableCell::toned(TextTone::Ok, format!("up {up}"))
        }
        None => TableCell::toned(TextTone::Faint, "none"),
    };
    let members = match row.left {
        0 => row.members.to_string(),
        left => format!("{} ({left} left)", row.members),
    };
    let dir = row.dir.as_deref().map(|dir| dir.display().to_string()).unwrap_or_default();
    [name, leader, TableCell::from(members), TableCell::from(row.open.to_string()), TableCell::from(dir)]
}

#[cfg(test)]
mod tests {
    use crate::ops::hanging::LeaderStatus;

    use super::*;

    #[test]
    fn teams_at_80_columns() {
        let row = |team: &str| TeamRow {
            team: team.parse().expect("a name"),
            here: false,
            dir: Some(format!("/src/{team}").into()),
            leader: None,
            members: 0,
            left: 0,
            open: 0,
            error: None,
        };
        let leader = Some(LeaderStatus { pid: 7, since_ms: 1_000, hangs: false, ending: None });
        let busy = TeamRow { here: true, leader, members: 3, left: 1, open: 12, ..row("app-94bdbf") };
        let damaged = TeamRow { error: Some("/s/x/board.jsonl:3: expected value".to_owned()), ..row("x") };
        let list = TeamList { root: "/s".into(), teams: vec![busy, row("tool"), damaged] };
        let shown = anstream::adapter::strip_str(&text(&list, "teamster task add TEXT", 61_000, 80)).to_string();
        insta::assert_snapshot!(shown, @"
        team        leader         members  open tasks  works in
        app-94bdbf  up 1m 00s   3 (1 left)          12  /src/app-94bdbf
        tool        none                 0           0  /src/tool
        x           unreadable                          /s/x/board.jsonl:3: expected va…

        app-94bdbf is the team here
        ");
    }
}
