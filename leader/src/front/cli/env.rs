//! `teamster env`.

use teamster_protocol::model::id::MemberName;

use super::{CliContext, CliError, ExitStatus};
use crate::ops::env::worker_command;

/// `teamster env`.
#[derive(Debug, clap::Args)]
pub struct EnvArgs {
    /// The member that the worker is to serve
    pub name: MemberName,
}

pub(super) async fn env(context: &CliContext, args: EnvArgs) -> Result<ExitStatus, CliError> {
    context.show_as_is(&worker_command(&context.session, args.name)?, |env| env.command.clone())?;
    Ok(ExitStatus::Done)
}
