//! What `--json` prints is what SPEC.md shows: one story with the real programs, each object of which must have the
//! shape of its example.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use teamster_leader::ops::approvals::{
    AnswerTaken, AnsweredQuestion, ApprovalRow, GivenAnswers, OpenApprovals, UnansweredQuestion,
};
use teamster_leader::ops::cleanup::{CleanedTeam, CleanedWorktree};
use teamster_leader::ops::run::{PlannedMember, PlannedRow, RunPreview, RunStop, RunSummary, TaskSummary};
use teamster_leader::ops::unpark::UnparkedMembers;
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::{StatusWord, TaskWork};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::wire::api::{PassedVia, WorkspaceRequest, WorktreeFound};
use teamster_tests::hermetic::{Program, Sandbox};
use teamster_tests::spec;

/// How long the story may wait for one thing.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn every_command_prints_what_is_shown() {
    let shown = shown();
    let mut told = story();
    told.extend([
        ("run".to_owned(), summary()),
        ("run --dry-run".to_owned(), preview()),
        ("cleanup".to_owned(), cleaned()),
        ("approvals".to_owned(), asked()),
        ("approve".to_owned(), answered()),
        ("unpark".to_owned(), unparked()),
    ]);
    for (what, value) in &told {
        let example = shown.get(what).unwrap_or_else(|| panic!("SPEC.md has no block cli:{what}; it is {value}"));
        assert_eq!(shape(value), shape(example), "`{what}` prints {value}");
    }
    let told: BTreeSet<&String> = told.keys().collect();
    let untold: Vec<&String> = shown.keys().filter(|what| !told.contains(what)).collect();
    assert!(untold.is_empty(), "no command prints {untold:?}");
}

/// The examples of SPEC.md, by the command that prints them.
fn shown() -> BTreeMap<String, Value> {
    let blocks = spec::blocks(&spec::text()).into_iter();
    let example = |block: spec::Block| Some((block.tag.strip_prefix("cli:")?.to_owned(), block.values().remove(0)));
    blocks.filter_map(example).collect()
}

/// What `run --dry-run --json` prints, with every field.
fn preview() -> Value {
    let row = PlannedRow {
        id: TaskId(4),
        status: None,
        label: Some("test".to_owned()),
        title: "make test".to_owned(),
        work: TaskWork::run("make test"),
        waits_for: vec![TaskId(3)],
        stuck: false,
        to: Some("alice".parse().unwrap()),
        role: Some("tester".parse().unwrap()),
        agent: Some("pi".parse().unwrap()),
        priority: 0,
    };
    let preview = RunPreview {
        team: "app".parse().unwrap(),
        tasks: vec![row],
        there: vec!["alice".parse().unwrap()],
        spawns: vec![PlannedMember {
            name: "w1".parse().unwrap(),
            role: Some("tester".parse().unwrap()),
            agent: "shell".parse().unwrap(),
            workspace: WorkspaceRequest::Worktree {
                repository: "/src/app/.git".into(),
                base: None,
                found: WorktreeFound::GoesToBase,
            },
            worktree: Some("/home/me/.local/state/teamster/app-f18299/worktrees/w1".into()),
        }],
    };
    serde_json::to_value(preview).unwrap()
}

/// A sum with every field.
fn used() -> UsageSum {
    UsageSum { turns: 1, time_ms: 2, input: 3, output: 4, cached: 5, cost_micro_usd: 6, unpriced: 7 }
}

/// What the last line of `run --json` is, with every field.
fn summary() -> Value {
    let task = TaskSummary {
        id: TaskId(2),
        label: Some("test".to_owned()),
        title: "make test".to_owned(),
        status: StatusWord::Failed,
        member: Some("w1".parse().unwrap()),
        attempts: 1,
        duration_ms: Some(2),
        used: used(),
        branch: Some("teamster/app/w1".to_owned()),
        result: Some("assertion failed".to_owned()),
        reason: Some("exit status 2".to_owned()),
        waits_for: vec![TaskId(1)],
        waits_for_failed: vec![TaskId(1)],
    };
    let summary = RunSummary {
        team: "app".parse().unwrap(),
        ok: false,
        nothing_left: true,
        ended: Some(RunStop::Interrupted),
        duration_ms: 1,
        used: used(),
        counts: [(StatusWord::Completed, 1), (StatusWord::Failed, 1)].into(),
        tasks: vec![task],
    };
    serde_json::to_value(summary).unwrap()
}

/// What `approvals --json` prints, with every field.
fn asked() -> Value {
    let row = ApprovalRow {
        id: "alice.37".parse().unwrap(),
        member: "alice".parse().unwrap(),
        tool: "Bash".to_owned(),
        title: "Bash make clean".to_owned(),
        detail: "command: make clean".to_owned(),
        workspace: "/src/app".into(),
        turn: 3,
        task: Some(TaskId(7)),
        asked_ms: 1,
        until_ms: 2,
    };
    serde_json::to_value(OpenApprovals { team: "app".parse().unwrap(), approvals: vec![row] }).unwrap()
}

/// What `approve --json` prints, with every field.
fn answered() -> Value {
    let id = || "alice.37".parse().unwrap();
    let answered =
        AnsweredQuestion { id: id(), answer: Permission::Once, via: PassedVia::Rpc, taken: AnswerTaken::Yes };
    let failed = UnansweredQuestion { id: id(), why: "it was denied".to_owned() };
    serde_json::to_value(GivenAnswers { answered: vec![answered], failed: vec![failed] }).unwrap()
}

/// What `unpark --json` prints.
fn unparked() -> Value {
    let members = ["alice", "bob"].map(|name| name.parse().unwrap());
    serde_json::to_value(UnparkedMembers { members: members.into() }).unwrap()
}

/// What `cleanup --json` prints, with every field.
fn cleaned() -> Value {
    let worktree = CleanedWorktree {
        member: "alice".to_owned(),
        branch: "teamster/app/alice".to_owned(),
        kept: Some("refs/teamster/kept/teamster/app/alice/1763700000000".to_owned()),
    };
    serde_json::to_value(CleanedTeam { team: "app".parse().unwrap(), worktrees: vec![worktree] }).unwrap()
}

/// What a value is made of: the keys, and what kind each value is. Of an array its first element counts.
fn shape(value: &Value) -> Value {
    match value {
        // Which entry comes first depends on the hour; each kind of them has an example of its own.
        Value::Object(fields) if ["seq", "kind"].iter().all(|key| fields.contains_key(*key)) => {
            match fields.get("data") {
                None => "entry".into(),
                Some(_) => fields.iter().map(|(key, value)| (key.clone(), Value::from(value.is_string()))).collect(),
            }
        }
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(values) => Value::Array(values.first().map(shape).into_iter().collect()),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "yes or no".into(),
        Value::Null => Value::Null,
    }
}

/// One team from its beginning to its end, and what each command printed.
fn story() -> BTreeMap<String, Value> {
    let sandbox = Sandbox::new();
    let mut told = Told { repository: sandbox.repository("app"), sandbox, told: BTreeMap::new() };
    told.run("id", &["id"]);
    told.run("env", &["env", "alice"]);
    told.run("config", &["config"]);
    told.run("up", &["up", "--detach"]);
    let mut events = told.follow();
    told.run("restart-leader", &["restart-leader"]);
    told.run("spawn", &["spawn", "alice", "--worktree", "--role", "tester"]);
    told.run("task add", &["task", "add", "--run", "echo ok, 41 tests"]);
    events.until("completed");
    told.run("task show", &["task", "show", "1"]);
    told.run("task add", &["task", "add", "--run", "exit 2"]);
    events.until("failed");
    told.run("task add", &["task", "add", "--run", "--after", "2", "make docs"]);
    told.run("send", &["send", "alice", "--run", "-i", "read said; echo $said; read more"]);
    told.run("steer", &["steer", "alice", "hello"]);
    told.run("stop", &["stop", "alice", "--reason", "wrong branch"]);
    told.run_to_result("send --wait", &["send", "alice", "--wait", "--run", "echo said"]);
    told.run("dm", &["dm", "alice", "The parser is on main."]);
    events.until("acknowledged");
    told.run("broadcast", &["broadcast", "main is frozen"]);
    told.run("inbox", &["inbox", "alice"]);
    told.run("logs", &["logs", "alice"]);
    told.run("logs TASK", &["logs", "1"]);
    told.run("events", &["events"]);
    told.run("list", &["list"]);
    told.run("task list", &["task", "list"]);
    told.run("task dep ls", &["task", "dep", "ls", "3"]);
    told.run("status", &["status"]);
    told.run("status NAME", &["status", "alice"]);
    told.run("wait", &["wait", "2"]);
    told.run("why ID", &["why", "3"]);
    told.run("why NAME", &["why", "alice"]);
    told.run("doctor", &["doctor", "--repair"]);
    told.run("error", &["status", "nobody"]);
    told.run("task retry", &["task", "retry", "2"]);
    // Alice is free again, and will not refuse to end.
    events.until("failed");
    told.run("task clear", &["task", "clear", "completed"]);
    told.run_to_result("shutdown", &["shutdown", "alice", "--reason", "done"]);
    told.run("restart-leader", &["restart-leader"]);
    told.run("spawn", &["spawn", "alice", "--worktree", "--role", "tester"]);
    told.run("kill", &["kill", "alice"]);
    told.run("forget", &["forget", "alice"]);
    told.run("teams", &["teams"]);
    told.run("agents", &["agents"]);
    told.run_to_result("down", &["down"]);
    told.run("demo", &["demo"]);
    std::mem::take(&mut told.told)
}

/// The objects that a command printed.
type Printed<'a> = serde_json::StreamDeserializer<'a, serde_json::de::StrRead<'a>, Value>;

struct Told {
    sandbox: Sandbox,
    repository: std::path::PathBuf,
    told: BTreeMap<String, Value>,
}

impl Told {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.program(Program::Teamster);
        command.current_dir(&self.repository).arg("--json").args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command and keeps the first object that it printed.
    fn run(&mut self, what: &str, args: &[&str]) {
        self.run_and_keep(what, args, |mut printed| printed.next());
    }

    /// Runs a command that prints an object a line as it goes, and keeps the last, which is its result.
    fn run_to_result(&mut self, what: &str, args: &[&str]) {
        self.run_and_keep(what, args, |printed| printed.last());
    }

    fn run_and_keep(
        &mut self,
        what: &str,
        args: &[&str],
        pick: impl FnOnce(Printed<'_>) -> Option<serde_json::Result<Value>>,
    ) {
        let output = self.command(args).output().unwrap();
        let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let text = String::from_utf8_lossy(text);
        let told = serde_json::Deserializer::from_str(&text).into_iter();
        let value = pick(told).and_then(Result::ok).unwrap_or_else(|| panic!("{args:?} printed no JSON: {text}"));
        self.told.insert(what.to_owned(), value);
    }

    fn follow(&self) -> Events {
        let mut child = self.command(&["events", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Events { child, lines }
    }
}

impl Drop for Told {
    /// A story that failed half-way leaves nobody behind.
    fn drop(&mut self) {
        if let Ok(mut down) = self.command(&["down", "--force"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            let _ = down.wait();
        }
    }
}

/// What happens in the team.
struct Events {
    child: Child,
    lines: Receiver<String>,
}

impl Events {
    /// Waits for a fact.
    fn until(&mut self, fact: &str) {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("no {fact}: {error}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["kind"] == fact {
                return;
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
