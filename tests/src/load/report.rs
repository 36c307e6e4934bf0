//! The figures of a load, as a table.

use std::fmt;
use std::time::Duration;

use super::memory::{Footprint, Memory};

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Workers, tasks and messages.
    pub size: (usize, usize, usize),
    /// From the first spawn until all were ready.
    pub spawned: Duration,
    /// From the first task until the last one was completed and the last message acknowledged.
    pub worked: Duration,
    /// From `down` until nobody was left.
    pub ended: Duration,
    /// What leader and workers had in memory before the first task was there.
    pub before: Footprint,
    /// The same when half of the tasks were completed.
    pub half: Footprint,
    /// The same when all was over and the team idle.
    pub after: Footprint,
    /// The leader's memory, sampled while the work was done.
    pub(super) memory: Vec<Memory>,
    /// Generations that the board went through.
    pub generations: u64,
    /// Of the whole idle team: wake-ups of the leader and of all workers, and processor time.
    pub idle: Idle,
    /// Everything that is not as it was promised.
    pub wrong: Vec<String>,
}

/// What a team does that has nothing to do.
#[derive(Debug, Default, Clone, Copy)]
pub struct Idle {
    /// How long it was watched.
    pub watched: Duration,
    /// Voluntary context switches of the leader.
    pub leader_wakes: u64,
    /// The same of all workers together.
    pub worker_wakes: u64,
    /// Clock ticks (10 ms) of processor time of all of them.
    pub ticks: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, tasks, messages) = self.size;
        let seconds = self.worked.as_secs_f64();
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let course =
            |of: fn(&Footprint) -> u64| [&self.before, &self.half, &self.after].map(|at| megabytes(of(at))).join(" → ");
        let (of_leader, of_worker) = self.after.growth_since(&self.before);
        let (late_of_leader, late_of_worker) = self.after.growth_since(&self.half);
        let grown = |all: f64, late: f64| format!("{all:.0} bytes, in the second half {late:.0}");
        let most = self.memory.iter().map(|it| it.proportional).max().unwrap_or(0);
        let resident = self.memory.iter().map(|it| it.resident).max().unwrap_or(0);
        let Idle { watched, leader_wakes, worker_wakes, ticks } = self.idle;
        let idle = watched.as_secs_f64();
        let rows = [
            ("workers", format!("{workers}, all ready after {:.1} s", self.spawned.as_secs_f64())),
            ("tasks", format!("{tasks}, {:.0} a second", tasks as f64 / seconds)),
            ("messages", format!("{messages}, {:.0} a second", messages as f64 / seconds)),
            ("time", format!("{seconds:.1} s until all was completed and read")),
            ("generations of the board", self.generations.to_string()),
            ("leader, without program", format!("{} before, at half and after", course(|it| it.leader))),
            ("leader, for each task", grown(of_leader, late_of_leader)),
            ("leader, most (PSS)", format!("{} (RSS {})", megabytes(most), megabytes(resident))),
            ("worker, without program", format!("{} before, at half and after", course(|it| it.worker))),
            ("worker, for each task", grown(of_worker, late_of_worker)),
            ("idle leader", format!("{:.1} wake-ups a second", leader_wakes as f64 / idle)),
            ("idle worker", format!("{:.2} wake-ups a second each", worker_wakes as f64 / idle / workers as f64)),
            ("idle team, processor", format!("{:.1} % of one", ticks as f64 / idle)),
            ("down", format!("{:.1} s until nobody was left", self.ended.as_secs_f64())),
        ];
        for (what, figure) in rows {
            writeln!(f, "{what:<26} {figure}")?;
        }
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        Ok(())
    }
}
