//! Where a plan is wrong: the line, the column and the piece of it that is shown.

use super::*;

#[test]
fn toml_syntax_is_pointed_at() {
    insta::assert_snapshot!(toml_error("[[task]]\nrun = \"make\n\n[[task]\nrun = 'x'\nid = \nrun = 'y'\n"), @r#"
    plan.toml:2:12: invalid basic string, expected `"`
      2 | run = "make
        |            ^

    plan.toml:4:8: unclosed array table, expected `]`
      4 | [[task]
        |        ^
    "#);
}

#[test]
fn json_syntax_is_pointed_at() {
    insta::assert_snapshot!(json_error("[\n  {\"run\": \"make\",}\n]"), @r#"
    plan.json:2:18: key must be a string
      2 |   {"run": "make",}
        |                  ^
    "#);
    insta::assert_snapshot!(json_error("[{\"run\": \"make\"}"), @r#"
    plan.json:1:16: EOF while parsing a list
      1 | [{"run": "make"}
        |                ^
    "#);
    insta::assert_snapshot!(json_error("[{\"run\": \"make\"}] x"), @r#"
    plan.json:1:19: trailing characters
      1 | [{"run": "make"}] x
        |                   ^
    "#);
}

#[test]
fn json_meaning_is_pointed_at_too() {
    insta::assert_snapshot!(json_error(r#"{"task": [
  {"id": "a", "run": "x", "needs": ["b"], "run": "y"},
  {"id": "b", "run": null, "after": ["a", {}], "timeout": "soon"},
  "make",
  {"id": "c", "prompt": "x", "after": ["c"], "deep": [[[[[[[1]]]]]]]}
], "version": 1}"#), @r#"
    plan.json:2:27: unknown key `needs`
      2 |   {"id": "a", "run": "x", "needs": ["b"], "run": "y"},
        |                           ^^^^^^^
      hint: did you mean `after`?

    plan.json:2:43: `run` is given twice
      2 |   {"id": "a", "run": "x", "needs": ["b"], "run": "y"},
        |                                           ^^^^^

    plan.json:3:22: `run` must be text, not null
      3 |   {"id": "b", "run": null, "after": ["a", {}], "timeout": "soon"},
        |                      ^^^^

    plan.json:3:43: an item of `after` must be text, not a table
      3 |   {"id": "b", "run": null, "after": ["a", {}], "timeout": "soon"},
        |                                           ^^

    plan.json:3:59: `timeout`: `soon` is not a duration, write for example 90s, 10m, 1h30m or 500ms
      3 |   {"id": "b", "run": null, "after": ["a", {}], "timeout": "soon"},
        |                                                           ^^^^^^

    plan.json:4:3: a task must be a table, not text
      4 |   "make",
        |   ^^^^^^

    plan.json:5:40: these tasks wait for each other and could never start: c → c
      5 |   {"id": "c", "prompt": "x", "after": ["c"], "deep": [[[[[[[1]]]]]]]}
        |                                        ^^^
      hint: take one of them out of an `after`

    plan.json:5:46: unknown key `deep`
      5 |   {"id": "c", "prompt": "x", "after": ["c"], "deep": [[[[[[[1]]]]]]]}
        |                                              ^^^^^^
      hint: a task has id, run, prompt, interactive, title, after, to, role, agent, priority, timeout, max-tokens, max-cost, max-turns, max-time

    plan.json:6:4: unknown key `version`
      6 | ], "version": 1}
        |    ^^^^^^^^^
      hint: a plan holds nothing but [[task]] tables
    "#);
    insta::assert_snapshot!(json_error("42"), @"
    plan.json:1:1: a plan must be a table or a list of tasks, not a number
      1 | 42
        | ^^
    ");
    insta::assert_snapshot!(json_error("[]"), @r#"
    plan.json: the plan has no task
      hint: a task is written as [[task]] and on the next line run = "make test"
    "#);
}

#[test]
fn a_long_line_is_shown_in_part() {
    let filler = format!(r#"{{"run":"{}"}}"#, "漢".repeat(60));
    insta::assert_snapshot!(json_error(&format!(r#"[{filler},{{"run":"x","after":["nobody"]}},{filler}]"#)), @r#"
    plan.json:1:93: task `2` comes after `nobody`, but no task is called so
      1 | …漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢"},{"run":"x","after":["nobody"]},{"run":"漢漢漢漢漢漢漢漢漢漢漢漢漢…
        |                                                           ^^^^^^^^
    "#);
}
