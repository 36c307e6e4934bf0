//! Plans with mistakes: shown with line and column, and nothing is begun.

use teamster_tests::team::Team;

#[test]
fn mistakes_in_toml() {
    let team = Team::new();
    let plans = [
        "[[task]]\nrun = \"x\"\nafterr = [\"b\"]\n",
        "[[task]]\nrun = \"x\n",
        "[[task]]\nid = \"a\"\nrun = \"x\"\nafter = [\"b\"]\n",
        "[[task]]\nid = \"a\"\nrun = \"x\"\nafter = [\"b\"]\n[[task]]\nid = \"b\"\nrun = \"y\"\nafter = [\"a\"]\n",
        "[[task]]\nid = \"a\"\nrun = \"x\"\n[[task]]\nid = \"a\"\nrun = \"y\"\n",
        "[[task]]\nrun = \"x\"\npriority = \"high\"\nto = \"../x\"\ntimeout = \"5 parsecs\"\n",
        "[[task]]\nid = \"a\"\n",
        "[[task]]\nrun = \"x\"\nprompt = \"y\"\n",
        "[[tasks]]\nrun = \"x\"\n",
        "",
    ];
    let said = plans.map(|plan| team.fails(2, &format!("run {}", team.plan(plan))));
    insta::assert_snapshot!(said.join("\n"), @r#"
    error: the plan can not be run:
    /t/work/plan.toml:3:1: unknown key `afterr`
      3 | afterr = ["b"]
        | ^^^^^^
      hint: did you mean `after`?
    error: the plan can not be run:
    /t/work/plan.toml:2:9: invalid basic string, expected `"`
      2 | run = "x
        |         ^
    error: the plan can not be run:
    /t/work/plan.toml:4:10: task `a` comes after `b`, but no task is called so
      4 | after = ["b"]
        |          ^^^
    error: the plan can not be run:
    /t/work/plan.toml:4:10: these tasks wait for each other and could never start: a → b → a
      4 | after = ["b"]
        |          ^^^
      hint: take one of them out of an `after`
    error: the plan can not be run:
    /t/work/plan.toml:5:6: a second task is called `a`
      5 | id = "a"
        |      ^^^
      hint: the first is at 2:6
    error: the plan can not be run:
    /t/work/plan.toml:3:12: `priority` must be a whole number, not text
      3 | priority = "high"
        |            ^^^^^^

    /t/work/plan.toml:4:6: `../x` can not be `to`: it has `.`, only a–z, 0–9 and - are allowed
      4 | to = "../x"
        |      ^^^^^^

    /t/work/plan.toml:5:11: `timeout`: `5 parsecs` is not a duration, write for example 90s, 10m, 1h30m or 500ms
      5 | timeout = "5 parsecs"
        |           ^^^^^^^^^^^
    error: the plan can not be run:
    /t/work/plan.toml:1:1: task `a` has nothing to do
      1 | [[task]]
        | ^^^^^^^^
      hint: add run = "a command" or prompt = "words for an agent"
    error: the plan can not be run:
    /t/work/plan.toml:3:1: task `1` has both `run` and `prompt`
      3 | prompt = "y"
        | ^^^^^^
      hint: keep one, or make it two tasks
    error: the plan can not be run:
    /t/work/plan.toml:1:3: unknown key `tasks`
      1 | [[tasks]]
        |   ^^^^^
      hint: did you mean `task`?
    error: the plan can not be run:
    /t/work/plan.toml: the plan has no task
      hint: a task is written as [[task]] and on the next line run = "make test"
    "#);
    assert_eq!(std::fs::read_dir(team.sandbox().root()).unwrap().count(), 0, "a team was made");
}

#[test]
fn mistakes_in_json_and_from_standard_input() {
    let team = Team::new();
    let path = team.file("plan.json", "{\"task\": [\n  {\"run\": \"x\", \"titel\": \"y\"}\n]}\n");
    let said = team.fails(2, &format!("run {}", path.display()));
    insta::assert_snapshot!(said, @r#"
    error: the plan can not be run:
    /t/work/plan.json:2:16: unknown key `titel`
      2 |   {"run": "x", "titel": "y"}
        |                ^^^^^^^
      hint: did you mean `title`?
    "#);
    let path = team.file("plan.json", "{\"task\": [\n  {\"run\": \"x\",}\n]}\n");
    insta::assert_snapshot!(team.fails(2, &format!("run {}", path.display())), @r#"
    error: the plan can not be run:
    /t/work/plan.json:2:15: key must be a string
      2 |   {"run": "x",}
        |               ^
    "#);
    let said = team.start_with("run -", "[[task]]\nrun = 5\n").ends();
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @"
    error: the plan can not be run:
    <stdin>:2:7: `run` must be text, not a number
      2 | run = 5
        |       ^
    ");
    assert_eq!(std::fs::read_dir(team.sandbox().root()).unwrap().count(), 0, "a team was made");
}

#[test]
fn a_prompt_for_an_agent_that_takes_commands() {
    let team = Team::new();
    let said = team.fails(1, &format!("run {}", team.plan("[[task]]\nid = \"a\"\nprompt = \"write a poem\"\n")));
    insta::assert_snapshot!(said, @"
    error: the plan's task `a` has a `prompt`, and the workers drive shell, which runs commands only
      hint: write `run` instead of `prompt`, or choose an agent with --agent
    ");
}
