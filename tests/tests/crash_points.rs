//! The points at which a leader, a worker or a command can die: whichever it is, the team comes to the same good end.
//!
//! Here each kind of point is tried once for each role; `scripts/crash.sh` tries every one. `TEAMSTER_TRIAL_JOBS` is how
//! many stories are told at a time, `TEAMSTER_TRIAL_CASES` is `all`, or names cases, such as
//! `leader:log synced:3,worker:ada:recorded:1`.

use teamster_tests::crash::{Case, Cases, Role, try_points};

#[test]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions have the points")]
fn whoever_dies_at_whatever_point_nothing_is_lost_and_nothing_is_left() {
    let jobs = std::env::var("TEAMSTER_TRIAL_JOBS").map_or(8, |jobs| jobs.parse().expect("a number of jobs"));
    let cases = match std::env::var("TEAMSTER_TRIAL_CASES").as_deref() {
        Err(_) => Cases::OneOfAName,
        Ok("all") => Cases::All,
        Ok(named) => Cases::Only(named.split(',').map(case).collect()),
    };
    let report = try_points(&cases, jobs).expect("the story can be told");
    for (name, times) in &report.names {
        println!("{times:4} {name}");
    }
    let died: Vec<String> = report.died_at.iter().map(|(role, times)| format!("{role} {times}")).collect();
    let sum: u64 = report.died_at.values().sum();
    println!("{sum} deaths: {}", died.join(", "));
    println!("{} not reached: {}", report.not_reached.len(), report.not_reached.join(", "));
    assert!(sum > 0, "nobody died");
    assert!(report.failures.is_empty(), "{} went wrong:\n{}", report.failures.len(), report.failures.join("\n"));
}

fn case(text: &str) -> Case {
    let role = Role::ALL.into_iter().find(|role| text.starts_with(&format!("{role}:"))).expect("a role that is tried");
    let (name, time) = text[role.to_string().len() + 1..].rsplit_once(':').expect("a name and a time");
    Case { role, name: name.to_owned(), time: time.parse().expect("a number") }
}
