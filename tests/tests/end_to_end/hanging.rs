//! A leader that hangs, as its user sees it: shown by whatever looks, ended by force, and replaced.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teamster_protocol::host::process;
use teamster_tests::team::Team;

/// Stops the leader of a team, with its warden or without it. Returns its process.
fn stop_leader(team: &Team, with_warden: bool) -> u32 {
    let leader = team.json("status")["leader"]["pid"].as_u64().expect("one leads") as u32;
    let warden = process::parent(leader).expect("it was there a moment ago");
    let stopped = if with_warden { vec![warden, leader] } else { vec![leader] };
    for pid in stopped {
        kill(Pid::from_raw(pid as i32), Signal::SIGSTOP).expect("it is there");
    }
    leader
}

#[test]
fn a_leader_that_hangs_is_shown_by_whatever_looks() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --to alice --run true");
    let leader = stop_leader(&team, false);
    let says = format!("process {leader}");
    for line in ["status", "list", "why alice", "why 1"] {
        let said = team.ok(line);
        assert!(said.contains(&says) && said.contains("does not answer"), "`{line}`: {said}");
        assert!(said.contains("teamster restart-leader"), "`{line}`: {said}");
    }
    assert_eq!(team.json("status")["leader"]["hangs"], true);
    let doctor = team.start("doctor").ends();
    assert!(doctor.code == Some(1) && doctor.out.contains("does not answer"), "{}", doctor.out);
    kill(Pid::from_raw(leader as i32), Signal::SIGCONT).expect("it is there");
    assert!(team.json("status")["leader"]["hangs"].is_null(), "it goes on");
    assert!(!team.ok("list").contains("does not answer"));
}

#[test]
fn a_leader_that_hangs_is_ended_by_force_with_its_workers() {
    for with_warden in [false, true] {
        let team = Team::new();
        team.ok("spawn alice");
        let alice = team.json("status alice")["pid"].as_u64().expect("it runs") as u32;
        let alice = process::identity(alice).expect("it runs");
        let leader = process::identity(stop_leader(&team, with_warden)).expect("it is stopped");
        let ended = team.json("down --force");
        assert_eq!(ended["members"][0]["name"], "alice", "{ended}");
        assert!(!leader.runs() && !alice.runs());
        assert!(team.json("status")["leader"].is_null());
    }
}

#[test]
fn a_leader_that_hangs_is_killed_for_the_next_one_and_its_workers_go_on() {
    let team = Team::new();
    team.ok("spawn alice");
    let alice = team.json("status alice")["pid"].clone();
    let leader = stop_leader(&team, false);
    let restarted = team.json("restart-leader");
    assert_eq!(restarted["before"], leader);
    assert_ne!(restarted["leader"]["pid"], leader);
    assert_eq!(team.json("status alice")["pid"], alice);
    team.ok("send alice --run true");
}
