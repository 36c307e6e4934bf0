//! When a provider takes more again, in the words of an agent that tells it to people only: `try again in 6m0s`, `resets
//! 3:05pm (UTC)`, `retry-after: 30`, `resets at 2026-11-29T14:05:00Z`. Only for words that are known to tell of a limit. What
//! is not understood whole is no time: a wait that is too long keeps a member from its work.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use teamster_protocol::host::clock;
use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::limits::LIMIT_RESET_WITHIN;

/// The words after which a time follows.
const BEFORE: [&str; 6] = ["resets", "reset", "try again", "retry", "available", "wait"];

/// The words that may stand between.
const BETWEEN: [&str; 14] =
    ["after", "again", "around", "at", "date", "for", "in", "is", "on", "the", "time", "until", "will", "be"];

/// The seconds in a unit of time.
const UNITS: [(&str, f64); 22] = [
    ("ms", 0.001),
    ("millisecond", 0.001),
    ("milliseconds", 0.001),
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("mins", 60.0),
    ("minute", 60.0),
    ("minutes", 60.0),
    ("h", 3_600.0),
    ("hr", 3_600.0),
    ("hrs", 3_600.0),
    ("hour", 3_600.0),
    ("hours", 3_600.0),
    ("d", 86_400.0),
    ("day", 86_400.0),
    ("days", 86_400.0),
    ("week", 604_800.0),
];

/// The limit with the time at which it ends, as its words tell it if nothing else does.
pub(super) fn with_reset(limit: ProviderLimit) -> ProviderLimit {
    let told = || reset_told(&limit.reason, clock::now_ms(), &TimeZone::system());
    ProviderLimit { until_ms: limit.until_ms.or_else(told), ..limit }
}

/// The time that the words tell, in milliseconds since 1970, with `zone` as the place of times that name none.
fn reset_told(words: &str, now_ms: u64, zone: &TimeZone) -> Option<u64> {
    let low = words.to_lowercase();
    let after =
        BEFORE.iter().flat_map(|before| low.match_indices(before)).map(|(at, before)| &low[at + before.len()..]);
    let told = after.chain(low.split('|').skip(1)).filter_map(|rest| time_of(rest, now_ms, zone));
    let until_max = now_ms.saturating_add(LIMIT_RESET_WITHIN.as_millis() as u64);
    told.filter(|until| *until > now_ms && *until <= until_max).max()
}

/// The time with which the words begin, after what may stand before it.
fn time_of(rest: &str, now_ms: u64, zone: &TimeZone) -> Option<u64> {
    let words = rest.split(|c: char| c.is_whitespace() || "()[]{}\"'=,;".contains(c));
    let words = words.map(|word| word.trim_matches([':', '.', '·', '-', '~', '!'])).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.take(12).collect();
    let between = words.iter().take_while(|word| BETWEEN.contains(word)).count();
    let (between, words) = words.split_at(between);
    let first = *words.first()?;
    if let Ok(at) = first.to_uppercase().parse::<Timestamp>() {
        return u64::try_from(at.as_millisecond()).ok();
    }
    if let Some(seconds) = epoch_seconds(first) {
        return Some(seconds.saturating_mul(1_000));
    }
    if let (true, Ok(seconds)) = (between.contains(&"after"), first.parse::<u32>())
        && words.get(1).is_none_or(|next| unit(next).is_none())
    {
        // As in the header of that name.
        return Some(now_ms.saturating_add(u64::from(seconds) * 1_000));
    }
    if let Some(wait) = duration(words) {
        return Some(now_ms.saturating_add(wait.as_millis() as u64));
    }
    let (time, after) = time_of_day(words)?;
    next_time(time, now_ms, &zone_named(after.first().copied(), zone)?)
}

/// Seconds since 1970, of which no length of time has so many digits.
fn epoch_seconds(word: &str) -> Option<u64> {
    let is_epoch = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit());
    is_epoch.then(|| word.parse().ok()).flatten()
}

/// A length of time such as `6m0s` or `1 hour and 20 minutes`.
fn duration(words: &[&str]) -> Option<Duration> {
    let mut sum = 0.0;
    let mut words = words.iter().filter(|word| **word != "and").peekable();
    while let Some(word) = words.peek() {
        let Some((number, rest)) = number(word) else { break };
        words.next();
        if rest.is_empty() {
            sum += number * unit(words.next()?)?;
        } else {
            sum += joined(number, rest)?;
        }
    }
    if sum > 0.0 { Duration::try_from_secs_f64(sum).ok() } else { None }
}

/// The seconds of numbers and units without a space, the first number of which is read: `m0s` after 6.
fn joined(first: f64, rest: &str) -> Option<f64> {
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(letters);
    let own = first * unit(name)?;
    if rest.is_empty() {
        return Some(own);
    }
    let (next, rest) = number(rest)?;
    Some(own + joined(next, rest)?)
}

fn unit(word: &str) -> Option<f64> {
    UNITS.iter().find(|(name, _)| *name == word).map(|(_, seconds)| *seconds)
}

/// The number at the begin of a word, and the rest of that.
fn number(word: &str) -> Option<(f64, &str)> {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, rest) = word.split_at(end);
    Some((number.parse().ok()?, rest))
}

fn is_half_of_day(word: &str) -> bool {
    matches!(word, "am" | "pm" | "a.m" | "p.m")
}

/// A time of a day such as `14:05`, `3pm` or `3:05 pm`, and the words after it.
fn time_of_day<'a>(words: &'a [&'a str]) -> Option<(Time, &'a [&'a str])> {
    let (first, after) = words.split_first()?;
    let digits = first.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(first.len());
    let (clock, half) = first.split_at(digits);
    let (half, after) = match (half, after.split_first()) {
        ("", Some((next, after))) if is_half_of_day(next) => (*next, after),
        (half, _) => (half, after),
    };
    let mut parts = clock.split(':');
    let hour: i8 = parts.next()?.parse().ok()?;
    let minute: i8 = parts.next().map_or(Some(0), |minute| minute.parse().ok())?;
    let has_minute = clock.contains(':');
    let hour = match half.chars().next() {
        Some('a' | 'p') if !is_half_of_day(half) || !(1..=12).contains(&hour) => return None,
        Some('a') => hour % 12,
        Some('p') => hour % 12 + 12,
        None if has_minute => hour,
        // An hour alone may be any number.
        Some(_) | None => return None,
    };
    Some((Time::new(hour, minute, 0, 0).ok()?, after))
}

/// The zone that a time names: one that is not known is no zone to reckon with.
fn zone_named(word: Option<&str>, zone: &TimeZone) -> Option<TimeZone> {
    match word {
        Some("utc" | "gmt" | "z") => Some(TimeZone::UTC),
        Some(name) if name.contains('/') => TimeZone::get(name).ok(),
        Some(_) | None => Some(zone.clone()),
    }
}

/// The next time that a clock there shows this.
fn next_time(time: Time, now_ms: u64, zone: &TimeZone) -> Option<u64> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned(zone.clone());
    let today = now.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    let next = if today <= now { today.checked_add(1.day()).ok()? } else { today };
    u64::try_from(next.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29 12:00 UTC.
    const NOON_MS: u64 = 1_795_953_600_000;

    fn minutes(words: &str) -> Option<f64> {
        reset_told(words, NOON_MS, &TimeZone::UTC).map(|until| (until - NOON_MS) as f64 / 60_000.0)
    }

    #[test]
    fn lengths_of_time_are_read_in_the_ways_in_which_providers_tell_them() {
        for (words, told) in [
            ("Rate limit reached. Please try again in 6m0s.", 6.0),
            ("please try again in 1.5s", 0.025),
            ("Please retry after 90 seconds", 1.5),
            ("usage limit reached, retry-after: 30", 0.5),
            ("limit reached; available again in 1 hour and 20 minutes", 80.0),
            ("Your quota will reset after 2h5m10s", 125.0 + 1.0 / 6.0),
            ("try again in 3 days", 3.0 * 1440.0),
        ] {
            let minutes = minutes(words).unwrap_or_else(|| panic!("{words}"));
            assert!((minutes - told).abs() < 1e-3, "{words}: {minutes}");
        }
    }

    #[test]
    fn times_of_a_day_and_dates_are_read_with_their_zone() {
        for (words, told) in [
            ("You've hit your 5-hour limit · resets 3:05pm (UTC)", 185.0),
            ("limit reached, resets at 14:05", 125.0),
            ("You've hit your usage limit. Try again at 3 PM.", 180.0),
            ("resets 9am", 21.0 * 60.0),
            ("resets 12am", 12.0 * 60.0),
            ("resets at 2026-11-29T12:30:00Z", 30.0),
            ("resets at 2026-11-29T14:30:00+02:00", 30.0),
            ("Claude AI usage limit reached|1795957200", 60.0),
        ] {
            assert_eq!(minutes(words), Some(told), "{words}");
        }
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(reset_told("resets at 14:05", NOON_MS, &berlin), Some(NOON_MS + 65 * 60_000));
    }

    #[test]
    fn what_is_not_understood_whole_or_is_too_far_away_is_no_time() {
        for words in [
            "",
            "You've hit your usage limit.",
            "resets Dec 5 at 3pm",
            "resets 3",
            "resets 25:00",
            "resets 13pm",
            "resets 3:05pm (Nowhere/AtAll)",
            "try again later, or upgrade for 20 dollars",
            "try again in 400 days",
            "resets at 2026-11-29T11:00:00Z",
            "try again in 5 bananas",
        ] {
            assert_eq!(minutes(words), None, "{words}");
        }
    }
}
