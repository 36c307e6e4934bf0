//! `teamster shutdown`.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::shutdown::WhenBusy;

use super::endings::{endings_text, exit_of};
use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::shutdown;

/// `teamster shutdown`.
#[derive(Debug, clap::Args)]
pub struct ShutdownArgs {
    /// The member; all that run if not given
    pub name: Option<MemberName>,
    /// Why, for the member
    #[arg(value_name = "REASON")]
    pub reason: Vec<String>,
    /// Let a busy member finish its turn instead of refusing
    #[arg(long)]
    pub finish: bool,
}

pub(super) async fn shutdown(context: &CliContext, args: ShutdownArgs) -> Result<ExitStatus, CliError> {
    let when_busy = if args.finish { WhenBusy::Finish } else { WhenBusy::Refuse };
    let asked = shutdown::shutdown(&context.session, args.name, args.reason.join(" "), when_busy);
    let endings = unless_interrupted(asked).await?;
    context.show(&endings, |endings| match endings.members.is_empty() {
        true => "no member runs".to_owned(),
        false => endings_text(endings),
    })?;
    Ok(exit_of(&endings))
}
