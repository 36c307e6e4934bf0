//! Plans as a user writes them, and what is said about them.

use std::fmt::Write;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use teamster_protocol::model::limits::sizes::{
    PLAN_BYTES_MAX, PLAN_TASKS_MAX, PLAN_TITLE_COLUMNS_MAX, PROBLEMS_SHOWN_MAX,
};

use super::*;
use crate::ops::budget::WantedBudget;

mod pointing;
mod properties;

fn toml(text: &str) -> Plan {
    Plan::parse(text, DocumentFormat::Toml, "plan.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn json(text: &str) -> Plan {
    Plan::parse(text, DocumentFormat::Json, "plan.json").unwrap_or_else(|error| panic!("{error}"))
}

fn toml_error(text: &str) -> String {
    Plan::parse(text, DocumentFormat::Toml, "plan.toml").expect_err("a problem").to_string()
}

fn json_error(text: &str) -> String {
    Plan::parse(text, DocumentFormat::Json, "plan.json").expect_err("a problem").to_string()
}

const FULL: &str = r#"
# Everything a task can have.
[[task]]
id = "a"
run = "make"

[[task]]
id = "b"
prompt = """
Review the change
and say what you think."""
title = "review"
after = ["a", "a"]
to = "alice"
role = "reviewer"
agent = "pi"
priority = -5
timeout = "1h30m"
max-tokens = "200k"
max-cost = 0.5
max-turns = 3
max-time = "2h"
"#;

#[test]
fn a_full_plan_is_read() {
    let plan = toml(FULL);
    let bare = |id: &str, work| PlannedTask {
        id: id.into(),
        work,
        title: "make".into(),
        after: vec![],
        to: None,
        role: None,
        agent: None,
        priority: 0,
        timeout: None,
        budget: Default::default(),
    };
    assert_eq!(plan.tasks[0], bare("a", TaskWork::run("make")));
    let review = PlannedTask {
        title: "review".into(),
        after: vec![0],
        to: Some("alice".into()),
        role: Some("reviewer".into()),
        agent: Some("pi".into()),
        priority: -5,
        timeout: Some(Duration::from_secs(5400)),
        budget: WantedBudget {
            max_tokens: NonZeroU64::new(200_000),
            max_cost_micro_usd: NonZeroU64::new(500_000),
            max_turns: NonZeroU64::new(3),
            max_time: Some(Duration::from_secs(7200)),
        },
        ..bare("b", TaskWork::Prompt("Review the change\nand say what you think.".into()))
    };
    assert_eq!(plan.tasks[1], review);
}

#[test]
fn an_agent_may_be_a_command_that_no_shell_is_needed_for() {
    let plan = toml("[[task]]\nprompt = 'x'\nagent = \"cmd:claude -p '{}'\"\n");
    assert_eq!(plan.tasks[0].agent.as_deref(), Some("cmd:claude -p '{}'"));
    insta::assert_snapshot!(toml_error("[[task]]\nprompt = 'x'\nagent = 'cmd:a | b'\n"), @r"
    plan.toml:3:9: `cmd:a | b` can not be `agent`: `|` is for a shell, and none runs it: quote it, or put the command into a script
      3 | agent = 'cmd:a | b'
        |         ^^^^^^^^^^^
    ");
}

#[test]
fn a_budget_of_nothing_is_refused_with_its_place() {
    for (value, says) in [
        ("max-tokens = 0", "`max-tokens`: `0` is a budget of nothing: it must be above 0"),
        ("max-cost = 0.0", "`max-cost`: `0.0` is a budget of nothing: it must be above 0"),
        ("max-turns = true", "`max-turns` must be a number, not true or false"),
        ("max-time = '0s'", "`max-time`: `0s` is no time at all"),
    ] {
        let error = toml_error(&format!("[[task]]\nrun = 'x'\n{value}\n"));
        assert!(error.contains("plan.toml:3:") && error.contains(says), "{error}");
    }
}

#[test]
fn both_forms_of_json_say_the_same_as_toml() {
    let list = r#"[{"id":"a","run":"make"},{"id":"b","prompt":"Review the change\nand say what you think.",
        "title":"review","after":["a"],"to":"alice","role":"reviewer","agent":"pi","priority":-5,"timeout":"1h30m",
        "max-tokens":200000,"max-cost":"0.50","max-turns":3,"max-time":"120m"}]"#;
    assert_eq!(json(list), toml(FULL));
    assert_eq!(json(&format!("\u{feff}{{\"task\":{list}}}\n")), toml(FULL));
}

#[test]
fn ids_and_titles_have_defaults() {
    let plan = toml("task = [{run=\"\\n  make\\nmore\"}, {run='x', after=[1]}, {id=7, run='y', after=['2', 1]}]");
    assert_eq!(plan.tasks[0].title, "make");
    assert_eq!((plan.tasks[1].id.as_str(), &plan.tasks[1].after), ("2", &vec![0]));
    assert_eq!((plan.tasks[2].id.as_str(), &plan.tasks[2].after), ("7", &vec![1, 0]));
    let long = toml(&format!("[[task]]\nrun = '{}'", "echo \u{1b} ".repeat(50)).replace('\u{1b}', "漢"));
    assert_eq!(crate::ops::text::width(&long.tasks[0].title), PLAN_TITLE_COLUMNS_MAX);
}

#[test]
fn a_task_may_name_one_that_comes_later() {
    let plan = toml(
        "task = [{id='d', run='x', after=['b', 'c']}, {id='b', run='x', after=['a']}, {id='c', run='x'}, {id='a', run='x'}, {id='e', run='x'}]",
    );
    let after: Vec<&[usize]> = plan.tasks.iter().map(|task| task.after.as_slice()).collect();
    assert_eq!(after, [&[1, 2][..], &[3], &[], &[], &[]]);
}

#[test]
fn several_problems_are_all_reported_in_order() {
    insta::assert_snapshot!(toml_error(r#"
[[task]]
id = "build"
run = "make"
aftre = ["x"]

[[task]]
id = "test"
run = "make test"
prompt = "test it"
after = ["biuld", "nothing-like-it"]

[[task]]
id = "build"
to = "Alice"
timeout = "90"
priority = 3000000000
"#), @r#"
    plan.toml:5:1: unknown key `aftre`
      5 | aftre = ["x"]
        | ^^^^^
      hint: did you mean `after`?

    plan.toml:10:1: task `test` has both `run` and `prompt`
      10 | prompt = "test it"
         | ^^^^^^
      hint: keep one, or make it two tasks

    plan.toml:11:10: task `test` comes after `biuld`, but no task is called so
      11 | after = ["biuld", "nothing-like-it"]
         |          ^^^^^^^
      hint: did you mean `build`?

    plan.toml:11:19: task `test` comes after `nothing-like-it`, but no task is called so
      11 | after = ["biuld", "nothing-like-it"]
         |                   ^^^^^^^^^^^^^^^^^

    plan.toml:13:1: task `build` has nothing to do
      13 | [[task]]
         | ^^^^^^^^
      hint: add run = "a command" or prompt = "words for an agent"

    plan.toml:14:6: a second task is called `build`
      14 | id = "build"
         |      ^^^^^^^
      hint: the first is at 3:6

    plan.toml:15:6: `Alice` can not be `to`: it has `A`, only a–z, 0–9 and - are allowed
      15 | to = "Alice"
         |      ^^^^^^^

    plan.toml:16:11: `timeout`: `90` has no unit, write for example 90s, 90m or 90ms
      16 | timeout = "90"
         |           ^^^^

    plan.toml:17:12: priority must be a whole number from -2147483648 to 2147483647, not 3000000000
      17 | priority = 3000000000
         |            ^^^^^^^^^^
    "#);
}

#[test]
fn wrong_types_are_named() {
    insta::assert_snapshot!(toml_error(r#"
[[task]]
id = 1.5
run = ["make"]
after = "a"
to = 7
role = true
priority = "high"
timeout = 90
title = { a = 1 }
"#), @r#"
    plan.toml:3:6: `id` must be text, not a number
      3 | id = 1.5
        |      ^^^

    plan.toml:4:7: `run` must be text, not a list
      4 | run = ["make"]
        |       ^^^^^^^^

    plan.toml:5:9: `after` must be a list of ids, not text
      5 | after = "a"
        |         ^^^
      hint: write ["a"]

    plan.toml:6:6: `to` must be text, not a number
      6 | to = 7
        |      ^

    plan.toml:7:8: `role` must be text, not true or false
      7 | role = true
        |        ^^^^

    plan.toml:8:12: `priority` must be a whole number, not text
      8 | priority = "high"
        |            ^^^^^^

    plan.toml:9:11: `timeout` must be text with a unit, not a number
      9 | timeout = 90
        |           ^^
      hint: write "90s" for seconds

    plan.toml:10:9: `title` must be text, not a table
      10 | title = { a = 1 }
         |         ^^^^^^^^^
    "#);
}

#[test]
fn only_a_command_can_be_interactive() {
    let plan =
        toml("task = [{run='cat', interactive=true}, {run='cat', interactive=false}, {prompt='x', interactive=false}]");
    let open = TaskWork::Run { command: "cat".into(), input: CommandInput::Open };
    assert_eq!(
        plan.tasks.iter().map(|task| &task.work).collect::<Vec<_>>(),
        [&open, &TaskWork::run("cat"), &TaskWork::Prompt("x".into())]
    );
    insta::assert_snapshot!(toml_error("[[task]]\nprompt = 'x'\ninteractive = true\n[[task]]\nrun = 'x'\ninteractive = 'yes'"), @"
    plan.toml:3:1: task `1` has a `prompt`, which can not be `interactive`
      3 | interactive = true
        | ^^^^^^^^^^^
      hint: only a command has a standard input

    plan.toml:6:15: `interactive` must be true or false, not text
      6 | interactive = 'yes'
        |               ^^^^^
    ");
}

#[test]
fn blank_and_hostile_texts_are_refused() {
    insta::assert_snapshot!(toml_error(
        "[[task]]\nid = \"\"\nrun = \"  \"\ntitle = \"a\\u001b[2Jb\"\nto = \"lead\"\nrole = \"re\\u001bviewer\"\n\"k\\u001b[2Jey\" = 1\n[[task]]\nid = 'tab\there'\nrun = 'x' # 漢\u{202e}字\ntimeout = '0s'"
    ), @r#"
    plan.toml:2:6: `id` is empty
      2 | id = ""
        |      ^^

    plan.toml:3:7: `run` is empty
      3 | run = "  "
        |       ^^^^

    plan.toml:4:9: `title` must be one line without control characters
      4 | title = "a\u001b[2Jb"
        |         ^^^^^^^^^^^^^

    plan.toml:5:6: `lead` can not be `to`: that is the leader
      5 | to = "lead"
        |      ^^^^^^

    plan.toml:6:8: `re\u{1b}viewer` can not be `role`: it has `\u{1b}`, only a–z, 0–9 and - are allowed
      6 | role = "re\u001bviewer"
        |        ^^^^^^^^^^^^^^^^

    plan.toml:7:1: unknown key `k\u{1b}[2Jey`
      7 | "k\u001b[2Jey" = 1
        | ^^^^^^^^^^^^^^
      hint: a task has id, run, prompt, interactive, title, after, to, role, agent, priority, timeout, max-tokens, max-cost, max-turns, max-time

    plan.toml:9:6: `id` must be one line without control characters
      9 | id = 'tab    here'
        |      ^^^^^^^^^^^^^

    plan.toml:11:11: `timeout`: `0s` is no time at all, a duration must be longer than zero
      11 | timeout = '0s'
         |           ^^^^
    "#);
    insta::assert_snapshot!(toml_error(&format!("[[task]]\nid='{}'\nrun='x'\nto='{}'", "i".repeat(81), "n".repeat(41))), @"
    plan.toml:2:4: an id has at most 80 characters, this one has 81
      2 | id='iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii…
        |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    plan.toml:4:4: `nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` can not be `to`: it has 41 characters, at most 40 are allowed
      4 | to='nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'
        |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn cycles_are_printed_whole() {
    insta::assert_snapshot!(toml_error(
        "[[task]]\nid='d'\nrun='x'\nafter=['c']\n[[task]]\nid='a'\nrun='x'\nafter=['d', 'b']\n[[task]]\nid='b'\nrun='x'\nafter=['c']\n[[task]]\nid='c'\nrun='x'\nafter=['a']\n[[task]]\nid='self'\nrun='x'\nafter=['self']"
    ), @"
    plan.toml:4:8: these tasks wait for each other and could never start: d → c → a → d
      4 | after=['c']
        |        ^^^
      hint: take one of them out of an `after`

    plan.toml:20:8: these tasks wait for each other and could never start: self → self
      20 | after=['self']
         |        ^^^^^^
      hint: take one of them out of an `after`
    ");
}

#[test]
fn a_very_long_cycle_is_abridged() {
    let mut text = String::new();
    for at in 0..1000 {
        writeln!(text, "[[task]]\nid='t{at}'\nrun='x'\nafter=['t{}']", (at + 1) % 1000).expect("a string");
    }
    insta::assert_snapshot!(toml_error(&text), @"
    plan.toml:4:8: these tasks wait for each other and could never start: t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → t8 → t9 → … 981 more … → t991 → t992 → t993 → t994 → t995 → t996 → t997 → t998 → t999 → t0
      4 | after=['t1']
        |        ^^^^
      hint: take one of them out of an `after`
    ");
}

#[test]
fn an_id_by_position_can_collide() {
    insta::assert_snapshot!(toml_error("[[task]]\nid = '2'\nrun = 'x'\n[[task]]\nrun = 'y'"), @"
    plan.toml:4:1: a second task is called `2`
      4 | [[task]]
        | ^^^^^^^^
      hint: a task without `id` is called by its position; the other is at 2:6
    ");
    insta::assert_snapshot!(toml_error("[[task]]\nrun = 'x'\n[[task]]\nid = '1'\nrun = 'y'"), @"
    plan.toml:4:6: a second task is called `1`
      4 | id = '1'
        |      ^^^
      hint: a task without `id` is called by its position, as the one at 1:1
    ");
}

#[test]
fn what_stands_outside_of_tasks_is_named() {
    insta::assert_snapshot!(toml_error("run = 'x'\n[[tasks]]\nrun = 'x'\n[settings]\na = 1"), @"
    plan.toml:1:1: unknown key `run`
      1 | run = 'x'
        | ^^^
      hint: this key belongs under a [[task]] line

    plan.toml:2:3: unknown key `tasks`
      2 | [[tasks]]
        |   ^^^^^
      hint: did you mean `task`?

    plan.toml:4:2: unknown key `settings`
      4 | [settings]
        |  ^^^^^^^^
      hint: a plan holds nothing but [[task]] tables
    ");
    insta::assert_snapshot!(toml_error("[task]\nrun = 'x'"), @"
    plan.toml:1:2: `task` must be a list of tables, not a table
      1 | [task]
        |  ^^^^
      hint: write [[task]] with two brackets
    ");
    insta::assert_snapshot!(toml_error("task = ['make']"), @"
    plan.toml:1:9: a task must be a table, not text
      1 | task = ['make']
        |         ^^^^^^
    ");
    assert_eq!(json_error(" \n"), toml_error("").replace(".toml", ".json"));
    insta::assert_snapshot!(toml_error("# nothing yet\n"), @r#"
    plan.toml: the plan has no task
      hint: a task is written as [[task]] and on the next line run = "make test"
    "#);
}

#[test]
fn bytes_are_checked_before_they_are_read() {
    let said = |bytes: &[u8], path: Option<&str>| {
        Plan::parse_bytes(bytes, path.map(Path::new)).expect_err("a problem").to_string()
    };
    insta::assert_snapshot!(said(b"[[task]]\nrun = 'caf\xe9'\n", Some("plans/a.toml")), @"
    plans/a.toml:2:11: the text from here on is not UTF-8
      2 | run = 'caf
        |           ^
    ");
    insta::assert_snapshot!(said(&vec![b'#'; PLAN_BYTES_MAX + 1], None), @"<stdin>: the plan has 16777217 bytes, at most 16777216 are read");
    insta::assert_snapshot!(said(b"[{}]", None), @r#"
    <stdin>:1:2: task `1` has nothing to do
      1 | [{}]
        |  ^^
      hint: add run = "a command" or prompt = "words for an agent"
    "#);
    let plan = Plan::parse_bytes(b"[{\"run\":\"x\"}]", None).expect("a plan");
    assert_eq!(plan.tasks.len(), 1);
}

#[test]
fn too_many_tasks_are_refused() {
    let text = format!("[{}{{}}]", "{},".repeat(PLAN_TASKS_MAX));
    insta::assert_snapshot!(json_error(&text), @"plan.json: the plan has 100001 tasks, at most 100000 are allowed");
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let error = Plan::parse(&"[[task]]\nrun = ''\n".repeat(5000), DocumentFormat::Toml, "p").expect_err("problems");
    assert_eq!((error.problems.len(), error.more), (PROBLEMS_SHOWN_MAX, 5000 - PROBLEMS_SHOWN_MAX));
    assert!(error.to_string().ends_with("and 4990 more problems"));
}

// A hundred times the time it takes: only a cost that grows with the square of the tasks gets there.
#[test]
fn ten_thousand_tasks_are_read_in_proportion() {
    let limit = Duration::from_secs(20);
    let mut chain = String::new();
    for at in 0..10_000 {
        writeln!(chain, "[[task]]\nid = 't{at}'\nrun = 'true'").expect("a string");
        if at + 1 < 10_000 {
            writeln!(chain, "after = ['t{}', 't9999']", at + 1).expect("a string");
        }
    }
    let began = Instant::now();
    let plan = toml(&chain);
    assert_eq!(plan.tasks[0].after, [1, 9_999]);
    println!("10,000 tasks: {:?}", began.elapsed());

    let broken = chain.replace("run = 'true'\nafter = ['t", "run = 'true'\nafter = ['x");
    let error = Plan::parse(&broken, DocumentFormat::Toml, "p").expect_err("unknown tasks");
    assert_eq!(error.more, 9_999 - PROBLEMS_SHOWN_MAX);
    println!("and with 9,999 mistakes: {:?}", began.elapsed());
    assert!(began.elapsed() < limit);
}

#[test]
fn depth_is_no_danger() {
    for text in ["[".repeat(1_000_000), format!("a{} = 1", ".a".repeat(1_000_000))] {
        let began = Instant::now();
        for format in [DocumentFormat::Toml, DocumentFormat::Json] {
            assert!(Plan::parse(&text, format, "plan").is_err());
            println!("{format:?} {:?}", began.elapsed());
        }
    }
    let deep = format!("[{{\"x\":{}{}}}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(json_error(&deep).contains("unknown key `x`"));
}
