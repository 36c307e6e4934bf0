//! The real programs, as a user has them: the headless job, the demo, and a team whose members are spawned,
//! steered, stopped, killed and shut down, one of them started by hand.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::hermetic::{Program, Sandbox};

/// A team in a repository of its own; whatever still runs at the end is ended.
struct Team {
    sandbox: Sandbox,
    repository: std::path::PathBuf,
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

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("teamster can be started")
    }

    /// What a command prints with `--json`; it must succeed.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// What a command says when it fails with this code.
    fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Reads the events as they happen until one has these words.
    fn until_event(&self, words: &str) {
        let mut follow = self.command(&["events", "-f", "--json"]);
        self.until_line(follow.stdout(Stdio::piped()).spawn().expect("it can be started"), words);
    }

    fn until_said(&self, member: &str, words: &str) {
        let mut follow = self.command(&["logs", member, "-f", "--json"]);
        self.until_line(follow.stdout(Stdio::piped()).spawn().expect("it can be started"), words);
    }

    fn until_line(&self, mut child: Child, words: &str) {
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let found = lines.map_while(Result::ok).any(|line| line.contains(words));
        let _ = child.kill();
        let _ = child.wait();
        assert!(found, "{words:?} was never said");
    }

    fn plan(&self, plan: &str) -> String {
        let path = self.sandbox.work().join("plan.toml");
        std::fs::write(&path, plan).expect("a file in a new folder");
        path.display().to_string()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--force"]);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_plan_of_fifty_tasks_is_drained_by_four_workers_in_worktrees() {
    let team = Team::new();
    let mut plan = String::new();
    for i in 0..50 {
        let after = if i >= 7 && i % 2 == 1 { format!("[\"t{}\", \"t{}\"]", i - 7, i - 3) } else { "[]".to_owned() };
        let run = format!("echo {i} > f{i} && git add f{i} && git commit -qm t{i} && echo done {i}");
        plan.push_str(&format!("[[task]]\nid = \"t{i}\"\nrun = \"{run}\"\nafter = {after}\n"));
    }
    let summary = team.json(&["run", &team.plan(&plan), "-w", "4", "--worktree"]);
    assert_eq!(summary["ok"], true);
    assert_eq!(summary["counts"]["completed"], 50);
    let tasks = summary["tasks"].as_array().expect("a list");
    for (i, task) in tasks.iter().enumerate() {
        assert_eq!(task["label"], format!("t{i}"));
        assert_eq!(task["result"], format!("done {i}"));
        assert_eq!(task["attempts"], 1);
    }
    // Every commit is on the branch that the summary names, and nowhere else.
    let mut commits = 0;
    for member in ["w1", "w2", "w3", "w4"] {
        let branch = format!("teamster/{}/{member}", summary["team"].as_str().expect("a name"));
        let log = team.sandbox.git(&team.repository, &["log", "--format=%s", &format!("main..{branch}")]);
        for subject in log.lines() {
            let index: usize = subject[1..].parse().expect("a number");
            assert_eq!(tasks[index]["branch"], branch.as_str(), "{subject}");
            commits += 1;
        }
    }
    assert_eq!(commits, 50);
    // Its work is nowhere else, so it is not cleaned away; by force it is kept under refs.
    assert!(team.refused(&["cleanup"], 1).contains("unmerged commits"));
    let cleaned = team.json(&["cleanup", "--force"]);
    for worktree in cleaned["worktrees"].as_array().expect("a list") {
        let kept = worktree["kept"].as_str().expect("a ref");
        assert!(!team.sandbox.git(&team.repository, &["rev-parse", "--verify", kept]).is_empty());
    }
    assert_eq!(std::fs::read_dir(team.sandbox.root()).expect("the root").count(), 0);
}

#[test]
fn a_run_says_what_failed_and_goes_on_with_what_is_left() {
    let team = Team::new();
    let plan = "[[task]]\nid = \"bad\"\nrun = \"echo oops; exit 3\"\n\
                [[task]]\nid = \"never\"\nrun = \"true\"\nafter = [\"bad\"]\n\
                [[task]]\nid = \"slow\"\nrun = \"read x\"\ntimeout = \"100ms\"\n\
                [[task]]\nid = \"good\"\nrun = \"echo fine\"\n";
    let output = team.run(&["run", &team.plan(plan)]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for words in ["exit status 3: oops", "waits for 1", "timed out after", "1 completed, 2 failed, 1 pending"] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 80), "wider than 80 columns:\n{said}");
    assert!(team.refused(&["run", &team.plan(plan)], 1).contains("unfinished tasks: 2"));
    // The cause is mended: the rest can be done.
    team.json(&["task", "dep", "rm", "2", "1"]);
    let summary = team.json(&["run", "--resume"]);
    assert_eq!(summary["counts"]["completed"], 1);
}

#[test]
fn a_plan_with_a_mistake_is_shown_with_its_place_and_nothing_is_begun() {
    let team = Team::new();
    let said = team.refused(&["run", &team.plan("[[task]]\nrun = \"x\"\nafterr = [\"b\"]\n")], 2);
    assert!(said.contains("plan.toml:3:1: unknown key `afterr`") && said.contains("did you mean `after`?"), "{said}");
    assert!(!Path::new(&team.sandbox.root()).read_dir().expect("the root").any(|_| true), "a team was made");
}

#[test]
fn ctrl_c_finishes_what_runs_and_leaves_the_rest_for_the_next_run() {
    let team = Team::new();
    let plan = "[[task]]\nrun = \"echo begun; mkfifo go; read x < go; echo done\"\n[[task]]\nrun = \"true\"\nafter = [\"1\"]\n";
    let plan = team.plan(plan);
    let mut run = team.command(&["run", &plan, "-w", "1", "--json"]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("teamster can be started");
    // The team's files are there once the first event can be read.
    while !team.run(&["status"]).status.success() {}
    team.until_event("claimed");
    team.until_said("w1", "begun");
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).expect("it runs");
    team.until_event("shutdown_request");
    std::fs::write(team.repository.join("go"), "go\n").expect("a fifo that is read");
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!(summary["ended"], "interrupted");
    assert_eq!(summary["tasks"][0]["status"], "completed");
    let rest = team.json(&["run", "--resume"]);
    assert_eq!(rest["counts"]["completed"], 1);
}

#[test]
fn the_demo_tells_that_all_of_it_happened() {
    let team = Team::new();
    let output = team.run(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().filter(|line| line.starts_with('✓')).count(), 15);
}

#[test]
fn a_team_is_led_from_spawn_to_down() {
    let team = Team::new();
    let alice = team.json(&["spawn", "alice", "--worktree"]);
    assert!(alice["workspace"]["worktree"]["branch"].as_str().is_some_and(|branch| branch.ends_with("/alice")));
    assert!(team.refused(&["spawn", "alice"], 1).contains("it runs already"));
    assert!(team.refused(&["up"], 1).contains("has a leader already"));

    // A turn that waits for a steer.
    team.json(&["send", "alice", "echo ready; read word; echo got $word"]);
    team.until_said("alice", "ready");
    team.json(&["steer", "alice", "hello"]);
    team.until_said("alice", "got hello");

    // A task that is stopped is held for the same member, with what it said so far, until it is retried.
    team.json(&["task", "add", "--run", "--to", "alice", "echo half; read word; echo $word"]);
    team.until_said("alice", "half");
    assert!(team.refused(&["shutdown", "alice"], 1).contains("task 1"), "a busy member refuses with its task");
    team.json(&["stop", "alice", "wrong", "branch"]);
    let shown = team.json(&["task", "show", "1"]);
    assert_eq!((&shown["status"], &shown["assignee"]), (&"stopped".into(), &"alice".into()));
    assert!(shown["attempts"][0]["end"]["result"].as_str().is_some_and(|partial| partial.contains("half")));
    team.json(&["task", "retry", "1"]);
    team.until_event("\"attempt\":2");

    // Killed in its turn: nothing is lost, and its agent does not outlive it.
    team.json(&["kill", "alice"]);
    let listed = team.json(&["list"]);
    assert_ne!(listed["members"][0]["state"], "busy");
    assert_eq!(team.json(&["task", "show", "1"])["status"], "pending");

    // Mail to who is not there waits for the next one of that name.
    team.json(&["dm", "alice", "are you there?"]);
    team.json(&["task", "cancel", "1"]);
    team.json(&["spawn", "alice", "--worktree"]);
    team.until_said("alice", "are you there?");
    let down = team.run(&["down"]);
    assert_eq!(down.status.code(), Some(0), "{}", text(&down.stderr));
    assert!(team.refused(&["kill", "alice"], 3).contains("no leader"));
}

#[test]
fn a_worker_started_by_hand_obeys_by_mail() {
    let team = Team::new();
    team.json(&["up", "--detach"]);
    let printed = team.json(&["env", "dave"]);
    let line = printed["command"].as_str().expect("the command").to_owned();
    let mut shell = team.sandbox.command("sh");
    shell.current_dir(&team.repository).args(["-c", &format!("exec env {line}")]).stdin(Stdio::null());
    let mut dave = shell.stderr(Stdio::null()).spawn().expect("sh can be started");
    team.until_event("joined");
    team.json(&["task", "add", "--run", "echo up; read word; echo got $word"]);
    team.until_said("dave", "up");
    team.json(&["steer", "dave", "by mail"]);
    team.until_said("dave", "got by mail");
    team.json(&["task", "add", "--run", "echo again; read word"]);
    team.until_said("dave", "again");
    team.json(&["stop", "dave"]);
    team.until_event("\"why\":\"stopped\"");
    team.json(&["shutdown", "dave"]);
    assert_eq!(dave.wait().expect("it ends").code(), Some(0));
}
