//! What an agent is told of itself, and with which conversation it begins. The agents are the scripted one, which counts its
//! prompts, and `acp-agent`.

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

/// What the member says to a prompt.
fn count(team: &Team, member: &str, number: u32) {
    team.ok_words(&["send", member, "count"]);
    team.until_said(member, &format!("prompt {number}"));
    team.ok("wait --idle");
}

#[test]
fn a_member_begins_with_a_copy_of_anothers_conversation_and_goes_on_with_its_own() {
    let team = led_team();
    team.ok("spawn alice --agent script");
    count(&team, "alice", 1);
    team.ok("spawn bob --agent script --context branch:alice");
    count(&team, "bob", 2);
    assert!(team.ok("logs bob").contains(", a copy of another member's"));
    assert!(team.ok("status bob").contains("context branch:alice"));
    count(&team, "alice", 2);
    let session = |member: &str| {
        let members = team.json("list")["members"].as_array().unwrap().clone();
        members.into_iter().find(|row| row["name"] == member).unwrap()["session"].clone()
    };
    let own = session("bob");
    assert!(own.is_string() && own != session("alice"), "{own}");

    // It is copied once: later lives go on with what came of the copy.
    team.ok("shutdown bob");
    team.ok("spawn bob");
    assert_eq!(session("bob"), own);
    count(&team, "bob", 3);
    assert!(team.ok("status bob").contains("context branch:alice"));
    team.ok("shutdown bob");
    team.ok("spawn bob --context branch:alice");
    count(&team, "bob", 3);
    assert!(session("bob") != own, "it was asked for again");
    team.ok("shutdown bob");
    team.ok("spawn bob --context fresh");
    count(&team, "bob", 1);
}

#[test]
fn a_member_whose_agent_can_not_copy_a_conversation_begins_with_a_summary_of_it() {
    let team = led_team();
    team.ok("spawn alice --agent script");
    team.ok_words(&["send", "alice", "say the answer is 42"]);
    team.until_said("alice", "the answer is 42");
    team.ok("wait --idle");
    let agent = format!("acp:{}", env!("CARGO_BIN_EXE_acp-agent"));
    team.ok_words(&["spawn", "bob", "--agent", &agent, "--context", "branch:alice"]);
    team.ok_words(&["send", "bob", "say well"]);
    team.until_said("bob", "well");
    let said = team.ok("logs bob --json");
    for part in ["This is a summary of the conversation of alice", "> the answer is 42", "You are bob"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("\"begun\":\"summarized\""), "{said}");
}

#[test]
fn a_conversation_that_nobody_can_begin_with_is_refused_and_nobody_is_on_the_roster() {
    let team = led_team();
    team.ok("spawn alice");
    team.ok("spawn carol --agent script");
    for (line, why) in [
        ("spawn bob --context branch:carol", "shell has no conversation"),
        ("spawn bob --agent script --context branch:dora", "there is no member dora whose conversation bob could"),
        ("spawn bob --agent script --context branch:alice", "alice has no conversation yet that bob could begin with"),
        ("spawn bob --agent script --context branch:bob", "bob can not begin with a copy of its own conversation"),
    ] {
        let said = team.fails(1, line);
        assert!(said.contains(why), "{line}: {said}");
    }
    let said = team.fails(2, "spawn bob --agent script --context branch:lead");
    assert!(said.contains("the lead is a person, who has no conversation that could be copied"), "{said}");
    assert!(team.fails(2, "spawn bob --agent script --context alice").contains("neither fresh nor branch:MEMBER"));
    assert_eq!(team.json("list")["members"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_gives_its_workers_the_conversation_and_the_times_that_were_said_and_the_source_keeps_its_own() {
    let team = Team::new();
    let run = |line: &str| {
        let mut command = team.command(line);
        command.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
        let said = team.start_command(command).ends();
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
    };
    let of = |name: &str, agent: &str| {
        format!("[[task]]\nid = \"{name}\"\nto = \"{name}\"\nagent = \"{agent}\"\nprompt = \"count\"\n")
    };
    let plan = team.plan(&[of("w1", "script"), of("w2", "script")].concat());
    // The run's own agent is another one.
    run(&format!("run {plan} -w 2 --idle-after 7m"));
    let member = |name: &str| team.json(&format!("status {name}"));
    let before = [member("w1"), member("w2")];
    for member in &before {
        assert_eq!(member["options"]["idle_after"]["ms"], 420_000, "{member}");
        assert!(member["session"].is_string(), "{member}");
    }
    team.ok("task add --to w1 count");
    team.ok("task add --to w2 count");
    run("run --resume --agent script --context branch:w2");
    let after = [member("w1"), member("w2")];
    assert_eq!(after[1]["session"], before[1]["session"], "w2 goes on with its own");
    assert_ne!(after[0]["session"], before[0]["session"], "w1 begins with that of w2");
}
