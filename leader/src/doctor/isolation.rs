//! What the system grants to keep the processes of a worker together. It is tried rather than guessed, in a process
//! of its own that leaves nothing behind.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};

use super::Group;
use super::report::Findings;

/// What a probe was granted: nothing, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// To be the one that orphans fall to.
    pub subreaper: Option<String>,
    /// User and PID namespaces, with a process in them.
    pub namespaces: Option<String>,
}

/// Tries everything in this process, which is to end then. It must have one thread only.
pub fn probe() -> Probed {
    let subreaper = prctl::set_child_subreaper(true).err().map(|errno| errno.desc().to_owned());
    let unshared = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID).map_err(std::io::Error::from);
    let namespaces = unshared.and_then(|()| {
        // The first process in the namespace is its init: all in it ends with that.
        let mut first = Command::new("/proc/self/exe");
        first.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = first.status()?;
        if status.success() { Ok(()) } else { Err(std::io::Error::other(status.to_string())) }
    });
    Probed { subreaper, namespaces: namespaces.err().map(|error| error.to_string()) }
}

pub(super) fn check(found: &mut Findings) {
    let probed = match in_a_process() {
        Ok(probed) => probed,
        Err(why) => {
            found.note(Group::Isolation, format!("what the system grants could not be tried: {why}"));
            return;
        }
    };
    match probed.namespaces {
        None => {
            found.ok(Group::Isolation, "user and PID namespaces: nothing outlives its worker, whatever is killed");
        }
        Some(why) => {
            let what = format!("no user and PID namespaces: {why}");
            let hint = "allow them with sysctl (user.max_user_namespaces, kernel.unprivileged_userns_clone), or an \
                        AppArmor profile";
            found.note(Group::Isolation, what).hint(hint);
        }
    }
    match probed.subreaper {
        None => {
            found.ok(Group::Isolation, "child subreapers: what an agent leaves behind is found and ended");
        }
        Some(why) => {
            found
                .wrong(Group::Isolation, format!("no child subreapers: {why}"))
                .hint("a kernel of 3.4 or later has them");
        }
    }
    match own_cgroup() {
        Some(dir) if access(&dir, AccessFlags::W_OK).is_ok() && dir.join("cgroup.kill").exists() => {
            found.ok(Group::Isolation, "a cgroup of our own, which can be killed as a whole");
        }
        // A namespace does the same, so there is nothing to do about it.
        Some(_) | None => {
            found.ok(Group::Isolation, "no cgroup of our own; it is not needed beside the above");
        }
    }
}

fn in_a_process() -> Result<Probed, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["doctor", "--probe"]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| format!("the probe ended with {}", output.status))
}

/// The directory of the cgroup (version 2) that this process is in.
fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let at = fields.next()?;
        (fields.next()? == "cgroup2").then_some(at)
    })?;
    Some(PathBuf::from(mount).join(path.trim_start_matches('/')))
}
