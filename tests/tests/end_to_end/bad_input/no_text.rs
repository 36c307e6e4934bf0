//! Paths and variables that are not UTF-8: refused where they come in, before anything is made.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// A directory whose name is no text.
fn odd_dir(within: &Path) -> PathBuf {
    let dir = within.join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The command must be refused as wrong usage, with these words, and not end by a panic.
fn refused(team: &Team, command: Command, due: &str) {
    let what = format!("{command:?}");
    let said = team.start_command(command).ends();
    assert_eq!(said.code, Some(2), "{what}: {}{}", said.out, said.err);
    assert!(said.err.contains(due) && !said.err.contains("panicked"), "{what}: {}", said.err);
}

/// The end of the name as errors show it, which JSON escapes once more.
const DUE: &str = r"\xFF";

#[test]
fn a_place_whose_path_is_no_text_is_refused_and_nothing_is_made_for_it() {
    let team = Team::new();
    let odd = odd_dir(&team.sandbox().work());
    for repository in [false, true] {
        if repository {
            team.sandbox().git(&odd, &["init", "-q"]);
        }
        for line in ["spawn ann", "task add --run true", "up --detach", "list", "id", "run -", "doctor"] {
            let mut command = team.command(line);
            command.current_dir(&odd);
            refused(&team, command, DUE);
        }
    }
    assert_eq!(fs::read_dir(team.sandbox().root()).into_iter().flatten().count(), 0, "a team was made");
}

#[test]
fn a_repository_that_was_moved_to_such_a_place_is_refused_and_works_again_elsewhere() {
    let team = Team::new();
    team.ok("task add --role nobody one");
    let moved = odd_dir(&team.sandbox().work()).join("app");
    fs::rename(team.repository(), &moved).unwrap();
    for line in ["list", "task list", "task add two"] {
        let mut command = team.command(line);
        command.current_dir(&moved);
        refused(&team, command, DUE);
    }
    fs::rename(&moved, team.repository()).unwrap();
    assert_eq!(team.json("task list")["counts"]["total"], 1);
}

#[test]
fn a_root_and_a_directory_to_work_in_must_be_text_too() {
    let team = Team::new();
    team.ok("task add --role nobody one");
    let odd = odd_dir(&team.sandbox().work());
    for line in ["id", "status", "teams", "env ann", "list", "spawn ann", "spawn ann --worktree"] {
        for json in [false, true] {
            let mut command = team.command("--root");
            command.arg(&odd).args(json.then_some("--json")).args(line.split(' '));
            refused(&team, command, DUE);
        }
    }
    let link = team.sandbox().work().join("link");
    std::os::unix::fs::symlink(&odd, &link).unwrap();
    for dir in [&odd, &link] {
        let mut command = team.command("spawn ann --cwd");
        command.arg(dir);
        refused(&team, command, DUE);
        let mut worker = team.other(Program::Worker.path());
        worker.args(["--team", team.dir().team().as_str(), "--name", "ann", "--cwd"]).arg(dir);
        refused(&team, worker, DUE);
    }
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--team", "crew", "--name", "ann", "--root"]).arg(&odd);
    refused(&team, worker, DUE);
    assert_eq!(fs::read_dir(&odd).unwrap().count(), 0, "something was made there");
    assert_eq!(team.json("list")["members"].as_array().unwrap().len(), 0);
}

#[test]
fn a_variable_that_is_no_text_is_not_passed_over() {
    let team = Team::new();
    team.ok("task add --role nobody one");
    let odd = odd_dir(&team.sandbox().work());
    for name in ["TEAMSTER_ROOT", "XDG_STATE_HOME", "TEAMSTER_TEAM", "HOME", "XDG_CONFIG_HOME"] {
        for line in ["teams", "list", "task add two", "cleanup --force"] {
            let mut command = team.command(line);
            if name == "XDG_STATE_HOME" {
                command.env_remove("TEAMSTER_ROOT");
            }
            command.env(name, &odd);
            refused(&team, command, &format!("{name} is "));
        }
    }
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--team", "crew", "--name", "ann"]).env_remove("TEAMSTER_ROOT").env("XDG_STATE_HOME", &odd);
    refused(&team, worker, "XDG_STATE_HOME is ");
    assert_eq!(team.json("task list")["counts"]["total"], 1);
}

#[test]
fn a_stray_file_whose_name_is_no_text_is_told_of_in_json() {
    let team = Team::new();
    team.ok("task add --role nobody one");
    fs::write(team.dir().path().join(OsStr::from_bytes(b"odd\xff")), "").unwrap();
    let report: Value = team.json("doctor");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["where"].as_str().is_some_and(|place| place.contains("odd\u{fffd}"))));
}
