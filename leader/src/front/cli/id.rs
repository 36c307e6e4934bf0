//! `teamster id`.

use super::{CliError, Context, Exit};
use crate::ops::id::identify;

/// `teamster id`.
#[derive(Debug, clap::Args)]
pub struct IdArgs {}

pub(super) async fn id(context: &Context, IdArgs {}: IdArgs) -> Result<Exit, CliError> {
    context.show(&identify(&context.session)?, |id| id.team.to_string())?;
    Ok(Exit::Done)
}
