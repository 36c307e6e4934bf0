//! `teamster kill`.

use teamster_protocol::model::id::MemberName;

use super::endings::{exit_of, show_endings};
use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::kill;

/// `teamster kill`.
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// The members
    #[arg(required = true, num_args = 1.., value_name = "NAME")]
    pub names: Vec<MemberName>,
}

pub(super) async fn kill(context: &CliContext, args: KillArgs) -> Result<ExitStatus, CliError> {
    let endings = unless_interrupted(kill::kill(&context.session, args.names.clone())).await?;
    show_endings(context, &endings, &args.names)?;
    // A worker that was killed left as it was asked to: by force.
    Ok(exit_of(&endings))
}
