//! What outlived its worker and fell to nobody here: the worker was killed where there is no namespace, and at that time
//! it had another parent than this leader, or there was none. Such processes are known by the mark in their environment.
//!
//! Signalled is only what bears the mark of this team and of a worker that is dead by its lock and by its process; and by a
//! descriptor, after a look that it is still the process that was found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use teamster_protocol::host::process::life::{self, Life};
use teamster_protocol::host::process::{self, Identity};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::KILL_GRACE;
use teamster_protocol::store::presence;
use tokio::time::{Instant, sleep};

/// How long a round of kills is given before the next look: what was being started meanwhile is found then.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A process that bears the mark of this team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The process.
    pub process: Identity,
    /// To whose life it belongs.
    pub life: Life,
}

/// Kills all that outlived its worker until nothing of it is left, and says so in the log. Reads of every process of
/// this user what it was started with: for deaths and starts, not for every poll.
pub async fn end(dir: &TeamDir) {
    let until = Instant::now() + KILL_GRACE;
    let mut told = BTreeSet::new();
    loop {
        let of = dir.clone();
        let looked = tokio::task::spawn_blocking(move || find(&of)).await;
        let found = match looked.map_err(io::Error::other).and_then(|found| found) {
            Ok(found) => found,
            Err(error) => return tracing::warn!("cannot look for processes that outlived their worker: {error}"),
        };
        if found.is_empty() {
            return;
        }
        for escaped in &found {
            let (pid, command) = (escaped.process.pid, command_of(escaped.process.pid));
            match escaped.process.signal(Signal::SIGKILL) {
                Ok(()) if told.insert(pid) => {
                    tracing::warn!(pid, command, member = %escaped.life.member, "killed: it outlived its worker");
                }
                Ok(()) => {}
                Err(error) => tracing::warn!(pid, command, "cannot kill what outlived its worker: {error}"),
            }
        }
        if Instant::now() >= until {
            let pids: Vec<u32> = found.iter().map(|escaped| escaped.process.pid).collect();
            return tracing::error!(?pids, "these outlived their worker, and do not end, not even on SIGKILL");
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn find(dir: &TeamDir) -> io::Result<Vec<Marked>> {
    Ok(marked(dir)?.into_iter().filter(|marked| is_dead(dir, &marked.life)).collect())
}

/// The processes of this user that bear the mark of this team.
pub fn marked(dir: &TeamDir) -> io::Result<Vec<Marked>> {
    let team = life::team_of(dir.path())?;
    let ours = geteuid().as_raw();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // What is another's can not be looked into, and what has ended meanwhile is no trouble.
        if pid == std::process::id() || !entry.metadata().is_ok_and(|found| found.uid() == ours) {
            continue;
        }
        found.extend(Marked::look(pid).filter(|marked| marked.life.team == team));
    }
    Ok(found)
}

/// Whether a life is over. The lock tells it everywhere, the process only to who is in its namespace or outside of it.
pub fn is_dead(dir: &TeamDir, life: &Life) -> bool {
    let path = dir.member_lock(&life.member);
    let holds_its_lock = match (presence::is_held(&path), presence::holder(&path)) {
        (Ok(false), _) => false,
        (Ok(true), Ok(Some(holder))) => holder.process == life.worker,
        // It can not be told by whom it is held: then it is not dead for certain.
        (Ok(true), Ok(None) | Err(_)) | (Err(_), _) => true,
    };
    !holds_its_lock && !life.worker.runs()
}

impl Marked {
    /// The process that has this pid now, if it bears a mark.
    fn look(pid: u32) -> Option<Marked> {
        let process = process::identity(pid).ok()?;
        let life = Life::in_environment(&fs::read(format!("/proc/{pid}/environ")).ok()?)?;
        Some(Marked { process, life })
    }
}

/// Its words, for people.
fn command_of(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    words.trim_end().chars().take(200).collect()
}
