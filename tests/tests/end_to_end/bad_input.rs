//! What cannot be done is said with what, where, why and the way out; and nothing is lost or half done.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use teamster_tests::team::Team;

mod disk;
mod given;
mod logs;
mod lost;
mod names;
mod no_text;
mod places;
mod plans;
mod rpc;
mod system;
mod unreadable;
mod worker_program;

/// A library that stands before the system in a program that is started with it; nothing where no compiler is, which is
/// said.
fn preloaded(team: &Team, name: &str, text: &str) -> Option<PathBuf> {
    let within = team.sandbox().work();
    let (source, library) = (within.join(name).with_extension("c"), within.join(name).with_extension("so"));
    fs::write(&source, text).unwrap();
    match Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status() {
        Ok(status) if status.success() => Some(library),
        outcome => {
            println!("not tested: cc makes no library ({outcome:?})");
            None
        }
    }
}

/// All that was decided in a team: its logs, without what only says who runs, waits for work, or shows the logs.
fn state(team: &Team) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![team.dir().path().to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let (path, kind) = (entry.as_ref().unwrap().path(), entry.unwrap().file_type().unwrap());
            let derived = ["turns", "tasks"].iter().any(|name| path.ends_with(name));
            if kind.is_dir() && !derived {
                todo.push(path);
            } else if path.extension().is_some_and(|it| it == "jsonl") {
                let text = fs::read_to_string(&path).unwrap();
                let decided = |line: &&str| !line.contains("\"waiting\"") && !line.contains("\"away\"");
                found.insert(path, text.lines().filter(decided).collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

/// Runs commands that must fail with this code and change nothing; tells what was said.
fn refused(team: &Team, code: i32, lines: &[&str]) -> String {
    let before = state(team);
    let said = lines.iter().map(|line| format!("$ {line}\n{}\n", team.fails(code, line))).collect();
    assert_eq!(state(team), before, "what was refused has changed something");
    said
}
