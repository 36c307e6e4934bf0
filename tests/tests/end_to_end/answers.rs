//! `--wait` of `send`, `steer` and `dm`: it tells how far a text has come, and the exit code says how it ended.

use serde_json::Value;
use teamster_tests::team::{Running, Said, Team};

/// A leader whose members can drive the scripted agent, and one of them.
fn team_of_talkers() -> Team {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    team
}

fn start(team: &Team, words: &[&str]) -> Running {
    let mut command = team.command("");
    command.args(words);
    team.start_command(command)
}

fn fate(said: &Said) -> Value {
    let last = said.out.lines().last().expect("it says how it ended");
    serde_json::from_str(last).expect("each line is JSON")
}

#[test]
fn a_prompt_is_waited_for_until_its_turn_has_ended() {
    let team = team_of_talkers();
    let said = start(&team, &["send", "alice", "--wait", "say hi"]).ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out, "alice has answered; see teamster logs alice\n");
    for told in ["alice works on it: turn 1", "alice: delivered", "alice: answered"] {
        assert!(said.err.contains(told), "{}", said.err);
    }
    let said = start(&team, &["send", "alice", "--wait", "fail it is too hard"]).ends();
    assert_eq!((said.code, said.out.as_str()), (Some(1), "alice has failed: it is too hard\n"), "{}", said.err);
    let said = start(&team, &["send", "alice", "--wait", "--run", "exit 3"]).ends();
    assert_eq!((said.code, said.out.as_str()), (Some(1), "alice has failed: exit status 3\n"), "{}", said.err);
    let said = start(&team, &["dm", "alice", "--wait", "--json", "say mail"]).ends();
    assert_eq!((said.code, fate(&said)["fate"].as_str()), (Some(0), Some("answered")), "{}{}", said.out, said.err);
}

#[test]
fn a_steer_is_answered_or_its_turn_is_stopped_or_it_is_lost_with_its_worker() {
    let team = team_of_talkers();
    start(&team, &["send", "alice", "say begun\nwait"]).ends();
    team.until_said("alice", "begun");
    let said = start(&team, &["steer", "alice", "--wait", "left"]).ends();
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "alice has answered; see teamster logs alice\n"),
        "{}",
        said.err
    );
    assert!(said.err.contains("alice has it: accepted") && said.err.contains("alice: delivered"), "{}", said.err);

    start(&team, &["send", "alice", "say again\nwait"]).ends();
    team.until_said("alice", "again");
    let mut waited = start(&team, &["steer", "alice", "--now", "--wait", "--json", "say turned"]);
    waited.until("\"state\":\"delivered\"");
    team.ok("steer alice go on");
    let said = waited.ends();
    assert_eq!((said.code, fate(&said)["fate"].as_str()), (Some(0), Some("answered")), "{}{}", said.out, said.err);

    let mut waited = start(&team, &["send", "alice", "--wait", "--json", "wait"]);
    waited.until("\"state\":\"delivered\"");
    team.ok("stop alice");
    let said = waited.ends();
    assert_eq!((said.code, fate(&said)["fate"].as_str()), (Some(1), Some("unanswered")), "{}{}", said.out, said.err);

    start(&team, &["send", "alice", "queue\nsay queues\nread\nwait"]).ends();
    team.until_said("alice", "queues");
    let mut waited = start(&team, &["steer", "alice", "--wait", "--json", "right"]);
    waited.until("\"state\":\"queued\"");
    team.ok("kill alice");
    let said = waited.ends();
    assert_eq!((said.code, fate(&said)["fate"].as_str()), (Some(1), Some("lost")), "{}{}", said.out, said.err);
}

#[test]
fn a_prompt_for_somebody_who_is_busy_is_refused_with_the_line_that_interrupts_its_turn() {
    let team = team_of_talkers();
    start(&team, &["send", "alice", "say begun\nwait-at-first"]).ends();
    team.until_said("alice", "begun");
    let said = start(&team, &["send", "alice", "say it's not that"]).ends();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let line = "teamster steer alice --now 'say it'\\''s not that'";
    assert!(said.err.contains("it is busy with turn 1") && said.err.contains(line), "{}", said.err);
    team.ok_words(&["steer", "alice", "--now", "say it's not that"]);
    team.until_said("alice", "it's not that");
    let said = start(&team, &["send", "alice", "--now", "say more"]).ends();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("--now is an option of teamster steer"), "{}", said.err);
}

#[test]
fn a_wait_that_nobody_could_end_is_refused() {
    let team = Team::new();
    team.ok("spawn alice");
    let said = team.fails(1, "dm alice --wait hello");
    assert!(said.contains("alice runs commands only, and no agent of it would answer"), "{said}");
}
