//! Both cores and the board in virtual time, over many seeds. `TEAMSTER_SIM_SEED=n` tells one story again,
//! `TEAMSTER_SIM_SEEDS=n` sets how many are told.

use std::ops::Range;
use std::{env, thread};

use teamster_tests::sim::{self, Story};

const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

#[test]
fn every_rule_holds_under_every_seed() {
    let seeds = match number("TEAMSTER_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TEAMSTER_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let mut all = Story::default();
    let mut broken = Vec::new();
    for told in told(seeds.clone()) {
        match told {
            Ok(story) => {
                all.steps += story.steps;
                all.completions += story.completions;
                all.rings += story.rings;
                all.wakes += story.wakes;
                all.interruptions += story.interruptions;
                all.killed_late += story.killed_late;
                all.renewals += story.renewals;
                all.questions += story.questions;
                all.woken += story.woken;
                all.runs_ended += story.runs_ended;
                all.took_ms += story.took_ms;
            }
            Err(found) => broken.push(found),
        }
    }
    println!("{} seeds: {all:?}", seeds.end - seeds.start);
    if let Some(first) = broken.first() {
        let rules: Vec<String> = broken.iter().take(20).map(|it| format!("seed {}: {}", it.seed, it.rule)).collect();
        let rules = rules.join("\n");
        panic!("{} of {} seeds broke a rule:\n{rules}\n\n{first}", broken.len(), seeds.end - seeds.start);
    }
    if seeds.end - seeds.start >= SEEDS {
        // What hardly ever happens is not shown to work.
        for (what, times, least) in [
            ("agents that slept were woken", all.wakes, SEEDS),
            ("turns were interrupted and gone on with", all.interruptions, SEEDS),
            ("workers were killed that hung for longer than their task may take", all.killed_late, 1),
            ("conversations were renewed", all.renewals, SEEDS / 10),
            ("questions for permission were answered", all.questions, SEEDS),
            ("members that had left were started again by a text", all.woken, SEEDS / 10),
            ("runs were ended for their budget", all.runs_ended, SEEDS / 10),
        ] {
            assert!(times >= least, "{times} times, and not {least}, {what}: the simulation shows too little of it");
        }
    }
    assert!(all.completions > 0, "no task was ever completed: the simulation shows nothing");
}

/// Every story, told side by side by as many threads as there are processors, in the order of the seeds.
fn told(seeds: Range<u64>) -> Vec<Result<Story, Box<sim::Broken>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut told = thread::scope(|scope| {
        let every_nth = |first: u64| seeds.clone().skip(first as usize).step_by(threads);
        let tell = |first| move || every_nth(first).map(|seed| (seed, sim::tell(seed))).collect::<Vec<_>>();
        let tellers: Vec<_> = (0..threads as u64).map(|first| scope.spawn(tell(first))).collect();
        tellers.into_iter().flat_map(|teller| teller.join().expect("a story panics")).collect::<Vec<_>>()
    });
    told.sort_by_key(|(seed, _)| *seed);
    told.into_iter().map(|(_, story)| story).collect()
}
