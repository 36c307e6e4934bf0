//! `task list`.

use std::collections::BTreeMap;

use serde::Serialize;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::id::{TaskId, TeamName};
use teamster_protocol::model::task::NewTask;

use super::{Context, Exit, FrontError};
use crate::front::cli::args::{ListTasksArgs, StatusFilter};
use crate::front::cli::print::{Cell, Column, Table};
use crate::front::cli::task_row::{Standing, TaskCounts, TaskRow, numbers};

/// Printed by `task list --json`: the tasks that were asked for by number, and how many of all stand where.
#[derive(Debug, Serialize)]
struct Tasks<'a> {
    team: &'a TeamName,
    counts: TaskCounts,
    tasks: Vec<TaskRow>,
}

pub(super) fn list(context: &Context, args: &ListTasksArgs) -> Result<Exit, FrontError> {
    let view = context.view()?;
    let asked = view.new_tasks()?;
    let shown = rows(view.board(), &asked, &args.status);
    let counts = TaskCounts::of(view.board());
    let (standings, tasks) = shown.into_iter().unzip();
    let tasks = Tasks { team: context.dir.team(), counts, tasks };
    context.show(&tasks, |tasks| text(tasks, standings, context.columns))?;
    Ok(Exit::Done)
}

fn rows(board: &Board, asked: &BTreeMap<TaskId, NewTask>, filters: &[StatusFilter]) -> Vec<(Standing, TaskRow)> {
    let mut rows = Vec::new();
    for (id, task) in board.tasks() {
        let standing = Standing::of(&task);
        if filters.is_empty() || filters.iter().any(|filter| standing.is(*filter)) {
            rows.push((standing, TaskRow::of(board, id, &task, asked.get(&id))));
        }
    }
    rows
}

fn text(tasks: &Tasks<'_>, standings: Vec<Standing>, columns: usize) -> String {
    if tasks.counts.total == 0 {
        return "no tasks; add one with teamster task add TEXT".to_owned();
    }
    if tasks.tasks.is_empty() {
        return format!("none of these; {}", tasks.counts.sentence());
    }
    let mut table =
        Table::new([Column::right("id"), Column::left("status"), Column::left("whose"), Column::wide("title")]);
    for (standing, row) in standings.into_iter().zip(&tasks.tasks) {
        let status = match standing {
            Standing::Blocked => format!("blocked by {}", numbers(&row.waits_for)),
            Standing::Ready => "ready".to_owned(),
            Standing::Stopped | Standing::InProgress | Standing::Completed | Standing::Failed | Standing::Cancelled => {
                row.status.to_owned()
            }
        };
        let title = match &row.label {
            Some(label) if *label != row.title => format!("{label}: {}", row.title),
            Some(_) | None => row.title.clone(),
        };
        table.row([
            Cell::from(row.id.to_string()),
            Cell::toned(standing.tone(), status),
            row.whose(),
            Cell::from(title),
        ]);
    }
    format!("{}\n\n{}", table.render(columns), tasks.counts.sentence())
}
