//! The obstacles to removing a team, and how they are told: all of them at once, each with the way out.

use std::io;
use std::path::PathBuf;

use teamster_protocol::model::id::TeamName;
use teamster_protocol::store::presence::LockError;
use teamster_protocol::team::TeamError;

use crate::git::GitError;

/// Something that stands against removing a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanupObstacle {
    /// A leader runs.
    Leader(Option<u32>),
    /// A member's worker runs.
    Running(String),
    /// Tasks are in progress or still to be done.
    Unfinished(String),
    /// A worktree holds work that is nowhere else.
    Work(String),
    /// A worktree could not be looked into.
    Unknown(String),
}

impl CleanupObstacle {
    /// Whether `--force` goes past it.
    pub fn yields_to_force(&self) -> bool {
        match self {
            CleanupObstacle::Unfinished(_) | CleanupObstacle::Work(_) => true,
            CleanupObstacle::Leader(_) | CleanupObstacle::Running(_) | CleanupObstacle::Unknown(_) => false,
        }
    }

    fn text(&self) -> String {
        match self {
            CleanupObstacle::Leader(pid) => {
                format!(
                    "a leader, or another cleanup, runs{}",
                    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
                )
            }
            CleanupObstacle::Running(what)
            | CleanupObstacle::Unfinished(what)
            | CleanupObstacle::Work(what)
            | CleanupObstacle::Unknown(what) => what.clone(),
        }
    }
}

/// Why a team was not removed. Nothing of it was removed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// There is no such team.
    #[error("there is no team {team} under {}", root.display())]
    NoTeam {
        /// The team.
        team: TeamName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// Something would be lost, or runs.
    #[error("cannot remove team {team}:{}", obstacle_lines(obstacles))]
    Refused {
        /// The team.
        team: TeamName,
        /// All that stands against it.
        obstacles: Vec<CleanupObstacle>,
    },
    /// The team's files can not be read.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// A worktree could not be removed; the worktrees before it were.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A lock could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is not what it should be.
    #[error("{} is not a team's directory: {why}", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The thing that is there instead.
        why: &'static str,
    },
    /// The files could not be removed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The step that failed, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason that the system gives.
        source: io::Error,
    },
}

impl CleanupError {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CleanupError::Refused { obstacles, .. } => {
                let runs = |obstacle: &CleanupObstacle| {
                    matches!(obstacle, CleanupObstacle::Leader(_) | CleanupObstacle::Running(_))
                };
                let is_task = |obstacle: &CleanupObstacle| matches!(obstacle, CleanupObstacle::Unfinished(_));
                Some(if obstacles.iter().any(runs) {
                    "end what runs first: teamster down"
                } else if obstacles.iter().all(is_task) {
                    "finish what is to be done, for example with teamster run --resume, or drop it with --force"
                } else if obstacles.iter().all(CleanupObstacle::yields_to_force) {
                    "merge or commit what you want to keep, or use --force: it keeps the work under refs/teamster/kept/"
                } else {
                    "what can not be looked into is never removed: move it away yourself, or mend what is in its way"
                })
            }
            CleanupError::NoTeam { .. }
            | CleanupError::Team(_)
            | CleanupError::Git(_)
            | CleanupError::Lock(_)
            | CleanupError::NotOurs { .. }
            | CleanupError::Io { .. } => None,
        }
    }
}

fn obstacle_lines(obstacles: &[CleanupObstacle]) -> String {
    obstacles.iter().map(|obstacle| format!("\n  {}", obstacle.text())).collect()
}
