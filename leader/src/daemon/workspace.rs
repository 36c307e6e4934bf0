//! A member's place to work: a directory that it shares, or a git worktree of its own. A worktree that can not be made
//! is an error; the member is never put into the shared directory instead.

use std::fmt::Write as _;
use std::path::Path;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::Workspace;
use teamster_protocol::wire::api::{WorkspaceRequest, WorktreeFound};

use crate::core::PreparedPlace;
use crate::git::{GitError, Repository, WorktreePlace, WorktreeSpec, member_branch};

/// Makes the place, or finds the member's worktree again. Blocks for as long as writing its files takes. The
/// error is a sentence for people, with the way out on a second line where there is one.
pub fn prepare(dir: &TeamDir, name: &MemberName, request: &WorkspaceRequest) -> Result<PreparedPlace, String> {
    match request {
        WorkspaceRequest::Shared { dir } => shared_directory(dir).map(PreparedPlace::from),
        WorkspaceRequest::Worktree { repository, base, found } => {
            member_worktree(dir, name, repository, base.as_deref(), *found).map_err(|error| error_with_hint(&error))
        }
    }
}

fn shared_directory(dir: &Path) -> Result<Workspace, String> {
    let at = dir.canonicalize().map_err(|error| format!("cannot work in {}: {error}", dir.display()))?;
    if !at.is_dir() {
        return Err(format!("cannot work in {}: it is not a directory", at.display()));
    }
    Ok(Workspace::Shared { dir: at })
}

fn member_worktree(
    team: &TeamDir,
    name: &MemberName,
    within: &Path,
    base: Option<&str>,
    found: WorktreeFound,
) -> Result<PreparedPlace, GitError> {
    let repository = Repository::discover(within)?;
    let place = WorktreePlace::new(&team.worktrees_dir(), name.as_str())?;
    let branch = member_branch(team.team(), name.as_str());
    let made = repository.ensure_worktree(&WorktreeSpec { place, branch, base: base.map(str::to_owned), found })?;
    tracing::info!(%name, path = %made.path.display(), engine = ?made.engine, origin = ?made.origin, "worktree");
    let repository = repository.common_dir().to_owned();
    let workspace = Workspace::Worktree { dir: made.path, branch: made.branch, base: made.tip.to_string(), repository };
    Ok(PreparedPlace { workspace, base: made.base })
}

fn error_with_hint(error: &GitError) -> String {
    let mut text = error.to_string();
    if let Some(hint) = error.hint() {
        let _ = write!(text, "\n{hint}");
    }
    text
}
