//! Other users of the machine: the modes of the files keep them out, and, should somebody have opened these to all, the
//! processes behind the sockets do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use teamster_protocol::model::id::Address;
use teamster_tests::granted::{Need, granted};
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// A user with no rights, on every Linux.
const NOBODY: u32 = 65_534;

/// The command as nobody runs it, with this program.
fn as_nobody(program: &Path, team: &Team, line: &str) -> Command {
    let ours = team.command(line);
    let mut theirs = Command::new(program);
    theirs.arg("--team").arg(team.dir().team().as_str()).args(ours.get_args());
    theirs.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    theirs.uid(NOBODY).gid(NOBODY).current_dir("/");
    theirs
}

/// A copy of the program that others can run too. A process of its own makes it: one that another test starts in that
/// moment would keep open what is written here, and what is open for writing can not be executed.
fn program_for_all(team: &Team) -> PathBuf {
    let program = team.sandbox().work().join("teamster");
    team.sh(&format!("cp {} {}", Program::Teamster.path().display(), program.display()));
    let sandbox = team.sandbox().root().parent().unwrap().to_owned();
    for path in [sandbox, team.sandbox().work(), program.clone()] {
        open(&path);
    }
    program
}

fn open(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}

fn open_all_below(dir: &Path) {
    open(dir);
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() { open_all_below(&entry.path()) } else { open(&entry.path()) }
    }
}

#[test]
fn a_stranger_is_not_served_even_if_the_files_are_open_to_all() {
    if !granted(Need::AnotherUser) {
        return;
    }
    let team = Team::new();
    team.ok("spawn alice");
    let program = program_for_all(&team);
    open(&team.sandbox().root());
    let asked = ["list", "steer alice x", "kill alice", "down --force"];
    let ask = |line: &str| team.start_command(as_nobody(&program, &team, line)).ends();
    for line in asked {
        let said = ask(line);
        assert!(said.err.contains("Permission denied"), "{line}: {said:?}");
    }
    open_all_below(team.dir().path());
    for line in &asked[1..] {
        let said = ask(line);
        assert_eq!(said.code, Some(3), "{line}: {said:?}");
        assert!(said.err.contains("its other end belongs to user 0, this is user 65534"), "{line}: {said:?}");
    }
    let log = team.dir().log_of(&Address::Lead);
    let mut follow = team.sandbox().command("tail");
    follow.args(["-n", "+1", "-f"]).arg(log);
    team.start_command(follow).until("its other end belongs to user 65534, this is user 0");
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn a_stranger_can_not_read_what_a_member_was_asked_to_do() {
    if !granted(Need::AnotherUser) {
        return;
    }
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; : password-4711");
    team.until_said("alice", "begun");
    let mut look = team.sandbox().command("sh");
    look.args(["-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ"]).uid(NOBODY).gid(NOBODY).current_dir("/");
    let seen = team.start_command(look).ends();
    assert!(seen.out.contains("teamster-worker"), "{seen:?}");
    assert!(!seen.out.contains("password-4711"));
    team.ok("steer alice on");
}
