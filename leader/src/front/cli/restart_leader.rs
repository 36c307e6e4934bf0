//! `teamster restart-leader`.

use super::interrupt::unless_interrupted;
use super::up::sentence;
use super::{CliError, Context, Exit};
use crate::ops::restart_leader;

/// `teamster restart-leader`.
#[derive(Debug, clap::Args)]
pub struct RestartLeaderArgs {}

pub(super) async fn restart_leader(
    context: &Context,
    RestartLeaderArgs {}: RestartLeaderArgs,
) -> Result<Exit, CliError> {
    let restarted = unless_interrupted(restart_leader::restart_leader(&context.session)).await?;
    context.show(&restarted, |restarted| {
        format!("{}, after process {}; every worker went on", sentence(&restarted.leader), restarted.before)
    })?;
    Ok(Exit::Done)
}
