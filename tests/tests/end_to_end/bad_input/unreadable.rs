//! Logs that the disk does not give, and what stands in the place of a log: said, never taken for its end.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use teamster_protocol::model::id::Address;
use teamster_tests::team::{Said, Team};

/// Gives what is before a byte of a file in short reads, and from there on an error of the disk.
const BAD_DISK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t pread64(int fd, void *to, size_t count, off_t at) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) real = (ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
    const char *name = getenv("BAD_DISK_FILE"), *first = getenv("BAD_DISK_AT"), *most = getenv("BAD_DISK_MOST");
    char link[64], path[4096];
    if (name) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
        size_t end = strlen(path), tail = strlen(name);
        if (end >= tail && !strcmp(path + end - tail, name)) {
            if (most && count > (size_t)atol(most)) count = atol(most);
            if (first && at >= atol(first)) { errno = EIO; return -1; }
            if (first && at + (off_t)count > atol(first)) count = atol(first) - at;
        }
    }
    return real(fd, to, count, at);
}
ssize_t pread(int fd, void *to, size_t count, off_t at) { return pread64(fd, to, count, at); }
"#;

fn bad_disk(team: &Team) -> Option<PathBuf> {
    super::preloaded(team, "bad_disk", BAD_DISK)
}

/// What a command says whose reads of a file are as the environment says.
fn said_on(disk: &Path, team: &Team, line: &str, how: &[(&str, &str)]) -> Said {
    let mut command = team.command(line);
    command.env("LD_PRELOAD", disk).envs(how.iter().copied());
    team.start_command(command).ends()
}

#[test]
fn a_log_that_cannot_be_read_from_some_byte_on_is_said_by_every_command() {
    let team = Team::new();
    for task in 1..=40 {
        team.ok(&format!("task add task number {task}"));
    }
    let Some(disk) = bad_disk(&team) else { return };
    let half = (fs::metadata(team.dir().board()).unwrap().len() / 2).to_string();
    let how = [("BAD_DISK_FILE", "board.jsonl"), ("BAD_DISK_AT", half.as_str())];
    for line in ["task list", "task show 40", "why 40", "list", "events", "status", "task add more", "cleanup"] {
        let said = said_on(&disk, &team, line, &how);
        assert_eq!(said.code, Some(4), "`{line}`: {}{}", said.out, said.err);
        let due = format!("board.jsonl from byte {half} on: I/O error");
        assert!(said.err.contains(&due), "`{line}`: {}", said.err);
    }
    let said = said_on(&disk, &team, "doctor", &how);
    assert_eq!(said.code, Some(4), "{}", said.out);
    assert!(said.out.contains(&format!("from byte {half} on")), "{}", said.out);
    assert_eq!(team.json("task list")["counts"]["total"], 40);
}

#[test]
fn a_read_that_gives_less_than_was_asked_for_is_no_end_and_no_damage() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run echo it is said");
    team.until_said("alice", "it is said");
    team.ok("down");
    for task in 1..=20 {
        team.ok(&format!("task add --role nobody task number {task}"));
    }
    let Some(disk) = bad_disk(&team) else { return };
    for most in ["1000", "333", "17"] {
        for file in ["board.jsonl", "team.jsonl", "alice.jsonl", "000001.jsonl"] {
            let how = [("BAD_DISK_FILE", file), ("BAD_DISK_MOST", most)];
            for words in ["task list", "task show 21", "events", "logs alice", "inbox alice --all"] {
                let line = &format!("--json {words}");
                let said = said_on(&disk, &team, line, &how);
                let whole = team.run(line);
                assert_eq!((said.code, said.out), (whole.code, whole.out), "`{line}`, {file}, {most}: {}", said.err);
            }
            let said = said_on(&disk, &team, "doctor", &how);
            assert_eq!(said.code, Some(0), "{file}, {most}: {}", said.out);
        }
    }
}

/// Something else than a file, made in its place.
type Put = fn(&Path);

#[test]
fn what_stands_in_the_place_of_a_log_is_named_and_nobody_waits_for_it() {
    let put: [(&str, Put); 4] = [
        ("a named pipe", |path| mkfifo(path, Mode::S_IRWXU).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a symbolic link", |path| symlink("/dev/zero", path).unwrap()),
        ("a symbolic link", |path| symlink("elsewhere", path).unwrap()),
    ];
    for (kind, put) in put {
        let team = Team::new();
        team.ok("spawn alice");
        team.ok("down");
        team.ok("dm alice hello");
        team.ok("task add one");
        let alice = Address::Member("alice".parse().unwrap());
        for (log, lines) in [
            (team.dir().board(), ["task list", "task add two", "events", "list"]),
            (team.dir().roster(), ["list", "status", "task add two", "spawn bob"]),
            (team.dir().mailbox(&alice), ["inbox alice", "dm alice more", "list", "events"]),
        ] {
            let aside = log.with_extension("aside");
            fs::rename(&log, &aside).unwrap();
            put(&log);
            let name = log.file_name().unwrap().to_str().unwrap();
            let due = format!("{name} is {kind}, not a file");
            for line in lines {
                let said = team.fails(4, line);
                assert!(said.contains(&due), "`{line}`: {said}");
            }
            let said = team.run("doctor");
            assert!(said.code == Some(4) && said.out.contains(kind), "{}{}", said.out, said.err);
            let moved = log.with_extension("moved");
            fs::rename(&log, moved).unwrap();
            assert!(!log.with_file_name("elsewhere").exists(), "a link was written through");
            fs::rename(&aside, &log).unwrap();
        }
        assert_eq!(team.json("task list")["counts"]["total"], 1);
    }
}

#[test]
fn what_stands_in_the_place_of_one_transcript_hides_no_other_member() {
    let team = Team::new();
    for name in ["alice", "bob"] {
        team.ok(&format!("spawn {name}"));
    }
    team.ok("task add --to bob --run true");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let last = team.dir().turns(&"alice".parse().unwrap()).join("000099.jsonl");
    mkfifo(&last, Mode::S_IRWXU).unwrap();
    let due = "000099.jsonl: it is a named pipe, not a file";
    let said = team.ok("list");
    assert!(said.contains("bob") && said.contains(due), "{said}");
    let members = team.json("list")["members"].clone();
    assert!(members[0]["transcript_unread"].as_str().unwrap().contains(due), "{members}");
    assert!(members[1]["transcript_unread"].is_null(), "{members}");
    for line in ["why 1", "why bob", "why alice", "status"] {
        let said = team.ok(line);
        assert!(said.contains(due) == line.starts_with("why"), "`{line}`: {said}");
    }
    assert!(team.run("doctor").out.contains("a named pipe"));
    team.ok("down");
}

#[test]
fn what_stands_where_nothing_can_start_is_told_by_doctor() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --role nobody one");
    team.ok("down");
    assert_eq!(team.run("doctor").code, Some(0), "{}", team.run("doctor").out);
    let dir = team.dir();
    let alice = "alice".parse().unwrap();
    let put: [(&str, Put); 3] = [
        ("a named pipe", |path| mkfifo(path, Mode::S_IRWXU).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a symbolic link", |path| symlink("elsewhere", path).unwrap()),
    ];
    let log = |name: &str| dir.logs_dir().join(name);
    for place in [dir.leader_socket(), log("leader.log"), log("alice.log"), dir.member_socket(&alice)] {
        for (kind, put) in put {
            let aside = place.with_extension("aside");
            let was_there = fs::rename(&place, &aside).is_ok();
            put(&place);
            let report = team.run("doctor --json");
            assert_eq!(report.code, Some(1), "{kind} at {}: {}", place.display(), report.out);
            let report: Value = serde_json::from_str(&report.out).unwrap();
            let named = |check: &&Value| check["where"].as_str() == place.to_str();
            let check = report["checks"].as_array().unwrap().iter().find(named).unwrap();
            assert!(check["level"] == "wrong" && check["what"].as_str().unwrap().starts_with(kind), "{check}");
            match fs::remove_dir(&place) {
                Ok(()) => {}
                Err(_) => fs::remove_file(&place).unwrap(),
            }
            if was_there {
                fs::rename(&aside, &place).unwrap();
            }
        }
    }
    assert_eq!(team.run("doctor").code, Some(0));
}

#[test]
fn a_link_in_the_place_of_a_directory_of_the_team_is_not_followed() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("down");
    let victim = team.sandbox().work().join("victim");
    fs::create_dir(&victim).unwrap();
    let dir = team.dir();
    for room in [dir.turns(&"alice".parse().unwrap()), dir.logs_dir(), dir.members_dir(), dir.mail_dir()] {
        let aside = dir.root().join("aside");
        fs::rename(&room, &aside).unwrap();
        symlink(&victim, &room).unwrap();
        let said = team.run("spawn alice");
        assert_ne!(said.code, Some(0), "{}", room.display());
        assert!(said.err.contains("a symbolic link, not a directory"), "{}: {}", room.display(), said.err);
        let name = room.file_name().unwrap().to_str().unwrap();
        let said = team.run("doctor --json").out;
        let report: Value = serde_json::from_str(&said).unwrap();
        let named = |check: &&Value| check["where"].as_str() == room.to_str() && check["level"] == "wrong";
        let check = report["checks"].as_array().unwrap().iter().find(named);
        let what = check.unwrap_or_else(|| panic!("{name}: {said}"))["what"].as_str().unwrap();
        assert!(what.starts_with("a symbolic link stands in the place"), "{what}");
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{name} was followed");
        fs::remove_file(&room).unwrap();
        fs::rename(&aside, &room).unwrap();
    }
    team.ok("spawn alice");
    team.ok("down");
}
