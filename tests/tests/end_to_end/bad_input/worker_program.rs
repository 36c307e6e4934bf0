//! Programs that are no worker, or none that this leader understands. Nobody runs afterwards, and the way out works.

use std::path::{Path, PathBuf};

use teamster_tests::team::{Running, Team};

/// A leader that starts this program as its worker. It is in the foreground, to see it end.
fn led_with(team: &Team, program: &Path) -> Running {
    let mut up = team.command("up");
    up.env("TEAMSTER_WORKER", program);
    let mut up = team.start_command(up);
    up.until("leading team");
    up
}

/// A process of its own writes it: one that another test starts in that moment would keep open what is written here, and
/// what is open for writing can not be executed.
fn script(team: &Team, text: &str, mode: u32) -> PathBuf {
    let path = team.sandbox().work().join("worker");
    team.sh(&format!("cp {} {path}; chmod {mode:o} {path}", team.file("text", text).display(), path = path.display()));
    path
}

/// What a spawn says that is refused: nobody serves the name, and no worktree or process is left in the way.
fn spawn_fails(team: &Team, program: &Path) -> String {
    let up = led_with(team, program);
    let said = team.fails(1, "spawn alice --worktree");
    let members = team.json("list --all")["members"].clone();
    for member in members.as_array().unwrap() {
        assert_eq!(member["state"], "left", "{member}");
    }
    assert_eq!(team.ok("down"), "the leader ended; no member ran");
    assert_eq!(up.ends().code, Some(0));
    // With a worker of the right kind it is as if nothing had been.
    team.ok("spawn alice --worktree");
    said
}

#[test]
fn it_is_missing() {
    let team = Team::new();
    let said = spawn_fails(&team, &team.sandbox().work().join("nosuch"));
    insta::assert_snapshot!(said, @"
    error: cannot spawn alice: cannot start /t/work/nosuch: No such file or directory (os error 2)
      hint: install it beside `teamster`, or end the leader with teamster down and name it with TEAMSTER_WORKER
    ");
}

#[test]
fn it_cannot_be_executed() {
    let team = Team::new();
    let said = spawn_fails(&team, &script(&team, "#!/bin/sh\n", 0o644));
    insta::assert_snapshot!(said, @"
    error: cannot spawn alice: cannot start /t/work/worker: Permission denied (os error 13)
      hint: install it beside `teamster`, or end the leader with teamster down and name it with TEAMSTER_WORKER
    ");
}

#[test]
fn it_ends_at_once() {
    let team = Team::new();
    let said = spawn_fails(&team, &script(&team, "#!/bin/sh\necho cannot find the library >&2\nexit 127\n", 0o755));
    insta::assert_snapshot!(said, @"error: cannot spawn alice: its worker ended before it was ready (exit status 127): cannot find the library");
}

#[test]
fn it_says_nothing_and_an_earlier_life_did() {
    let team = Team::new();
    team.ok("up --detach");
    team.ok("down");
    let log = team.dir().logs_dir().join("alice.log");
    std::fs::write(&log, "error: an old trouble of last week\n").expect("the team is there");
    let said = spawn_fails(&team, &script(&team, "#!/bin/sh\nexit 7\n", 0o755));
    insta::assert_snapshot!(said, @"error: cannot spawn alice: its worker ended before it was ready (exit status 7)");
}

#[test]
fn it_speaks_another_version() {
    let team = Team::new();
    // As a worker of the next release would answer, by the protocol of this one.
    let answer = r#"{"jsonrpc":"2.0","id":0,"error":{"code":3,"message":"the leader speaks protocol version 1, and this worker (9.0.0) speaks 2: install teamster and teamster-worker of the same release"}}"#;
    let said = spawn_fails(&team, &script(&team, &format!("#!/bin/sh\nread call\necho '{answer}'\nread end\n"), 0o755));
    insta::assert_snapshot!(said, @"error: cannot spawn alice: the leader speaks protocol version 1, and this worker (9.0.0) speaks 2: install teamster and teamster-worker of the same release");
}

#[test]
fn it_does_not_notice_that_it_speaks_another_version() {
    let team = Team::new();
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocol":2,"version":"9.0.0","name":"alice","pid":1}}"#;
    let said = spawn_fails(&team, &script(&team, &format!("#!/bin/sh\nread call\necho '{answer}'\nread end\n"), 0o755));
    insta::assert_snapshot!(said, @"
    error: cannot spawn alice: its worker (9.0.0) speaks protocol version 2, and this leader speaks 1
      hint: install teamster and teamster-worker of the same release
    ");
}

#[test]
fn it_says_something_that_is_no_answer() {
    let team = Team::new();
    let said = spawn_fails(&team, &script(&team, "#!/bin/sh\nread call\necho 'Welcome!'\necho '{\"a\":'\n", 0o755));
    insta::assert_snapshot!(said, @"error: cannot spawn alice: its worker ended before it was ready (exit status 0)");
}

#[test]
fn a_run_without_workers_begins_nothing() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nrun = \"true\"\n");
    let mut run = team.command(&format!("run {plan} -w 2"));
    run.env("TEAMSTER_WORKER", "/nosuch/worker");
    let said = team.start_command(run).ends();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("cannot start /nosuch/worker: No such file or directory"), "{}", said.err);
    assert!(said.err.contains("name it with TEAMSTER_WORKER"), "{}", said.err);
    assert_eq!(team.json("task list")["counts"]["total"], 0);
    assert_eq!(team.json("status")["leader"], serde_json::Value::Null);
}
