//! Names of what is not there, and such as are no names.

use teamster_tests::team::Team;

use super::refused;

#[test]
fn a_member_that_nobody_knows() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run --priority 3 --role other true");
    let said = refused(
        &team,
        1,
        &[
            "status alcie",
            "send bob --run true",
            "steer bob hello",
            "dm alcie hello",
            "stop bob",
            "shutdown bob",
            "kill bob",
            "logs bob",
            "inbox bob",
            "task assign 1 bob",
            "task add --to bob hello",
        ],
    );
    insta::assert_snapshot!(said, @"
    $ status alcie
    error: there is no member alcie
      hint: did you mean alice?
    $ send bob --run true
    error: there is no member bob
      hint: the members are alice
    $ steer bob hello
    error: there is no member bob
      hint: the members are alice
    $ dm alcie hello
    error: there is no member alcie
      hint: did you mean alice?
    $ stop bob
    error: there is no member bob
      hint: the members are alice
    $ shutdown bob
    error: there is no member bob
      hint: the members are alice
    $ kill bob
    error: there is no member bob
      hint: the members are alice
    $ logs bob
    error: there is no member bob
      hint: the members are alice
    $ inbox bob
    error: there is no member bob
      hint: the members are alice
    $ task assign 1 bob
    error: there is no member bob
      hint: the members are alice
    $ task add --to bob hello
    error: there is no member bob
      hint: the members are alice
    ");
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn a_task_that_is_not_on_the_board() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    team.ok("task add --run true");
    let said = refused(
        &team,
        1,
        &[
            "task show 7",
            "task assign 7 alice",
            "task unassign 7",
            "task dep add 1 7",
            "task dep rm 1 7",
            "task dep ls 7",
            "task retry 7",
            "task cancel 7",
            "task add --after 1,7 hello",
        ],
    );
    insta::assert_snapshot!(said, @"
    $ task show 7
    error: there is no task 7
      hint: see teamster task list
    $ task assign 7 alice
    error: there is no task 7
      hint: see teamster task list
    $ task unassign 7
    error: there is no task 7
      hint: see teamster task list
    $ task dep add 1 7
    error: task 1 cannot wait for task 7: there is no task 7
      hint: see teamster task list
    $ task dep rm 1 7
    error: task 1 does not wait for task 7
      hint: see teamster task dep ls 1
    $ task dep ls 7
    error: there is no task 7
      hint: see teamster task list
    $ task retry 7
    error: there is no task 7
      hint: see teamster task list
    $ task cancel 7
    error: there is no task 7
      hint: see teamster task list
    $ task add --after 1,7 hello
    error: task 2 cannot wait for task 7: there is no task 7
      hint: see teamster task list
    ");
}

#[test]
fn tasks_that_would_wait_for_each_other() {
    let team = Team::new();
    team.ok("task add one");
    team.ok("task add --after 1 two");
    team.ok("task add --after 2 three");
    let said = refused(&team, 1, &["task dep add 1 3", "task dep add 2 2"]);
    insta::assert_snapshot!(said, @"
    $ task dep add 1 3
    error: task 1 cannot wait for itself: 1 → 3 → 2 → 1
      hint: remove one of these with teamster task dep rm ID DEP
    $ task dep add 2 2
    error: task 2 cannot wait for itself: 2 → 2
      hint: name another task: see teamster task list
    ");
    assert_eq!(team.task(1)["waits_for"].as_array().unwrap().len(), 0);
}

#[test]
fn what_is_no_name() {
    let team = Team::new();
    let long = "a".repeat(41);
    for name in ["../x", "lead", "Alice", long.as_str(), "a/b", "a.b", "ä", ".."] {
        for verb in ["spawn", "kill", "env", "stop", "logs", "task assign 1"] {
            let said = team.fails(2, &format!("{verb} {name}"));
            assert!(said.contains(&format!("invalid value '{name}' for '<NAME")), "`{verb} {name}`: {said}");
            let why = if name == "lead" { "is reserved for the leader" } else { "use 1 to 40 of a-z, 0-9 and -" };
            assert!(said.contains(why), "`{verb} {name}`: {said}");
        }
    }
    for line in ["id --team ../x", "spawn a --role ../x", "spawn a --agent A", "task show 0", "task show -1"] {
        team.fails(2, line);
    }
    assert_eq!(std::fs::read_dir(team.sandbox().root()).unwrap().count(), 0, "nothing was made");
    // The longest name is one.
    assert_eq!(team.ok(&format!("id --team {}", &long[1..])), long[1..]);
}

#[test]
fn an_agent_that_is_not_built_in() {
    let team = Team::new();
    insta::assert_snapshot!(team.fails(1, "spawn alice --agent nosuch"), @"
    error: there is no agent nosuch
      hint: known agents: shell, pi, claude, codex, opencode, gemini, qwen, kimi, llm, acp:COMMAND, cmd:COMMAND (teamster agents tells more)
            or describe your own in ~/.config/teamster/config.toml: [agent.nosuch] with driver and command
    ");
    assert!(!team.ok("list --json").contains("alice"), "nothing is left on the roster");
    team.ok("spawn alice");
}
