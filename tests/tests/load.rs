//! The load in short. `scripts/load.sh` puts on the whole.

use std::time::Duration;

use teamster_tests::load::{Settings, run, young_and_old};

/// What more a leader may have in memory after the work than before it.
const GROWTH_BYTES_MAX: u64 = 2_000_000;

/// What a task that is over may cost the leader, who folds the board twice, and a worker: several times what it does,
/// and much less than it would unpacked, which is 900 and 450 bytes.
const OF_LEADER_MAX: f64 = 500.0;
const OF_WORKER_MAX: f64 = 300.0;

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
    assert!(report.after.leader <= report.before.leader + GROWTH_BYTES_MAX, "the leader grew too much: {report}");
}

#[test]
fn what_is_over_costs_leader_and_worker_next_to_nothing() {
    let (young, old) = young_and_old(5_000).expect("a leader and a worker can be looked at");
    let (leader, worker) = old.growth_since(&young);
    println!("{young:?}, {old:?}: {leader:.0} bytes of the leader and {worker:.0} of a worker for each task");
    assert!(leader <= OF_LEADER_MAX, "the leader has {leader} bytes for each task that is over");
    assert!(worker <= OF_WORKER_MAX, "a worker has {worker} bytes for each task that is over");
}
