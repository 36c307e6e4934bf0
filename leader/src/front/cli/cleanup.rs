//! `teamster cleanup`.

use super::{CliError, Context, Exit, print};
use crate::ops::cleanup::{Care, Cleaned, clean_up};

/// `teamster cleanup`.
#[derive(Debug, clap::Args)]
pub struct CleanupArgs {
    /// Remove unfinished tasks and worktrees with work too; the work is kept under a ref
    #[arg(long, short)]
    pub force: bool,
}

pub(super) async fn cleanup(context: &Context, args: CleanupArgs) -> Result<Exit, CliError> {
    let care = if args.force { Care::KeepWork } else { Care::Refuse };
    context.show(&clean_up(&context.session, care)?, cleaned_text)?;
    Ok(Exit::Done)
}

fn cleaned_text(cleaned: &Cleaned) -> String {
    let mut text = format!("removed team {}\n", print::paint(print::Tone::Name, cleaned.team.as_str()));
    for worktree in &cleaned.worktrees {
        text.push_str(&format!("removed the worktree of {} and its branch {}", worktree.member, worktree.branch));
        if let Some(kept) = &worktree.kept {
            text.push_str(&format!("; its work is kept at {kept}"));
        }
        text.push('\n');
    }
    text
}
