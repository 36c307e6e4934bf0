//! `wait`, and the log of a task.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::hermetic::Program;
use teamster_tests::team::{Running, Team};

/// A command that is woken by events alone: it would look by itself in an hour only.
fn start_without_poll(team: &Team, line: &str) -> Running {
    let mut command = team.command(line);
    command.env("TEAMSTER_POLL_MS", "3600000");
    team.start_command(command)
}

/// Waits until a command waits for files.
fn until_it_watches(running: &Running) {
    let limit = Instant::now() + Duration::from_secs(30);
    let fds = format!("/proc/{}/fd", running.pid());
    let is_watch = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("inotify"));
    while !fs::read_dir(&fds).into_iter().flatten().flatten().any(|fd| is_watch(&fd.path())) {
        assert!(Instant::now() < limit, "it watches nothing");
        thread::yield_now();
    }
}

#[test]
fn wait_ends_when_all_tasks_are_completed_and_is_woken_by_that() {
    let team = Team::new();
    team.ok_words(&["task", "add", "--run", "mkfifo go; echo begun; read x < go"]);
    team.ok("task add --run --after 1 true");
    let waiting = start_without_poll(&team, "wait 2 1");
    let idle = start_without_poll(&team, "wait --idle");
    assert_eq!(idle.ends().code, Some(0), "nobody is there who could do anything");
    until_it_watches(&waiting);
    team.ok("spawn alice");
    team.until_said("alice", "begun");
    let idle = start_without_poll(&team, "wait --idle");
    until_it_watches(&idle);
    assert!(team.fails(1, "wait 1 --timeout 100ms").contains("task 1 is in progress"));
    assert!(team.fails(1, "wait --idle --timeout 100ms").contains("alice is at work"));
    team.feed("go", "go");
    let said = waiting.ends();
    assert_eq!((said.code, said.out.as_str()), (Some(0), "tasks 1, 2 are completed\n"), "{}", said.err);
    let said = idle.ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out, "the team is idle: 2 tasks: 2 completed\n");
    // A turn for no task is work too, and its end is in no log of the team.
    team.ok("send alice --run -i mkfifo stop; echo sent; read x < stop");
    team.until_said("alice", "sent");
    let idle = start_without_poll(&team, "wait --idle");
    until_it_watches(&idle);
    team.feed("stop", "stop");
    assert_eq!(idle.ends().code, Some(0));
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn wait_ends_at_once_where_a_task_will_not_be_completed() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run exit 3");
    team.ok("task add --run --after 1 true");
    team.ok("task add --run --to alice --after 2 true");
    let said = start_without_poll(&team, "wait 1").ends();
    assert_eq!((said.code, said.out.as_str()), (Some(1), "task 1 failed: exit status 3\n"), "{}", said.err);
    let said = start_without_poll(&team, "wait 3 --json").ends();
    let last = said.out.lines().last().unwrap_or_default();
    let outcome: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}", said.err));
    assert_eq!((said.code, &outcome["ok"]), (Some(1), &false.into()));
    assert_eq!(outcome["tasks"][0], serde_json::json!({"id": 3, "status": "pending", "waits_for": 1}));
    assert_eq!(team.run("wait 3").out, "task 3 waits for task 1, which failed\n");
    assert!(team.fails(1, "wait 9").contains("there is no task 9"));
    // One that nobody takes is waited for until it is cancelled.
    team.ok("task add --run --role tester true");
    let mut waiting = start_without_poll(&team, "wait 4");
    waiting.until("task 4 does not go on");
    team.ok("task cancel 4");
    let said = waiting.ends();
    assert_eq!((said.code, said.out.as_str()), (Some(1), "task 4 is cancelled\n"), "{}", said.err);
}

#[test]
fn a_wait_says_that_a_task_does_not_go_on_and_that_it_does_again() {
    let team = Team::new();
    team.ok_words(&["task", "add", "--role", "tester", "mkfifo go; echo begun; read x < go"]);
    team.ok("task add --run --after 1 true");
    let (mut waiting, mut blocked) = (start_without_poll(&team, "wait 1"), start_without_poll(&team, "wait 2"));
    let mut told = start_without_poll(&team, "wait 1 --json");
    waiting.until("note: task 1 does not go on: needs the role tester, which nobody has; teamster spawn NAME");
    blocked.until("note: task 2 does not go on: waits for task 1: needs the role tester, which nobody has");
    let news: Value = serde_json::from_str(&told.until("stands_still")).unwrap();
    assert_eq!((&news["task"], &news["because"][0]["kind"]), (&1.into(), &"role_missing".into()), "{news}");
    team.ok("spawn alice --role tester");
    waiting.until("note: task 1 does not go on: no member can take it: alice drives shell, which runs commands only");
    team.ok("task edit 1 --run");
    team.until_said("alice", "begun");
    waiting.until("task 1 goes on: ");
    blocked.until("task 2 goes on: waits for task 1: ");
    told.until("goes_on");
    team.feed("go", "go");
    let said = waiting.ends();
    assert_eq!((said.code, said.out.as_str()), (Some(0), "task 1 is completed\n"), "{}", said.err);
    assert_eq!(blocked.ends().code, Some(0));
    let said = told.ends();
    let outcome: Value = serde_json::from_str(said.out.lines().last().unwrap_or_default()).unwrap();
    assert_eq!((said.code, &outcome["ok"]), (Some(0), &true.into()));
    assert_eq!(said.out.matches("role_missing").count(), 1, "each is told once: {}", said.out);
}

#[test]
fn a_wait_says_that_an_agent_asks_for_permission_and_what_to_type() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    team.ok_words(&["task", "add", "ask make"]);
    team.ok("task add --run --after 1 true");
    let (mut waiting, mut blocked) = (start_without_poll(&team, "wait 1"), start_without_poll(&team, "wait 2"));
    let mut idle = start_without_poll(&team, "wait --idle");
    let told = waiting.until("note: task 1 does not go on: in progress by alice");
    assert!(told.contains("its agent asks for permission; teamster approvals; then teamster approve alice."), "{told}");
    blocked.until("note: task 2 does not go on: waits for task 1: in progress by alice");
    let told = idle.until("note: alice waits for you: its agent asks for permission");
    assert!(told.contains("teamster approve alice."), "{told}");
    team.ok("approve --all");
    for running in [waiting, blocked, idle] {
        let said = running.ends();
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    }
}

#[test]
fn a_team_without_a_leader_is_not_idle_while_a_task_is_a_dead_members() {
    let team = Team::new();
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--team", team.dir().team().as_str(), "--name", "alice", "--agent", "shell"]);
    team.ok("task add --run -i echo begun; read word");
    let worker = team.start_command(worker);
    team.until_event("\"kind\":\"claimed\",\"data\":{\"id\":1");
    team.until_said("alice", "begun");
    let pid = team.json("status alice")["pid"].as_i64().expect("it runs") as i32;
    let waiting = start_without_poll(&team, "wait --idle");
    until_it_watches(&waiting);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    drop(worker);
    let end = Instant::now() + Duration::from_secs(30);
    while team.state("alice") != "dead" {
        assert!(Instant::now() < end, "alice is {}", team.state("alice"));
    }
    let said = team.run("wait --idle");
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert_eq!(
        said.out,
        "task 1 is in progress by alice, whose worker is dead, and no leader runs that gives it back: teamster spawn alice, \
         or teamster doctor --repair\n"
    );
    let told = team.run("wait --idle --json");
    let outcome: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}", told.err));
    assert_eq!((&outcome["ok"], &outcome["left"][0]["id"]), (&false.into(), &1.into()), "{outcome}");
    assert_eq!(outcome["left"][0]["because"][0]["kind"], "owner_dead");
    // A leader gives the task back, and then the team is idle.
    team.ok("up --detach");
    team.until_event("\"kind\":\"released\",\"data\":{\"id\":1");
    let said = team.run("wait --idle");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    drop(waiting);
}

#[test]
fn a_wait_that_is_interrupted_says_so_by_its_exit_code() {
    let team = Team::new();
    team.ok("task add --run true");
    let waiting = start_without_poll(&team, "wait 1");
    until_it_watches(&waiting);
    waiting.signal(Signal::SIGINT);
    assert_eq!(waiting.ends().code, Some(130));
}

#[test]
fn the_log_of_a_task_has_all_its_attempts_and_nothing_else() {
    let team = Team::new();
    team.ok("spawn alice");
    assert_eq!(team.run("logs 1").code, Some(1), "there is no task yet");
    team.ok_words(&["task", "add", "--run", "echo first; mkfifo go 2> said || true; read x < go; echo got $x; exit 2"]);
    team.until_said("alice", "first");
    let mut follow = start_without_poll(&team, "logs 1 -f");
    follow.until("attempt 1 on alice");
    follow.until("first");
    team.ok("stop alice");
    follow.until("turn 1 aborted");
    team.ok("send alice --run echo not of the task");
    team.until_said("alice", "not of the task");
    team.ok("task unassign 1");
    follow.until("attempt 2 on alice");
    follow.until("first");
    team.feed("go", "word");
    follow.until("got word");
    follow.until("failed: exit status 2");
    // It ends with the task.
    let said = follow.ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.out.contains("not of the task"), "{}", said.out);
    team.snapshot(|| {
        insta::assert_snapshot!(team.ok("logs 1"), @"
        attempt 1 on alice
        [clock] turn 1 began, task 1
        > echo first; mkfifo go 2> said || true; read x < go; echo got $x; exit 2
        first
        [clock] turn 1 is to stop
        [clock] turn 1 aborted
        attempt 2 on alice
        [clock] turn 3 began, task 1
        > echo first; mkfifo go 2> said || true; read x < go; echo got $x; exit 2
        first
        got word
        [clock] turn 3 failed: exit status 2
        ")
    });
    let entries = team.ok("logs 1 --json");
    let entries: Vec<Value> = entries.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of: Vec<(&Value, &Value)> = entries.iter().map(|entry| (&entry["whose"], &entry["attempt"])).collect();
    assert_eq!((of.first(), of.last()), (Some(&(&"alice".into(), &1.into())), Some(&(&"alice".into(), &2.into()))));
    team.ok("task add --run --after 1 true");
    assert!(team.ok("logs 2").contains("nobody has begun task 2 yet"));
}
