//! What an agent in a cell reaches outside of it by the descriptors of its worker: it sees who runs there, and signals
//! nobody. The rows of the table in SPEC.md, section 10.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use teamster_protocol::host::process;
use teamster_tests::granted::{Need, granted};
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// A user with no rights, on every Linux.
const NOBODY: u32 = 65_534;

/// The program that tries.
const AGENT: &str = env!("CARGO_BIN_EXE_outside-agent");

/// What an ordinary user's agent can do to a process outside.
const BY_A_USER: [&str; 4] = ["sees it", "reads its command line", "counts what it has open", "that is all"];

/// What no agent can do to a process outside, whoever it is.
const BY_NOBODY: [&str; 2] = ["signals it by its number", "signals it by a descriptor"];

/// Has alice, in a cell, try what it can do to the leader of the team, and returns what it could. `run` changes each command,
/// to run it as somebody else.
fn alice_tries(team: &Team, agent: &Path, run: impl Fn(Command) -> Command) -> Vec<String> {
    let mut up = team.command("up");
    up.env("TEAMSTER_ISOLATION", "namespace");
    let mut up = team.start_command(run(up));
    up.until("leading team");
    let leader = process::identity(up.pid()).expect("it runs");
    let said = |line: &str| {
        let said = team.start_command(run(team.command(line))).ends();
        assert_eq!(said.code, Some(0), "`{line}`: {}", said.err);
        said.out
    };
    said("spawn alice");
    let out = team.sandbox().work().join("said");
    let target = format!("{} {}", leader.pid, leader.start_ticks);
    let script = format!("exec {} {target} > {}", agent.display(), out.display());
    said(&format!("task add --to alice --run {script}"));
    said("wait 1");
    said("down --force");
    fs::read_to_string(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_agent_in_a_cell_signals_nobody_outside() {
    if !granted(Need::Cell) {
        return;
    }
    let done = alice_tries(&Team::new(), Path::new(AGENT), |command| command);
    // Without the descriptor the rest would not have been tried.
    assert!(done.iter().any(|deed| deed == "sees it"), "{done:?}: SPEC.md says that it can");
    assert!(!BY_NOBODY.iter().any(|deed| done.iter().any(|done| done == deed)), "{done:?}");
    if !nix::unistd::geteuid().is_root() {
        assert_eq!(done, BY_A_USER);
    }
}

#[test]
fn an_ordinary_users_agent_in_a_cell_reads_no_more_of_who_runs_outside_than_ps_does() {
    if !granted(Need::Cell) || !granted(Need::AnotherUser) {
        return;
    }
    let team = Team::new();
    let work = team.sandbox().work();
    let copies = [Program::Teamster.path(), Program::Worker.path(), PathBuf::from(AGENT)].map(|program| {
        let copy = work.join(program.file_name().unwrap());
        team.sh(&format!("cp {} {}", program.display(), copy.display()));
        copy
    });
    let [teamster, worker, agent] = &copies;
    give_to_nobody(team.sandbox().root().parent().unwrap());
    let as_nobody = |command: Command| {
        let mut theirs = Command::new(teamster);
        theirs.args(command.get_args()).env_clear().current_dir(team.repository());
        theirs.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        theirs.env("TEAMSTER_WORKER", worker).uid(NOBODY).gid(NOBODY);
        theirs
    };
    let is_granted = as_nobody_in_namespaces(&team);
    if !is_granted {
        println!("not tested: an ordinary user gets no namespaces here");
        return;
    }
    assert_eq!(alice_tries(&team, agent, as_nobody), BY_A_USER);
}

/// Whether an ordinary user gets what a cell is made of.
fn as_nobody_in_namespaces(team: &Team) -> bool {
    let mut unshare = team.sandbox().command("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "true"]);
    unshare.uid(NOBODY).gid(NOBODY).current_dir("/");
    team.start_command(unshare).ends().code == Some(0)
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give_to_nobody(&entry.unwrap().path()));
    }
}
