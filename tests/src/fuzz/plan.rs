//! Plans: tasks that can be put on a board, or what is wrong with them in few words.

use std::path::Path;

use teamster_leader::ops::plan::Plan;
use teamster_leader::ops::text::{harmless_lines, shorten, width};
use teamster_protocol::model::limits::sizes::PROBLEMS_SHOWN_MAX;

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
    assert!(can_be_drained(plan), "some wait for each other");
    for task in &plan.tasks {
        assert!(!task.work.text().trim().is_empty());
        assert!(width(&shorten(&task.title, 60)) <= 60);
    }
}

/// Whether each task is open at last, if whatever is open is done.
fn can_be_drained(plan: &Plan) -> bool {
    let mut waits_for: Vec<usize> = plan.tasks.iter().map(|task| task.after.len()).collect();
    let mut awaited_by = vec![Vec::new(); plan.tasks.len()];
    for (number, task) in plan.tasks.iter().enumerate() {
        task.after.iter().for_each(|on| awaited_by[*on].push(number));
    }
    let mut open: Vec<usize> = (0..plan.tasks.len()).filter(|number| waits_for[*number] == 0).collect();
    let mut done = 0;
    while let Some(number) = open.pop() {
        done += 1;
        for waiting in &awaited_by[number] {
            waits_for[*waiting] -= 1;
            if waits_for[*waiting] == 0 {
                open.push(*waiting);
            }
        }
    }
    done == plan.tasks.len()
}
