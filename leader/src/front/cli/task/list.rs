//! `teamster task list`.

use std::collections::BTreeMap;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::StatusWord;

use super::{CliContext, CliError, ExitStatus};
use crate::front::cli::print::{TableCell, TableColumn, TextTable, TextTone, paint};
use crate::front::cli::task_text::{counts_sentence, numbers, tone, whose};
use crate::ops::agents::add_task_command;
use crate::ops::task::{self, TaskFilter, TaskList, TaskRow, TaskStanding};

/// `teamster task list`.
#[derive(Debug, clap::Args)]
pub struct ListTasksArgs {
    /// Show only tasks that stand so, instead of all; may be given more than once
    #[arg(long, short, value_name = "S", value_delimiter = ',')]
    pub status: Vec<TaskFilter>,
}

impl ValueEnum for TaskFilter {
    fn value_variants<'a>() -> &'a [TaskFilter] {
        &[
            TaskFilter::Ready,
            TaskFilter::Blocked,
            TaskFilter::Pending,
            TaskFilter::Stopped,
            TaskFilter::InProgress,
            TaskFilter::Completed,
            TaskFilter::Failed,
            TaskFilter::Cancelled,
            TaskFilter::Open,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            TaskFilter::Ready => PossibleValue::new("ready").help("pending and waiting for nothing"),
            TaskFilter::Blocked => PossibleValue::new("blocked").help("pending and waiting for other tasks"),
            TaskFilter::Pending => PossibleValue::new("pending").help("not begun, whether it waits or not"),
            TaskFilter::Stopped => PossibleValue::new("stopped"),
            TaskFilter::InProgress => PossibleValue::new(StatusWord::InProgress.typed())
                .aliases(["in-progress", StatusWord::InProgress.shown()]),
            TaskFilter::Completed => PossibleValue::new("completed"),
            TaskFilter::Failed => PossibleValue::new("failed"),
            TaskFilter::Cancelled => PossibleValue::new("cancelled"),
            TaskFilter::Open => PossibleValue::new("open").help("all that is not completed, failed or cancelled"),
        })
    }
}

pub(in crate::front::cli) async fn list(context: &CliContext, args: ListTasksArgs) -> Result<ExitStatus, CliError> {
    if context.says_how_to_begin()? {
        return Ok(ExitStatus::Done);
    }
    let add_task = add_task_command(&context.session.config);
    context.show_page(&task::list(&context.session, &args.status)?, |tasks| text(tasks, add_task, context.columns))?;
    Ok(ExitStatus::Done)
}

fn text(tasks: &TaskList, add_task: &str, columns: usize) -> String {
    if tasks.counts.total == 0 {
        return format!("no tasks; add one with {add_task}");
    }
    if tasks.tasks.is_empty() {
        return format!("none of these; {}", counts_sentence(&tasks.counts));
    }
    let mut table = TextTable::new([
        TableColumn::right("id"),
        TableColumn::left("status"),
        TableColumn::left("whose"),
        TableColumn::wide("title"),
    ]);
    for (standing, row) in tasks.standings.iter().copied().zip(&tasks.tasks) {
        let status = match standing {
            TaskStanding::Blocked => format!("blocked by {}", numbers(&row.waits_for)),
            TaskStanding::Pending if row.no_taker.is_some() => "pending, no taker".to_owned(),
            TaskStanding::Pending => "pending".to_owned(),
            TaskStanding::Stopped
            | TaskStanding::InProgress
            | TaskStanding::Completed
            | TaskStanding::Failed
            | TaskStanding::Cancelled => row.status.to_string(),
        };
        // A task that has no name in its plan is called there by its position, which is another number than that on the board.
        let title = match &row.label {
            Some(label) if *label != row.title && label.parse::<u32>().is_err() => format!("{label}: {}", row.title),
            Some(_) | None => row.title.clone(),
        };
        table.row([
            TableCell::from(row.id.to_string()),
            TableCell::toned(tone(standing), status),
            whose(row),
            TableCell::from(title),
        ]);
    }
    format!("{}\n\n{}{}", table.render(columns), counts_sentence(&tasks.counts), no_taker_notes(&tasks.tasks))
}

/// A line for each reason why nobody can take tasks, with the first of them.
fn no_taker_notes(rows: &[TaskRow]) -> String {
    let mut reasons: BTreeMap<&str, Vec<TaskId>> = BTreeMap::new();
    for row in rows {
        if let Some(why) = &row.no_taker {
            reasons.entry(why).or_default().push(row.id);
        }
    }
    let note = |(why, ids): (&str, Vec<TaskId>)| {
        let (noun, first) = (if ids.len() == 1 { "task" } else { "tasks" }, ids[0]);
        let text = format!("{noun} {}: {why}; see teamster why {first}", numbers(&ids));
        format!("\n{} {}", paint(TextTone::Warn, "note:"), paint(TextTone::Plain, &text))
    };
    reasons.into_iter().map(note).collect()
}
