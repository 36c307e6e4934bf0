//! `teamster restart-leader`.

use super::interrupt::unless_interrupted;
use super::up::sentence;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::restart_leader;

/// `teamster restart-leader`.
#[derive(Debug, clap::Args)]
pub struct RestartLeaderArgs {}

pub(super) async fn restart_leader(
    context: &CliContext,
    RestartLeaderArgs {}: RestartLeaderArgs,
) -> Result<ExitStatus, CliError> {
    let restarted = unless_interrupted(restart_leader::restart_leader(&context.session)).await?;
    context.show(&restarted, |restarted| {
        format!("{}, after process {}; every worker went on", sentence(&restarted.leader), restarted.before)
    })?;
    Ok(ExitStatus::Done)
}
