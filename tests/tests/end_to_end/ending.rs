//! `down` and `shutdown` say how it goes: whom they wait for and at what it is, each member as it ends, and how it could
//! be hurried. Whoever looks meanwhile sees that it ends.

use nix::sys::signal::Signal;
use serde_json::Value;
use teamster_tests::team::Team;

/// A team of two, of whom alice waits within task 1 for a word.
fn busy_team() -> Team {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("spawn bob");
    team.ok("task add --run -i --to alice echo begun; read word");
    team.until_said("alice", "begun");
    team
}

#[test]
fn down_says_whom_it_waits_for_and_everybody_sees_it() {
    let team = busy_team();
    let mut down = team.start("down");
    assert!(down.until("waits for").starts_with("waits for alice, busy with task 1 for "));
    assert_eq!(down.until("Ctrl-C"), "  Ctrl-C only stops waiting; teamster down --force ends them now\n");
    down.until("bob shut down");
    assert_eq!(team.state("alice"), "ending");
    for line in ["list", "status"] {
        let said = team.ok(line);
        assert!(said.contains("is ending the team once every turn is over; teamster down --force"), "{said}");
        assert_eq!(team.json(line)["leader"]["ending"], "gently");
    }
    let why = team.ok("why alice");
    assert!(why.contains("on task 1") && why.contains("has been ending for"), "{why}");
    team.ok("steer alice go");
    let said = down.ends();
    assert_eq!(said.code, Some(0));
    assert!(said.out.ends_with("alice shut down\nthe leader ended\n"), "{}", said.out);
    assert_eq!(team.standing(1), "completed", "it was finished first");
    assert_eq!(team.ok("down"), "nothing of the team runs");
}

#[test]
fn down_tells_programs_the_same_an_object_a_line() {
    let team = busy_team();
    let mut down = team.start("down --json");
    let first: Value = serde_json::from_str(&down.until("awaited")).unwrap();
    assert_eq!((&first["name"], &first["at"]["task"]["id"]), (&"alice".into(), &1.into()));
    down.until("\"news\":\"ended\",\"name\":\"bob\"");
    team.ok("steer alice go");
    down.until("\"news\":\"ended\",\"name\":\"alice\"");
    let said = down.ends();
    let last: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!((last["members"].as_array().map(Vec::len), &last["leader_ended"]), (Some(2), &true.into()), "{last}");
    let again = team.json("down");
    assert_eq!((&again["members"], &again["leader_ended"]), (&Value::Array(Vec::new()), &false.into()));
}

#[test]
fn ctrl_c_stops_the_waiting_and_not_the_end() {
    let team = busy_team();
    let mut down = team.start("down");
    down.until("Ctrl-C");
    down.signal(Signal::SIGINT);
    let said = down.ends();
    assert_eq!(said.code, Some(130));
    assert!(said.err.contains("not waiting any longer; who was asked to end does so all the same"), "{}", said.err);
    assert_eq!(team.state("alice"), "ending");
    // Who has no patience uses force, also while somebody else waits.
    let mut patient = team.start("down");
    patient.until("waits for alice");
    team.ok("down --force");
    assert_eq!(patient.ends().code, Some(0));
    assert_eq!((team.state("alice"), team.standing(1)), ("left".to_owned(), "pending".to_owned()));
}

#[test]
fn who_refuses_to_end_is_not_ending_any_more() {
    let team = busy_team();
    assert_eq!(team.run("shutdown alice").code, Some(1));
    assert_eq!(team.state("alice"), "busy");
    let events = team.ok("events");
    let at = |words: &str| events.find(words).unwrap_or_else(|| panic!("no {words:?}: {events}"));
    assert!(at("alice is asked to end") < at("alice goes on, and does not end"));
    assert!(!team.ok("why alice").contains("ending"));
}

#[test]
fn what_runs_without_a_leader_is_ended_too() {
    let team = busy_team();
    // Its warden and it: nobody starts another leader.
    let leader = team.json("status")["leader"]["pid"].as_i64().unwrap() as i32;
    let warden = teamster_protocol::host::process::parent(leader as u32).unwrap() as i32;
    for pid in [warden, leader] {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let mut down = team.start("down");
    down.until("waits for alice, busy with task 1");
    down.until("bob shut down");
    assert_eq!(team.state("alice"), "ending");
    team.ok("down --force");
    let said = down.ends();
    assert_eq!((said.code, said.out.contains("alice ended at once")), (Some(0), true), "{}{}", said.out, said.err);
}
