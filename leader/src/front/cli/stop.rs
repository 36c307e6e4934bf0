//! `teamster stop`.

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::wire::api::{PassedVia, StoppedTurn};

use super::each_member::EachMember;
use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::stop;

/// `teamster stop`.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// The members
    #[arg(required = true, num_args = 1.., value_name = "NAME")]
    pub names: Vec<MemberName>,
    /// Why, for its transcript and for its task
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
}

pub(super) async fn stop(context: &CliContext, args: StopArgs) -> Result<ExitStatus, CliError> {
    let mut answers = EachMember::of(context, args.names.len());
    let told = stop::stop(&context.session, args.names, args.reason, |name, stopped| match stopped {
        Ok(stopped) => answers.done(&stopped, |done| stop_text(&done.name, &done.stopped)),
        Err(error) => answers.refused(name, error),
    });
    unless_interrupted(told).await?;
    answers.end()
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
