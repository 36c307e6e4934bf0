//! What the machine does to a team: files that vanish, a full disk, no descriptors, no events. Each time by the real
//! programs: the error is clear, nothing is said to be done that is not, and work goes on once the cause is gone.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use teamster_tests::hermetic::{Program, Sandbox};

/// How long a test may wait for one thing.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a thing is looked at that must not change; each look takes some milliseconds.
const LOOKS: usize = 20;

/// A team, in namespaces of its own if a test needs to change what the system grants.
struct Team {
    sandbox: Sandbox,
    cell: Option<Child>,
}

impl Team {
    fn new() -> Team {
        Team { sandbox: Sandbox::new(), cell: None }
    }

    /// In a user and a mount namespace, after a script was run there. `None` where the system grants none: then there
    /// is nothing to be tried.
    fn in_cell(script: &str) -> Option<Team> {
        let sandbox = Sandbox::new();
        let mut unshare = sandbox.command("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-euc"]);
        // It keeps the namespaces for as long as its input is open.
        unshare.arg(format!("{script}\necho ready\nexec cat"));
        let mut cell = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(cell.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line or its end");
        if line != "ready\n" {
            let said = cell.wait_with_output().expect("it ends");
            println!("not tried: the system grants no namespaces: {}", text(&said.stderr));
            return None;
        }
        Some(Team { sandbox, cell: Some(cell) })
    }

    fn wrapped(&self, inner: Command) -> Command {
        let mut command = match &self.cell {
            None => inner,
            Some(cell) => {
                let mut enter = self.sandbox.command("nsenter");
                enter.args(["--user", "--mount", "--preserve-credentials", "--target", &cell.id().to_string(), "--"]);
                // In another mount namespace one begins at its root.
                enter.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(self.sandbox.work());
                enter.arg(inner.get_program()).args(inner.get_args());
                enter
            }
        };
        command.env("TEAMSTER_WORKER", Program::Worker.path()).env("TEAMSTER_TEAM", "crew");
        command.current_dir(self.sandbox.work()).stdin(Stdio::null());
        command
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut inner = self.sandbox.program(Program::Teamster);
        inner.args(args);
        self.wrapped(inner)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("teamster can be started")
    }

    fn sh(&self, script: &str) -> Output {
        let mut inner = self.sandbox.command("sh");
        inner.args(["-c", script]);
        self.wrapped(inner).output().expect("a shell")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// What a command says that must fail with this code.
    fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Follows until a line has these words.
    fn until(&self, follow: &[&str], words: &str) {
        let mut follow = self.command(&[follow, &["-f", "--json"]].concat());
        let mut child = follow.stdout(Stdio::piped()).spawn().expect("it can be started");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (sender, said) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut heard = Vec::new();
        let found = loop {
            match said.recv_timeout(LIMIT) {
                Ok(line) if line.contains(words) => break true,
                Ok(line) => heard.push(line),
                Err(_) => break false,
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        assert!(found, "{words:?} was never said, but:\n{}", heard.join("\n"));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.sandbox.root().join("crew").join(name)
    }

    /// A member on a task that ends when [`Team::finish`] says so.
    fn begin(&self) {
        self.json(&["spawn", "alice"]);
        self.json(&["task", "add", "--run", "mkfifo go; printf '%0400d\\n' 0; read word < go; echo got $word"]);
        self.until(&["logs", "alice"], "000\\n");
    }

    fn finish(&self) {
        let mut go = std::fs::OpenOptions::new().write(true).open(self.sandbox.work().join("go")).expect("a fifo");
        go.write_all(b"it\n").expect("it is read");
    }

    /// Task 1 was completed, once, by its first attempt.
    fn assert_completed_once(&self) {
        self.until(&["events"], "\"completed\"");
        let shown = self.json(&["task", "show", "1"]);
        assert_eq!(shown["status"], "completed");
        let attempts = shown["attempts"].as_array().expect("a list");
        let result = attempts[0]["end"]["result"].as_str().expect("a text");
        assert!(attempts.len() == 1 && result.ends_with("0\ngot it"), "{shown}");
        let events = self.run(&["events", "--json"]);
        assert_eq!(text(&events.stdout).matches("\"completed\":").count(), 1);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--force"]);
        if let Some(mut cell) = self.cell.take() {
            drop(cell.stdin.take());
            let _ = cell.wait();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_board_that_is_taken_away_loses_nothing_and_is_gone_on_in_when_it_is_back() {
    let team = Team::new();
    team.begin();
    let (board, aside) = (team.file("board.jsonl"), team.sandbox.work().join("aside"));
    std::fs::rename(&board, &aside).expect("one file system");
    team.finish();
    for _ in 0..LOOKS {
        for args in [&["task", "list"][..], &["task", "add", "two"], &["status"]] {
            let said = team.refused(args, 4);
            assert!(said.contains("board.jsonl is missing, although the team is there"), "{args:?}: {said}");
        }
    }
    assert!(!board.exists(), "nobody began a new one");
    // A copy is as good: whoever had the old one open sees that the name leads to another.
    std::fs::copy(&aside, &board).expect("one file system");
    team.assert_completed_once();
    assert!(
        !text(&std::fs::read(&aside).expect("it is there")).contains("completed"),
        "nobody wrote where nobody reads"
    );
    assert_eq!(team.json(&["task", "add", "--run", "echo more"])["tasks"][0], 2);
    team.until(&["events"], "more");
    assert_eq!(team.json(&["doctor"])["state"], "sound");
}

#[test]
fn a_board_that_is_damaged_under_a_running_team_is_mended_and_the_team_goes_on() {
    let team = Team::new();
    team.begin();
    team.json(&["task", "add", "--run", "--to", "alice", "echo two"]);
    let board = team.file("board.jsonl");
    let before = std::fs::read_to_string(&board).expect("a log");
    // In place, as a bad disk does it: the record that added the second task.
    let at = before.rfind("{\"v\":1").expect("a record");
    let damaged = format!("{}{}\n", &before[..at], "#".repeat(before.len() - at - 1));
    std::fs::OpenOptions::new()
        .write(true)
        .open(&board)
        .expect("a log")
        .write_all(damaged.as_bytes())
        .expect("written");
    team.refused(&["task", "list"], 4);
    assert!(team.refused(&["doctor"], 4).contains("teamster doctor --repair"));
    let mended = team.json(&["doctor", "--repair"]);
    assert_eq!(mended["state"], "sound", "{mended}");
    team.finish();
    team.assert_completed_once();
    team.json(&["task", "add", "--run", "echo third"]);
    team.until(&["logs", "alice"], "third\\n");
}

#[test]
fn a_mailbox_that_was_removed_is_made_anew_and_its_reader_finds_it() {
    let team = Team::new();
    team.json(&["spawn", "alice"]);
    team.json(&["dm", "alice", "first"]);
    team.until(&["logs", "alice"], "\"text\":\"first\"");
    std::fs::remove_file(team.file("mail/alice.jsonl")).expect("it is there");
    team.json(&["dm", "alice", "second"]);
    team.until(&["logs", "alice"], "\"text\":\"second\"");
}

#[test]
fn on_a_full_disk_everything_is_refused_with_the_reason_and_written_once_there_is_room() {
    let Some(team) = Team::in_cell("mount -t tmpfs -o size=40m tmpfs \"$TEAMSTER_ROOT\"") else { return };
    team.begin();
    assert!(!team.sh("cat /dev/zero > \"$TEAMSTER_ROOT/fill\"").status.success(), "the disk should be full by now");
    // What is left is the room in the pages that the files have already.
    let until_refused = |args: &[&str]| {
        for done in 0.. {
            let output = team.run(args);
            if !output.status.success() {
                let said = text(&output.stderr);
                assert!(
                    output.status.code() == Some(1) && said.contains("No space left on device"),
                    "{args:?}: {said}"
                );
                return done;
            }
        }
        unreachable!("a page has an end")
    };
    let added = until_refused(&["task", "add", "--to", "alice", "x"]);
    let sent = until_refused(&["dm", "alice", "hello"]);
    team.finish();
    for _ in 0..LOOKS {
        let tasks = team.json(&["task", "list", "--all"]);
        let tasks = tasks["tasks"].as_array().expect("a list");
        assert_eq!(tasks.len(), 1 + added, "what was refused is not on the board");
        assert_eq!(tasks[0]["status"], "in progress", "what is not written is not done");
    }
    assert!(team.refused(&["doctor"], 1).contains("the disk is full"));
    assert!(team.sh("rm \"$TEAMSTER_ROOT/fill\"").status.success());
    team.assert_completed_once();
    let id = team.json(&["dm", "alice", "hello"])["delivered"][0]["id"].clone();
    team.until(&["logs", "alice"], id.as_str().expect("an id"));
    let inbox = team.json(&["inbox", "alice", "--all"]);
    let messages = inbox["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), sent + 1, "what was refused was not delivered: {inbox}");
    assert_eq!(team.json(&["doctor"])["state"], "sound");
}

#[test]
fn without_events_about_files_a_team_looks_often_and_says_so() {
    let Some(team) = Team::in_cell("echo 0 > /proc/sys/user/max_inotify_instances") else { return };
    // By hand, so that there is no other way to it than its mailbox file.
    let mut worker = team.sandbox.command(Program::Worker.path());
    worker.args(["--name", "alice", "--team", "crew"]);
    let log = std::fs::File::create(team.sandbox.work().join("alice.log")).expect("a file");
    let mut worker = team.wrapped(worker);
    let mut worker = Ended(worker.env("TEAMSTER_POLL_MS", "3600000").stderr(log).spawn().expect("it can be started"));
    let until = Instant::now() + LIMIT;
    while !team.run(&["status", "alice"]).status.success() {
        assert!(Instant::now() < until, "alice is not on the roster");
    }
    team.json(&["task", "add", "--run", "echo done"]);
    team.until(&["logs", "alice"], "waiting");
    team.json(&["dm", "alice", "hello"]);
    team.until(&["logs", "alice"], "hello");
    let noted = text(&team.run(&["doctor"]).stdout);
    assert!(noted.contains("no events about files"), "{noted}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker.0.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .expect("it runs");
    worker.0.wait().expect("it ends");
    let said = std::fs::read_to_string(team.sandbox.work().join("alice.log")).expect("a file");
    assert_eq!(said.matches("cannot watch files, looking at them instead").count(), 1, "{said}");
}

#[test]
fn a_leader_without_descriptors_refuses_to_spawn_and_goes_on_when_it_has_some() {
    let team = Team::new();
    let mut leader = team.sandbox.command("sh");
    leader.args(["-c", "ulimit -Sn 40; exec \"$0\" up"]).arg(Program::Teamster.path());
    let mut leader = team.wrapped(leader);
    let log = team.sandbox.work().join("leader.log");
    let stderr = std::fs::File::create(&log).expect("a file");
    let leader = leader.stdout(Stdio::piped()).stderr(stderr).spawn().expect("it can be started");
    let mut leader = Ended(leader);
    let mut line = String::new();
    BufReader::new(leader.0.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says that it leads");
    let mut running = 0;
    let refused = loop {
        let output = team.run(&["spawn", &format!("w{running}")]);
        match output.status.success() {
            true => running += 1,
            false => break text(&output.stderr),
        }
        assert!(running < 40, "it never ran out of descriptors");
    };
    assert!(refused.contains("Too many open files"), "{refused}");
    assert!(running > 0);
    // Nobody else was hurt.
    team.json(&["send", "w0", "echo still here"]);
    team.until(&["logs", "w0"], "still here\\n");
    let pid = team.json(&["status"])["leader"]["pid"].to_string();
    let limit = |descriptors: usize| {
        let limited =
            team.sandbox.command("prlimit").arg(format!("--nofile={descriptors}:")).args(["--pid", &pid]).status();
        assert!(limited.expect("prlimit can be started").success());
    };
    // Not even one for a connection: it tries again and again, and says so once.
    limit(std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count());
    let socket = PathBuf::from(team.json(&["id"])["dir"].as_str().expect("a path")).join("leader.sock");
    let mut fronts = Vec::new();
    let complaints = || std::fs::read_to_string(&log).expect("a file").matches("Too many open files").count();
    let began = Instant::now();
    while complaints() == 0 {
        assert!(began.elapsed() < LIMIT, "it did not try");
        fronts.push(UnixStream::connect(&socket).expect("it waits in the queue"));
        team.run(&["list"]);
    }
    team.sh("sleep 0.5");
    assert_eq!(complaints(), 1);
    limit(1024);
    team.json(&["spawn", &format!("w{running}")]);
    team.json(&["down"]);
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
