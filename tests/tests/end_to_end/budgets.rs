//! Budgets of a run, of members and of tasks, as options and as settings: what is used up ends, and people are told. The agent is
//! the scripted one.

use std::fs;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use teamster_tests::team::Team;

const SCRIPTED: (&str, &str) = ("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));

const PLAN: &str = r#"
[[task]]
id = "one"
prompt = "usage 84 1"

[[task]]
id = "gate"
run = "read go < go"
after = ["one"]

[[task]]
id = "two"
prompt = "usage 60 1\nwait"
after = ["gate"]

[[task]]
id = "three"
prompt = "say three"
after = ["two"]
"#;

#[test]
fn a_run_that_uses_up_its_budget_is_ended_with_the_reason_and_its_rest_is_kept() {
    for (option, settings) in [(" --max-tokens 100", ""), ("", "[run]\nmax-tokens = 100\n")] {
        let team = Team::new();
        fs::write(team.repository().join("teamster.toml"), settings).unwrap();
        let plan = team.plan(PLAN);
        let mut run = team.command(&format!("run {plan} --agent script -w 1{option}"));
        run.envs([SCRIPTED]);
        // What is used between two looks of the run is told together.
        let go = team.repository().join("go");
        mkfifo(&go, Mode::S_IRWXU).unwrap();
        let mut run = team.start_command(run);
        run.until("the run has used 85 of 100 tokens of its budget");
        fs::write(go, "on\n").unwrap();
        let said = run.ends();
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(1), "{all}");
        for words in [
            "the run has used 85 of 100 tokens of its budget",
            "the budget of the run is used up: 146 of 100 tokens",
            "its budget was used up",
        ] {
            assert!(all.contains(words), "{words}: {all}");
        }
        let standings = [1, 2, 3, 4].map(|id| team.standing(id));
        assert_eq!(standings[..2], ["completed", "completed"]);
        assert!(!standings[2..].contains(&"completed".to_owned()), "{standings:?}");
    }
}

#[test]
fn a_member_is_warned_of_before_its_budget_is_used_up_and_the_lead_is_written_to_then() {
    let team = Team::new();
    fs::write(team.repository().join("teamster.toml"), "[agent.script]\nmax-tokens = 100\n").unwrap();
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    assert!(team.ok("status alice").contains("0 of 100 tokens"));
    team.ok_words(&["task", "add", "--to", "alice", "usage 85 1"]);
    team.until_event("budget_nearly");
    assert!(team.ok("events").contains("alice has used 86 of 100 tokens of its budget"));
    team.ok("wait 1");
    team.ok_words(&["task", "add", "--to", "alice", "--max-tokens", "1k", "usage 60 1\nwait"]);
    team.until_event("budget_spent");
    let letters = team.ok("inbox");
    assert!(letters.contains("The budget of alice is used up: 147 of 100 tokens"), "{letters}");
    assert_eq!(team.standing(2), "pending");

    assert!(team.ok("task show 2").contains("of 1000 tokens"));
    team.ok("task edit 2 --max-tokens 500 --max-turns 3");
    let shown = team.ok("task show 2");
    assert!(shown.contains("of 500 tokens, 1 of 3 turns"), "{shown}");
    assert!(team.ok("events").contains("budget"));
    team.ok("task edit 2 --no-budget --max-turns 4");
    let shown = team.ok("task show 2");
    assert!(shown.contains("1 of 4 turns") && !shown.contains("of 500 tokens"), "{shown}");
    assert!(team.fails(2, "task edit 2 --max-tokens 0").contains("a budget of nothing"));
    team.ok("spawn alice --max-tokens 1k");
    assert!(team.ok("status alice").contains("of 1000 tokens"));
}
