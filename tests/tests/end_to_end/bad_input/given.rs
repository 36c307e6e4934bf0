//! Texts and files that are given, or put where ours are read: never more is read than may be, and nobody waits for a pipe
//! that no one writes into.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use teamster_tests::hermetic::Program;
use teamster_tests::team::{Said, Team};

/// What a script of the shell says, to which `$0` is teamster.
fn in_a_shell(team: &Team, script: &str) -> Said {
    let mut shell = team.other("sh");
    shell.args(["-c", script]).arg(Program::Teamster.path());
    team.start_command(shell).ends()
}

#[test]
fn a_text_without_an_end_is_refused_with_the_limit() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    team.ok("task add one");
    for line in [
        "task add -",
        "task add -f -",
        "task edit 1 -f -",
        "dm alice -",
        "dm lead -",
        "broadcast -",
        "send alice --run -",
    ] {
        let said = in_a_shell(&team, &format!("exec \"$0\" {line} < /dev/zero"));
        assert_eq!(said.code, Some(1), "`{line}`: {}", said.err);
        assert!(said.err.contains("it is longer than the 1048576 bytes"), "`{line}`: {}", said.err);
    }
    team.file("long.md", &"x".repeat((1 << 20) + 1));
    let said = team.fails(1, "task add -f ../long.md");
    assert_eq!(said, "error: cannot read ../long.md: it is longer than the 1048576 bytes that are read");
    assert_eq!(team.json("task list")["counts"]["total"], 1);
}

#[test]
fn what_is_no_file_is_not_read_as_one_and_a_pipe_of_the_shell_is() {
    let team = Team::new();
    team.ok("task add one");
    mkfifo(&team.sandbox().work().join("pipe"), Mode::S_IRWXU).unwrap();
    for (given, kind) in [("../pipe", "a named pipe"), ("/dev/zero", "a device"), ("..", "a directory")] {
        for line in ["task add -f", "task edit 1 -f", "run"] {
            let said = team.fails(1, &format!("{line} {given}"));
            assert_eq!(said, format!("error: cannot read {given}: it is {kind}, not a file"), "`{line}`");
        }
    }
    assert_eq!(team.json("task list")["counts"]["total"], 1);
    let said = in_a_shell(&team, "echo of a pipe | \"$0\" task add --role nobody -f /dev/stdin");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(team.ok("task show 2").contains("of a pipe"));
}

#[test]
fn whatever_stands_in_the_place_of_the_mark_in_the_repository_no_command_waits_for_it_or_complains() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("down");
    let mark = team.repository().join(".git/teamster.json");
    assert!(mark.is_file(), "a command writes it");
    fs::remove_file(&mark).unwrap();
    let put: [(&str, &dyn Fn()); 4] = [
        ("a named pipe", &|| mkfifo(&mark, Mode::S_IRWXU).unwrap()),
        ("a symbolic link", &|| symlink("/dev/zero", &mark).unwrap()),
        ("a directory", &|| fs::create_dir(&mark).unwrap()),
        ("at line 1", &|| fs::write(&mark, "garbage").unwrap()),
    ];
    for (due, put) in put {
        put();
        for line in ["list", "id", "task add one", "task list"] {
            // Nothing may be said on standard error.
            team.ok(line);
        }
        let said = team.ok("doctor");
        assert!(said.contains("not found again if its repository is moved") && said.contains(due), "{due}: {said}");
        let parts = fs::read_dir(team.repository().join(".git")).unwrap();
        let left = parts.filter(|part| part.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
        assert_eq!(left.count(), 0, "{due}: a half was left behind");
        if mark.is_dir() { fs::remove_dir(&mark).unwrap() } else { fs::remove_file(&mark).unwrap() }
    }
    team.ok("list");
    assert!(mark.is_file(), "it is written anew");
    // Where no team is yet, the user is told what may be amiss.
    let fresh = Team::new();
    mkfifo(&fresh.repository().join(".git/teamster.json"), Mode::S_IRWXU).unwrap();
    let said = fresh.run("task add one");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("if this repository was moved here with a team"), "{}", said.err);
}
