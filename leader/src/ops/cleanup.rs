//! `teamster cleanup`: takes a team's files away, and nothing else. It looks at everything first and refuses if
//! anything would be lost; with force, what would be lost is first kept under a ref.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, MemberName, TeamName};
use teamster_protocol::model::roster::{Roster, Workspace};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::presence::{Lock, LockError};
use teamster_protocol::team::{Team, TeamError};

use crate::git::{GitError, Place, Removal, Removed, Repository, member_branch};

/// What stands against removing a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
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

impl Obstacle {
    /// Whether `--force` goes past it.
    fn yields_to_force(&self) -> bool {
        match self {
            Obstacle::Unfinished(_) | Obstacle::Work(_) => true,
            Obstacle::Leader(_) | Obstacle::Running(_) | Obstacle::Unknown(_) => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Obstacle::Leader(pid) => {
                format!(
                    "a leader, or another cleanup, runs{}",
                    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
                )
            }
            Obstacle::Running(what) | Obstacle::Unfinished(what) | Obstacle::Work(what) | Obstacle::Unknown(what) => {
                what.clone()
            }
        }
    }
}

/// Why a team was not removed. Nothing was, unless it says otherwise.
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
    #[error("cannot remove team {team}:{}", listed(obstacles))]
    Refused {
        /// The team.
        team: TeamName,
        /// All that stands against it.
        obstacles: Vec<Obstacle>,
    },
    /// The team's files can not be read.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// A worktree could not be removed; those before it were.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A lock could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is not what it should be.
    #[error("{} is not a team's directory: {why}", path.display())]
    NotOurs {
        /// It.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The files could not be removed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl CleanupError {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CleanupError::Refused { obstacles, .. } => {
                let runs = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Leader(_) | Obstacle::Running(_));
                let is_task = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Unfinished(_));
                Some(if obstacles.iter().any(runs) {
                    "end what runs first: teamster down"
                } else if obstacles.iter().all(is_task) {
                    "finish what is to be done, for example with teamster run --resume, or drop it with --force"
                } else if obstacles.iter().all(Obstacle::yields_to_force) {
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

fn listed(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(|obstacle| format!("\n  {}", obstacle.text())).collect()
}

/// The `--json` object of `teamster cleanup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The team.
    pub team: TeamName,
    /// The worktrees that were removed.
    pub worktrees: Vec<CleanedWorktree>,
}

/// A worktree that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanedWorktree {
    /// The member it belonged to.
    pub member: String,
    /// Its branch, which is removed too.
    pub branch: String,
    /// The ref that keeps its work, if it held any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What to do about work and tasks that would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Refuse.
    Refuse,
    /// Keep the work under a ref, drop the tasks.
    KeepWork,
}

/// How the name of a team's directory begins once it is on its way out. No team's name begins with a dot.
const RUBBISH: &str = ".removed-";

/// Removes the team's files. Blocks for as long as that takes.
pub fn cleanup(dir: &TeamDir, care: Care) -> Result<Cleaned, CleanupError> {
    let team = dir.team().clone();
    sweep_rubbish(dir);
    let no_team = || CleanupError::NoTeam { team: dir.team().clone(), root: dir.root().to_owned() };
    if !dir.exists() {
        return Err(no_team());
    }
    check_is_ours(dir)?;
    let mut obstacles = Vec::new();
    // Held to the end, so that nobody begins to lead or to work while the files go.
    let mut locks = Vec::new();
    match Lock::borrow(&dir.leader_lock()) {
        Ok(lock) => locks.push(lock),
        Err(LockError::Held { holder, .. }) => {
            obstacles.push(Obstacle::Leader(holder.map(|holder| holder.process.pid)));
        }
        // Another cleanup was faster.
        Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Err(no_team()),
        Err(error) => return Err(error.into()),
    }
    if !dir.exists() {
        return Err(no_team());
    }
    let mut open = Team::open(dir.clone(), Address::Lead, Durability::Power)?;
    open.refresh(|_| ())?;
    for name in served(dir, open.roster())? {
        match Lock::take(&dir.member_lock(&name), now_ms()) {
            Ok(lock) => locks.push(lock),
            Err(LockError::Held { holder, .. }) => {
                let pid = holder.map(|holder| format!(" (process {})", holder.process.pid)).unwrap_or_default();
                obstacles.push(Obstacle::Running(format!("{name} runs{pid}")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    obstacles.extend(unfinished(&open));
    let worktrees = worktrees(dir, open.roster())?;
    for worktree in &worktrees {
        obstacles.extend(worktree.obstacle());
    }
    obstacles.retain(|obstacle| care == Care::Refuse || !obstacle.yields_to_force());
    if !obstacles.is_empty() {
        return Err(CleanupError::Refused { team, obstacles });
    }
    let mut cleaned = Vec::new();
    for worktree in worktrees {
        let removed = worktree.remove(care)?;
        point("worktree removed");
        if let Some(trash) = &removed.trash {
            remove_tree(trash)?;
        }
        let kept = removed.kept.map(|kept| kept.reference);
        cleaned.push(CleanedWorktree { member: worktree.member, branch: worktree.branch, kept });
    }
    // Out of sight in one step: a crash from here on leaves rubbish, never half a team.
    let gone = dir.root().join(format!("{RUBBISH}{team}-{}", now_ms()));
    point("about to move the team away");
    fs::rename(dir.path(), &gone).map_err(io_error("move away", dir.path()))?;
    point("team moved away");
    remove_tree(&gone)?;
    point("team removed");
    drop(locks);
    Ok(Cleaned { team, worktrees: cleaned })
}

/// The directory is a real one directly under the root, not a link to somewhere else.
fn check_is_ours(dir: &TeamDir) -> Result<(), CleanupError> {
    let path = dir.path().to_owned();
    let found = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
    if found.is_dir() { Ok(()) } else { Err(CleanupError::NotOurs { path, why: "it is a link or a file" }) }
}

fn unfinished(team: &Team) -> Option<Obstacle> {
    let mut running = Vec::new();
    let mut open = 0;
    for (id, task) in team.board().tasks() {
        match &task.status {
            TaskStatus::InProgress { owner, .. } => running.push(format!("task {id} is in progress by {owner}")),
            TaskStatus::Pending { .. } => open += 1,
            TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => {}
        }
    }
    if open > 0 {
        let them = if open == 1 { "1 task is".to_owned() } else { format!("{open} tasks are") };
        running.push(format!("{them} still to be done"));
    }
    (!running.is_empty()).then(|| Obstacle::Unfinished(running.join("\n  ")))
}

/// The members that may be served: those on the roster, and those whose lock is there although they no longer are.
fn served(dir: &TeamDir, roster: &Roster) -> Result<BTreeSet<MemberName>, CleanupError> {
    let named = |file: &str| file.strip_suffix(".lock")?.parse().ok();
    let files = names_in(&dir.members_dir())?;
    let locks = files.iter().filter_map(|file| named(file));
    Ok(roster.members().map(|(name, _)| name.clone()).chain(locks).collect())
}

/// The plain names in a directory; none if it is not there.
fn names_in(path: &Path) -> Result<Vec<String>, CleanupError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("look into", path))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(io_error("look into", path))
}

struct MemberWorktree {
    member: String,
    branch: String,
    path: PathBuf,
    found: Result<(Repository, Place), String>,
}

/// The worktrees on the roster, and whatever else is where they are kept: a member may have left the roster, or
/// share a directory now, and its work is still there.
fn worktrees(dir: &TeamDir, roster: &Roster) -> Result<Vec<MemberWorktree>, CleanupError> {
    let root = dir.worktrees_dir();
    let mut all: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for member in names_in(&root)?.into_iter().filter(|name| !name.starts_with('.')) {
        let branch = member_branch(dir.team(), &member);
        let within = root.join(&member);
        all.insert(member, (branch, within));
    }
    for (name, member) in roster.members() {
        match &member.spec.workspace {
            Workspace::Shared { .. } => {}
            Workspace::Worktree { branch, repository, .. } => {
                all.insert(name.to_string(), (branch.clone(), repository.clone()));
            }
        }
    }
    let of = |(member, (branch, within)): (String, (String, PathBuf))| {
        let found = Repository::discover(&within)
            .and_then(|repository| Ok((repository, Place::new(&root, &member)?)))
            .map_err(|error| error.to_string());
        MemberWorktree { path: root.join(&member), member, branch, found }
    };
    let there = |worktree: &MemberWorktree| worktree.found.is_ok() || !is_empty(&worktree.path);
    Ok(all.into_iter().map(of).filter(there).collect())
}

/// Whether nothing can be lost at a path: it is not there, or an empty directory.
fn is_empty(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

impl MemberWorktree {
    fn obstacle(&self) -> Option<Obstacle> {
        let MemberWorktree { member, branch, path, found } = self;
        let looked = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|(repository, place)| repository.holdings(place, branch).map_err(|error| error.to_string()));
        match looked {
            Ok(holdings) if holdings.is_empty() => None,
            Ok(holdings) => Some(Obstacle::Work(format!("{branch} of {member} holds {holdings}"))),
            Err(why) => Some(Obstacle::Unknown(format!(
                "cannot look into the worktree of {member} at {}: {why}",
                path.display()
            ))),
        }
    }

    fn remove(&self, care: Care) -> Result<Removed, CleanupError> {
        let (repository, place) = match &self.found {
            Ok(found) => found,
            Err(_) => unreachable!("a worktree that can not be looked into is an obstacle"),
        };
        let removal = match care {
            Care::Refuse => Removal::IfSafe,
            Care::KeepWork => Removal::KeepingUnderRef,
        };
        Ok(repository.remove_worktree(place, &self.branch, removal)?)
    }
}

/// Removes what a cleanup that was cut short had moved away, whichever team's it was.
fn sweep_rubbish(dir: &TeamDir) {
    for name in names_in(dir.root()).unwrap_or_default().iter().filter(|name| name.starts_with(RUBBISH)) {
        // Another cleanup may be at the same; what stays is found again.
        if let Err(error) = remove_tree(&dir.root().join(name)) {
            tracing::warn!("{error}");
        }
    }
}

/// Removes a directory with all in it, those included that a tool made read-only, as some package caches are.
fn remove_tree(path: &Path) -> Result<(), CleanupError> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path).and_then(|()| fs::remove_dir_all(path))
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Lets the owner write in every directory beneath `path`; follows no link.
fn open_up(path: &Path) -> io::Result<()> {
    let mut todo = vec![path.to_owned()];
    while let Some(at) = todo.pop() {
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    Ok(())
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CleanupError {
    let path = path.to_owned();
    move |source| CleanupError::Io { doing, path, source }
}

#[cfg(test)]
mod tests;
