//! Times as somebody reads them today: the time of day, and the date where it was another day.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{ago, clock};

/// Where and when it is for the reader.
#[derive(Debug, Clone)]
pub struct DayClock {
    zone: TimeZone,
    now_ms: u64,
}

impl DayClock {
    /// For a reader in this zone at this time.
    pub fn new(zone: TimeZone, now_ms: u64) -> DayClock {
        DayClock { zone, now_ms }
    }

    /// The time at which it is read.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// `14:03:22` today, `2026-11-27 14:03:22` on any other day.
    pub fn at(&self, at_ms: u64) -> String {
        let time = clock(at_ms, &self.zone);
        match self.other_day(at_ms) {
            Some(date) => format!("{date} {time}"),
            None => time,
        }
    }

    /// `5m ago` today, `2d ago, 2026-11-26 14:03` on any other day.
    pub fn ago(&self, at_ms: u64) -> String {
        let ago = ago(at_ms, self.now_ms);
        match (self.other_day(at_ms), self.zoned(at_ms)) {
            (Some(date), Some(at)) => format!("{ago}, {date} {}", at.strftime("%H:%M")),
            (Some(_), None) | (None, _) => ago,
        }
    }

    /// The date, if it is not that of today.
    fn other_day(&self, at_ms: u64) -> Option<String> {
        let (at, now) = (self.zoned(at_ms)?, self.zoned(self.now_ms)?);
        (at.date() != now.date()).then(|| at.strftime("%Y-%m-%d").to_string())
    }

    /// Nothing past the year 9999.
    fn zoned(&self, at_ms: u64) -> Option<Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_stands_where_the_day_is_not_that_of_the_reader() {
        // 00:30 on the second of January 1970, two hours east.
        let now_ms = 81_000_000;
        let clock = DayClock::new(TimeZone::fixed(jiff::tz::offset(2)), now_ms);
        let shown = [now_ms, now_ms - 60_000, now_ms - 3_600_000, now_ms + 172_800_000, u64::MAX]
            .map(|at_ms| format!("{} | {}", clock.at(at_ms), clock.ago(at_ms)));
        insta::assert_snapshot!(shown.join("\n"), @"
        00:30:00 | just now
        00:29:00 | 1m ago
        1970-01-01 23:30:00 | 1h ago, 1970-01-01 23:30
        1970-01-04 00:30:00 | just now, 1970-01-04 00:30
        --:--:-- | just now
        ");
    }
}
