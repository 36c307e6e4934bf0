//! `teamster env`.

use teamster_protocol::model::id::MemberName;

use super::{CliError, Context, Exit};
use crate::ops::env::worker_command;

/// `teamster env`.
#[derive(Debug, clap::Args)]
pub struct EnvArgs {
    /// The member that the worker is to serve
    pub name: MemberName,
}

pub(super) async fn env(context: &Context, args: EnvArgs) -> Result<Exit, CliError> {
    context.show(&worker_command(&context.session, args.name)?, |env| env.command.clone())?;
    Ok(Exit::Done)
}
