//! The options about where members work.

use std::path::PathBuf;

use crate::ops::spawn::{WantedWorkspace, WantedWorkspaceKind};

/// The workspace that the options `--cwd`, `--worktree`, `--shared` and `--base` ask for.
pub(super) fn wanted_workspace(
    dir: Option<PathBuf>,
    worktree: bool,
    shared: bool,
    base: Option<String>,
) -> WantedWorkspace {
    let kind = match (worktree, shared) {
        (true, _) => Some(WantedWorkspaceKind::Worktree),
        (false, true) => Some(WantedWorkspaceKind::Shared),
        (false, false) => None,
    };
    WantedWorkspace { dir, kind, base }
}
