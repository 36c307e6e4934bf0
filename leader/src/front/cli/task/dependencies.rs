//! `teamster task dep ls`.

use teamster_protocol::model::id::TaskId;

use super::{CliError, Context, Exit};
use crate::front::cli::print::{Tone, paint};
use crate::ops::task::{self, TaskDependencies, TaskRow};

/// `teamster task dep ls`.
#[derive(Debug, clap::Args)]
pub struct DependenciesArgs {
    /// The task
    pub id: TaskId,
}

pub(in crate::front::cli) async fn dependencies(context: &Context, args: DependenciesArgs) -> Result<Exit, CliError> {
    context.show(&task::dependencies(&context.session, args.id)?, text)?;
    Ok(Exit::Done)
}

fn text(dependencies: &TaskDependencies) -> String {
    let mut text = String::new();
    let mut section = |head: String, rows: &[TaskRow]| {
        text.push_str(&format!("{head}\n"));
        for row in rows {
            text.push_str(&format!("  {} {}  {}\n", row.id, paint(Tone::Plain, &row.title), row.status));
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
