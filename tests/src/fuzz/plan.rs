//! Plans: tasks that can be put on a board, or what is wrong with them in few words.

use std::path::Path;

use teamster_leader::plan::{PROBLEMS_SHOWN_MAX, Plan};
use teamster_leader::print::{harmless_lines, shorten, width};

pub(super) fn run(bytes: &[u8]) {
    for path in [None, Some("plan.toml"), Some("plan.json")] {
        match Plan::parse_bytes(bytes, path.map(Path::new)) {
            Ok(plan) => check(&plan),
            Err(error) => {
                let text = error.to_string();
                assert!(text.len() < PROBLEMS_SHOWN_MAX * 2_000, "an error of {} bytes", text.len());
                harmless_lines(&text);
            }
        }
    }
}

fn check(plan: &Plan) {
    assert!(!plan.tasks.is_empty());
    let order = plan.in_dependency_order();
    let mut place = vec![None; plan.tasks.len()];
    for (at, task) in order.iter().enumerate() {
        assert_eq!(place[*task].replace(at), None, "a task is in the order twice");
    }
    for (number, task) in plan.tasks.iter().enumerate() {
        assert!(task.after.iter().all(|on| place[*on] < place[number]), "task {number} comes before what it waits for");
        assert!(!task.work.text().trim().is_empty());
        assert!(width(&shorten(&task.title, 60)) <= 60);
    }
}
