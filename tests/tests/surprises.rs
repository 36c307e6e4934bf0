//! What once surprised somebody at the command line, so that it does not do so again.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;
use teamster_tests::hermetic::{Program, Sandbox};

/// A team in a repository of its own; whatever still runs at the end is ended.
struct Team {
    sandbox: Sandbox,
    repository: PathBuf,
}

impl Team {
    fn new() -> Team {
        let sandbox = Sandbox::new();
        let repository = sandbox.repository("app");
        Team { sandbox, repository }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.program(Program::Teamster);
        command.current_dir(&self.repository).args(args).stdin(Stdio::null());
        command
    }

    /// What a command prints; it must succeed, and have nothing to complain about.
    fn ok(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().expect("teamster can be started");
        assert_eq!((status.code(), text(&stderr).as_str()), (Some(0), ""), "{args:?}");
        text(&stdout)
    }

    fn json(&self, args: &[&str]) -> Value {
        let printed = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    fn until_said(&self, member: &str, words: &str) {
        let mut follow =
            self.command(&["logs", member, "-f", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(follow.stdout.take().expect("it is piped")).lines();
        // What was asked for is not what was said.
        let said = |line: &String| line.contains(words) && !line.contains("\"kind\":\"turn_started\"");
        let found = lines.map_while(Result::ok).any(|line| said(&line));
        let _ = follow.kill();
        let _ = follow.wait();
        assert!(found, "{words:?} was never said");
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let mut down = self.command(&["down", "--force"]);
        let _ = down.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn who_does_what_it_was_sent_is_busy() {
    let team = Team::new();
    team.ok(&["spawn", "alice"]);
    let at = || team.json(&["list"])["members"][0].clone();
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("idle"), &Value::Null));
    team.ok(&["send", "alice", "echo up; read word; echo got $word"]);
    team.until_said("alice", "up");
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("busy"), &Value::from(1)));
    assert!(team.ok(&["list"]).contains("turn 1, no task"));
    team.ok(&["steer", "alice", "it"]);
    team.until_said("alice", "turn_ended");
    assert_eq!((&at()["state"], &at()["turn"]), (&Value::from("idle"), &Value::Null));
}

#[test]
fn the_line_for_a_worker_can_be_executed_as_it_is() {
    let team = Team::new();
    team.ok(&["up", "--detach"]);
    let mut shell = team.sandbox.command("sh");
    let script = r#"exec $("$0" env dave)"#;
    shell.current_dir(&team.repository).args(["-c", script]).arg(Program::Teamster.path()).stdin(Stdio::null());
    shell.env("TEAMSTER_WORKER", Program::Worker.path());
    let mut dave = shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sh can be started");
    let said = BufReader::new(dave.stderr.take().expect("it is piped")).lines().map_while(Result::ok).next();
    assert_eq!(said.as_deref().map(|line| line.contains("dave is ready")), Some(true), "{said:?}");
    team.ok(&["shutdown", "dave"]);
    assert_eq!(dave.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_run_that_was_interrupted_tells_what_is_finished_and_nothing_strange() {
    let team = Team::new();
    let gate = team.sandbox.work().join("gate");
    mkfifo(&gate, Mode::S_IRWXU).expect("a pipe with a name");
    let plan = team.sandbox.work().join("plan.toml");
    std::fs::write(&plan, format!("[[task]]\nid = \"wait\"\nrun = \"cat {}\"\n", gate.display())).expect("a file");
    let plan = plan.display().to_string();
    let mut run =
        team.command(&["run", &plan]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut told = BufReader::new(run.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("began")));
    let pid = Pid::from_raw(i32::try_from(run.id()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    assert!(told.any(|line| line.contains("finishing what runs")));
    std::fs::write(&gate, "through\n").expect("the task reads");
    let rest: Vec<String> = told.collect();
    assert!(rest.iter().any(|line| line.contains("completed 1 wait")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("WARN") || line.contains("ERROR")), "{rest:?}");
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let team = Team::new();
    for number in 0..50 {
        team.ok(&["task", "add", &format!("task {number}")]);
    }
    for args in [&["task", "list"][..], &["events"], &["status"], &["task", "--help"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = team.command(args).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn what_a_task_says_can_not_act_on_the_terminal() {
    let team = Team::new();
    team.ok(&["spawn", "alice", "--role", "tester"]);
    team.ok(&[
        "task",
        "add",
        "--run",
        "printf '\\033[2J\\033]0;owned\\007'; exit 3",
        "--title",
        "evil \u{1b}[2J\u{9b}31m",
    ]);
    team.until_said("alice", "turn_ended");
    team.ok(&["dm", "alice", "mail \u{1b}[2J"]);
    team.until_said("alice", "mail ");
    for args in [
        &["task", "list"][..],
        &["task", "show", "1"],
        &["task", "dep", "ls", "1"],
        &["status"],
        &["status", "alice"],
        &["list"],
        &["logs", "alice"],
        &["events"],
        &["inbox", "alice"],
    ] {
        let printed = team.ok(args);
        let acts = printed.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(acts, None, "{args:?} prints {printed:?}");
    }
}

#[test]
fn a_setting_that_is_not_understood_is_refused_also_by_the_leader() {
    let team = Team::new();
    for args in [&["id"][..], &["up", "--detach"], &["task", "list"]] {
        let output = team.command(args).env("TEAMSTER_DURABILITY", "maybe").output().expect("it starts");
        let said = "error: TEAMSTER_DURABILITY is \"maybe\", which is not power or process\n";
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), said), "{args:?}");
    }
    // Set to nothing is as good as not set.
    let output = team.command(&["id"]).env("TEAMSTER_TEAM", "").env("TEAMSTER_DURABILITY", "").output();
    assert_eq!(output.expect("it starts").status.code(), Some(0));
}
