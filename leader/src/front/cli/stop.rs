//! `teamster stop`.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::wire::api::{PassedVia, StoppedTurn};

use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::words::{EndsWithText, TypedText};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::stop;
use crate::verb::Verb;

/// `teamster stop`.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// The member
    pub name: MemberName,
    /// Why, for its transcript
    #[arg(value_name = "REASON", trailing_var_arg = true)]
    pub reason: Vec<String>,
}

impl EndsWithText for StopArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.reason, work: None }
    }
}

pub(super) async fn stop(context: &CliContext, args: StopArgs) -> Result<ExitStatus, CliError> {
    context.session.must_be_reason(Verb::Stop, &args.name, &args.reason)?;
    let stopped = unless_interrupted(stop::stop(&context.session, args.name, args.reason.join(" "))).await?;
    context.show(&stopped, |done| stop_text(&done.name, &done.stopped))?;
    Ok(ExitStatus::Done)
}

fn stop_text(name: &MemberName, stopped: &StoppedTurn) -> String {
    let name = paint(TextTone::Name, name.as_str());
    let held = |task: Option<TaskId>| match task {
        Some(task) => format!("; task {task} is held for it: teamster task retry {task} lets it go on"),
        None => String::new(),
    };
    match (&stopped.stop, stopped.via) {
        (Some(TurnEnd::Aborted), _) => format!("{name} stopped{}", held(stopped.task)),
        (Some(TurnEnd::Completed), _) => format!("{name} had completed its turn in the same moment"),
        (Some(TurnEnd::Failed { reason, .. } | TurnEnd::NotBegun { reason }), _) => {
            format!("{name} had failed in the same moment: {}", paint(TextTone::Plain, reason))
        }
        (None, PassedVia::Mail) => format!("{name} was told by mail to stop"),
        (None, PassedVia::Rpc) => format!("{name} was told to stop"),
    }
}
