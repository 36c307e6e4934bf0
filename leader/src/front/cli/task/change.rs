//! The `teamster task` commands that change tasks by their numbers.

use clap::ValueEnum;
use teamster_protocol::model::board::ClearedTasks;
use teamster_protocol::model::id::{MemberName, TaskId};

use super::{CliContext, CliError, ExitStatus, show_changed};
use crate::front::cli::task_text::numbers;
use crate::ops::task;

/// `teamster task assign`.
#[derive(Debug, clap::Args)]
pub struct AssignArgs {
    /// The task
    pub id: TaskId,
    /// The member
    pub name: MemberName,
}

/// `teamster task unassign`.
#[derive(Debug, clap::Args)]
pub struct UnassignArgs {
    /// The task
    pub id: TaskId,
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
    /// The task
    pub id: TaskId,
}

/// `teamster task cancel`.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// The task
    pub id: TaskId,
}

/// `teamster task clear`.
#[derive(Debug, clap::Args)]
pub struct ClearArgs {
    /// Which
    pub scope: ClearScope,
}

/// What `task clear` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClearScope {
    /// completed tasks
    Completed,
    /// every task
    All,
}

pub(in crate::front::cli) async fn assign(context: &CliContext, args: AssignArgs) -> Result<ExitStatus, CliError> {
    let AssignArgs { id, name } = args;
    let changed = task::assign(&context.session, id, name.clone())?;
    show_changed(context, &changed, |_| format!("task {id} is for {name}"))
}

pub(in crate::front::cli) async fn unassign(context: &CliContext, args: UnassignArgs) -> Result<ExitStatus, CliError> {
    let changed = task::unassign(&context.session, args.id)?;
    show_changed(context, &changed, |_| format!("task {} is open to everybody", args.id))
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
    let changed = task::retry(&context.session, args.id)?;
    show_changed(context, &changed, |_| format!("task {} is to be done again", args.id))
}

pub(in crate::front::cli) async fn cancel(context: &CliContext, args: CancelArgs) -> Result<ExitStatus, CliError> {
    let cancelled = task::cancel(&context.session, args.id)?;
    show_changed(context, &cancelled.changed, |_| cancelled_text(args.id, &cancelled.blocked))
}

pub(in crate::front::cli) async fn clear(context: &CliContext, args: ClearArgs) -> Result<ExitStatus, CliError> {
    let scope = match args.scope {
        ClearScope::Completed => ClearedTasks::Completed,
        ClearScope::All => ClearedTasks::All,
    };
    let changed = task::clear(&context.session, scope)?;
    show_changed(context, &changed, |cleared| match cleared.len() {
        0 => "nothing to clear".to_owned(),
        1 => "cleared 1 task".to_owned(),
        more => format!("cleared {more} tasks"),
    })
}

fn cancelled_text(id: TaskId, blocked: &[TaskId]) -> String {
    match blocked {
        [] => format!("task {id} is cancelled"),
        [first, ..] => format!(
            "task {id} is cancelled; what waits for it stays blocked ({}) until teamster task dep rm {first} {id}",
            numbers(blocked)
        ),
    }
}
