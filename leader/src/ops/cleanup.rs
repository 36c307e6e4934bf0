//! `teamster cleanup`: takes a team's files away, and nothing else. Everything is looked at first, and if anything would be
//! lost the cleanup refuses; with force, work that would be lost is first kept under a ref. The last look and the removal
//! happen with the locks of all writers held, so that no task is lost that somebody was told is added.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::id::{Address, MemberName, TeamName};
use teamster_protocol::model::roster::{Roster, Workspace};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::presence::{LockError, PresenceLock};
use teamster_protocol::team::Team;

use super::error::OpsError;
use super::error::cleanup::{CleanupError, CleanupObstacle};
use super::session::Session;
use crate::git::{RemovalCare, RemovedWorktree, Repository, WorktreePlace, member_branch};
use crate::verb::Verb;

/// The `--json` object of `teamster cleanup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanedTeam {
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

/// The care for work and tasks that would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupCare {
    /// Refuse if there is any.
    Refuse,
    /// Keep the work under a ref, drop the tasks.
    KeepWork,
}

/// How the name of a team's directory begins once it is on its way out. No team's name begins with a dot.
const RUBBISH: &str = ".removed-";

/// How often a directory is removed into which others still write.
const REMOVALS_MAX: usize = 100;

/// Removes the team of a session, as [`cleanup`] does.
pub fn clean_up(session: &Session, care: CleanupCare) -> Result<CleanedTeam, OpsError> {
    session.authorize(Verb::Cleanup)?;
    Ok(cleanup(&session.dir, care)?)
}

/// Removes the team's files. Blocks for as long as that takes.
pub fn cleanup(dir: &TeamDir, care: CleanupCare) -> Result<CleanedTeam, CleanupError> {
    let team = dir.team().clone();
    sweep_rubbish(dir);
    let no_team = || CleanupError::NoTeam { team: dir.team().clone(), root: dir.root().to_owned() };
    if !dir.exists() {
        return Err(no_team());
    }
    check_is_ours(dir)?;
    let mut obstacles = Vec::new();
    // Held to the end, so that nobody begins to lead or to work while the files go.
    let mut leader_lock = None;
    match PresenceLock::take_unsigned(&dir.leader_lock()) {
        Ok(lock) => leader_lock = Some(lock),
        Err(LockError::Held { holder, .. }) => {
            obstacles.push(CleanupObstacle::Leader(holder.map(|holder| holder.process.pid)));
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
    let mut member_locks = BTreeMap::new();
    obstacles.extend(lock_members(dir, open.roster(), &mut member_locks)?);
    obstacles.extend(unfinished_tasks(open.board()));
    // The long look at the files, while other commands may still write.
    for worktree in &member_worktrees(dir, open.roster())? {
        obstacles.extend(worktree.obstacle());
    }
    refuse_if_any(&team, obstacles, care)?;
    point("all looked at, writers not out yet");
    let (worktrees, rubbish) = open.exclude_writers(|board, roster| {
        // Tasks and members that were added since the first look, by writers that were told so.
        let mut obstacles = lock_members(dir, roster, &mut member_locks)?;
        obstacles.extend(unfinished_tasks(board));
        refuse_if_any(&team, obstacles, care)?;
        remove_worktrees_and_hide(dir, roster, care)
    })??;
    drop((member_locks, leader_lock));
    remove_tree(&rubbish)?;
    point("team removed");
    Ok(CleanedTeam { team, worktrees })
}

/// Removes the worktrees and moves the team's directory out of sight. Returns what was removed, and where the directory is
/// now. The locks of all writers are held, so nothing here waits for a large tree to be deleted: the files of the worktrees
/// leave with the directory.
fn remove_worktrees_and_hide(
    dir: &TeamDir,
    roster: &Roster,
    care: CleanupCare,
) -> Result<(Vec<CleanedWorktree>, PathBuf), CleanupError> {
    let mut cleaned = Vec::new();
    for worktree in member_worktrees(dir, roster)? {
        let removed = worktree.remove(dir.team(), care)?;
        point("worktree removed");
        let kept = removed.kept.map(|kept| kept.reference);
        cleaned.push(CleanedWorktree { member: worktree.member, branch: worktree.branch, kept });
    }
    // Out of sight in one step: a crash from here on leaves rubbish, never half a team.
    let rubbish = dir.root().join(format!("{RUBBISH}{}-{}", dir.team(), now_ms()));
    point("about to move the team away");
    fs::rename(dir.path(), &rubbish).map_err(io_error("move away", dir.path()))?;
    point("team moved away");
    Ok((cleaned, rubbish))
}

/// Refuses if something stands against the removal that force does not go past, or anything if nothing is forced.
fn refuse_if_any(team: &TeamName, mut obstacles: Vec<CleanupObstacle>, care: CleanupCare) -> Result<(), CleanupError> {
    obstacles.retain(|obstacle| care == CleanupCare::Refuse || !obstacle.yields_to_force());
    if obstacles.is_empty() { Ok(()) } else { Err(CleanupError::Refused { team: team.clone(), obstacles }) }
}

/// Takes the lock of each member that is not held yet, so that no worker begins. Returns the members that run.
fn lock_members(
    dir: &TeamDir,
    roster: &Roster,
    held: &mut BTreeMap<MemberName, PresenceLock>,
) -> Result<Vec<CleanupObstacle>, CleanupError> {
    let mut running = Vec::new();
    for name in served_members(dir, roster)? {
        let path = dir.member_lock(&name);
        let joined = roster.member(&name).ok().and_then(|member| member.presence.joined());
        let taken = match held.remove(&name) {
            Some(lock) => Ok(lock),
            None => PresenceLock::take_unsigned(&path),
        };
        match taken.and_then(|lock| lock.of_dead_worker(&path, joined)) {
            Ok(lock) => {
                held.insert(name, lock);
            }
            Err(LockError::Held { holder, .. }) => {
                let pid = holder.map(|holder| format!(" (process {})", holder.process.pid)).unwrap_or_default();
                running.push(CleanupObstacle::Running(format!("{name} runs{pid}")));
            }
            Err(LockError::Astray { worker, .. }) => {
                let pid = worker.pid;
                running.push(CleanupObstacle::Running(format!("{name} may run (process {pid}); its lock was removed")));
            }
            Err(LockError::Dying { worker, .. }) => {
                running.push(CleanupObstacle::Running(format!("{name} is still ending (process {})", worker.pid)));
            }
            Err(error @ LockError::Io { .. }) => return Err(error.into()),
        }
    }
    Ok(running)
}

/// The directory is a real one directly under the root, not a link to somewhere else.
fn check_is_ours(dir: &TeamDir) -> Result<(), CleanupError> {
    let path = dir.path().to_owned();
    let found = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
    if found.is_dir() { Ok(()) } else { Err(CleanupError::NotOurs { path, why: "it is a link or a file" }) }
}

fn unfinished_tasks(board: &Board) -> Option<CleanupObstacle> {
    let mut running = Vec::new();
    let mut open = 0;
    for (id, task) in board.tasks() {
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
    (!running.is_empty()).then(|| CleanupObstacle::Unfinished(running.join("\n  ")))
}

/// The members that may be served: those on the roster, and those whose lock is there although they no longer are.
fn served_members(dir: &TeamDir, roster: &Roster) -> Result<BTreeSet<MemberName>, CleanupError> {
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
    found: Result<(Repository, WorktreePlace), String>,
}

/// The worktrees on the roster, and whatever else is where they are kept: a member may have left the roster, or
/// share a directory now, and its work is still there.
fn member_worktrees(dir: &TeamDir, roster: &Roster) -> Result<Vec<MemberWorktree>, CleanupError> {
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
            .and_then(|repository| Ok((repository, WorktreePlace::new(&root, &member)?)))
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
    fn obstacle(&self) -> Option<CleanupObstacle> {
        let MemberWorktree { member, branch, path, found } = self;
        let looked = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|(repository, place)| repository.holdings(place, branch).map_err(|error| error.to_string()));
        match looked {
            Ok(holdings) if holdings.is_empty() => None,
            Ok(holdings) => Some(CleanupObstacle::Work(format!("{branch} of {member} holds {holdings}"))),
            Err(why) => Some(CleanupObstacle::Unknown(format!(
                "cannot look into the worktree of {member} at {}: {why}",
                path.display()
            ))),
        }
    }

    fn remove(&self, team: &TeamName, care: CleanupCare) -> Result<RemovedWorktree, CleanupError> {
        let (repository, place) = match &self.found {
            Ok(found) => found,
            // An obstacle at the first look; it may have come to be one since.
            Err(_) => {
                return Err(CleanupError::Refused {
                    team: team.clone(),
                    obstacles: self.obstacle().into_iter().collect(),
                });
            }
        };
        let removal = match care {
            CleanupCare::Refuse => RemovalCare::IfSafe,
            CleanupCare::KeepWork => RemovalCare::KeepingUnderRef,
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

/// Removes a directory with all in it, those included that a tool made read-only, as some package caches are. A process that
/// had found the directory by its old name may still make a file in it, and then that is removed too.
fn remove_tree(path: &Path) -> Result<(), CleanupError> {
    let once = || match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path).and_then(|()| fs::remove_dir_all(path))
        }
        removed => removed,
    };
    let is_filled = |removed: &io::Result<()>| {
        removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty)
    };
    let mut removed = once();
    for _ in 1..REMOVALS_MAX {
        if !is_filled(&removed) {
            break;
        }
        removed = once();
    }
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
