//! The processes above one: by them a process is known for what it is, whatever its own environment says.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::life::MemberLife;
use super::{PARENT, ProcessIdentity, START_TICKS, boot_id, environ_of, nth_field, stat_of};

/// The most processes that are looked at on the way up: far more than anybody starts beneath each other.
const ANCESTORS_MAX: usize = 1024;

/// A process on the way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// The process.
    pub process: ProcessIdentity,
    /// The life that the process was marked for when its program was started. Nothing if it bears no mark, or if it belongs
    /// to another user, whose environment can not be read.
    pub life: Option<MemberLife>,
}

/// A PID namespace that a process is in: its number, and when its first process started. The number alone is used again
/// when a namespace is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// The inode of the namespace (namespaces(7)).
    pub number: u64,
    /// When the first process that is seen from here started, in clock ticks since boot: the same inside and outside.
    pub first_start_ticks: u64,
    /// The boot in which both are valid.
    pub boot_id: String,
}

/// The process and all above it, nearest first, as far as they can be seen from here: up to the first process of the PID
/// namespace whose `/proc` is mounted. A process that ends meanwhile ends the way.
pub fn ancestors_of(pid: u32) -> io::Result<Vec<Ancestor>> {
    let boot_id = boot_id()?;
    let mut found = Vec::new();
    let mut pid = pid;
    while pid != 0 && found.len() < ANCESTORS_MAX {
        let Ok(stat) = stat_of(pid) else { break };
        let process = ProcessIdentity { pid, start_ticks: nth_field(&stat, START_TICKS)?, boot_id: boot_id.clone() };
        let environ = environ_of(pid).unwrap_or_default();
        found.push(Ancestor { process, life: MemberLife::in_environment(&environ) });
        pid = nth_field(&stat, PARENT)?;
    }
    Ok(found)
}

/// The PID namespaces that this process is known to be in: its own, and that of the mounted `/proc`, which is another one
/// if this process went deeper without mounting its own.
pub fn namespaces_seen() -> io::Result<Vec<NamespaceSeen>> {
    let boot_id = boot_id()?;
    // Not to be seen where `/proc` hides the processes of others. The first process of a cell is the own user's.
    let Ok(stat) = stat_of(1) else { return Ok(Vec::new()) };
    let first_start_ticks = nth_field(&stat, START_TICKS)?;
    let mut seen = Vec::new();
    for of in ["self", "1"] {
        // The namespace of a process of another user can not be looked at.
        let Ok(number) = number_of(of) else { continue };
        seen.push(NamespaceSeen { number, first_start_ticks, boot_id: boot_id.clone() });
    }
    seen.dedup();
    Ok(seen)
}

/// The number of the PID namespace that this process is in.
pub fn own_namespace_number() -> io::Result<u64> {
    number_of("self")
}

fn number_of(process: &str) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{process}/ns/pid"))?.ino())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::host::process::{identity, life, own_identity};

    #[test]
    fn the_way_up_begins_at_the_process_and_shows_the_marks() {
        let own = own_identity().unwrap();
        let life = MemberLife { team: "/s/app".to_owned(), member: "alice".parse().unwrap(), worker: own.clone() };
        let mut cat = Command::new("cat");
        let mut cat =
            cat.env(life::VARIABLE, life.mark()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Its environment can be read once the system has begun the program, which is a moment after it was started.
        cat.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        cat.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let up = ancestors_of(cat.id()).unwrap();
        assert_eq!(up[0], Ancestor { process: identity(cat.id()).unwrap(), life: Some(life) });
        assert_eq!(up[1].process, own);
        let last = up.last().unwrap();
        assert_eq!(super::super::parent(last.process.pid).unwrap(), 0, "{last:?} is not the first process");
        cat.kill().unwrap();
        cat.wait().unwrap();
        assert_eq!(ancestors_of(cat.id()).unwrap(), [], "a process that has ended is beneath nobody");
    }

    #[test]
    fn a_process_sees_its_own_namespace() {
        let seen = namespaces_seen().unwrap();
        assert_eq!(seen[0].number, own_namespace_number().unwrap());
        assert_eq!(seen[0].first_start_ticks, identity(1).unwrap().start_ticks);
    }
}
