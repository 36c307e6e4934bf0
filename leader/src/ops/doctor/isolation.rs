//! The isolation that the system grants the processes of a worker. The worker program tries that itself, by the very
//! steps of a worker that starts, and leaves nothing behind.

use std::fs;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};
use teamster_protocol::model::roster::{CellIsolation, MemberPresence, ProbeAnswer};
use teamster_protocol::store::presence;
use teamster_protocol::team::TeamView;

use super::report::DoctorFindings;
use super::{CheckGroup, DoctorSubject, programs};

/// Returns the level that a worker would reach, if that could be tried.
pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) -> Option<CellIsolation> {
    let level = try_it(subject, found);
    match own_cgroup() {
        Some(dir) if access(&dir, AccessFlags::W_OK).is_ok() && dir.join("cgroup.kill").exists() => {
            found.ok(CheckGroup::Isolation, "a cgroup of our own, which can be killed as a whole");
        }
        // A namespace does the same, so there is nothing to do about it.
        Some(_) | None => {
            found.ok(CheckGroup::Isolation, "no cgroup of our own; it is not needed beside the above");
        }
    }
    level
}

fn try_it(subject: &DoctorSubject, found: &mut DoctorFindings) -> Option<CellIsolation> {
    let probed = programs::ask(&subject.worker_program, "--probe").and_then(|said| {
        serde_json::from_str::<ProbeAnswer>(&said).map_err(|_| format!("it says {said:?} to --probe"))
    });
    let weaker = "what an agent leaves behind is found and ended, but a worker that is killed can not do that itself";
    match &probed {
        Ok(ProbeAnswer { isolation: CellIsolation::Namespace, .. }) => {
            found.ok(CheckGroup::Isolation, "a PID namespace for each worker: nothing outlives it, whatever is killed");
        }
        Ok(ProbeAnswer { isolation: CellIsolation::Subreaper, refused: Some(why) }) => {
            let hint = "allow user namespaces with sysctl (user.max_user_namespaces, kernel.unprivileged_userns_clone) \
                        or an AppArmor profile, and a /proc of their own";
            found.note(CheckGroup::Isolation, format!("no PID namespace for a worker ({why}): {weaker}")).hint(hint);
        }
        Ok(ProbeAnswer { isolation: CellIsolation::Subreaper, refused: None }) => {
            found
                .note(CheckGroup::Isolation, format!("no PID namespace for a worker: {weaker}"))
                .hint("TEAMSTER_ISOLATION says so; unset it");
        }
        Err(why) => {
            found.note(CheckGroup::Isolation, format!("what the system grants could not be tried: {why}"));
        }
    }
    probed.ok().map(|probed| probed.isolation)
}

/// Finds members whose workers run at a lower level than they could.
pub(super) fn check_members(view: &TeamView, level: Option<CellIsolation>, found: &mut DoctorFindings) {
    for (name, member) in view.roster().members() {
        if let MemberPresence::Joined { process, .. } = &member.presence
            && (process.isolation, level) == (Some(CellIsolation::Subreaper), Some(CellIsolation::Namespace))
            && presence::is_held(&view.dir().member_lock(name)).unwrap_or(false)
        {
            found
                .note(CheckGroup::Isolation, format!("{name} runs without a PID namespace, and could have one"))
                .hint(format!("teamster shutdown {name}, then start it again without TEAMSTER_ISOLATION"));
        }
    }
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
