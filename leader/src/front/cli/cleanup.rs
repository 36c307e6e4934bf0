//! `teamster cleanup`.

use super::{CliContext, CliError, ExitStatus, print};
use crate::ops::cleanup::{CleanedTeam, CleanupCare, clean_up};

/// `teamster cleanup`.
#[derive(Debug, clap::Args)]
pub struct CleanupArgs {
    /// Remove unfinished tasks and worktrees with work too; the work is kept under a ref
    #[arg(long, short)]
    pub force: bool,
}

pub(super) async fn cleanup(context: &CliContext, args: CleanupArgs) -> Result<ExitStatus, CliError> {
    let care = if args.force { CleanupCare::KeepWork } else { CleanupCare::Refuse };
    context.show(&clean_up(&context.session, care)?, cleaned_text)?;
    Ok(ExitStatus::Done)
}

fn cleaned_text(cleaned: &CleanedTeam) -> String {
    let mut text = format!("removed team {}\n", print::paint(print::TextTone::Name, cleaned.team.as_str()));
    for worktree in &cleaned.worktrees {
        text.push_str(&format!("removed the worktree of {} and its branch {}", worktree.member, worktree.branch));
        if let Some(kept) = &worktree.kept {
            text.push_str(&format!("; its work is kept at {kept}"));
        }
        text.push('\n');
    }
    text
}
