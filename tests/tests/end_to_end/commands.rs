//! Words are never a command: what is run was said to be a command, and what a command reads was asked for.

use teamster_tests::team::Team;

#[test]
fn words_are_never_run_by_whoever_only_runs_commands() {
    let team = Team::new();
    team.ok("spawn alice");
    let refused = team.fails(1, "send alice touch sent");
    insta::assert_snapshot!(refused, @"
    error: alice drives shell, which runs commands only, and this is not said to be one
      hint: if it is a command: teamster send alice --run touch sent
    ");
    let refused = team.fails(1, "task add --to alice touch assigned");
    assert!(refused.contains("it drives shell, which runs commands only"), "{refused}");
    // The words come first and are more urgent, and the command behind them is run all the same.
    let added = team.ok("task add --priority 9 touch added");
    assert!(added.contains("no member can take it: alice drives shell, which runs commands only"), "{added}");
    team.ok("dm alice --urgent touch mailed");
    team.ok("task add --run echo a command");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    team.until_said("alice", "touch mailed");
    assert_eq!(team.standing(1), "pending");
    let why = team.ok("why 1");
    assert!(why.contains("no member can take it: alice drives shell"), "{why}");
    let why = team.ok("why alice");
    assert!(why.contains("task 1 is words, and its agent runs commands only"), "{why}");
    let made: Vec<&str> = ["sent", "assigned", "added", "mailed"]
        .into_iter()
        .filter(|name| team.repository().join(name).exists())
        .collect();
    assert_eq!(made, Vec::<&str>::new(), "these words were run");
    // Somebody says that it is a command after all.
    team.ok("task edit 1 --run");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert!(team.repository().join("added").exists());
}

#[test]
fn words_are_for_the_member_that_reads_and_commands_for_any() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice");
    let refused = team.ok("task add say hello there");
    assert!(refused.contains("no member can take it"), "{refused}");
    team.ok("spawn cleo --agent script");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["owner"], "cleo");
    // A command is run by the shell beside it, and not said to it.
    team.ok("task add --run --to cleo echo run by $0");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_eq!(team.task(2)["attempts"][0]["end"]["result"], "run by sh");
    team.ok("send cleo say sent words");
    team.until_said("cleo", "sent words");
}

#[test]
fn a_command_that_reads_meets_the_end_of_its_input_at_once() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run cat; echo read to the end");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "read to the end");
    team.ok("send alice --run echo begun; sleep 1000");
    team.until_said("alice", "begun");
    let refused = team.fails(1, "steer alice hello");
    insta::assert_snapshot!(refused, @"
    error: alice did not take it: it runs a command whose standard input is closed, so nothing reads it
      hint: end it with teamster stop alice; what is to be steered is begun with -i: teamster send alice --run -i COMMAND
    ");
    assert_eq!(team.ok("stop alice"), "alice stopped");
}

#[test]
fn a_command_that_was_asked_to_reads_what_steers_it() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; cat");
    team.until_said("alice", "begun");
    team.ok("steer alice hello");
    team.until_said("alice", "hello");
    let shown = team.ok("task show 1");
    assert!(shown.contains("\nrun, interactive\n  echo begun; cat"), "{shown}");
    assert_eq!(team.ok("stop alice"), "alice stopped; task 1 is held for it: teamster task retry 1 lets it go on");
}

#[test]
fn a_plan_says_which_of_its_commands_reads() {
    let team = Team::new();
    let plan =
        "[[task]]\nrun = \"echo asks; read word; echo got $word\"\ninteractive = true\n[[task]]\nrun = \"cat\"\n";
    let mut run = team.start(&format!("run {} -w 1", team.plan(plan)));
    run.until("w1 began 1");
    team.until_said("w1", "asks");
    team.ok("steer w1 it");
    let said = run.ends();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "asks\ngot it");
    assert_eq!(team.standing(2), "completed");
}
