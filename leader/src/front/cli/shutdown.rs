//! `teamster shutdown`.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::shutdown::WhenBusy;

use super::endings::{EndingLines, exit_of, not_running_text, tell_failures};
use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus};
use crate::ops::shutdown;

/// `teamster shutdown`.
#[derive(Debug, clap::Args)]
pub struct ShutdownArgs {
    /// The members; all that run if none is named
    #[arg(value_name = "NAME")]
    pub names: Vec<MemberName>,
    /// Why, for the members and for whoever reads of it later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Let a busy member finish its turn instead of refusing
    #[arg(long)]
    pub finish: bool,
}

pub(super) async fn shutdown(context: &CliContext, args: ShutdownArgs) -> Result<ExitStatus, CliError> {
    let ShutdownArgs { names, reason, finish } = args;
    let when_busy = if finish { WhenBusy::Finish } else { WhenBusy::Refuse };
    let hurry = match &names[..] {
        [name] => format!("teamster kill {name} ends it now"),
        [] | [_, ..] => "teamster kill NAME ends one now".to_owned(),
    };
    let mut lines = EndingLines::new(context, hurry);
    let asked = shutdown::shutdown(&context.session, names.clone(), reason, when_busy, |news| lines.tell(news));
    let asked = unless_interrupted(asked).await;
    let endings = lines.unless_given_up(asked)?;
    lines.conclude(&endings, |endings| {
        let rest = not_running_text(endings, &names);
        match (rest.is_empty(), names.is_empty() && endings.members.is_empty()) {
            (_, true) => Some("no member runs".to_owned()),
            (true, false) => None,
            (false, false) => Some(rest.join("\n")),
        }
    })?;
    tell_failures(context, &endings);
    Ok(exit_of(&endings))
}
