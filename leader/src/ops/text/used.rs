//! Tokens and prices at a glance.

use std::time::Duration;

use teamster_protocol::model::usage::{KnownCost, UsageSum};

use super::humane;

/// So many tokens, in at most four digits: `950`, `27.1k`, `380k`, `1.2M`. Rounds down.
pub fn tokens(count: u64) -> String {
    let (unit, name) = match count {
        0..1_000 => return count.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        1_000_000_000.. => (1_000_000_000, "G"),
    };
    match count / unit {
        whole @ 100.. => format!("{whole}{name}"),
        whole => format!("{whole}.{}{name}", count % unit * 10 / unit),
    }
}

/// A price in US dollars, of which cents are shown, and more where there are none: `$12.40`, `$0.0044`.
pub fn dollars(micro_usd: u64) -> String {
    match micro_usd {
        0 => "$0".to_owned(),
        1..100 => "under $0.0001".to_owned(),
        100..10_000 => format!("$0.{:04}", micro_usd / 100),
        10_000.. => format!("${}.{:02}", micro_usd / 1_000_000, micro_usd % 1_000_000 / 10_000),
    }
}

/// The price as far as it is known; nothing if nothing is.
pub fn cost(used: &UsageSum) -> Option<String> {
    match used.cost() {
        KnownCost::Nothing => None,
        KnownCost::Whole(cost) => Some(dollars(cost)),
        KnownCost::AtLeast(cost) => Some(format!("at least {}", dollars(cost))),
    }
}

/// Tokens and price: `27.1k tokens in (13.0k cached), 1.2k out, $0.11`. Nothing if no agent told of any.
pub fn tokens_and_cost(used: &UsageSum) -> Option<String> {
    if used.tokens() == 0 && used.cost_micro_usd == 0 {
        return None;
    }
    let cached = if used.cached == 0 { String::new() } else { format!(" ({} cached)", tokens(used.cached)) };
    let cost = cost(used).map(|cost| format!(", {cost}")).unwrap_or_default();
    Some(format!("{} tokens in{cached}, {} out{cost}", tokens(used.input), tokens(used.output)))
}

/// Turns, their time, and tokens and price where they are known: `3 turns in 2m 04s: 27.1k tokens in, 1.2k out`.
pub fn used_text(used: &UsageSum) -> String {
    let turns = if used.turns == 1 { "turn" } else { "turns" };
    let told = tokens_and_cost(used).map(|told| format!(": {told}")).unwrap_or_default();
    format!("{} {turns} in {}{told}", used.turns, humane(Duration::from_millis(used.time_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_prices() {
        let shown: Vec<String> =
            [0, 999, 1_000, 27_199, 380_400, 1_250_000, 3_000_000_000].map(tokens).into_iter().collect();
        insta::assert_snapshot!(shown.join(" | "), @"0 | 999 | 1.0k | 27.1k | 380k | 1.2M | 3.0G");
        let shown: Vec<String> = [0, 99, 4_401, 10_000, 108_528, 12_400_000].map(dollars).into_iter().collect();
        insta::assert_snapshot!(shown.join(" | "), @"$0 | under $0.0001 | $0.0044 | $0.01 | $0.10 | $12.40");
    }

    #[test]
    fn what_was_used_and_what_of_it_is_known() {
        let all = UsageSum {
            turns: 3,
            time_ms: 124_000,
            input: 27_199,
            output: 1_200,
            cached: 13_000,
            cost_micro_usd: 108_528,
            unpriced: 0,
        };
        insta::assert_snapshot!(used_text(&all), @"3 turns in 2m 04s: 27.1k tokens in (13.0k cached), 1.2k out, $0.10");
        insta::assert_snapshot!(used_text(&UsageSum { unpriced: 1, ..all }), @"3 turns in 2m 04s: 27.1k tokens in (13.0k cached), 1.2k out, at least $0.10");
        insta::assert_snapshot!(used_text(&UsageSum { cost_micro_usd: 0, unpriced: 3, cached: 0, ..all }), @"3 turns in 2m 04s: 27.1k tokens in, 1.2k out");
        insta::assert_snapshot!(used_text(&UsageSum { turns: 1, time_ms: 1_200, ..UsageSum::default() }), @"1 turn in 1.2s");
    }
}
