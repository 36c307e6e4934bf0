//! `teamster kill`.

use teamster_protocol::model::id::MemberName;

use super::endings::{endings_text, exit_of};
use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::kill;

/// `teamster kill`.
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// The member
    pub name: MemberName,
}

pub(super) async fn kill(context: &CliContext, args: KillArgs) -> Result<ExitStatus, CliError> {
    let nobody = format!("{} does not run", args.name);
    let endings = unless_interrupted(kill::kill(&context.session, args.name)).await?;
    context.show(&endings, |endings| if endings.members.is_empty() { nobody } else { endings_text(endings) })?;
    // A worker that was killed left as it was asked to: by force.
    Ok(exit_of(&endings))
}
