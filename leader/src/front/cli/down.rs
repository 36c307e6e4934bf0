//! `teamster down`.

use super::endings::{endings_text, exit_of};
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
    let endings = unless_interrupted(down::down(&context.session, args.force)).await?;
    context.show(&endings, |endings| match endings.members.is_empty() {
        true => "the leader ended; no member ran".to_owned(),
        false => format!("{}\nthe leader ended", endings_text(endings)),
    })?;
    Ok(exit_of(&endings))
}
