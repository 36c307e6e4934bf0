//! Times that were measured, and their median: the one figure that a neighbour on the machine moves least.

use std::time::{Duration, Instant};

/// Samples of one thing.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(super) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Takes those of another.
    pub(super) fn append(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    /// Measures one.
    pub(super) fn time<T>(&mut self, what: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let value = what();
        self.push(begin.elapsed());
        value
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The median in seconds; what a part with no sample gives is no number.
    pub(super) fn p50(&self) -> f64 {
        self.quantile(0.5)
    }

    /// What nine of ten do not exceed, in seconds.
    pub(super) fn p90(&self) -> f64 {
        self.quantile(0.9)
    }

    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * part) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, Duration::as_secs_f64)
    }
}
