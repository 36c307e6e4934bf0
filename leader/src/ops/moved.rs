//! A team whose repository was moved is found again: its name comes from the path that the repository had, and a mark in
//! the repository keeps that name. The first command at the new path follows: it mends the links of the worktrees, writes
//! on the roster where the repository is now, and renews the mark.

use std::path::{Path, PathBuf};

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, TeamName};
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::{Team, TeamError, TeamView};

use crate::git::{GitError, Repository, TeamMark};

/// Why the team of a repository can not be told.
#[derive(Debug, thiserror::Error)]
pub enum MovedError {
    /// The repository was moved here, and its team can not be made to follow.
    #[error("team {team} can not follow its repository from {} to here: {why}", from.display())]
    NotFollowed {
        /// The team.
        team: TeamName,
        /// The place where the repository was.
        from: PathBuf,
        /// The reason.
        why: Box<FollowError>,
    },
    /// The team of this name followed its repository away from here, and another repository is in its place now.
    #[error("team {team} followed its repository from here to {}", to.display())]
    BelongsElsewhere {
        /// The team.
        team: TeamName,
        /// The place where its repository is.
        to: PathBuf,
    },
}

/// Why a team can not be made to follow its repository.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The links of the worktrees, or the mark in the repository, could not be mended.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The move could not be written on the roster.
    #[error(transparent)]
    Team(#[from] TeamError),
}

/// The team of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTeam {
    /// The name of the team.
    pub team: TeamName,
    /// Where the repository was before, if the team followed it just now.
    pub moved_from: Option<PathBuf>,
    /// Why it is not known whether another team followed the repository here, where that matters: no team is here yet.
    pub unread_mark: Option<String>,
}

/// The permission to let a team follow its repository that was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovedTeam {
    /// The team follows its repository, and the move is written to survive the given kind of crash.
    Follows(Durability),
    /// The team is only looked at, and nothing is written: the next command lets it follow.
    IsLookedAt,
}

/// The team under `root` that works in this repository. `derived` is the name that the repository's path gives. Writes only
/// if the repository was moved, and only where the team is to follow it.
pub fn find_team(
    root: &Path,
    repository: &Repository,
    derived: TeamName,
    moved: MovedTeam,
) -> Result<FoundTeam, MovedError> {
    let unmoved = |team| Ok(FoundTeam { team, moved_from: None, unread_mark: None });
    let Ok(real_root) = root.canonicalize() else { return unmoved(derived) };
    let exists = |team: &TeamName| TeamDir::new(root, team.clone()).exists();
    let mark = match repository.team_mark(&real_root) {
        Ok(Some(mark)) => mark,
        Ok(None) => {
            must_be_of_here(root, &real_root, repository, &derived)?;
            return unmoved(derived);
        }
        Err(error) => {
            must_be_of_here(root, &real_root, repository, &derived)?;
            let unread_mark = (!exists(&derived)).then(|| error.to_string());
            return Ok(FoundTeam { team: derived, moved_from: None, unread_mark });
        }
    };
    if !exists(&mark.team) || (mark.team != derived && exists(&derived)) {
        return unmoved(derived);
    }
    if mark.repository == repository.common_dir() {
        return unmoved(mark.team);
    }
    if is_still_at(&mark) {
        // This one is a copy, which has no team yet.
        must_be_of_here(root, &real_root, repository, &derived)?;
        return unmoved(derived);
    }
    let durability = match moved {
        MovedTeam::Follows(durability) => durability,
        MovedTeam::IsLookedAt => return unmoved(mark.team),
    };
    let (team, from) = (mark.team.clone(), mark.repository.clone());
    match follow(root, repository, mark, durability) {
        Ok(()) => Ok(FoundTeam { team, moved_from: Some(from), unread_mark: None }),
        Err(why) => Err(MovedError::NotFollowed { team, from, why: Box::new(why) }),
    }
}

/// Writes into the repository that this team works in it, so that it is found again when the repository was moved. What
/// can not be written is no error: the team is found by the path then.
pub fn remember_team(dir: &TeamDir, repository: &Repository) {
    let Ok(root) = dir.root().canonicalize() else { return };
    let mark = TeamMark { root, team: dir.team().clone(), repository: repository.common_dir().to_owned() };
    if dir.exists()
        && let Err(error) = repository.set_team_mark(mark)
    {
        tracing::info!("the team is not found again if the repository is moved: {error}");
    }
}

/// Refuses a team that another repository took with it when it was moved from here.
fn must_be_of_here(
    root: &Path,
    real_root: &Path,
    repository: &Repository,
    derived: &TeamName,
) -> Result<(), MovedError> {
    let dir = TeamDir::new(root, derived.clone());
    if !dir.exists() {
        return Ok(());
    }
    // A roster that can not be read is told of by the command itself.
    let Ok(view) = TeamView::open(dir) else { return Ok(()) };
    let Some(Ok(owner)) = view.roster().dir().map(Repository::discover) else { return Ok(()) };
    let is_of_owner = matches!(owner.team_mark(real_root), Ok(Some(mark)) if mark.team == *derived && mark.repository == owner.common_dir());
    if is_of_owner && owner.common_dir() != repository.common_dir() {
        let to = owner.top_level().to_owned();
        return Err(MovedError::BelongsElsewhere { team: derived.clone(), to });
    }
    Ok(())
}

/// Whether the repository that wrote the mark is where it was.
fn is_still_at(mark: &TeamMark) -> bool {
    Repository::discover(&mark.repository).is_ok_and(|there| {
        there.common_dir() == mark.repository
            && there.team_mark(&mark.root).is_ok_and(|there| there.as_ref() == Some(mark))
    })
}

/// Each step can be done again, and the mark comes last: a crash in between leaves the rest to the next command.
fn follow(root: &Path, repository: &Repository, mark: TeamMark, durability: Durability) -> Result<(), FollowError> {
    let dir = TeamDir::new(root, mark.team.clone());
    repository.repair_links(&dir.worktrees_dir())?;
    let moved = TeamFact::Moved { from: moved_part(&mark.repository), to: moved_part(repository.common_dir()) };
    let mut team = Team::open(dir, Address::Lead, durability)?;
    team.enroll(moved)?;
    repository.set_team_mark(TeamMark { repository: repository.common_dir().to_owned(), ..mark })?;
    Ok(())
}

/// The directory that moves with a repository: the work tree around `.git`, else the repository itself.
fn moved_part(common_dir: &Path) -> PathBuf {
    let git = common_dir.ancestors().find(|above| above.file_name().is_some_and(|name| name == ".git"));
    git.and_then(Path::parent).unwrap_or(common_dir).to_owned()
}
