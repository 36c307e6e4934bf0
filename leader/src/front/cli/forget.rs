//! `teamster forget`.

use teamster_protocol::model::id::MemberName;

use super::print::{TextTone, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::forget::{self, ForgottenMember};

/// `teamster forget`.
#[derive(Debug, clap::Args)]
pub struct ForgetArgs {
    /// Members that left
    #[arg(required = true, num_args = 1.., value_name = "NAME")]
    pub names: Vec<MemberName>,
}

pub(super) async fn forget(context: &CliContext, args: ForgetArgs) -> Result<ExitStatus, CliError> {
    let forgotten = forget::forget(&context.session, args.names)?;
    context.show(&forgotten, |forgotten| forgotten.members.iter().map(sentence).collect::<Vec<_>>().join("\n"))?;
    Ok(ExitStatus::Done)
}

fn sentence(member: &ForgottenMember) -> String {
    let name = paint(TextTone::Name, member.name.as_str());
    let stays = format!("teamster logs {0} and teamster inbox {0} show what is kept of it", member.name);
    match &member.branch {
        Some(branch) => {
            let branch = paint(TextTone::Name, branch);
            format!("{name} is off the roster; until teamster cleanup its worktree stays on {branch}, and {stays}")
        }
        None => format!("{name} is off the roster; until teamster cleanup {stays}"),
    }
}
