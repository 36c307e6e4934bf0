//! The points at which a warden, a leader, a worker or a command can die, and one more while that is mended: whichever it
//! is, the team comes to the same good end.
//!
//! Here each kind of point is tried once for each role; `scripts/crash.sh` tries every one. `TEAMSTER_TRIAL_JOBS` is how
//! many stories are told at a time, `TEAMSTER_TRIAL_CASES` is `all`, a part of all such as `2/4`, or names cases with `|`
//! between them, such as `leader:log synced:3 | worker:ada:recorded:1; leader:buried, leaving not written:1`.

use teamster_tests::crash::{CasePart, Cases, Nth, try_points};

#[test]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions have the points")]
fn whoever_dies_at_whatever_point_nothing_is_lost_and_nothing_is_left() {
    let jobs = std::env::var("TEAMSTER_TRIAL_JOBS").map_or(8, |jobs| jobs.parse().expect("a number of jobs"));
    let cases = match std::env::var("TEAMSTER_TRIAL_CASES").as_deref() {
        Err(_) => Cases::OneOfAName,
        Ok("all") => Cases::All(CasePart::WHOLE),
        Ok(named) => match named.parse() {
            Ok(part) => Cases::All(part),
            Err(_) => Cases::Only(named.split('|').map(|case| case.parse().expect("a case")).collect()),
        },
    };
    let report = try_points(&cases, jobs).expect("the story can be told");
    println!("{report}");
    assert!(report.deaths(Nth::First) > 0, "nobody died");
    assert!(report.deaths(Nth::Second) > 0 || matches!(cases, Cases::Only(_)), "nobody died a second time");
    assert!(report.failures.is_empty(), "{} went wrong:\n{}", report.failures.len(), report.failures.join("\n"));
}
