//! What once surprised somebody at the command line, so that it does not do so again.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

#[test]
fn who_does_what_it_was_sent_is_busy() {
    let team = Team::new();
    team.ok("spawn alice");
    let at = || team.json("list")["members"][0].clone();
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("idle"), &Value::Null));
    team.ok("send alice --run -i echo up; read word; echo got $word");
    team.until_said("alice", "up");
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("busy"), &Value::from(1)));
    assert!(team.ok("list").contains("turn 1, no task"));
    team.ok("steer alice it");
    team.until_said("alice", "turn_ended");
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("idle"), &Value::Null));
}

#[test]
fn the_line_for_a_worker_can_be_executed_as_it_is() {
    let team = Team::new();
    team.ok("up --detach");
    let mut shell = team.other("sh");
    shell.args(["-c", r#"exec $("$0" env dave)"#]).arg(Program::Teamster.path());
    let mut dave = team.start_command(shell);
    dave.until("dave is ready");
    team.ok("shutdown dave");
    let said = dave.ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.lines().next().is_some_and(|first| first.contains("dave is ready")), "{}", said.err);
}

#[test]
fn a_run_that_was_interrupted_tells_what_is_finished_and_nothing_strange() {
    let team = Team::new();
    let gate = team.sandbox().work().join("gate");
    mkfifo(&gate, Mode::S_IRWXU).expect("a pipe with a name");
    let plan = team.plan(&format!("[[task]]\nid = \"wait\"\nrun = \"cat {}\"\n", gate.display()));
    let mut run = team.start(&format!("run {plan}"));
    run.until("began");
    let pid = Pid::from_raw(i32::try_from(run.started()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    run.until("finishing what runs");
    std::fs::write(&gate, "through\n").expect("the task reads");
    let said = run.ends();
    assert_eq!(said.code, Some(130));
    assert!(said.err.contains("completed 1 wait"), "{}", said.err);
    assert!(!said.err.contains("WARN") && !said.err.contains("ERROR"), "{}", said.err);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let team = Team::new();
    for number in 0..50 {
        team.ok(&format!("task add task {number}"));
    }
    for line in ["task list", "events", "status", "task --help", "completions bash"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = team.command(line).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{line}");
    }
}

#[test]
fn what_a_task_says_can_not_act_on_the_terminal() {
    let team = Team::new();
    team.ok("spawn alice --role tester");
    team.ok_words(&[
        "task",
        "add",
        "--title",
        "evil \u{1b}[2J\u{9b}31m",
        "--run",
        "printf '\\033[2J\\033]0;owned\\007\\033[31mred\\n'; exit 3",
    ]);
    team.until_said("alice", "turn_ended");
    team.ok("dm alice mail \u{1b}[2J");
    team.until_said("alice", "mail ");
    let lines =
        "task list,task show 1,task dep ls 1,status,status alice,list,logs alice,logs 1,events,inbox alice,why 1";
    for line in lines.split(',') {
        let printed = team.ok(line);
        let acts = printed.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(acts, None, "{line} prints {printed:?}");
        assert!(!printed.contains("u{"), "a sequence is no text: {line} prints {printed:?}");
    }
    for line in ["task show 1", "logs alice", "logs 1"] {
        assert!(team.ok(line).lines().any(|line| line.trim() == "red"), "{}", team.ok(line));
        let json = team.ok(&format!("--json {line}"));
        assert!(json.contains(r"\u001b[31mred"), "{json}");
    }
}

#[test]
fn a_setting_that_is_not_understood_is_refused_also_by_the_leader() {
    let team = Team::new();
    let with = |line: &str, settings: &[(&str, &str)]| {
        let mut command = team.command(line);
        command.envs(settings.iter().copied());
        team.start_command(command).ends()
    };
    for line in ["id", "up --detach", "task list"] {
        let said = with(line, &[("TEAMSTER_DURABILITY", "maybe")]);
        let err = "error: TEAMSTER_DURABILITY is \"maybe\", which is not power or process\n";
        assert_eq!((said.code, said.err.as_str()), (Some(2), err), "{line}");
    }
    // Set to nothing is as good as not set.
    assert_eq!(with("id", &[("TEAMSTER_TEAM", ""), ("TEAMSTER_DURABILITY", "")]).code, Some(0));
}
