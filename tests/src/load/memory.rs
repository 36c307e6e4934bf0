//! What the processes of a team have in memory, and how much more of it each task costs that is over.

use std::{fs, io};

use nix::libc::ESRCH;

use crate::bench::idle::field;
use crate::trial::Outcome;
use crate::trial::census::What;
use crate::trial::team::Team;

/// What one process has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) proportional: u64,
    /// What is in no file: unlike the proportional part it does not depend on who else runs the same program.
    pub(super) anonymous: u64,
}

/// What the leader has and what a worker has, both halves of its cell, on average: in bytes, without the
/// pages of their programs. The spare worker is none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Footprint {
    /// The leader's.
    pub leader: u64,
    /// A worker's.
    pub worker: u64,
    /// How many tasks were over.
    pub ended: usize,
}

impl Footprint {
    /// Looks at all processes of a team.
    pub(super) fn take(team: &Team, workers: usize, ended: usize) -> Outcome<Footprint> {
        let (mut leader, mut all) = (0, 0);
        let leads = team.leader()?.ok_or("there is no leader")?.pid;
        for found in team.census()? {
            match found.what {
                What::Teamster if found.identity.pid == leads => leader += anonymous(leads)?,
                What::Worker(_) => all += anonymous(found.identity.pid)?,
                What::Teamster | What::Warden | What::SpareWorker | What::Agent => {}
            }
        }
        Ok(Footprint { leader, worker: all / workers as u64, ended })
    }

    /// What each task that ended since `earlier` has added to the leader and to each worker, in bytes.
    pub fn growth_since(&self, earlier: &Footprint) -> (f64, f64) {
        let tasks = (self.ended - earlier.ended).max(1) as f64;
        let growth = |now: u64, then: u64| (now as f64 - then as f64) / tasks;
        (growth(self.leader, earlier.leader), growth(self.worker, earlier.worker))
    }
}

fn anonymous(pid: u32) -> Outcome<u64> {
    // An agent that is being started looks like its worker, and may have ended since.
    Ok(memory(pid)?.map_or(0, |memory| memory.anonymous))
}

/// What a process has in memory; nothing if it has ended.
pub(super) fn memory(pid: u32) -> Outcome<Option<Memory>> {
    let rollup = match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) => {
            return Ok(None);
        }
        read => read?,
    };
    let bytes = |name| -> Outcome<u64> { Ok(field(&rollup, name)? * 1024) };
    Ok(Some(Memory { resident: bytes("Rss:")?, proportional: bytes("Pss:")?, anonymous: bytes("Pss_Anon:")? }))
}
