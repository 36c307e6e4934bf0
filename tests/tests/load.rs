//! The load in short. `scripts/load.sh` puts on the whole.

use std::time::Duration;

use teamster_tests::load::{Settings, run};

/// What more a leader may have in memory at the end of the work than at its beginning: the fold of the board grows
/// with the number of tasks, by about a hundred bytes for each.
const GROWTH_BYTES_MAX: u64 = 2_000_000;

#[test]
fn twenty_workers_lose_none_of_five_hundred_tasks_and_messages() {
    let settings = Settings {
        workers: 20,
        tasks: 500,
        messages: 500,
        generation_bytes: 64 * 1024,
        idle: Duration::from_secs(1),
        within: Duration::from_secs(120),
    };
    let report = run(&settings).expect("a load can be put on");
    println!("{report}");
    assert!(report.wrong.is_empty(), "{report}");
    assert!(report.generations > 1, "the board's log never went on in a new file");
    let (first, _, last) = report.memory();
    assert!(last <= first + GROWTH_BYTES_MAX, "the leader grew from {first} to {last} bytes");
}
