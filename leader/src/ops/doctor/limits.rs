//! The limits of the system: on open files, and on events about files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::geteuid;
use teamster_protocol::model::limits::OPEN_FILES_MAX;
use teamster_protocol::model::roster::Roster;
use teamster_protocol::store::file::LogReader;

use super::report::DoctorFindings;
use super::{CheckGroup, DoctorSubject};

/// The number of descriptors that a leader has open without members.
const DESCRIPTORS_BASE: u64 = 32;
/// The number of descriptors for each member: its streams, its socket, its mailbox and the lock of that.
const DESCRIPTORS_PER_MEMBER: u64 = 8;
/// Instances of inotify that other programs of the user are granted beside ours.
const INSTANCES_SPARE: u64 = 8;

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    let roster = LogReader::<Roster>::open(subject.dir.roster());
    let members = roster.map_or(0, |roster| roster.state().members().count() as u64);
    descriptors(members, found);
    events(subject.dir.root(), members, found);
}

fn descriptors(members: u64, found: &mut DoctorFindings) {
    let need = DESCRIPTORS_BASE + DESCRIPTORS_PER_MEMBER * members;
    match getrlimit(Resource::RLIMIT_NOFILE) {
        // A leader raises its soft limit by itself.
        Ok((_, hard)) if hard < need => {
            let what = format!("{hard} open files are allowed, and a leader of {members} members needs about {need}");
            found.wrong(CheckGroup::Limits, what).hint(format!("ulimit -Hn {need}, before the leader is started"));
        }
        Ok((_, hard)) => {
            found.ok(CheckGroup::Limits, format!("{} open files", hard.min(OPEN_FILES_MAX)));
        }
        Err(errno) => {
            found.wrong(CheckGroup::Limits, format!("the limit of open files is not told: {}", errno.desc()));
        }
    }
}

fn events(root: &Path, members: u64, found: &mut DoctorFindings) {
    let instance = match Inotify::init(InitFlags::IN_CLOEXEC) {
        Ok(instance) => instance,
        Err(errno) => {
            let what = format!("no events about files ({}): they are looked at 4 times a second instead", errno.desc());
            found.note(CheckGroup::Limits, what).hint("raise fs.inotify.max_user_instances with sysctl");
            return;
        }
    };
    let watched = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Err(errno) = instance.add_watch(watched, AddWatchFlags::IN_CREATE) {
        let what = format!("files cannot be watched ({}): they are looked at 4 times a second instead", errno.desc());
        found.note(CheckGroup::Limits, what).at(watched).hint("raise fs.inotify.max_user_watches with sysctl");
        return;
    }
    // Every process of the team holds one, and so do other programs of the user.
    let granted = number("/proc/sys/fs/inotify/max_user_instances");
    let used = instances_used();
    let need = members + 1;
    match granted {
        Some(granted) if granted < used + need && granted < INSTANCES_SPARE + need => {
            let what =
                format!("{granted} watchers of files are allowed, {used} are used, a team this large needs {need}");
            found.note(CheckGroup::Limits, what).hint("raise fs.inotify.max_user_instances with sysctl");
        }
        Some(granted) => {
            found.ok(CheckGroup::Limits, format!("events about files, {used} of {granted} watchers used"));
        }
        None => {
            found.ok(CheckGroup::Limits, "events about files");
        }
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The instances that processes of this user hold, as far as they let us look.
fn instances_used() -> u64 {
    let own = geteuid().as_raw();
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let ours = processes.flatten().filter(|entry| entry.metadata().is_ok_and(|meta| meta.uid() == own));
    let descriptors = ours.filter_map(|entry| fs::read_dir(entry.path().join("fd")).ok()).flatten().flatten();
    descriptors
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == Path::new("anon_inode:inotify")))
        .count() as u64
}
