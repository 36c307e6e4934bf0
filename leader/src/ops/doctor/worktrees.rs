//! Worktrees: what git knows, what lies there, and what the roster says. Work that is nowhere else is told, never
//! touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::roster::Workspace;
use teamster_protocol::team::TeamView;

use super::CheckGroup;
use super::report::{DoctorFindings, REPAIR, counted};
use crate::git::{RegisteredWorktree, Repository, WorktreePlace, member_branch};

pub(super) fn check(view: &TeamView, found: &mut DoctorFindings) {
    let dir = view.dir();
    let root = dir.worktrees_dir();
    if !root.exists() {
        return;
    }
    let before = found.troubles();
    let mut branches = branches(view);
    let there = match directories(&root) {
        Ok(there) => there,
        Err(error) => {
            found.wrong(CheckGroup::Worktrees, format!("cannot be listed: {error}")).at(&root);
            return;
        }
    };
    for name in &there {
        let own = || (member_branch(dir.team(), name), root.join(name));
        branches.entry(name.clone()).or_insert_with(own);
    }
    let mut looked = 0;
    for (name, (branch, within)) in &branches {
        match one(&root, name, branch, within, found) {
            Ok(()) => looked += 1,
            Err(why) => {
                found
                    .wrong(CheckGroup::Worktrees, format!("{name} could not be looked at: {why}"))
                    .at(&root.join(name));
            }
        }
    }
    for (repository, gone) in missing(view) {
        let what = format!("git has a worktree on its list whose directory is gone, in {}", repository.display());
        found.wrong(CheckGroup::Worktrees, what).at(&gone.path).hint(REPAIR);
    }
    if let Ok(trash) = directories(&root.join(".trash"))
        && !trash.is_empty()
    {
        found.note(CheckGroup::Worktrees, counted(trash.len(), "half-removed tree")).at(&root).hint(REPAIR);
    }
    if found.troubles() == before && looked > 0 {
        found
            .ok(CheckGroup::Worktrees, format!("{}, each known to git and to the roster", counted(looked, "worktree")));
    }
}

/// The branch of each member's worktree by the roster, and the repository to look from.
fn branches(view: &TeamView) -> BTreeMap<String, (String, PathBuf)> {
    let mut branches = BTreeMap::new();
    for (name, member) in view.roster().members() {
        match &member.spec.workspace {
            Workspace::Shared { .. } => {}
            Workspace::Worktree { branch, repository, .. } => {
                branches.insert(name.to_string(), (branch.clone(), repository.clone()));
            }
        }
    }
    branches
}

fn one(root: &Path, name: &str, branch: &str, within: &Path, found: &mut DoctorFindings) -> Result<(), String> {
    let path = root.join(name);
    let repository = Repository::discover(within).map_err(|error| error.to_string())?;
    let place = WorktreePlace::new(root, name).map_err(|error| error.to_string())?;
    let registered = repository.worktrees().map_err(|error| error.to_string())?;
    let registered = registered.into_iter().find(|it| it.path == place.path());
    match &registered {
        Some(RegisteredWorktree { locked: Some(reason), .. }) => {
            let what = format!("the worktree of {name} is locked: {reason}");
            found.note(CheckGroup::Worktrees, what).at(&path).hint(format!("git worktree unlock {}", path.display()));
        }
        Some(RegisteredWorktree { locked: None, .. }) => {}
        // Files that git does not know of may hold anything.
        None if path.exists() => {
            let what = format!("the directory of {name} is no worktree that git knows of");
            found.wrong(CheckGroup::Worktrees, what).at(&path).hint("look what is in it, and move it away by hand");
        }
        None => {
            let what = format!("{name} has no worktree any more; its next spawn makes it again");
            found.note(CheckGroup::Worktrees, what).at(&path);
        }
    }
    let tip = repository.branch_summary(branch, None).map_err(|error| error.to_string())?;
    if tip.is_none() {
        let what = format!("there is no branch {branch}; the next spawn of {name} makes it again");
        found.note(CheckGroup::Worktrees, what).at(&path);
    }
    if path.exists() && registered.is_some() {
        let holdings = repository.holdings(&place, branch).map_err(|error| error.to_string())?;
        if !holdings.is_empty() {
            found.ok(CheckGroup::Worktrees, format!("{name} holds {holdings}"));
        }
    }
    Ok(())
}

/// The worktrees under the team's directory that git has on its list and that are gone, by repository.
pub(super) fn missing(view: &TeamView) -> Vec<(PathBuf, RegisteredWorktree)> {
    let root = real(view.dir());
    let mut missing = Vec::new();
    for within in repositories(view) {
        // A repository that can not be looked at is told of with its worktrees.
        let Ok(repository) = Repository::discover(&within) else { continue };
        let gone =
            |it: &RegisteredWorktree| it.path.parent() == Some(&root) && !it.path.exists() && it.locked.is_none();
        let registered = repository.worktrees().unwrap_or_default();
        let common = repository.common_dir().to_owned();
        missing.extend(registered.into_iter().filter(gone).map(|it| (common.clone(), it)));
    }
    missing
}

/// The repositories that the team's worktrees are of.
pub(super) fn repositories(view: &TeamView) -> BTreeSet<PathBuf> {
    let of_members = branches(view).into_values().map(|(_, repository)| repository);
    let founded = view.roster().dir().map(Path::to_owned);
    let found = of_members.chain(founded).filter_map(|within| Repository::discover(&within).ok());
    found.map(|repository| repository.common_dir().to_owned()).collect()
}

fn real(dir: &TeamDir) -> PathBuf {
    let root = dir.worktrees_dir();
    root.canonicalize().unwrap_or(root)
}

/// The directories in one, but for those that begin with a dot; none if it is not there.
fn directories(path: &Path) -> std::io::Result<Vec<String>> {
    let listing = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut names = Vec::new();
    for entry in listing {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
