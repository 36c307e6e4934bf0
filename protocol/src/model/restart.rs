//! Restart intensity, as Erlang's supervisors have it: a process that dies is started again, a little later each time,
//! but only so many times in so much time. One that dies more often is broken, and starting it would hide that.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::limits::{RESTART_DELAY_MAX, RESTART_DELAY_MIN, RESTARTS_MAX, RESTARTS_WITHIN};

/// The deaths of one process and its predecessors that still count. Times are milliseconds of any one clock of the
/// caller.
#[derive(Debug, Clone, Default)]
pub struct RecentDeaths {
    at_ms: VecDeque<u64>,
}

/// The consequence of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartVerdict {
    /// The process is started again after this delay.
    Again(Duration),
    /// The process is not started again: so many deaths within [`RESTARTS_WITHIN`] were too many.
    GivenUp {
        /// The number of deaths that counted, this one included.
        deaths: usize,
    },
}

impl RecentDeaths {
    /// Deaths that an earlier process counted. A time in the future is of another clock, and is dropped.
    pub fn recalled(now_ms: u64, at_ms: Vec<u64>) -> RecentDeaths {
        RecentDeaths { at_ms: at_ms.into_iter().filter(|at_ms| *at_ms <= now_ms).collect() }
    }

    /// Moves the deaths after the caller's clock was set: each is as long ago as before.
    pub fn clock_was_set(&mut self, by_ms: i64) {
        self.at_ms.iter_mut().for_each(|at_ms| *at_ms = at_ms.saturating_add_signed(by_ms));
    }

    /// Counts one more death, and returns its consequence.
    pub fn died(&mut self, now_ms: u64) -> RestartVerdict {
        let within_ms = RESTARTS_WITHIN.as_millis() as u64;
        self.at_ms.retain(|at_ms| now_ms.saturating_sub(*at_ms) < within_ms);
        self.at_ms.push_back(now_ms);
        let deaths = self.at_ms.len();
        if deaths > RESTARTS_MAX {
            return RestartVerdict::GivenUp { deaths };
        }
        let doublings = (deaths - 1).try_into().unwrap_or(u32::MAX);
        let delay = RESTART_DELAY_MIN.saturating_mul(2_u32.saturating_pow(doublings));
        RestartVerdict::Again(delay.min(RESTART_DELAY_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 3600 * 1000;

    #[test]
    fn who_dies_again_and_again_waits_longer_each_time_and_is_given_up() {
        let mut deaths = RecentDeaths::default();
        let delays: Vec<RestartVerdict> = (0..RESTARTS_MAX as u64).map(|n| deaths.died(DAY_MS + n)).collect();
        let again = |ms| RestartVerdict::Again(Duration::from_millis(ms));
        assert_eq!(delays, [again(100), again(200), again(400), again(800), again(1600)]);
        assert_eq!(deaths.died(DAY_MS + 10), RestartVerdict::GivenUp { deaths: RESTARTS_MAX + 1 });
    }

    #[test]
    fn who_dies_now_and_then_is_always_started_again() {
        let mut deaths = RecentDeaths::default();
        let apart_ms = RESTARTS_WITHIN.as_millis() as u64 / RESTARTS_MAX as u64 + 1;
        for n in 0..1000 {
            assert!(matches!(deaths.died(DAY_MS + n * apart_ms), RestartVerdict::Again(_)), "death {n}");
        }
    }

    #[test]
    fn a_clock_that_jumps_back_is_no_reason_to_give_up() {
        let mut deaths = RecentDeaths::default();
        deaths.died(DAY_MS);
        assert!(matches!(deaths.died(0), RestartVerdict::Again(_)));
    }
}
