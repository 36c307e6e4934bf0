//! The kill storm in short: two hundred kills. `scripts/storm.sh` makes longer ones.

use std::time::Duration;

use teamster_tests::storm::{Settings, run};

#[test]
fn two_hundred_kills_lose_nothing_and_leave_nothing() {
    let seed = std::env::var("TEAMSTER_TRIAL_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let settings = Settings { seed, kills: 200, limit: Duration::from_secs(120), ..Settings::default() };
    let report = run(&settings).expect("a storm can be made");
    println!("{report}");
    assert!(report.wrong.is_empty(), "{report}");
    assert!(report.all_kills() >= 200, "there were {} kills only", report.all_kills());
}
