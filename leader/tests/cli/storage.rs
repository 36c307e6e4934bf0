//! Files that are damaged, or that may not be written.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::Uid;
use serde_json::Value;
use teamster_protocol::model::id::Address;

use crate::place::{Place, said};

#[test]
fn a_corrupt_log_is_named_with_its_line_and_nothing_is_changed() {
    let place = Place::new();
    place.enroll("alice");
    place.ok("task add one");
    let board = place.team_dir().board();
    let mut text = fs::read_to_string(&board).expect("a log");
    text.push_str("{\"v\":1,\"seq\":oops}\n");
    fs::write(&board, &text).expect("a log");
    for line in ["task list", "task add two", "status", "list", "events"] {
        let error = place.fails(4, line);
        assert!(error.starts_with("error: /t/root/crew/board.jsonl:3: "), "`{line}`: {error}");
    }
    let error: Value = serde_json::from_str(&place.fails(4, "task list --json")).expect("JSON");
    assert_eq!(error["error"]["kind"], "corrupt");
    assert_eq!(fs::read_to_string(&board).expect("a log"), text);
    place.ok("inbox");
}

#[test]
fn times_that_cannot_be_are_shown_and_hurt_nothing() {
    let place = Place::new();
    let alice = place.enroll("alice");
    place.ok("task add --run --to alice one");
    let claimant = place.open(Address::Lead).roster().member(&alice).expect("she is").spec.claimant(&alice);
    place.open(Address::Member(alice.clone())).claim_next(&claimant).expect("it is written");
    place.write_to_lead(&alice, "hello");
    let dir = place.team_dir();
    for time in ["0", "9999999999999", "18446744073709551615"] {
        for log in [dir.roster(), dir.board(), dir.mailbox(&Address::Lead)] {
            let text = fs::read_to_string(&log).expect("a log");
            let mut changed = String::new();
            for (nth, part) in text.split("_ms\":").enumerate() {
                let rest = if nth == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_digit()) };
                changed.push_str(if nth == 0 { "" } else { "_ms\":" });
                changed.push_str(if nth == 0 { "" } else { time });
                changed.push_str(rest);
            }
            fs::write(&log, changed).expect("a log");
        }
        for line in [
            "list",
            "status",
            "status alice",
            "task list",
            "task show 1",
            "events",
            "inbox --peek",
            "why 1",
            "why alice",
        ] {
            place.ok(line);
        }
    }
}

#[test]
fn a_read_only_root_can_be_read() {
    let place = Place::new();
    let alice = place.enroll("alice");
    place.ok("task add one");
    place.write_to_lead(&alice, "hello");
    let ours = fs::File::open(env!("CARGO_BIN_EXE_teamster")).expect("the program");
    let program = place.program("teamster", ours);
    // Permissions do not bind root, so the commands then run as nobody, on files that belong to it.
    let nobody = Uid::effective().is_root().then_some(65534);
    let sh = |script: &str| {
        let status = Command::new("sh").args(["-eu", "-c", script]).current_dir(place.dir.path()).status();
        assert!(status.expect("a shell").success(), "{script}");
    };
    if nobody.is_some() {
        sh("chmod 755 . && chown -R 65534 root work");
    }
    sh("chmod -R u=rX,go= root");
    let run = |line: &str| {
        let mut command = Command::new(&program);
        command.args(line.split_whitespace()).current_dir(place.work()).env_clear();
        command.env("TEAMSTER_ROOT", place.root()).env("TEAMSTER_TEAM", "crew");
        if let Some(nobody) = nobody {
            command.uid(nobody).gid(nobody);
        }
        said(command.output().expect("it runs"))
    };
    for line in ["list", "status", "status alice", "task list", "task show 1", "events", "logs alice", "inbox --peek"] {
        let said = run(line);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "`{line}`");
    }
    let inbox = run("inbox");
    assert_eq!(inbox.code, Some(0));
    assert!(inbox.out.contains("hello"), "{}", inbox.out);
    assert!(inbox.err.starts_with("error: the mail stays unread: "), "{}", inbox.err);
    for line in ["task add two", "task cancel 1", "dm alice hello"] {
        let said = run(line);
        assert_eq!(said.code, Some(1), "`{line}`");
        assert!(place.plain(&said.err).ends_with("Permission denied"), "`{line}`: {}", said.err);
    }
    // So that the directory can be removed.
    sh("chmod -R u+w root");
}
