//! What workers that are dead have left running, known by the environment that they gave it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Pid, geteuid};
use teamster_protocol::id::MemberName;
use teamster_protocol::lock;
use teamster_protocol::process::children::describe;
use teamster_protocol::team_dir::TeamDir;

use super::report::Findings;
use super::{Group, Subject};

pub(super) fn check(subject: &Subject, found: &mut Findings) {
    let marked = match marked(&subject.dir) {
        Ok(marked) => marked,
        Err(error) => {
            found.note(Group::Processes, format!("processes cannot be looked at: {error}"));
            return;
        }
    };
    let mut left = 0;
    let mut running = 0;
    for (name, processes) in marked {
        // Whoever may not be looked at may run.
        if lock::is_held(&subject.dir.member_lock(&name)).unwrap_or(true) {
            running += processes.len();
            continue;
        }
        for process in processes {
            left += 1;
            let what = format!("{} is left of {name}, whose worker is dead", describe(process));
            found.wrong(Group::Processes, what).hint(format!("the next leader ends it, or kill {process}"));
        }
    }
    if left == 0 {
        found.ok(Group::Processes, format!("none is left of a dead worker; {running} run below living ones"));
    }
}

/// The processes of this user that carry the mark of a member of this team.
fn marked(dir: &TeamDir) -> std::io::Result<BTreeMap<MemberName, Vec<Pid>>> {
    let own = geteuid().as_raw();
    let root = dir.root().as_os_str().as_encoded_bytes();
    let mut marked: BTreeMap<MemberName, Vec<Pid>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if pid == std::process::id() as i32 || !entry.metadata().is_ok_and(|meta| meta.uid() == own) {
            continue;
        }
        // Gone meanwhile, or not ours to look into.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let value = |name: &[u8]| {
            let mut variables = environment.split(|byte| *byte == 0);
            variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
        };
        let of_team =
            value(b"TEAMSTER_ROOT") == Some(root) && value(b"TEAMSTER_TEAM") == Some(dir.team().as_str().as_bytes());
        let member = value(b"TEAMSTER_MEMBER").and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
        if let (true, Some(member)) = (of_team, member) {
            marked.entry(member).or_default().push(Pid::from_raw(pid));
        }
    }
    Ok(marked)
}
