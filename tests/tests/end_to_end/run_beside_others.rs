//! A run is not alone: somebody else ends the team meanwhile, and members take what is on the board before it looks.

use serde_json::Value;
use teamster_tests::team::{Running, Said, Team};

/// A run on the only task of which a member is, until a word comes through the fifo `go`. Another task waits for it.
fn run_at_work(team: &Team, options: &str, begun: &str) -> Running {
    let plan = "[[task]]\nrun = \"mkfifo go; echo begun; read x < go\"\n[[task]]\nrun = \"true\"\nafter = [\"1\"]\n";
    let mut run = team.start(&format!("run {} -w 1 {options}", team.plan(plan)));
    run.until(begun);
    team.until_said("w1", "begun");
    run
}

/// Nothing that the user can not know is in the words of a run.
fn is_plain(said: &Said) {
    for word in ["connection", "restart required", "did not take the call"] {
        assert!(!said.err.contains(word) && !said.out.contains(word), "{}{}", said.out, said.err);
    }
}

#[test]
fn a_run_whose_team_is_ended_by_somebody_else_says_so_and_how_to_go_on() {
    let team = Team::new();
    let run = run_at_work(&team, "", "w1 began 1");
    let mut down = team.start("down");
    down.until("waits for w1");
    team.feed("go", "go");
    let said = run.ends();
    assert_eq!(said.code, Some(1), "{}", said.err);
    is_plain(&said);
    team.snapshot(|| {
        insta::assert_snapshot!(said.out, @"
        id  task  member  state  time  result
         1  mkfifo go; echo begun; …  w1  completed  [time]  begun
         2  true  pending

        1 completed, 1 pending in [time], the team was ended by somebody else
        go on with teamster run --resume
        ")
    });
    assert_eq!(down.ends().code, Some(0));
}

#[test]
fn a_run_whose_team_is_ended_by_force_reports_its_summary_to_programs() {
    let team = Team::new();
    let run = run_at_work(&team, "--json", "\"kind\":\"claimed\"");
    assert_eq!(team.run("down --force").code, Some(0));
    let said = run.ends();
    assert_eq!(said.code, Some(1), "{}", said.err);
    is_plain(&said);
    let last = said.out.lines().last().unwrap_or_default();
    let summary: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
    assert_eq!((&summary["kind"], &summary["ended"]), (&"summary".into(), &"team_ended".into()), "{summary}");
    assert_eq!(summary["counts"], serde_json::json!({"pending": 2}));
}

#[test]
fn a_run_tells_of_tasks_that_begin_before_all_of_its_crew_is_there() {
    let team = Team::new();
    for _ in 0..12 {
        team.ok("task add --run true");
    }
    let said = team.run("run --resume -w 3 --json");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let told: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let place = |kind: &str, id: u32| told.iter().position(|told| told["kind"] == kind && told["task"] == id);
    let listed = told.iter().position(|told| told["kind"] == "listed");
    for id in 1..=12 {
        let (claimed, completed) = (place("claimed", id), place("completed", id));
        assert!(
            listed < claimed && claimed < completed,
            "task {id}: {listed:?} {claimed:?} {completed:?}\n{}",
            said.out
        );
    }
}
