//! `teamster down`.

use super::endings::{EndingLines, exit_of};
use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::down;

/// `teamster down`.
#[derive(Debug, clap::Args)]
pub struct DownArgs {
    /// Do not wait for running turns
    #[arg(long, short)]
    pub force: bool,
}

pub(super) async fn down(context: &CliContext, args: DownArgs) -> Result<ExitStatus, CliError> {
    let mut lines = EndingLines::new(context, "teamster down --force ends them now");
    let ending = unless_interrupted(down::down(&context.session, args.force, |news| lines.tell(news))).await;
    let ended = lines.unless_given_up(ending)?;
    lines.conclude(&ended, |ended| {
        let last = match (ended.leader_ended, ended.endings.members.is_empty()) {
            (true, true) => "the leader ended; no member ran",
            (true, false) => "the leader ended",
            (false, true) => "nothing of the team runs",
            (false, false) => "the team ended",
        };
        Some(last.to_owned())
    })?;
    Ok(exit_of(&ended.endings))
}
