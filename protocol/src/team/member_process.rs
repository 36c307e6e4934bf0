//! The member that a process belongs to: the one whose agent started it, by what the kernel knows and not by what the
//! process says of itself. The kernel knows the worker that the process was started beneath, or the PID namespace of a
//! worker's cell that it is in; where neither can be seen, the marks count that the processes above it bear.

use std::fs;
use std::io;
use std::path::Path;

use crate::host::process::ancestry::{Ancestor, NamespaceSeen, ancestors_of, namespaces_seen};
use crate::host::process::life::{self, MemberLife};
use crate::host::team_dir::{TeamDir, is_same_dir};
use crate::model::id::MemberName;
use crate::store::presence::{self, LockHolder};

/// The member of this team whose agent started this process, if one did.
pub fn member_of_this_process(dir: &TeamDir) -> io::Result<Option<MemberName>> {
    member_of(dir, std::process::id(), &namespaces_seen()?)
}

/// The member of this team whose agent started that process, if one did. To be asked by a process outside of the cells of the
/// team: it sees all that is above the other one.
pub fn member_of_process(dir: &TeamDir, pid: u32) -> io::Result<Option<MemberName>> {
    member_of(dir, pid, &[])
}

fn member_of(dir: &TeamDir, pid: u32, namespaces: &[NamespaceSeen]) -> io::Result<Option<MemberName>> {
    let ancestors = ancestors_of(pid)?;
    match member_above(&workers_of(dir)?, namespaces, &ancestors) {
        Some(name) => Ok(Some(name)),
        None => marked_above(dir, &ancestors),
    }
}

/// The signers of the locks of the team's members, each with its member.
fn workers_of(dir: &TeamDir) -> io::Result<Vec<(MemberName, LockHolder)>> {
    let path = dir.members_dir();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    let mut workers = Vec::new();
    for entry in entries.flatten() {
        let file = entry.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".lock")).and_then(|name| name.parse().ok());
        let Some(name) = name else { continue };
        // A file there that is no lock is a matter for `doctor`.
        workers.extend(presence::read_last_holder(&dir.member_lock(&name)).ok().flatten().map(|holder| (name, holder)));
    }
    Ok(workers)
}

/// The member whose worker is the nearest above this process, or made the namespace that this process is in: in there, the
/// worker has another number than outside.
fn member_above(
    workers: &[(MemberName, LockHolder)],
    namespaces: &[NamespaceSeen],
    ancestors: &[Ancestor],
) -> Option<MemberName> {
    let nearest = ancestors.iter().find_map(|above| workers.iter().find(|(_, holder)| holder.process == above.process));
    let is_cell = |seen: &NamespaceSeen, holder: &LockHolder| {
        let first = (holder.process.start_ticks, &holder.process.boot_id);
        holder.cell == Some(seen.number) && first == (seen.first_start_ticks, &seen.boot_id)
    };
    let around = || namespaces.iter().find_map(|seen| workers.iter().find(|(_, holder)| is_cell(seen, holder)));
    nearest.or_else(around).map(|(name, _)| name.clone())
}

/// The member that the nearest process bears the mark of, if it is one of this team. The marks of other teams say nothing:
/// a team may be led by another one's agent.
fn marked_above(dir: &TeamDir, ancestors: &[Ancestor]) -> io::Result<Option<MemberName>> {
    for life in ancestors.iter().filter_map(|ancestor| ancestor.life.as_ref()) {
        if is_life_in(dir, life)? {
            return Ok(Some(life.member.clone()));
        }
    }
    Ok(None)
}

fn is_life_in(dir: &TeamDir, life: &MemberLife) -> io::Result<bool> {
    // The mark of a directory whose name is not UTF-8 can only be compared as it is written.
    let is_named = life::team_of(dir.path()).is_ok_and(|team| team == life.team);
    Ok(is_named || is_same_dir(Path::new(&life.team), dir.path())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::ProcessIdentity;

    fn member(name: &str) -> MemberName {
        name.parse().unwrap()
    }

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity { pid, start_ticks: u64::from(pid) * 10, boot_id: "b".to_owned() }
    }

    fn bare(pid: u32) -> Ancestor {
        Ancestor { process: process(pid), life: None }
    }

    fn marked(pid: u32, team: &str, name: &str) -> Ancestor {
        let life = MemberLife { team: team.to_owned(), member: member(name), worker: process(9) };
        Ancestor { process: process(pid), life: Some(life) }
    }

    fn worker(name: &str, pid: u32, cell: Option<u64>) -> (MemberName, LockHolder) {
        (member(name), LockHolder { process: process(pid), since_ms: 7, ended_ms: None, inode: None, cell })
    }

    #[test]
    fn the_cell_that_a_process_is_in_tells_its_member() {
        let workers = [worker("alice", 40, Some(7000)), worker("bob", 50, Some(8000))];
        let seen = |number, first_start_ticks, boot_id: &str| {
            [NamespaceSeen { number, first_start_ticks, boot_id: boot_id.to_owned() }]
        };
        let found = |seen: &[NamespaceSeen]| member_above(&workers, seen, &[bare(3), bare(1)]);
        assert_eq!(found(&seen(8000, 500, "b")), Some(member("bob")));
        assert_eq!(found(&seen(8000, 400, "b")), None, "the number is another namespace's by now");
        assert_eq!(found(&seen(8000, 500, "c")), None, "and was one in an earlier boot");
        assert_eq!(found(&seen(6000, 500, "b")), None);
    }

    #[test]
    fn the_nearest_worker_above_a_process_tells_its_member() {
        let workers = [worker("alice", 40, None), worker("bob", 50, None)];
        let found = |above: &[Ancestor]| member_above(&workers, &[], above);
        assert_eq!(found(&[bare(60), bare(50), bare(40), bare(1)]), Some(member("bob")));
        assert_eq!(found(&[bare(60), bare(1)]), None);
        let mut reused = bare(50);
        reused.process.start_ticks += 1;
        assert_eq!(found(&[bare(60), reused]), None);
    }

    #[test]
    fn the_nearest_mark_of_this_team_tells_a_member() {
        let at = tempfile::tempdir().unwrap();
        let path = |path: &str| at.path().join(path).display().to_string();
        for team in ["root/crew", "root/other"] {
            fs::create_dir_all(path(team)).unwrap();
        }
        std::os::unix::fs::symlink(path("root"), path("linked")).unwrap();
        let dir = TeamDir::new(path("root"), "crew".parse().unwrap());
        let (crew, other) = (path("root/crew"), path("root/other"));
        let found = |above: &[Ancestor]| marked_above(&dir, above).unwrap();
        assert_eq!(found(&[bare(9), marked(8, &crew, "bob"), marked(7, &crew, "alice")]), Some(member("bob")));
        assert_eq!(found(&[marked(9, &other, "bob"), marked(7, &crew, "alice")]), Some(member("alice")));
        assert_eq!(found(&[marked(9, &other, "bob"), bare(1)]), None);
        assert_eq!(found(&[marked(9, &path("linked/crew"), "bob")]), Some(member("bob")));
    }
}
