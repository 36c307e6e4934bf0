//! Whose command it is. What an agent runs is its member's: mail is stamped with the member's name, and what only the
//! lead may do is refused.
//!
//! Nothing that can be spelled in two ways decides. A team is told by the device and the inode of its directory, whatever
//! path leads there. A member is told by what the kernel knows of this process: the PID namespace of a worker's cell that
//! it is in, or the worker that it was started beneath. After that come the marks that the processes above it bear, and
//! last its own variables, for an agent in a sandbox of its own, from which neither can be seen.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use teamster_protocol::host::process::ancestry::{Ancestor, NamespaceSeen, ancestors_of, namespaces_seen};
use teamster_protocol::host::process::life::{self, MemberLife};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::store::presence::{self, LockHolder};

use super::error::OpsError;
use super::verb::{Verb, VerbAccess};

/// The member whose agent this command runs beneath, if it is about that member's team; else the lead.
pub fn find_caller(dir: &TeamDir, variable: impl Fn(&str) -> Option<String>) -> Result<Address, OpsError> {
    let ancestors = ancestors_of(std::process::id()).map_err(failed)?;
    let namespaces = namespaces_seen().map_err(failed)?;
    if let Some(name) = member_above(&workers_of(dir)?, &namespaces, &ancestors) {
        return Ok(Address::Member(name));
    }
    if let Some(name) = marked_above(dir, &ancestors).map_err(failed)? {
        return Ok(Address::Member(name));
    }
    named_by_variables(dir, variable)
}

fn failed(source: io::Error) -> OpsError {
    OpsError::Process { doing: "find out whose command this is", source }
}

/// Who signed the locks of the team's members.
fn workers_of(dir: &TeamDir) -> Result<Vec<(MemberName, LockHolder)>, OpsError> {
    let path = dir.members_dir();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if is_not_there(&error) => return Ok(Vec::new()),
        Err(source) => return Err(OpsError::Path { doing: "find out whose command this is by", path, source }),
    };
    let mut workers = Vec::new();
    for entry in entries.flatten() {
        let file = entry.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".lock")).and_then(|name| name.parse().ok());
        let Some(name) = name else { continue };
        // What stands there and is no lock is for `doctor`.
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

fn named_by_variables(dir: &TeamDir, variable: impl Fn(&str) -> Option<String>) -> Result<Address, OpsError> {
    let (Some(member), Some(team), Some(root)) =
        (variable("TEAMSTER_MEMBER"), variable("TEAMSTER_TEAM"), variable("TEAMSTER_ROOT"))
    else {
        return Ok(Address::Lead);
    };
    let root = PathBuf::from(root);
    // The first also where nobody has made the team yet, or somebody has removed it.
    let is_same_name = team == dir.team().as_str() && is_same_dir(&root, dir.root()).map_err(failed)?;
    if !is_same_name && !is_same_dir(&root.join(&team), dir.path()).map_err(failed)? {
        return Ok(Address::Lead);
    }
    match member.parse() {
        Ok(name) => Ok(Address::Member(name)),
        Err(why) => Err(OpsError::refused(
            format!("TEAMSTER_MEMBER is {member:?}, which names no member: {why}"),
            "a worker sets it for its agent; who is no member unsets it",
        )),
    }
}

/// Whether both paths lead to the same directory, or are the same where nothing is there.
fn is_same_dir(one: &Path, other: &Path) -> io::Result<bool> {
    match (identity_of(one)?, identity_of(other)?) {
        (Some(one), Some(other)) => Ok(one == other),
        (None, None) => Ok(one == other),
        (Some(_), None) | (None, Some(_)) => Ok(false),
    }
}

/// The device and the inode.
fn identity_of(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::metadata(path) {
        Ok(there) => Ok(Some((there.dev(), there.ino()))),
        Err(error) if is_not_there(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Refuses a member what the table of verbs gives to the lead alone.
pub fn authorize(caller: &Address, verb: Verb) -> Result<(), OpsError> {
    match (caller, verb.row().access) {
        (Address::Member(name), VerbAccess::Lead { doing }) => Err(OpsError::refused(
            format!("{name} may not {doing}: only the lead does that"),
            "ask for it: teamster dm lead TEXT",
        )),
        (Address::Member(_), VerbAccess::Anybody) | (Address::Lead, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use teamster_protocol::host::process::ProcessIdentity;

    use super::*;

    /// A root with two teams, as `named_by_variables` and `marked_above` see it.
    struct Roots {
        at: tempfile::TempDir,
        crew: TeamDir,
    }

    impl Roots {
        fn new() -> Roots {
            let at = tempfile::tempdir().unwrap();
            for team in ["crew", "other"] {
                fs::create_dir_all(at.path().join("root").join(team)).unwrap();
            }
            symlink(at.path().join("root"), at.path().join("linked")).unwrap();
            symlink(at.path().join("root/crew"), at.path().join("root/alias")).unwrap();
            let crew = TeamDir::new(at.path().join("root"), "crew".parse().unwrap());
            Roots { at, crew }
        }

        fn path(&self, path: &str) -> String {
            self.at.path().join(path).display().to_string()
        }

        fn caller(&self, asked: &TeamDir, team: &str, root: &str, member: &str) -> Result<Address, OpsError> {
            named_by_variables(asked, |name| {
                let value = match name {
                    "TEAMSTER_TEAM" => team.to_owned(),
                    "TEAMSTER_ROOT" => self.path(root),
                    "TEAMSTER_MEMBER" => member.to_owned(),
                    _ => String::new(),
                };
                Some(value).filter(|value| !value.is_empty())
            })
        }
    }

    fn alice() -> Address {
        Address::Member(member("alice"))
    }

    fn member(name: &str) -> MemberName {
        name.parse().unwrap()
    }

    #[test]
    fn a_command_is_a_members_in_its_own_team_however_that_is_spelled() {
        let roots = Roots::new();
        assert_eq!(roots.caller(&roots.crew, "crew", "root", "alice").unwrap(), alice());
        assert_eq!(roots.caller(&roots.crew, "crew", "root", "").unwrap(), Address::Lead);
        assert_eq!(roots.caller(&roots.crew, "other", "root", "alice").unwrap(), Address::Lead);
        assert_eq!(roots.caller(&roots.crew, "crew", "elsewhere", "alice").unwrap(), Address::Lead);
        assert!(roots.caller(&roots.crew, "crew", "root", "lead").is_err(), "no environment makes a member the lead");
        assert!(roots.caller(&roots.crew, "crew", "root", "../x").is_err());

        let through_proc = format!("/proc/self/root{}", roots.path("root"));
        for spelled in [roots.path("root/../root"), roots.path("linked"), roots.path("./root//"), through_proc] {
            let asked = TeamDir::new(&spelled, "crew".parse().unwrap());
            assert_eq!(roots.caller(&asked, "crew", "root", "alice").unwrap(), alice(), "{spelled}");
        }
        let asked = TeamDir::new(roots.path("root"), "alias".parse().unwrap());
        assert_eq!(roots.caller(&asked, "crew", "root", "alice").unwrap(), alice(), "a link to the team");

        // Nobody has made this one.
        let asked = TeamDir::new(roots.path("root/../root"), "fresh".parse().unwrap());
        assert_eq!(roots.caller(&asked, "fresh", "root", "alice").unwrap(), alice());
        let asked = TeamDir::new(roots.path("nowhere"), "fresh".parse().unwrap());
        assert_eq!(roots.caller(&asked, "fresh", "nowhere", "alice").unwrap(), alice());
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
        let roots = Roots::new();
        let (crew, other) = (roots.path("root/crew"), roots.path("root/other"));
        let found = |above: &[Ancestor]| marked_above(&roots.crew, above).unwrap();
        assert_eq!(found(&[bare(9), marked(8, &crew, "bob"), marked(7, &crew, "alice")]), Some(member("bob")));
        assert_eq!(found(&[marked(9, &other, "bob"), marked(7, &crew, "alice")]), Some(member("alice")));
        assert_eq!(found(&[marked(9, &other, "bob"), bare(1)]), None);
        assert_eq!(found(&[marked(9, &roots.path("linked/crew"), "bob")]), Some(member("bob")));
    }

    #[test]
    fn a_member_may_look_and_talk_and_add_tasks_and_the_lead_may_do_all() {
        let alice = alice();
        for verb in [Verb::List, Verb::Dm, Verb::TaskAdd, Verb::Doctor] {
            authorize(&alice, verb).unwrap();
        }
        for verb in Verb::ALL {
            authorize(&Address::Lead, *verb).unwrap();
        }
        let refused = [Verb::Spawn, Verb::Kill, Verb::TaskClear, Verb::Repair]
            .map(|verb| authorize(&alice, verb).unwrap_err().to_string());
        insta::assert_snapshot!(refused.join("\n"), @"
        alice may not spawn members: only the lead does that
        alice may not kill members: only the lead does that
        alice may not clear the board: only the lead does that
        alice may not repair the team: only the lead does that
        ");
    }
}
