//! A prompt that was given by `send` and died with its worker: the lead is told once, and `why` and `logs` say it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::host::process;
use teamster_tests::hermetic::Program;
use teamster_tests::team::{Running, Team};

fn pid(team: &Team, member: &str) -> i32 {
    team.json(&format!("status {member}"))["pid"].as_i64().expect("it runs") as i32
}

fn leader(team: &Team) -> i32 {
    team.json("status")["leader"]["pid"].as_i64().expect("one leads") as i32
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it is there");
}

/// A leader whose members can drive the scripted agent.
fn team_of_talkers() -> Team {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    team
}

/// Waits until alice, in all her lives, was so many times without work.
fn until_waiting(team: &Team, times: usize) {
    let mut logs = team.start("logs alice -f --json");
    (0..times).for_each(|_| drop(logs.until("\"kind\":\"waiting\"")));
}

/// The texts to the lead, each with its sender; none is marked as read.
fn letters(team: &Team) -> Vec<(String, String)> {
    let inbox = team.json("inbox --peek");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let letter = |message: &Value| (text(&message["from"]), text(&message["body"]["text"]));
    inbox["messages"].as_array().expect("messages").iter().map(letter).collect()
}

/// The only letter to the lead, which is of alice.
fn only_letter(team: &Team) -> String {
    let letters = letters(team);
    let [(from, text)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(from, "alice");
    text.clone()
}

/// Kills alice's worker. Returns the events when the loss was told, and her next life is there, which knows what the one
/// before it was at.
fn kill_worker(team: &Team) -> Running {
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    signal(pid(team, "alice"), Signal::SIGKILL);
    events.until("is lost");
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    events
}

#[test]
fn the_lead_is_told_of_a_prompt_that_died_with_its_worker_and_can_send_it_again() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run echo begun; exec sleep 1000");
    team.until_said("alice", "begun");
    kill_worker(&team);
    assert_eq!(
        only_letter(&team),
        "The prompt of turn 1 is lost: its worker died: killed by SIGKILL\n\
         > echo begun; exec sleep 1000\n\
         To send it again: teamster send alice --run 'echo begun; exec sleep 1000'\n\
         What was done: teamster logs alice"
    );
    until_waiting(&team, 2);
    team.snapshot(|| {
        insta::assert_snapshot!(team.ok("inbox"), @"
        ● alice  [time]
          The prompt of turn 1 is lost: its worker died: killed by SIGKILL
          > echo begun; exec sleep 1000
          To send it again: teamster send alice --run 'echo begun; exec sleep 1000'
          What was done: teamster logs alice
        ");
        insta::assert_snapshot!(team.ok("why alice"), @"
        alice
          idle: there is nothing to do
          → teamster task add --run COMMAND
          the prompt of turn 1 is lost (echo begun; exec sleep 1000): its worker died: killed by SIGKILL
          → teamster send alice --run 'echo begun; exec sleep 1000'
        ");
        insta::assert_snapshot!(team.ok("logs alice"), @"
        [clock] ready
        [clock] waits for work
        [clock] turn 1 began
        > echo begun; exec sleep 1000
        begun
        [clock] the prompt of turn 1 is lost: its worker died: killed by SIGKILL
        [clock] turn 1 failed: its worker died: killed by SIGKILL
        [clock] ready
        [clock] waits for work
        ");
    });
    // What it says can be typed as it is.
    let letter = only_letter(&team);
    let again = letter.lines().find_map(|line| line.strip_prefix("To send it again: ")).expect("a command");
    let programs = Program::Teamster.path().parent().expect("a folder").display().to_string();
    team.sh(&format!("PATH={programs}:$PATH; {again}"));
    let said = team.ok("why alice");
    assert!(said.contains("in a turn for mail or a prompt") && !said.contains("lost"), "{said}");
}

#[test]
fn the_lead_is_told_also_where_the_leader_died_with_the_worker_and_once() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run echo begun; exec sleep 1000");
    team.until_said("alice", "begun");
    let (worker, first) = (pid(&team, "alice"), leader(&team));
    let identity = process::identity(worker as u32).expect("it runs");
    signal(first, Signal::SIGSTOP);
    signal(worker, Signal::SIGKILL);
    super::supervision::until_gone(&identity);
    let said = team.ok("why alice");
    assert!(said.contains("the prompt of turn 1 is lost (echo begun; exec sleep 1000): its worker died"), "{said}");
    assert_eq!(letters(&team), [], "nobody is there who would write it");
    let mut events = team.events();
    signal(first, Signal::SIGKILL);
    events.until("is lost");
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    let letter = only_letter(&team);
    assert!(letter.starts_with("The prompt of turn 1 is lost: its worker died: its worker is gone\n"), "{letter}");
}

#[test]
fn the_lead_is_told_of_a_prompt_that_died_with_its_agent_or_the_worker_of_that() {
    let team = team_of_talkers();
    team.ok_words(&["send", "alice", "say begun\nwait"]);
    team.until_said("alice", "begun");
    let mut events = kill_worker(&team);
    assert_eq!(
        only_letter(&team),
        "The prompt of turn 1 is lost: its worker died: killed by SIGKILL\n\
         > say begun\n> wait\n\
         To send it again: teamster send alice WORDS\n\
         What was done: teamster logs alice"
    );
    until_waiting(&team, 2);
    team.ok("send alice die");
    events.until("is lost");
    let last = letters(&team).pop().expect("a second letter").1;
    assert!(last.starts_with("The prompt of turn 2 is lost: "), "{last}");
    assert!(last.ends_with("To send it again: teamster send alice die\nWhat was done: teamster logs alice"), "{last}");
}

#[test]
fn who_kills_a_member_is_not_told_by_mail_what_was_lost_and_finds_it_in_the_logs() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run echo begun; exec sleep 1000");
    team.until_said("alice", "begun");
    team.ok("kill alice");
    assert_eq!(letters(&team), []);
    // Told to end by a signal or, on a machine with much else to do, killed.
    assert!(team.ok("logs alice").contains("the prompt of turn 1 is lost: its worker "));
    let said = team.ok("why alice");
    assert!(said.contains("the prompt of turn 1 is lost (echo begun; exec sleep 1000): its worker "), "{said}");
}
