//! `task add`.

use teamster_protocol::model::task::{NewTask, Work};
use teamster_protocol::wire::api::TaskCommand;

use super::{Context, Exit, FrontError, show_changed};
use crate::front::cli::args::{self, AddArgs};

pub(super) fn add(context: &Context, args: AddArgs) -> Result<Exit, FrontError> {
    let text = match &args.file {
        Some(path) if path.as_os_str() == "-" => args::joined(&["-".to_owned()])?,
        Some(path) => std::fs::read_to_string(context.here.join(path)).map_err(|source| FrontError::Path {
            doing: "read",
            path: path.clone(),
            source,
        })?,
        None => args::joined(&args.words)?,
    };
    let mut new = NewTask::new(if args.run { Work::Run(text) } else { Work::Prompt(text) });
    if let Some(title) = args.title {
        new.title = title;
    }
    new.after = args.after;
    new.to = args.to;
    new.role = args.role;
    new.priority = args.priority;
    new.timeout_ms = args.timeout.map(|timeout| timeout.as_millis() as u64);
    context.config.task_limits().apply(&mut new);
    // Refused before anything is made: a typo must not leave an empty team behind.
    new.check().map_err(teamster_protocol::team::TeamError::from)?;
    if context.dir.exists() {
        if let Some(to) = &new.to {
            context.must_be_member(&context.view()?, to)?;
        }
    } else if let Some(to) = &new.to {
        let hint = format!("the team has no members yet; start one with teamster spawn {to}");
        return Err(FrontError::NoMember { name: to.clone(), hint });
    }
    let changed = context.make_team()?.command(TaskCommand::Add { tasks: vec![new] })?;
    show_changed(context, changed, |added| format!("task {} is on the board", super::super::task_row::numbers(added)))
}
