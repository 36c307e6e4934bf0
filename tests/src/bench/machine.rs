//! What the machine is like while the benchmark runs, so that a reader can tell noise from news.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine before the first part.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// Processors that this process may use.
    pub(super) cores: usize,
    /// Their name, where the system says it.
    pub(super) processor: String,
    /// The kernel's release.
    pub(super) kernel: String,
    /// Load average of the last minute, when the benchmark began.
    pub(super) load_before: f64,
}

/// Looks at the machine.
pub(super) fn look() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    Machine {
        cores: thread::available_parallelism().map_or(0, usize::from),
        processor: model.unwrap_or("unknown processor").trim().to_owned(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        load_before: load(),
    }
}

/// Load average of the last minute; no number where the system does not say it.
pub(super) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}
