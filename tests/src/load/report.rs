//! The figures of a load, as a table.

use std::fmt;
use std::time::Duration;

use super::leader::Memory;

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

impl Report {
    /// The leader's proportional memory in bytes: the median of the first third of the work, the most, and the median
    /// of the last third.
    pub fn memory(&self) -> (u64, u64, u64) {
        let sizes: Vec<u64> = self.memory.iter().map(|it| it.proportional).collect();
        let third = sizes.len() / 3;
        let median = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part.get(part.len() / 2).copied().unwrap_or(0)
        };
        (median(&sizes[..third]), sizes.iter().copied().max().unwrap_or(0), median(&sizes[sizes.len() - third..]))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, tasks, messages) = self.size;
        let seconds = self.worked.as_secs_f64();
        let (first, most, last) = self.memory();
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let resident = self.memory.iter().map(|it| it.resident).max().unwrap_or(0);
        let Idle { watched, leader_wakes, worker_wakes, ticks } = self.idle;
        let idle = watched.as_secs_f64();
        let rows = [
            ("workers", format!("{workers}, all ready after {:.1} s", self.spawned.as_secs_f64())),
            ("tasks", format!("{tasks}, {:.0} a second", tasks as f64 / seconds)),
            ("messages", format!("{messages}, {:.0} a second", messages as f64 / seconds)),
            ("time", format!("{seconds:.1} s until all was completed and read")),
            ("generations of the board", self.generations.to_string()),
            ("leader, first third (PSS)", megabytes(first)),
            ("leader, most (PSS)", format!("{} (RSS {})", megabytes(most), megabytes(resident))),
            ("leader, last third (PSS)", megabytes(last)),
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
