//! `task …`: filling, changing and clearing the board.

use std::fs;

use serde_json::json;

use crate::place::Place;

#[test]
fn a_board_is_filled_changed_and_cleared() {
    let place = Place::new();
    place.enroll("alice");
    assert_eq!(place.ok("task list"), "no tasks; add one with teamster task add --run COMMAND");
    assert_eq!(place.ok("task add --run make test"), "task 1 is on the board");
    insta::assert_snapshot!(place.ok("task add --after 1 --priority -2 write the docs"), @"
    task 2 is on the board
    note: no member can take it: alice drives shell, which runs commands only; if it is a command, teamster task edit 2 --run; else spawn a member that reads
    ");
    place.ok("task add --run --after 1,2 --role tests --timeout 1h30m --title look review");
    insta::assert_snapshot!(place.ok("task add --run --to alice deploy"), @"
    task 4 is on the board
    note: alice is not running; the task waits until it is started with teamster spawn alice
    ");
    place.ok("task assign 1 alice");
    place.ok("task unassign 1");
    place.ok("task dep add 4 #3");
    place.ok("task dep rm 4 3");
    insta::assert_snapshot!(place.ok("task cancel 2"), @"task 2 is cancelled; what waits for it stays blocked (3) until teamster task dep rm 3 2");
    insta::assert_snapshot!(place.ok("task list"), @"
    id  status           whose       title
     1  pending                      make test
     2  cancelled                    write the docs
     3  blocked by 1, 2  role tests  look
     4  pending          for alice   deploy

    4 tasks: 2 pending, 1 blocked, 1 cancelled
    ");
    place.ok("task retry 2");
    // Several at once: all of them, or none.
    insta::assert_snapshot!(place.fails(1, "task cancel 1 4 9"), @r"
    error: there is no task 9; no task was changed
      hint: see teamster task list
    ");
    insta::assert_snapshot!(place.ok("task cancel 4 1 4"), @"tasks 1, 4 are cancelled; what waits for 1 stays blocked (2, 3) until teamster task dep rm 2 1");
    insta::assert_snapshot!(place.fails(1, "task retry 1 2"), @"error: cannot retry task 2: it is pending; no task was changed");
    assert_eq!(place.ok("task retry 1 4"), "tasks 1, 4 are to be done again");
    assert_eq!(place.ok("task assign 1 3 alice").lines().next(), Some("tasks 1, 3 are for alice"));
    assert_eq!(place.ok("task unassign 1 3"), "tasks 1, 3 are open to everybody");
    insta::assert_snapshot!(place.ok("task dep ls 2"), @"
    task 2 waits for
      1 make test  pending
    what waits for task 2
      3 look  pending
    ");
    insta::with_settings!({filters => vec![(r"\d+s ago", "just now")]}, {
        insta::assert_snapshot!(place.ok("task show 3"), @"
        task       3 look
        status     pending, blocked by 1, 2
        added      just now by lead
        after      1, 2
        role       tests
        timeout    1h 30m

        run
          review
        ");
    });
    for word in ["in_progress", "in-progress", "in progress"] {
        let shown = place.run_words(&["task", "list", "--status", word]).out;
        assert_eq!(shown.trim_end(), "none of these; 4 tasks: 2 pending, 2 blocked", "{word}");
    }
    assert_eq!(place.ok("task list --status completed"), "none of these; 4 tasks: 2 pending, 2 blocked");
    let said = place.fails(2, "task list --all");
    assert!(said.contains("unexpected argument --all"), "all is what it lists anyway: {said}");
    assert_eq!(place.ok("task clear completed"), "nothing to clear");
    assert_eq!(place.ok("task clear all --yes"), "cleared 4 tasks; teamster task restore puts them back");
    assert_eq!(place.ok("task add --run next"), "task 5 is on the board", "a number is never used twice");
}

#[test]
fn options_behind_a_command_are_told_with_the_line_that_was_meant() {
    let place = Place::new();
    place.enroll("alice");
    let note = |line: &str| {
        let said = place.run(line);
        assert!(said.out.contains("is on the board"), "{}{}", said.out, said.err);
        said.err.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        note("task add --run make all --after 99"),
        "note: --after 99 is part of the text: options come before its first word; for an option, cancel this task and \
         type: teamster task add --run --after 99 make all"
    );
    assert!(
        note("task add --run make test --to alice").ends_with("type: teamster task add --run --to alice make test")
    );
    assert!(note("task add --run make *.c --title x").ends_with("type: teamster task add --run --title x make '*.c'"));
    // What is no option of ours, or what every program has, is the command's own.
    for line in
        ["task add --run make -f Makefile", "task add --run tool --json --help", "task add --run x --after soon"]
    {
        assert_eq!(note(line), "", "{line}");
    }
}

#[test]
fn words_are_text_to_the_end_and_a_command_is_what_is_said_to_be_one() {
    let place = Place::new();
    place.enroll("alice");
    let said = place.run("task add fix the --json output");
    assert!(said.out.starts_with("task 1 is on the board"), "{}", said.out);
    let note = "note: --json is part of the text: options come before its first word; for an option, cancel this task and type: \
                teamster task add --json fix the output\n";
    assert_eq!(said.err.split_whitespace().collect::<Vec<_>>(), note.split_whitespace().collect::<Vec<_>>());
    place.ok("task add make -j4 --run");
    place.ok("task add --run -i cat -n");
    let work = |id: u32| place.json(&format!("task show {id}"))["task"]["work"].clone();
    assert_eq!(work(1), json!({"prompt": "fix the --json output"}));
    assert_eq!(work(2), json!({"run": "make -j4"}));
    assert_eq!(work(3), json!({"run": "cat -n", "interactive": true}));
    // Nobody reads there, so words for alice alone are refused, and other words are said to have no taker.
    insta::assert_snapshot!(place.fails(1, "task add --to alice late work"), @"
    error: alice can not take words: it drives shell, which runs commands only
      hint: add it with --run if it is a command, or without --to alice, for members that read
    ");
    place.run("task add late work");
    insta::assert_snapshot!(place.fails(1, "task assign 4 alice"), @"
    error: alice can not take task 4, which is words: it drives shell, which runs commands only
      hint: if it is a command, teamster task edit 4 --run; else assign it to a member that reads
    ");
    insta::assert_snapshot!(place.ok("task list"), @"
    id  status             whose  title
     1  pending, no taker         fix the --json output
     2  pending                   make -j4
     3  pending                   cat -n
     4  pending, no taker         late work

    4 tasks: 4 pending
    note: tasks 1, 4: no member can take it: alice drives shell, which runs commands only; see teamster why 1
    ");
    let rows = place.json("task list")["tasks"].clone();
    assert_eq!((&rows[0]["kind"], &rows[1]["kind"]), (&"prompt".into(), &"run".into()));
    assert!(rows[0]["no_taker"].is_string() && rows[1].get("no_taker").is_none(), "{rows}");
    insta::assert_snapshot!(place.ok("why 1"), @"
    task 1 fix the --json output is pending
      no member can take it: alice drives shell, which runs commands only
        → if it is a command, teamster task edit 1 --run; else spawn a member that reads
    ");
}

#[test]
fn a_task_that_nobody_takes_says_so_when_it_is_added() {
    let place = Place::new();
    insta::assert_snapshot!(place.ok("task add --run make"), @"
    task 1 is on the board
    note: nobody can take it yet: no worker runs; teamster spawn NAME
    ");
    place.enroll("alice");
    insta::assert_snapshot!(place.ok("task add --run --role tester make test"), @"
    task 2 is on the board
    note: nobody can take it yet: needs the role tester, which nobody has; teamster spawn NAME --role tester
    ");
}

#[test]
fn what_the_board_refuses_is_said_with_the_way_out() {
    let place = Place::new();
    place.enroll("alice");
    place.ok("task add one");
    place.ok("task add --after 1 two");
    let refused = [
        "task add --after 9 three",
        "task dep add 1 2",
        "task dep add 1 1",
        "task dep rm 1 2",
        "task dep add 2 1",
        "task retry 1",
        "task show 7",
        "task assign 1 alcie",
        "task assign 7 alice",
        "task add --to bob x",
        "task add -f nowhere.md",
    ];
    let said = refused.map(|line| format!("$ {line}\n{}", place.fails(1, line)));
    insta::assert_snapshot!(said.join("\n"), @"
    $ task add --after 9 three
    error: task 3 cannot wait for task 9: there is no task 9
      hint: see teamster task list
    $ task dep add 1 2
    error: task 1 cannot wait for itself: 1 → 2 → 1
      hint: remove one of these with teamster task dep rm ID DEP
    $ task dep add 1 1
    error: task 1 cannot wait for itself: 1 → 1
      hint: name another task: see teamster task list
    $ task dep rm 1 2
    error: task 1 does not wait for task 2
      hint: see teamster task dep ls 1
    $ task dep add 2 1
    error: task 2 waits for task 1 already
    $ task retry 1
    error: cannot retry task 1: it is pending
    $ task show 7
    error: there is no task 7
      hint: see teamster task list
    $ task assign 1 alcie
    error: there is no member alcie
      hint: did you mean alice?
    $ task assign 7 alice
    error: there is no task 7
      hint: see teamster task list
    $ task add --to bob x
    error: there is no member bob
      hint: the members are alice
    $ task add -f nowhere.md
    error: cannot read nowhere.md: No such file or directory (os error 2)
    ");
    let blank = place.run_words(&["task", "add", "  "]);
    assert_eq!(
        (blank.code, blank.err.as_str()),
        (Some(2), "error: a task needs a text\n  hint: say what is to be done: see teamster task add --help\n")
    );
    assert_eq!(place.json("task list")["tasks"].as_array().expect("a list").len(), 2, "nothing was added");
}

#[test]
fn a_refused_first_task_leaves_no_team_behind() {
    let place = Place::new();
    assert_eq!(place.run_words(&["task", "add", ""]).code, Some(2));
    place.fails(1, "task add --run --to alice x");
    assert!(!place.root().exists());
}

#[test]
fn text_comes_from_words_a_file_or_standard_input() {
    let place = Place::new();
    fs::write(place.work().join("task.md"), "\nfrom a file\nmore\n").expect("a file");
    place.ok("task add -f task.md");
    assert_eq!(place.run_with_input("task add -", "from a pipe\n").code, Some(0));
    assert_eq!(place.run_with_input("task add -f -", "from a pipe again\n").code, Some(0));
    let tasks = place.json("task list");
    let titles: Vec<&str> =
        tasks["tasks"].as_array().expect("a list").iter().filter_map(|t| t["title"].as_str()).collect();
    assert_eq!(titles, ["from a file", "from a pipe", "from a pipe again"]);
    assert_eq!(
        place.json("task show 1")["task"]["work"]["prompt"],
        "\nfrom a file\nmore\n",
        "the text is kept as it is"
    );
}
