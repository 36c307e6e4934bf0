//! `teamster id`.

use super::{CliContext, CliError, ExitStatus};
use crate::ops::id::identify;

/// `teamster id`.
#[derive(Debug, clap::Args)]
pub struct IdArgs {}

pub(super) async fn id(context: &CliContext, IdArgs {}: IdArgs) -> Result<ExitStatus, CliError> {
    context.show(&identify(&context.session)?, |id| id.team.to_string())?;
    Ok(ExitStatus::Done)
}
