//! `task …`: the board, straight on its log: no leader is needed.

use serde::Serialize;
use teamster_protocol::model::board::Scope;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::wire::api::{Changed, TaskCommand};

use super::{Context, Exit, FrontError};
use crate::front::cli::args::{ClearScope, DependencyCommand, TaskVerb};
use crate::front::cli::print::{Tone, paint};

mod add;
mod list;
mod show;

/// Printed by every `task` command that changes the board: the tasks that were added, changed or cleared, and
/// what the asker might not have meant.
#[derive(Debug, Serialize)]
struct Done {
    tasks: Vec<TaskId>,
    warnings: Vec<String>,
}

pub(super) fn task(context: &Context, verb: TaskVerb) -> Result<Exit, FrontError> {
    match verb {
        TaskVerb::Add(args) => add::add(context, args),
        TaskVerb::List(args) => list::list(context, &args),
        TaskVerb::Show { id } => show::show(context, id),
        TaskVerb::Dep(DependencyCommand::Ls { id }) => show::dependencies(context, id),
        TaskVerb::Assign { id, name } => {
            context.must_be_member(&context.view()?, &name)?;
            let said = format!("task {id} is for {name}");
            change(context, TaskCommand::Assign { id, to: name }, |_| said)
        }
        TaskVerb::Unassign { id } => {
            change(context, TaskCommand::Unassign { id }, |_| format!("task {id} is open to everybody"))
        }
        TaskVerb::Dep(DependencyCommand::Add { id, dep }) => {
            let said = format!("task {id} waits for task {dep}");
            change(context, TaskCommand::AddDependency { id, on: dep }, |_| said)
        }
        TaskVerb::Dep(DependencyCommand::Rm { id, dep }) => {
            let said = format!("task {id} no longer waits for task {dep}");
            change(context, TaskCommand::RemoveDependency { id, on: dep }, |_| said)
        }
        TaskVerb::Retry { id } => {
            change(context, TaskCommand::Retry { id }, |_| format!("task {id} is to be done again"))
        }
        TaskVerb::Cancel { id } => {
            // Those who wait for it stay blocked: the asker should know.
            let view = context.view()?;
            let waiting: Vec<TaskId> =
                view.board().task(id).map(|task| task.blocks.iter().copied().collect()).unwrap_or_default();
            change(context, TaskCommand::Cancel { id }, |_| cancelled(id, &waiting))
        }
        TaskVerb::Clear { scope } => {
            let scope = match scope {
                ClearScope::Completed => Scope::Completed,
                ClearScope::All => Scope::All,
            };
            change(context, TaskCommand::Clear { scope }, |cleared| match cleared.len() {
                0 => "nothing to clear".to_owned(),
                1 => "cleared 1 task".to_owned(),
                more => format!("cleared {more} tasks"),
            })
        }
    }
}

fn cancelled(id: TaskId, waiting: &[TaskId]) -> String {
    match waiting {
        [] => format!("task {id} is cancelled"),
        [first, ..] => format!(
            "task {id} is cancelled; what waits for it stays blocked ({}) until teamster task dep rm {first} {id}",
            super::task_row::numbers(waiting)
        ),
    }
}

fn change(context: &Context, command: TaskCommand, say: impl FnOnce(&[TaskId]) -> String) -> Result<Exit, FrontError> {
    let changed = context.team()?.command(command)?;
    show_changed(context, changed, say)
}

fn show_changed(
    context: &Context,
    changed: Changed,
    say: impl FnOnce(&[TaskId]) -> String,
) -> Result<Exit, FrontError> {
    let done = Done { tasks: changed.tasks, warnings: changed.warnings };
    context.show(&done, |done| {
        let mut text = say(&done.tasks);
        for warning in &done.warnings {
            text.push_str(&format!("\n{} {}", paint(Tone::Warn, "note:"), paint(Tone::Plain, warning)));
        }
        text
    })?;
    Ok(Exit::Done)
}
