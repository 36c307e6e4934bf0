//! A text or a task for a member that has left starts it again as it was, and nobody else is started by it. The agent is the
//! scripted one, which counts its prompts: by the count its conversation went on.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;
use teamster_tests::team::Team;

const SCRIPTED: (&str, &str) = ("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));

/// A team with a leader whose members can drive the scripted agent.
fn led_team() -> Team {
    let team = Team::new();
    lead(&team);
    team
}

fn lead(team: &Team) {
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
}

/// Gives a member something, and returns what the command said.
fn said(team: &Team, line: &str) -> String {
    let said = team.run(line);
    assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
    format!("{}{}", said.out, said.err)
}

/// Ends a member in order, once it waits.
fn let_go(team: &Team, member: &str) {
    team.ok("wait --idle");
    team.ok(&format!("shutdown {member}"));
    assert_eq!(team.state(member), "left");
}

/// What stands on the roster about a member, whatever it is at.
fn settings(team: &Team, member: &str) -> Vec<Value> {
    let status = team.json(&format!("status {member}"));
    ["agent", "options", "role", "auto", "workspace", "budget", "session"].map(|key| status[key].clone()).to_vec()
}

#[test]
fn each_kind_of_text_and_task_starts_a_member_that_has_left_with_all_that_it_had() {
    let team = led_team();
    team.ok("spawn alice --agent script --worktree --role tests --no-claim --idle-after 1h --max-turns 100");
    team.ok("send alice count");
    team.until_said("alice", "prompt 1");
    let before = settings(&team, "alice");
    assert!(before[6].is_string(), "{before:?}");
    // Nobody takes it before it is assigned.
    team.ok("task add count");
    let given = ["dm alice count", "send alice count", "steer alice count", "task add --to alice count"];
    for (line, number) in given.into_iter().zip(2..) {
        let_go(&team, "alice");
        let said = said(&team, line);
        assert!(said.contains("alice had left, and is started again as it was"), "{line}: {said}");
        team.until_said("alice", &format!("prompt {number}"));
        assert_eq!(settings(&team, "alice"), before, "{line}");
    }
    let_go(&team, "alice");
    let said = said(&team, "task assign 1 alice");
    assert!(said.contains("is started again"), "{said}");
    team.until_said("alice", "prompt 6");
}

#[test]
fn nobody_else_is_started_by_a_text() {
    let team = led_team();
    team.ok("spawn alice bob --agent script");
    team.ok("send alice count");
    team.until_said("alice", "prompt 1");
    let_go(&team, "alice");
    for line in ["dm alice --no-wake count", "task add --to alice --no-wake count"] {
        assert!(!said(&team, line).contains("started again"), "{line}");
    }
    let refused = team.fails(1, "send alice --no-wake count");
    assert!(refused.contains("alice is not running") && refused.contains("teamster spawn alice"), "{refused}");
    team.ok("broadcast count");
    team.until_said("bob", "prompt 1");
    assert_eq!(team.state("alice"), "left");

    // A member that was killed stays away, whatever it gets.
    team.ok("kill bob");
    let said = said(&team, "dm bob count");
    assert!(said.contains("bob stays away, because ") && said.contains("start it with teamster spawn bob"), "{said}");
    assert!(team.fails(1, "send bob count").contains("start it with teamster spawn bob"));
    assert_eq!(team.state("bob"), "left");
    team.ok("spawn bob");
    team.until_said("bob", "prompt 2");
}

#[test]
fn where_no_leader_runs_it_is_said_what_to_type() {
    let team = led_team();
    team.ok("spawn alice --agent script");
    team.ok("send alice count");
    team.until_said("alice", "prompt 1");
    team.ok("wait --idle");
    team.ok("down");
    let without_leader = said(&team, "dm alice count");
    let told = "alice has left, and no leader runs that would start it again; start it with teamster spawn alice";
    assert!(without_leader.contains(told), "{without_leader}");
    assert_eq!(team.state("alice"), "left");
    // A leader alone starts nobody; the next text to the member does, and what waited for it comes first.
    lead(&team);
    assert_eq!(team.state("alice"), "left");
    let woken = team.json("dm alice count");
    assert_eq!(woken["waking"], "woken", "{woken}");
    team.until_said("alice", "prompt 2");
}

#[test]
fn a_member_that_can_not_be_started_is_not_tried_again_by_each_text() {
    let team = Team::new();
    let program = team.repository().join("agent");
    symlink(SCRIPTED.1, &program).unwrap();
    let mut up = team.command("up --detach");
    up.env(SCRIPTED.0, &program);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script --start at-once");
    let_go(&team, "alice");
    fs::remove_file(&program).unwrap();
    let first = said(&team, "dm alice count");
    assert!(first.contains("alice has left and could not be started again: cannot spawn alice: "), "{first}");
    let second = said(&team, "dm alice count");
    assert!(second.contains("alice stays away, because ") && second.contains("No such file"), "{second}");
    assert_eq!(team.json("inbox alice")["messages"].as_array().unwrap().len(), 2, "both wait for it");
}

#[test]
fn no_agent_starts_a_member_that_the_lead_shut_down_and_the_lead_does() {
    let team = led_team();
    team.ok("spawn alice bob --agent script --no-claim");
    let_go(&team, "bob");
    team.ok("send alice run teamster dm bob count 2>&1; teamster task add --to bob count 2>&1");
    let told =
        "bob stays away, because it was asked to end, and only the lead starts it again; ask for it: teamster dm lead";
    team.until_said("alice", told);
    team.ok("wait --idle");
    assert_eq!(team.ok("logs alice").matches("only the lead starts it again").count(), 2, "by a task neither");
    assert_eq!(team.state("bob"), "left");
    assert!(said(&team, "dm bob count").contains("bob had left, and is started again as it was"));
    team.until_said("bob", "prompt 2");
}

#[test]
fn a_member_that_is_ending_is_said_to_take_nothing_more() {
    let team = led_team();
    team.ok("spawn alice --agent script");
    team.ok("send alice wait");
    let ending = team.start("shutdown alice --finish");
    team.until_event("\"kind\":\"ending\"");
    let told = said(&team, "dm alice count");
    assert!(told.contains("alice was asked to end and takes nothing more; once it has left, start it with"), "{told}");
    team.ok("stop alice");
    assert_eq!(ending.ends().code, Some(0));
}

#[test]
fn a_prompt_waits_as_mail_where_a_member_that_is_started_for_it_has_something_else_to_do_first() {
    let team = led_team();
    team.ok("spawn alice --agent script");
    let_go(&team, "alice");
    team.ok("task add wait");
    let told = said(&team, "send alice count");
    assert!(told.contains("alice had left, and is started again as it was"), "{told}");
    // Whichever came first, she gets both.
    team.until_event("\"kind\":\"claimed\"");
    team.ok("steer alice go on");
    team.until_said("alice", "prompt ");
}
