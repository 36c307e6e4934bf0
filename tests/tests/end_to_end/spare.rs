//! The spare worker that a leader keeps: its user sees nothing of it but the time that it saves.

use std::fs;

use nix::sys::signal::Signal;
use teamster_protocol::host::process::{self, ProcessIdentity};
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

use super::supervision::until_gone;

/// Some 20 s of looks for a spare worker.
const LOOKS_MAX: u32 = 400;

fn command_line(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ").trim_end().to_owned()
}

fn worker(team: &Team, member: &str) -> u32 {
    team.json(&format!("status {member}"))["pid"].as_u64().expect("it runs") as u32
}

/// The process that the leader started for the worker of a member: in a cell, its parent.
fn started(team: &Team, member: &str) -> u32 {
    let (worker, leader) = (worker(team, member), leader(team));
    let parent = process::parent(worker).expect("it runs");
    if parent == leader { worker } else { parent }
}

fn leader(team: &Team) -> u32 {
    team.json("status")["leader"]["pid"].as_u64().expect("one leads") as u32
}

/// Whether this process was started without a word for whom: it is a spare worker, or the outer half of its cell, or was.
fn was_started_as_spare(pid: u32) -> bool {
    let line = command_line(pid);
    line.contains(" --spare") || line == "teamster-cell"
}

/// Whether the worker of a member was there before anybody asked for it.
fn was_spare(team: &Team, member: &str) -> bool {
    was_started_as_spare(started(team, member))
}

/// Waits until this team has a spare worker: a child of the leader that is no member's.
fn spare(team: &Team, members: &[&str]) -> ProcessIdentity {
    let leader = leader(team);
    let theirs: Vec<u32> = members.iter().map(|member| started(team, member)).collect();
    for _ in 0..LOOKS_MAX {
        let children = fs::read_to_string(format!("/proc/{leader}/task/{leader}/children")).expect("it runs");
        let mut children = children.split_whitespace().map(|pid| pid.parse::<u32>().expect("a list of numbers"));
        let spare = children.find(|pid| !theirs.contains(pid) && was_started_as_spare(*pid));
        if let Some(found) = spare.and_then(|pid| process::identity(pid).ok()) {
            return found;
        }
        team.sh("sleep 0.05");
    }
    panic!("there is no spare worker")
}

#[test]
fn a_member_that_is_served_by_it_is_as_any_other() {
    let team = Team::new();
    team.sh("mkdir elsewhere");
    team.ok("spawn alice");
    spare(&team, &["alice"]);
    team.ok("spawn bob --role reviewer --no-claim --cwd elsewhere");
    assert!(!was_spare(&team, "alice") && was_spare(&team, "bob"));
    let (bob, line) = (team.json("status bob"), command_line(worker(&team, "bob")));
    assert_eq!(line, format!("teamster-worker --name bob --team {}", team.dir().team()), "ps shows whose it is");
    assert!(!command_line(started(&team, "bob")).contains("--spare"), "and says of neither half that it is nobody's");
    assert_eq!((bob["role"].as_str(), bob["auto"].as_str()), (Some("reviewer"), Some("off")), "{bob}");
    team.ok("send bob --run pwd; ulimit -n; echo said >&2");
    team.until_said("bob", "/elsewhere");
    team.ok("shutdown bob");
    // Its next life, too.
    spare(&team, &["alice"]);
    team.ok("spawn bob");
    assert!(was_spare(&team, "bob"));
    team.ok("kill alice");
    team.ok("down");
}

#[test]
fn what_a_worker_says_goes_into_the_log_of_its_member() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_LOG", "debug");
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice");
    spare(&team, &["alice"]);
    team.ok("spawn bob");
    assert!(was_spare(&team, "bob"));
    team.ok("shutdown bob");
    let bob = team.dir().log_of(&teamster_protocol::model::id::Address::Member("bob".parse().unwrap()));
    assert!(fs::read_to_string(&bob).unwrap().contains("DEBUG"), "{}", bob.display());
}

#[test]
fn one_that_died_costs_nothing() {
    let team = Team::new();
    team.ok("spawn alice");
    let died = spare(&team, &["alice"]);
    died.signal(Signal::SIGKILL).unwrap();
    until_gone(&died);
    team.ok("spawn bob");
    assert!(!was_spare(&team, "bob"));
    spare(&team, &["alice", "bob"]);
    team.ok("spawn carol");
    assert!(was_spare(&team, "carol"), "there is one again");
}

#[test]
fn after_an_update_the_new_program_is_started() {
    let team = Team::new();
    let program = team.sandbox().work().join("teamster-worker");
    let install = format!("cp {0} {1}.new && mv {1}.new {1}", Program::Worker.path().display(), program.display());
    team.sh(&install);
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_WORKER", &program);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice");
    spare(&team, &["alice"]);
    team.sh(&install);
    team.ok("spawn bob");
    assert!(!was_spare(&team, "bob"));
    assert_eq!(fs::read_link(format!("/proc/{}/exe", started(&team, "bob"))).unwrap(), program);
}

#[test]
fn it_ends_with_its_leader_however_that_ends() {
    let team = Team::new();
    team.ok("spawn alice");
    let first = spare(&team, &["alice"]);
    let before = worker(&team, "alice");
    let led = process::identity(leader(&team)).unwrap();
    led.signal(Signal::SIGKILL).unwrap();
    until_gone(&first);
    until_gone(&led);
    // Another leads, or soon does.
    team.ok("spawn bob");
    assert_eq!(worker(&team, "alice"), before, "a member is none");
    let second = spare(&team, &["bob"]);
    team.ok("restart-leader");
    assert!(!second.runs());
    team.ok("spawn carol");
    let third = spare(&team, &["carol"]);
    team.ok("down");
    assert!(!third.runs());
}
