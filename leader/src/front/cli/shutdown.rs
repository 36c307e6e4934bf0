//! `teamster shutdown`.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::shutdown::WhenBusy;

use super::endings::{EndingLines, exit_of};
use super::interrupt::unless_interrupted;
use super::words::{EndsWithText, TypedText};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::shutdown;
use crate::verb::Verb;

/// `teamster shutdown`.
#[derive(Debug, clap::Args)]
pub struct ShutdownArgs {
    /// The member; all that run if not given
    pub name: Option<MemberName>,
    /// Why, for the member
    #[arg(value_name = "REASON", trailing_var_arg = true)]
    pub reason: Vec<String>,
    /// Let a busy member finish its turn instead of refusing
    #[arg(long)]
    pub finish: bool,
}

impl EndsWithText for ShutdownArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.reason, work: None }
    }
}

pub(super) async fn shutdown(context: &CliContext, args: ShutdownArgs) -> Result<ExitStatus, CliError> {
    if let Some(name) = &args.name {
        context.session.must_be_reason(Verb::Shutdown, name, &args.reason)?;
    }
    let when_busy = if args.finish { WhenBusy::Finish } else { WhenBusy::Refuse };
    let (hurry, nobody) = match &args.name {
        Some(name) => (format!("teamster kill {name} ends it now"), format!("{name} does not run")),
        None => ("teamster kill NAME ends one now".to_owned(), "no member runs".to_owned()),
    };
    let mut lines = EndingLines::new(context, hurry);
    let reason = args.reason.join(" ");
    let asked = shutdown::shutdown(&context.session, args.name, reason, when_busy, |news| lines.tell(news));
    let asked = unless_interrupted(asked).await;
    let endings = lines.unless_given_up(asked)?;
    lines.conclude(&endings, |endings| endings.members.is_empty().then_some(nobody))?;
    Ok(exit_of(&endings))
}
