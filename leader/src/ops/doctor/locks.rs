//! The holders of the team's locks, and whether those processes run.

use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use teamster_protocol::host::plain_file;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::pace::{APPEND_WITHIN, LOG_LOCK_RETRY};
use teamster_protocol::store::presence::{self, WorkerLife};
use teamster_protocol::team::{TeamView, worker_life};

use super::report::DoctorFindings;
use super::{CheckGroup, DoctorSubject};

pub(super) fn check(subject: &DoctorSubject, view: Option<&TeamView>, found: &mut DoctorFindings) {
    let dir = &subject.dir;
    match holder(&dir.leader_lock(), "the leader's lock", found) {
        Some(HeldLock::By(pid)) => {
            found.ok(CheckGroup::Locks, format!("a leader runs, process {pid}"));
        }
        Some(HeldLock::ByNobodyKnown) => {}
        None => {
            found.ok(CheckGroup::Locks, "no leader runs");
        }
    }
    match names(dir) {
        Ok(names) => {
            // A spawn that was refused leaves the lock of a name that is nobody's: it is never removed, and no worker.
            let is_member = |name| view.is_none_or(|view| view.roster().member(name).is_ok());
            let (mut running, mut all) = (0, 0);
            for name in &names {
                let what = format!("the lock of {name}");
                let runs = holder(&dir.member_lock(name), &what, found).is_some();
                running += usize::from(runs);
                all += usize::from(runs || is_member(name));
            }
            found.ok(CheckGroup::Locks, format!("{running} of {all} workers run"));
        }
        Err(error) => {
            found.wrong(CheckGroup::Locks, format!("the locks cannot be listed: {error}")).at(&dir.members_dir());
        }
    }
    if let Some(view) = view {
        lost_locks(view, found);
    }
    for log in [dir.roster(), dir.board()] {
        log_lock(&log, found);
    }
}

/// Workers that live and do not hold their member's lock, because its file was tidied away.
fn lost_locks(view: &TeamView, found: &mut DoctorFindings) {
    for (name, member) in view.roster().members() {
        // A lock that could not be looked at was told above.
        let Ok(WorkerLife::LockLost) = worker_life(view.dir(), name, &member.presence) else { continue };
        let Some(worker) = member.presence.joined() else { continue };
        let pid = worker.pid;
        found
            .wrong(CheckGroup::Locks, format!("the worker of {name}, process {pid}, lives and does not hold its lock"))
            .at(&view.dir().member_lock(name))
            .hint("the file was removed or replaced; move away what stands there, and the worker takes its lock anew");
    }
}

/// The members that have a lock.
pub(super) fn names(dir: &TeamDir) -> io::Result<Vec<MemberName>> {
    let listing = match fs::read_dir(dir.members_dir()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut names = Vec::new();
    for entry in listing {
        let file = entry?.file_name();
        names.extend(file.to_str().and_then(|file| file.strip_suffix(".lock")?.parse::<MemberName>().ok()));
    }
    names.sort();
    Ok(names)
}

enum HeldLock {
    By(u32),
    ByNobodyKnown,
}

fn holder(path: &Path, name: &str, found: &mut DoctorFindings) -> Option<HeldLock> {
    match presence::is_held(path) {
        Ok(false) => return None,
        Ok(true) => {}
        Err(error) => {
            found.wrong(CheckGroup::Locks, error.to_string());
            return None;
        }
    }
    match presence::read_holder(path) {
        Ok(Some(holder)) if holder.process.exists() => Some(HeldLock::By(holder.process.pid)),
        Ok(Some(holder)) => {
            let what = format!(
                "{name} is held, but process {}, which is written in it, is gone: another has inherited it",
                holder.process.pid
            );
            found
                .wrong(CheckGroup::Locks, what)
                .at(path)
                .hint(format!("fuser {} names who has it open", path.display()));
            Some(HeldLock::ByNobodyKnown)
        }
        // The lock was let go of meanwhile, or its holder could not write itself down (a full disk).
        Ok(None) if presence::is_held(path).is_ok_and(|held| !held) => None,
        Ok(None) => {
            found
                .note(CheckGroup::Locks, format!("{name} is held by a process that did not write down its number"))
                .at(path);
            Some(HeldLock::ByNobodyKnown)
        }
        Err(error) => {
            found.wrong(CheckGroup::Locks, error.to_string());
            None
        }
    }
}

/// Takes the lock of a log for no time at all, shared with others that look.
fn log_lock(path: &Path, found: &mut DoctorFindings) {
    let file = match plain_file::open_to_read(path) {
        Ok((file, _)) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            found.wrong(CheckGroup::Locks, format!("cannot be opened: {error}")).at(path);
            return;
        }
    };
    let until = Instant::now() + APPEND_WITHIN;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return,
            Err(TryLockError::WouldBlock) if Instant::now() < until => wait(),
            Err(TryLockError::WouldBlock) => {
                let what =
                    format!("a log's lock has been held for {}s: its holder is stopped", APPEND_WITHIN.as_secs());
                found.wrong(CheckGroup::Locks, what).at(path).hint("resume or end it; ps shows it as T or D");
                return;
            }
            Err(TryLockError::Error(error)) => {
                found.wrong(CheckGroup::Locks, format!("cannot be locked: {error}")).at(path);
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
fn wait() {
    sleep(LOG_LOCK_RETRY);
}
