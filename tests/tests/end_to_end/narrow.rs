//! A terminal of 40 columns: no row of a table and no line of a drawing is wider, and sentences break between words.

use std::process::Command;

use teamster_leader::ops::text::width;
use teamster_tests::team::Team;

const COLUMNS: u16 = 40;

/// A name as long as names may be.
const LONG: &str = "a-member-with-a-name-of-forty-characters";

const WIDE_TITLE: &str = "漢字のタスクはとても長い題名を持っていて切り詰められなければならない";
const MARKED_TITLE: &str = "e\u{301}e\u{301}e\u{301} o\u{308} with marks, and longer than a line of the terminal";

/// The lines that the terminal would have to break, though they could be broken between words.
fn too_wide(text: &str) -> Vec<&str> {
    text.lines().filter(|line| width(line) > usize::from(COLUMNS) && line.trim().contains(' ')).collect()
}

fn at_terminal(command: &mut Command) {
    command.env("TERM", "xterm").env("TEAMSTER_PAGER", "cat");
}

/// A team with a member of that name and with tasks of these titles: one failed, one waits for it, one is being done.
fn team_of_long_names() -> Team {
    let team = Team::new();
    team.ok(&format!("spawn {LONG} bob --no-claim"));
    team.ok_words(&["task", "add", "--title", WIDE_TITLE, "--to", LONG, "--run", "exit 3"]);
    team.ok_words(&["task", "add", "--title", MARKED_TITLE, "--after", "1", "--to", "bob", "--run", "true"]);
    team.ok_words(&["task", "add", "--to", "bob", "--run", "mkfifo go; echo begun; read x < go"]);
    team.until_said("bob", "begun");
    team.run("wait 1");
    team
}

#[test]
fn no_command_prints_a_line_that_is_wider_than_the_terminal() {
    let team = team_of_long_names();
    team.ok_words(&["dm", LONG, WIDE_TITLE]);
    for (line, shown) in [
        ("list", "bob"),
        ("status", "needs a look"),
        ("status bob", "task"),
        (&format!("status {LONG}"), LONG),
        ("task list", "2 blocked by"),
        ("task show 1", "切り詰め"),
        ("task show 2", "blocked by 1"),
        ("task dep ls 2", "切り詰め"),
        ("why 2", "exit status 3"),
        ("why bob", "on task 3"),
        (&format!("inbox {LONG} --peek"), "切り詰め"),
        ("events", "task 1 failed"),
        ("approvals", "no question"),
        ("teams", "up "),
        ("doctor", "the board is sound"),
        (&format!("logs {LONG}"), "exit status 3"),
        (&format!("task assign 2 {LONG}x"), "error"),
    ] {
        let mut command = team.command(line);
        at_terminal(&mut command);
        let screen = team.start_at_terminal_of(COLUMNS, command).ends();
        assert_eq!(too_wide(&screen.text), Vec::<&str>::new(), "`{line}`: {}", screen.text);
        let plain = team.plain(&screen.text).replace('\n', " ");
        let joined = plain.split_whitespace().collect::<Vec<_>>();
        assert!(joined.join(" ").contains(shown) || joined.concat().contains(shown), "`{line}`: {}", screen.text);
    }
    team.feed("go", "go");
}

#[test]
fn the_team_that_is_led_in_the_foreground_is_drawn_within_the_terminal() {
    let team = Team::new();
    let mut command = team.command("up");
    at_terminal(&mut command);
    let mut up = team.start_at_terminal_of(COLUMNS, command);
    up.until_drawn(&["no tasks yet", "Ctrl-C ends the team"]);
    team.ok(&format!("spawn {LONG}"));
    team.ok_words(&["task", "add", "--title", WIDE_TITLE, "--run", "mkfifo go; echo begun; read x < go"]);
    team.until_said(LONG, "begun");
    up.until_drawn(&["a-member", "busy", "1 漢字", "1 in progress; Ctrl-C ends the team"]);
    up.interrupt();
    up.until_drawn(&["ending once every turn is over; Ctrl-C"]);
    team.feed("go", "go");
    let screen = up.ends();
    assert_eq!((screen.code, too_wide(&screen.text)), (Some(0), Vec::new()), "{}", screen.text);
}

#[test]
fn a_run_is_drawn_and_summed_up_within_the_terminal() {
    let team = Team::new();
    let plan = team.plan(&format!(
        "[[task]]\nid = \"a-label-that-is-longer-than-a-line-of-the-terminal\"\nrun = \"echo {WIDE_TITLE}; exit 3\"\nto = \"{LONG}\"\n\
         [[task]]\ntitle = \"{MARKED_TITLE}\"\nrun = \"mkfifo go; echo begun; read x < go\"\nto = \"bob\"\n"
    ));
    let mut command = team.command(&format!("run {plan} --shared"));
    at_terminal(&mut command);
    let mut run = team.start_at_terminal_of(COLUMNS, command);
    run.until_drawn(&["bob", "1/2  1 failed"]);
    team.until_said("bob", "begun");
    team.feed("go", "go");
    let screen = run.ends();
    assert_eq!((screen.code, too_wide(&screen.text)), (Some(1), Vec::new()), "{}", screen.text);
    let summary = screen.text.rsplit("\u{1b}[?2026l").next().expect("all of it");
    assert!(summary.contains("failed") && summary.contains("1 completed, 1 failed in"), "{summary}");
}
