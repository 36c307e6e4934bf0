//! What the machine does to a team: files that vanish, a full disk, no descriptors, no events. Each time by the real
//! programs: the error is clear, nothing is said to be done that is not, and work goes on once the cause is gone.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// How long a test may wait for one thing.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a thing is looked at that must not change; each look takes some milliseconds.
const LOOKS: usize = 20;

/// More than a leader may have free descriptors that were thought to be in use.
const CONNECTIONS: usize = 8;

/// A member on a task that ends when it is fed.
fn begin(team: &Team) {
    team.ok("spawn alice");
    team.ok("task add --run -- mkfifo go; printf '%0400d\\n' 0; read word < go; echo got $word");
    team.until_said("alice", "000\\n");
}

fn finish(team: &Team) {
    team.feed("go", "it");
}

/// Task 1 was completed, once, by its first attempt.
fn assert_completed_once(team: &Team) {
    team.until_event("\"kind\":\"completed\"");
    let shown = team.task(1);
    assert_eq!(shown["status"], "completed");
    let attempts = shown["attempts"].as_array().expect("a list");
    let result = attempts[0]["end"]["result"].as_str().expect("a text");
    assert!(attempts.len() == 1 && result.ends_with("0\ngot it"), "{shown}");
    assert_eq!(team.ok("events --json").matches("\"kind\":\"completed\"").count(), 1);
}

/// All that a command says that must fail with this code.
fn refused(team: &Team, code: i32, line: &str) -> String {
    let said = team.run(line);
    assert_eq!(said.code, Some(code), "`{line}`: {}{}", said.out, said.err);
    said.out + &said.err
}

#[test]
fn a_board_that_is_taken_away_loses_nothing_and_is_gone_on_in_when_it_is_back() {
    let team = Team::without_repository();
    begin(&team);
    let (board, aside) = (team.dir().board(), team.sandbox().work().join("aside"));
    fs::rename(&board, &aside).expect("one file system");
    finish(&team);
    for _ in 0..LOOKS {
        for line in ["task list", "task add two", "status"] {
            let said = refused(&team, 4, line);
            assert!(said.contains("board.jsonl is missing, although the team is there"), "{line}: {said}");
        }
    }
    assert!(!board.exists(), "nobody began a new one");
    // A copy is as good: whoever had the old one open sees that the name leads to another.
    fs::copy(&aside, &board).expect("one file system");
    assert_completed_once(&team);
    let aside = fs::read_to_string(&aside).expect("it is there");
    assert!(!aside.contains("completed"), "nobody wrote where nobody reads");
    assert_eq!(team.json("task add --run echo more")["tasks"][0], 2);
    team.until_event("more");
    assert_eq!(team.json("doctor")["state"], "sound");
}

#[test]
fn a_board_that_is_damaged_under_a_running_team_is_mended_and_the_team_goes_on() {
    let team = Team::without_repository();
    begin(&team);
    team.json("task add --run --to alice echo two");
    let board = team.dir().board();
    let before = fs::read_to_string(&board).expect("a log");
    // In place, as a bad disk does it: the record that added the second task.
    let at = before.rfind("{\"v\":1").expect("a record");
    let damaged = format!("{}{}\n", &before[..at], "#".repeat(before.len() - at - 1));
    let mut file = fs::OpenOptions::new().write(true).open(&board).expect("a log");
    file.write_all(damaged.as_bytes()).expect("written");
    refused(&team, 4, "task list");
    assert!(refused(&team, 4, "doctor").contains("teamster doctor --repair"));
    let mended = team.json("doctor --repair");
    assert_eq!(mended["state"], "sound", "{mended}");
    finish(&team);
    assert_completed_once(&team);
    team.json("task add --run echo third");
    team.until_said("alice", "third\\n");
}

#[test]
fn a_mailbox_that_was_removed_is_made_anew_by_a_repair_and_its_reader_finds_it() {
    let team = Team::without_repository();
    team.json("spawn alice");
    team.json("dm alice first");
    team.until_said("alice", "\"text\":\"first\"");
    fs::remove_file(team.dir().mail_dir().join("alice.jsonl")).expect("it is there");
    assert!(refused(&team, 4, "dm alice lost").contains("alice.jsonl is missing"));
    team.ok("doctor --repair");
    team.json("dm alice second");
    team.until_said("alice", "\"text\":\"second\"");
}

#[test]
fn on_a_full_disk_everything_is_refused_with_the_reason_and_written_once_there_is_room() {
    let Some(team) = Team::on_a_small_disk("40m") else { return };
    begin(&team);
    team.fill_the_disk();
    // What is left is the room in the pages that the files have already.
    let until_refused = |line: &str| {
        for done in 0.. {
            let said = team.run(line);
            if said.code != Some(0) {
                assert!(said.code == Some(1) && said.err.contains("No space left on device"), "{line}: {}", said.err);
                return done;
            }
        }
        unreachable!("a page has an end")
    };
    let added = until_refused("task add --run --to alice x");
    let sent = until_refused("dm alice hello");
    finish(&team);
    for _ in 0..LOOKS {
        let tasks = team.json("task list");
        let tasks = tasks["tasks"].as_array().expect("a list");
        assert_eq!(tasks.len(), 1 + added, "what was refused is not on the board");
        assert_eq!(tasks[0]["status"], "in_progress", "what is not written is not done");
    }
    assert!(refused(&team, 1, "doctor").contains("the disk is full"));
    team.make_room_on_the_disk();
    assert_completed_once(&team);
    let id = team.json("dm alice hello")["delivered"][0]["id"].clone();
    team.until_said("alice", id.as_str().expect("an id"));
    let inbox = team.json("inbox alice --all");
    let messages = inbox["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), sent + 1, "what was refused was not delivered: {inbox}");
    assert_eq!(team.json("doctor")["state"], "sound");
}

#[test]
fn without_events_about_files_a_team_looks_often_and_says_so() {
    let Some(team) = Team::without_file_events() else { return };
    // By hand, so that there is no other way to it than its mailbox file.
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--name", "alice", "--team", team.dir().team().as_str()]).env("TEAMSTER_POLL_MS", "3600000");
    let worker = team.start_command(worker);
    let until = Instant::now() + LIMIT;
    while team.run("status alice").code != Some(0) {
        assert!(Instant::now() < until, "alice is not on the roster");
    }
    team.json("task add --run echo done");
    team.until_said("alice", "waiting");
    team.json("dm alice hello");
    team.until_said("alice", "hello");
    let noted = team.run("doctor").out;
    assert!(noted.contains("no events about files"), "{noted}");
    team.sh(&format!("kill -TERM {}", team.json("status alice")["pid"]));
    let said = worker.ends().err;
    assert_eq!(said.matches("cannot watch files, looking at them instead").count(), 1, "{said}");
}

#[test]
fn a_leader_without_descriptors_refuses_to_spawn_and_goes_on_when_it_has_some() {
    let team = Team::without_repository();
    let mut leader = team.start("up");
    leader.until("leading team");
    let pid = team.json("status")["leader"]["pid"].to_string();
    let limit = |descriptors: usize| team.sh(&format!("prlimit --nofile={descriptors}: --pid {pid}"));
    team.json("spawn w0");
    limit(40);
    let mut running = 1;
    let refused = loop {
        let said = team.run(&format!("spawn w{running}"));
        match said.code {
            Some(0) => running += 1,
            Some(_) | None => break said.err,
        }
        assert!(running < 40, "it never ran out of descriptors");
    };
    assert!(refused.contains("Too many open files"), "{refused}");
    // Nobody else was hurt. What is left may be too little for a connection and a look at who calls.
    limit(60);
    team.json("send w0 --run echo still here");
    team.until_said("w0", "still here\\n");
    // Not even one for a connection: it tries again and again, and says so once.
    limit(fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count());
    // One that was open for a moment while they were counted is free again.
    let connect = |_| UnixStream::connect(team.dir().leader_socket()).expect("it waits in the queue");
    let fronts: Vec<UnixStream> = (0..CONNECTIONS).map(connect).collect();
    leader.until("cannot listen at");
    team.sh("sleep 0.5");
    limit(1024);
    drop(fronts);
    team.json(&format!("spawn w{running}"));
    team.json("down");
    let said = leader.ends().err;
    // Once for each time that there were none: the spawns may have met that, too.
    assert!(said.matches("cannot listen at").count() <= 2, "{said}");
}
