//! `teamster env`.

use teamster_protocol::model::id::MemberName;

use super::{CliContext, CliError, ExitStatus, OutputShape, print};
use crate::ops::env::worker_command;

/// `teamster env`.
#[derive(Debug, clap::Args)]
pub struct EnvArgs {
    /// The member that the worker is to serve
    pub name: MemberName,
}

pub(super) async fn env(context: &CliContext, args: EnvArgs) -> Result<ExitStatus, CliError> {
    let env = worker_command(&context.session, args.name)?;
    context.show_as_is(&env, |env| env.command.clone())?;
    if env.is_running && context.shape == OutputShape::Text {
        // Beside the command, which a shell reads.
        print::note(&format!("note: {0} runs already, so this is refused until teamster shutdown {0}", env.name));
    }
    Ok(ExitStatus::Done)
}
