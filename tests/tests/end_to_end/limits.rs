//! Limits of providers: the members of one account are parked together, and are let go on by `unpark`. The agent is the
//! scripted one.

use teamster_tests::team::Team;

const SCRIPTED: (&str, &str) = ("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));

#[test]
fn members_of_one_account_are_parked_together_and_unpark_lets_them_go_on() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice bob --agent script");
    team.ok("spawn cy --agent script --model other/m1");
    team.ok_words(&["send", "alice", "limit 3600000\nsay done"]);
    // Alice is parked last, when her turn has ended.
    for name in ["bob", "alice"] {
        team.until_said(name, "\"kind\":\"parked\"");
    }
    let listed = team.json("list");
    let states: Vec<(&str, &str)> = listed["members"].as_array().unwrap().iter().map(name_and_state).collect();
    assert_eq!(states[..2], [("alice", "parked"), ("bob", "parked")]);
    assert!(states[2].1 != "parked", "cy's model is of another provider: {states:?}");
    assert!(team.ok("list").contains("parked until "));
    assert!(team.ok("events").contains("the provider of alice takes no more until "));
    assert!(team.ok("why bob").contains("teamster unpark bob lets it go on now"));
    assert!(team.fails(1, "unpark cy").contains("cy is not parked"));
    assert!(team.fails(1, "unpark eve").contains("there is no member eve"));
    team.fails(2, "unpark");
    team.fails(2, "unpark alice --all");

    // Dora uses the account, too, and does not run.
    team.ok("spawn dora --agent script");
    team.ok("shutdown dora");
    assert_eq!(team.ok("unpark bob").trim(), "the limit is lifted for alice and bob");
    team.until_said("alice", "done");
    team.ok("wait --idle");
    assert!(team.fails(1, "unpark alice").contains("alice is not parked"));
    assert_eq!(team.ok("unpark --all").trim(), "nobody is parked");
    assert!(team.ok("events").contains("the limit of the account of bob is lifted"));
}

fn name_and_state(row: &serde_json::Value) -> (&str, &str) {
    (row["name"].as_str().unwrap(), row["state"].as_str().unwrap())
}

#[test]
fn a_provider_without_room_is_tried_again_and_one_that_refuses_ends_the_member_and_fails_no_task() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    team.ok_words(&["task", "add", "--to", "alice", "busy 1\nsay done"]);
    team.until_said("alice", "529 overloaded (try 1 of 10)");
    assert!(team.ok("logs alice").contains("529 overloaded (try 1 of 10)"));
    team.until_said("alice", "done");
    team.ok("wait 1");
    assert_eq!(team.task(1)["attempts"].as_array().unwrap().len(), 1, "the same attempt goes on");
    let told_others = team.ok("events").contains("the provider of alice takes no more");
    assert!(!told_others, "it is no limit of the account");

    team.ok("task add --to alice refuse 401 the key is not accepted");
    team.until_event("provider_refused");
    assert_eq!(team.standing(2), "pending");
    for look in ["why alice", "events"] {
        let said = team.ok(look);
        assert!(said.contains("its provider serves it no more: 401 the key is not accepted"), "{look}: {said}");
    }
    assert_eq!(team.state("alice"), "left");
}

#[test]
fn a_member_that_does_not_park_ends_with_the_reason_and_its_task_is_open_again() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script --no-park");
    assert!(team.ok("status alice").contains("at a limit end"));
    let mut events = team.events();
    team.ok_words(&["task", "add", "--to", "alice", "limit 3600000\nsay done"]);
    events.until("provider_refused");
    assert_eq!(team.standing(1), "pending");
    let why = team.ok("why alice");
    assert!(why.contains("its provider serves it no more: all is used up"), "{why}");
    // It is kept over restarts: the limit of the account holds, so it ends before it takes the task again.
    // That may be before it was ready, or just after.
    let again = team.run("spawn alice");
    assert!(again.code == Some(0) || again.err.contains("its provider serves it no more"), "{}", again.err);
    events.until("provider_refused");
    assert_eq!(team.task(1)["attempts"].as_array().unwrap().len(), 1);
    team.fails(2, "spawn bob --on-limit park --no-park");
}
