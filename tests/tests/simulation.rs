//! Both cores and the board in virtual time, over many seeds. `TEAMSTER_SIM_SEED=n` tells one story again,
//! `TEAMSTER_SIM_SEEDS=n` sets how many are told.

use std::env;

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
    for seed in seeds.clone() {
        match sim::tell(seed) {
            Ok(story) => {
                all.steps += story.steps;
                all.completions += story.completions;
                all.rings += story.rings;
                all.wakes += story.wakes;
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
    assert!(
        all.wakes > 0 || seeds.end - seeds.start < SEEDS,
        "no agent ever slept: the simulation shows nothing of it"
    );
    assert!(all.completions > 0, "no task was ever completed: the simulation shows nothing");
}
