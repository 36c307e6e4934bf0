//! Quantities at a glance: how long, how long ago, how much, at what time of day.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MINUTE_SECS: u64 = 60;
const HOUR_SECS: u64 = 60 * MINUTE_SECS;
const DAY_SECS: u64 = 24 * HOUR_SECS;

/// How long, in at most two units: `850ms`, `1.2s`, `3m 04s`, `2h 10m`, `3d 04h`. Rounds down.
pub fn humane(length: Duration) -> String {
    let secs = length.as_secs();
    if secs == 0 {
        format!("{}ms", length.subsec_millis())
    } else if secs < MINUTE_SECS {
        format!("{secs}.{}s", length.subsec_millis() / 100)
    } else if secs < HOUR_SECS {
        format!("{}m {:02}s", secs / MINUTE_SECS, secs % MINUTE_SECS)
    } else if secs < DAY_SECS {
        format!("{}h {:02}m", secs / HOUR_SECS, secs % HOUR_SECS / MINUTE_SECS)
    } else {
        format!("{}d {:02}h", secs / DAY_SECS, secs % DAY_SECS / HOUR_SECS)
    }
}

/// How long ago `then_ms` was at `now_ms` (both since the Unix epoch), in one unit: `12s ago`.
///
/// A time within the last second, or one that lies ahead by another machine's clock, is `just now`.
pub fn ago(then_ms: u64, now_ms: u64) -> String {
    let secs = now_ms.saturating_sub(then_ms) / 1000;
    if secs == 0 {
        "just now".to_owned()
    } else if secs < MINUTE_SECS {
        format!("{secs}s ago")
    } else if secs < HOUR_SECS {
        format!("{}m ago", secs / MINUTE_SECS)
    } else if secs < DAY_SECS {
        format!("{}h ago", secs / HOUR_SECS)
    } else {
        format!("{}d ago", secs / DAY_SECS)
    }
}

/// How much, in binary units: `812 B`, `1.2 KiB`, `16 MiB`. Rounds down.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let power = usize::try_from(count.ilog2() / 10).expect("at most six");
    let unit = UNITS[power - 1];
    let one = 1u128 << (10 * power);
    let tenths = u128::from(count) * 10 / one;
    if tenths.is_multiple_of(10) || tenths >= 100 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// The time of day in `zone` at `at_ms` since the Unix epoch: `14:03:22`; `--:--:--` past the year 9999.
///
/// A caller at the edge passes `TimeZone::system()`, read once.
pub fn clock(at_ms: u64, zone: &TimeZone) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "--:--:--".to_owned(), |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let shown: Vec<String> = [0, 850, 1_299, 59_999, 60_000, 184_000, 7_800_000, 273_600_000]
            .map(|ms| humane(Duration::from_millis(ms)))
            .to_vec();
        insta::assert_snapshot!(shown.join(" | "), @"0ms | 850ms | 1.2s | 59.9s | 1m 00s | 3m 04s | 2h 10m | 3d 04h");
    }

    #[test]
    fn distances_into_the_past() {
        let now_ms = 1_000_000_000;
        let shown: Vec<String> =
            [0, 999, 12_000, 119_000, 7_300_000, 172_800_000].map(|ms| ago(now_ms - ms, now_ms)).to_vec();
        insta::assert_snapshot!(shown.join(" | "), @"just now | just now | 12s ago | 1m ago | 2h ago | 2d ago");
        assert_eq!(ago(now_ms + 5_000, now_ms), "just now");
    }

    #[test]
    fn sizes() {
        let shown: Vec<String> = [0, 812, 1024, 1260, 10_240, 16 << 20, u64::MAX].map(bytes).to_vec();
        insta::assert_snapshot!(shown.join(" | "), @"0 B | 812 B | 1 KiB | 1.2 KiB | 10 KiB | 16 MiB | 15 EiB");
    }

    #[test]
    fn times_of_day() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(clock(43_402_000, &zone), "14:03:22");
        assert_eq!(clock(u64::MAX, &zone), "--:--:--");
    }
}
