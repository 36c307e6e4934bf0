//! A worker that was killed is dead only when its cell is empty: until then its agent still holds what the next attempt at
//! its task needs.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use teamster_tests::granted::{Need, granted};
use teamster_tests::hermetic::Program;
use teamster_tests::team::{Running, Team};

const ROUNDS: u32 = 3;

/// What the agent has in memory. To take it back keeps the kernel busy for several of the looks of [`POLL_MS`].
const MEGABYTES: u32 = 512;

/// How often the other worker looks whether this one is dead.
const POLL_MS: &str = "20";

/// A worker that nobody starts again.
fn start(team: &Team, name: &str) -> Running {
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--name", name]).env("TEAMSTER_TEAM", team.dir().team().as_str());
    worker.env("TEAMSTER_POLL_MS", POLL_MS).env("TEAMSTER_ISOLATION", "namespace");
    let mut worker = team.start_command(worker);
    worker.until("is ready in team");
    worker
}

/// Waits until a task was claimed that often, and its agent has said whether it got what it needs.
fn until_held(team: &Team, task: u32, attempt: u32) -> String {
    let mut events = team.events();
    let claimed = events.until(&format!("\"kind\":\"claimed\",\"data\":{{\"id\":{task},"));
    let claimed =
        if attempt == 1 { claimed } else { events.until(&format!("\"kind\":\"claimed\",\"data\":{{\"id\":{task},")) };
    let event: serde_json::Value = serde_json::from_str(&claimed).unwrap();
    assert_eq!(event["data"]["attempt"], attempt, "{event}");
    let owner = event["by"].as_str().unwrap().to_owned();
    let mut said = team.start(&format!("logs {owner} -f --json -n 1"));
    let line = said.until_one(&format!("task {task} "), |line| line.contains(" holds ") || line.contains(" lacks "));
    assert!(line.contains("holds all"), "attempt {attempt}: {line}");
    owner
}

#[test]
fn the_next_attempt_finds_nothing_held_by_the_one_before() {
    if !granted(Need::Cell) {
        return;
    }
    let team = Team::new();
    let dir = team.sandbox().work();
    nix::unistd::mkfifo(&dir.join("go"), Mode::S_IRWXU).unwrap();
    let agent = format!("exec {} {} {MEGABYTES}", env!("CARGO_BIN_EXE_greedy-agent"), dir.display());
    let (mut one, mut other) = (start(&team, "alice"), start(&team, "bob"));
    for task in 1..=ROUNDS {
        team.ok(&format!("task add --run {agent}"));
        let owner = until_held(&team, task, 1);
        if owner == "bob" {
            std::mem::swap(&mut one, &mut other);
        }
        let pid = team.json(&format!("status {owner}"))["pid"].as_i64().unwrap();
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
        assert_ne!(until_held(&team, task, 2), owner);
        one.ends();
        one = start(&team, &owner);
        release(&team, &dir);
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{task},"));
        if owner == "bob" {
            std::mem::swap(&mut one, &mut other);
        }
    }
}

fn release(team: &Team, dir: &Path) {
    team.feed(&dir.join("go").display().to_string(), "go");
}
