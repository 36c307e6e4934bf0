//! What an agent is told of itself, and with which conversation it begins.

use std::fs;

use teamster_tests::team::Team;

const SCRIPTED: (&str, &str) = ("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));

/// A team with a leader whose members can drive the scripted agent.
fn led_team() -> Team {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team
}

#[test]
fn what_an_agent_is_told_of_itself_is_shown_and_may_be_written_anew() {
    let team = led_team();
    let shown = team.ok("agents --prompt");
    assert!(shown.starts_with("[prompt] with-shell, built in:\n\nYou are {member}, a member"), "{shown}");
    assert!(shown.contains("[prompt] without-shell, built in:\n\n"), "{shown}");
    team.ok("spawn alice --agent script");
    team.ok_words(&["send", "alice", "who"]);
    team.until_said("alice", "- teamster dm NAME WORDS writes to a member");

    let text = "[prompt]\nwith-shell = \"\"\"\nI am {member} of {team}.\nMy role is {role}.\nI speak French.\"\"\"\n";
    fs::write(team.repository().join("teamster.toml"), text).unwrap();
    let shown = team.json("agents --prompt");
    assert_eq!(shown["prompts"][0]["from"], "repository", "{shown}");
    assert!(shown["prompts"][0]["text"].as_str().unwrap().ends_with("I speak French."), "{shown}");
    assert!(team.ok("config").contains("I am {member} of {team}. …"));
    team.ok("spawn bob --agent script");
    team.ok_words(&["send", "bob", "who"]);
    team.until_said("bob", "I speak French.");
    let said = team.ok("logs bob");
    assert!(said.contains("I am bob of ") && !said.contains("My role"), "{said}");
    assert!(team.ok("status bob").contains("[prompt] of the settings"));

    // A member that is spawned again is told what holds by then.
    fs::write(team.repository().join("teamster.toml"), "[prompt]\nwith-shell = \"\"\n").unwrap();
    team.ok("shutdown bob");
    team.ok("spawn bob");
    team.ok_words(&["send", "bob", "who\nsay that is all"]);
    team.until_said("bob", "that is all");
    assert!(!team.ok("logs bob --turns 1").contains("French"));
    assert!(team.ok("agents --prompt").contains("(nothing is told)"));
}
