//! Whether a team left everything in order: its files, its worktrees, its locks.

use std::fs;
use std::path::Path;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::store::presence;

use super::Outcome;
use super::team::Team;

/// What is wrong with the files of a team: a whole line that is no JSON, in any log or transcript. An unfinished last
/// line belongs to nobody.
pub fn logs(dir: &TeamDir) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    let mut rooms = vec![dir.path().to_owned(), dir.mail_dir()];
    for turns in fs::read_dir(dir.turns_dir())? {
        rooms.push(turns?.path());
    }
    for room in rooms {
        for file in fs::read_dir(room)? {
            let path = file?.path();
            let name = path.to_string_lossy();
            if name.ends_with(".jsonl") || name.ends_with(".jsonl.old") {
                wrong.extend(lines(&path)?);
            }
        }
    }
    Ok(wrong)
}

fn lines(path: &Path) -> Outcome<Vec<String>> {
    let text = fs::read(path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(text[..whole].split_inclusive(|byte| *byte == b'\n')) {
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(line) {
            wrong.push(format!("{}:{number}: {error}", path.display()));
        }
    }
    Ok(wrong)
}

/// Whose lock is held although nobody runs.
pub fn locks(dir: &TeamDir, members: &[MemberName]) -> Outcome<Vec<String>> {
    let mut paths = vec![dir.leader_lock()];
    paths.extend(members.iter().map(|name| dir.member_lock(name)));
    let mut held = Vec::new();
    for path in paths {
        if presence::is_held(&path)? {
            held.push(format!("{} is still held", path.display()));
        }
    }
    Ok(held)
}

/// What is wrong with the worktrees: git must list the repository and those of `members`, each whole, unlocked and on
/// its branch, and nothing may be left of one half made.
pub fn worktrees(team: &Team, members: &[MemberName]) -> Outcome<Vec<String>> {
    let listed = team.git(&["worktree", "list", "--porcelain"])?;
    let mut expected: Vec<String> = vec!["branch refs/heads/main".to_owned()];
    expected.extend(members.iter().map(|name| format!("branch refs/heads/teamster/{}/{name}", team.dir().team())));
    let mut branches: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for line in listed.lines() {
        if line.starts_with("branch ") {
            branches.push(line.to_owned());
        } else if line.starts_with("prunable") || line.starts_with("locked") || line == "detached" {
            wrong.push(format!("a worktree is {line}"));
        }
    }
    for name in members {
        let dir = team.dir().worktree(name);
        let changed = team.git_in(&dir, &["status", "--porcelain", "--untracked-files=no"])?;
        if !changed.is_empty() {
            wrong.push(format!("the worktree of {name} has not the files of its commit: {changed}"));
        }
    }
    branches.sort();
    expected.sort();
    if branches != expected {
        wrong.push(format!("the worktrees are on {branches:?}, not on {expected:?}"));
    }
    for name in ["teamster.new", "teamster.old"] {
        if team.repository().join(".git").join(name).exists() {
            wrong.push(format!(".git/{name} was left"));
        }
    }
    Ok(wrong)
}
