//! Processes that outlived their worker and did not fall to this leader: the worker was killed where there is no namespace,
//! and at that time it had another parent than this leader, or there was none.
//!
//! A process is signalled only if it bears the mark of this team and of a worker that is dead by its lock and by its process.

use std::collections::BTreeSet;
use std::io;

use teamster_protocol::host::process::life::MemberLife;
use teamster_protocol::host::process::marked::{self, MarkedProcess};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::kill_ladder::{EndingRound, GroupEnding, KillLadder};
use teamster_protocol::model::limits::DEATH_LOOK;
use teamster_protocol::store::presence;
use tokio::time::{Instant, sleep};

/// Kills all that outlived its worker until nothing of it is left, and says so in the log. Reads of every process of
/// this user what it was started with: for deaths and starts, not for every poll.
pub async fn end(dir: &TeamDir) {
    let began = Instant::now();
    let mut ending = GroupEnding::new(KillLadder::kill(0));
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
        let pids: Vec<u32> = found.iter().map(|escaped| escaped.process.pid).collect();
        match ending.next_round(began.elapsed().as_millis() as u64, pids.iter().copied()) {
            EndingRound::Send { signal, .. } => {
                for escaped in &found {
                    let (pid, command) = (escaped.process.pid, command_of(escaped.process.pid));
                    let sent = signal.as_signals().iter().try_for_each(|signal| escaped.process.signal(*signal));
                    match sent {
                        Ok(()) if told.insert(pid) => {
                            tracing::warn!(pid, command, member = %escaped.life.member, "killed: it outlived its worker");
                        }
                        Ok(()) => {}
                        Err(error) => tracing::warn!(pid, command, "cannot kill what outlived its worker: {error}"),
                    }
                }
            }
            EndingRound::GiveUp => {
                return tracing::error!(?pids, "these outlived their worker, and do not end, not even on SIGKILL");
            }
        }
        sleep(DEATH_LOOK).await;
    }
}

fn find(dir: &TeamDir) -> io::Result<Vec<MarkedProcess>> {
    Ok(marked::of_team(dir.path())?.into_iter().filter(|marked| is_dead(dir, &marked.life)).collect())
}

/// Whether a life is over. The lock tells that everywhere; the process tells it only in its PID namespace, or outside
/// of it.
pub fn is_dead(dir: &TeamDir, life: &MemberLife) -> bool {
    let path = dir.member_lock(&life.member);
    let holds_its_lock = match (presence::is_held(&path), presence::read_holder(&path)) {
        (Ok(false), _) => false,
        (Ok(true), Ok(Some(holder))) => holder.process == life.worker,
        // The lock is held and the holder can not be read: the worker is not dead for certain.
        (Ok(true), Ok(None) | Err(_)) | (Err(_), _) => true,
    };
    !holds_its_lock && !life.worker.runs()
}

/// The words of a process's command line, for people.
fn command_of(pid: u32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    words.trim_end().chars().take(200).collect()
}
