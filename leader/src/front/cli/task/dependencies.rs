//! `teamster task dep ls`.

use teamster_protocol::model::id::TaskId;

use super::{CliContext, CliError, ExitStatus};
use crate::front::cli::print::{TextTone, paint};
use crate::ops::task::{self, TaskDependencies, TaskRow};

/// `teamster task dep ls`.
#[derive(Debug, clap::Args)]
pub struct DependenciesArgs {
    /// The task
    pub id: TaskId,
}

pub(in crate::front::cli) async fn dependencies(
    context: &CliContext,
    args: DependenciesArgs,
) -> Result<ExitStatus, CliError> {
    context.show_page(&task::dependencies(&context.session, args.id)?, text)?;
    Ok(ExitStatus::Done)
}

fn text(dependencies: &TaskDependencies) -> String {
    let mut text = String::new();
    let mut section = |head: String, rows: &[TaskRow]| {
        text.push_str(&format!("{head}\n"));
        for row in rows {
            text.push_str(&format!("  {} {}  {}\n", row.id, paint(TextTone::Plain, &row.title), row.status));
        }
    };
    let id = dependencies.id;
    match dependencies.after.is_empty() {
        true => section(format!("task {id} waits for nothing"), &[]),
        false => section(format!("task {id} waits for"), &dependencies.after),
    }
    match dependencies.blocks.is_empty() {
        true => section(format!("nothing waits for task {id}"), &[]),
        false => section(format!("what waits for task {id}"), &dependencies.blocks),
    }
    text
}
