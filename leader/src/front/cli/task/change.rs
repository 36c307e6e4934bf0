//! The `teamster task` commands that change tasks by their numbers.

use teamster_protocol::model::id::{MemberName, TaskId};

use super::{CliContext, CliError, ExitStatus, show_changed};
use crate::front::cli::interrupt::unless_interrupted;
use crate::front::cli::task_text::numbers;
use crate::front::cli::waking::WakeArgs;
use crate::ops::task;

/// `teamster task assign`.
#[derive(Debug, clap::Args)]
pub struct AssignArgs {
    /// The tasks: all are changed, or none if one can not be
    #[arg(value_name = "ID", required = true, num_args = 1..)]
    pub ids: Vec<TaskId>,
    /// The member
    pub name: MemberName,
    /// Whether to start it again
    #[command(flatten)]
    pub wake: WakeArgs,
}

/// `teamster task unassign`.
#[derive(Debug, clap::Args)]
pub struct UnassignArgs {
    /// The tasks: all are changed, or none if one can not be
    #[arg(value_name = "ID", required = true, num_args = 1..)]
    pub ids: Vec<TaskId>,
}

/// `teamster task dep add` and `teamster task dep rm`.
#[derive(Debug, clap::Args)]
pub struct DependencyArgs {
    /// The task that waits
    pub id: TaskId,
    /// The task it waits for
    pub dep: TaskId,
}

/// `teamster task retry`.
#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    /// The tasks: all are changed, or none if one can not be
    #[arg(value_name = "ID", required = true, num_args = 1..)]
    pub ids: Vec<TaskId>,
}

/// `teamster task cancel`.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// The tasks: all are changed, or none if one can not be
    #[arg(value_name = "ID", required = true, num_args = 1..)]
    pub ids: Vec<TaskId>,
}

pub(in crate::front::cli) async fn assign(context: &CliContext, args: AssignArgs) -> Result<ExitStatus, CliError> {
    let AssignArgs { ids, name, wake } = args;
    let assigning = task::assign(&context.session, ids, name.clone(), wake.wish());
    let changed = unless_interrupted(assigning).await?;
    show_changed(context, &changed, |ids| format!("{} for {name}", tasks_are(ids)))
}

pub(in crate::front::cli) async fn unassign(context: &CliContext, args: UnassignArgs) -> Result<ExitStatus, CliError> {
    let changed = task::unassign(&context.session, args.ids)?;
    show_changed(context, &changed, |ids| format!("{} open to everybody", tasks_are(ids)))
}

pub(in crate::front::cli) async fn add_dependency(
    context: &CliContext,
    args: DependencyArgs,
) -> Result<ExitStatus, CliError> {
    let DependencyArgs { id, dep } = args;
    let changed = task::add_dependency(&context.session, id, dep)?;
    show_changed(context, &changed, |_| format!("task {id} waits for task {dep}"))
}

pub(in crate::front::cli) async fn remove_dependency(
    context: &CliContext,
    args: DependencyArgs,
) -> Result<ExitStatus, CliError> {
    let DependencyArgs { id, dep } = args;
    let changed = task::remove_dependency(&context.session, id, dep)?;
    show_changed(context, &changed, |_| format!("task {id} no longer waits for task {dep}"))
}

pub(in crate::front::cli) async fn retry(context: &CliContext, args: RetryArgs) -> Result<ExitStatus, CliError> {
    let changed = task::retry(&context.session, args.ids)?;
    show_changed(context, &changed, |ids| format!("{} to be done again", tasks_are(ids)))
}

pub(in crate::front::cli) async fn cancel(context: &CliContext, args: CancelArgs) -> Result<ExitStatus, CliError> {
    let cancelled = task::cancel(&context.session, args.ids)?;
    show_changed(context, &cancelled.changed, |ids| cancelled_text(ids, &cancelled.blocked))
}

/// `task 3 is`, or `tasks 3, 4 are`.
fn tasks_are(ids: &[TaskId]) -> String {
    match ids {
        [id] => format!("task {id} is"),
        ids => format!("tasks {} are", numbers(ids)),
    }
}

fn cancelled_text(ids: &[TaskId], blocked: &[(TaskId, Vec<TaskId>)]) -> String {
    let mut text = format!("{} cancelled", tasks_are(ids));
    for (id, left) in blocked {
        let Some(first) = left.first() else { continue };
        let on = if ids.len() == 1 { "it".to_owned() } else { id.to_string() };
        text.push_str(&format!(
            "; what waits for {on} stays blocked ({}) until teamster task dep rm {first} {id}",
            numbers(left)
        ));
    }
    text
}
