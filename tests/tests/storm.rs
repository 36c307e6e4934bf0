//! The kill storm in short: two hundred kills. `scripts/storm.sh` makes longer ones.

use std::time::Duration;

use teamster_tests::storm::{Settings, run};

#[test]
fn two_hundred_kills_lose_nothing_and_leave_nothing() {
    storm(200, "auto");
}

#[test]
fn nor_do_a_hundred_where_workers_have_no_namespace_of_their_own() {
    storm(100, "subreaper");
}

fn storm(kills: u64, isolation: &str) {
    let seed = std::env::var("TEAMSTER_TRIAL_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let isolation = isolation.to_owned();
    let settings = Settings { seed, kills, limit: Duration::from_secs(120), isolation, ..Settings::default() };
    let report = run(&settings).expect("a storm can be made");
    println!("{report}");
    assert!(report.wrong.is_empty(), "{report}");
    assert!(report.all_kills() >= kills, "there were {} kills only", report.all_kills());
}
