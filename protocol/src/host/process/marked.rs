//! Processes that outlived their worker: they bear the mark of a life in their environment, wherever they went. In a
//! cell the kernel leaves none; a worker that was killed where there is no namespace leaves all that its agent had
//! started.
//!
//! A process is signalled only by a descriptor, after a look that it is still the one that was found.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use nix::unistd::geteuid;

use super::life::{self, MemberLife};
use super::{ProcessIdentity, identity, is_in_cell};
use crate::model::kill_ladder::{EndingRound, GroupEnding, KillLadder};
use crate::model::limits::DEATH_LOOK;

/// A process that bears a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedProcess {
    /// The process.
    pub process: ProcessIdentity,
    /// The life that it belongs to.
    pub life: MemberLife,
}

/// The processes of this user that bear the mark of the team in `dir`. Reads of every process of this user what it was
/// started with: for deaths and starts, not for every poll. Those that cannot be seen from here are not among them.
pub fn of_team(dir: &Path) -> io::Result<Vec<MarkedProcess>> {
    let team = life::team_of(dir)?;
    all(|life| life.team == team)
}

/// Kills all that bears the mark of this life, which is over, until nothing of it is left. Blocks, for no longer than the
/// ladder takes; fails with what does not end.
#[expect(clippy::disallowed_methods, reason = "a process that is no child tells nobody of its end")]
pub fn end_all_of(life: &MemberLife) -> io::Result<()> {
    let began = Instant::now();
    let mut ending = GroupEnding::new(KillLadder::kill(0));
    let mut found: Vec<MarkedProcess> = Vec::new();
    loop {
        // A process that is ending has no environment any more, and still has its files open.
        found.retain(|marked| marked.process.runs());
        let more: Vec<MarkedProcess> =
            all(|other| other == life)?.into_iter().filter(|marked| !found.contains(marked)).collect();
        found.extend(more);
        if found.is_empty() {
            return Ok(());
        }
        match ending.next_round(ms_since(began), found.iter().map(|marked| marked.process.pid)) {
            EndingRound::Send { signal, .. } => {
                for marked in &found {
                    for signal in signal.as_signals() {
                        marked.process.signal(*signal)?;
                    }
                    tracing::warn!(
                        pid = marked.process.pid, member = %life.member, "killed: it outlived its worker"
                    );
                }
            }
            EndingRound::GiveUp => {
                let pids: Vec<u32> = found.iter().map(|marked| marked.process.pid).collect();
                return Err(io::Error::other(format!("processes {pids:?} do not end, not even on SIGKILL")));
            }
        }
        sleep(DEATH_LOOK);
    }
}

fn all(belongs: impl Fn(&MemberLife) -> bool) -> io::Result<Vec<MarkedProcess>> {
    let ours = geteuid().as_raw();
    let mut found = Vec::new();
    if is_in_cell() {
        return Ok(found);
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // The processes of others cannot be looked into, and one that has ended meanwhile is no trouble.
        if pid == std::process::id() || !entry.metadata().is_ok_and(|found| found.uid() == ours) {
            continue;
        }
        found.extend(MarkedProcess::look(pid).filter(|marked| belongs(&marked.life)));
    }
    Ok(found)
}

impl MarkedProcess {
    /// The process that has this pid now, if it bears a mark.
    fn look(pid: u32) -> Option<MarkedProcess> {
        let environ = || fs::read(format!("/proc/{pid}/environ")).ok();
        MemberLife::in_environment(&environ()?)?;
        // Read again once the process is known: the number may have passed to another meanwhile.
        let process = identity(pid).ok()?;
        Some(MarkedProcess { process, life: MemberLife::in_environment(&environ()?)? })
    }
}

fn ms_since(began: Instant) -> u64 {
    began.elapsed().as_millis() as u64
}
