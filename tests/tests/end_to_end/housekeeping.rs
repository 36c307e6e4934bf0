//! A house in order: teams, members that left, spawning several, and what is longer than the screen.

use serde_json::{Value, json};
use teamster_tests::team::Team;

fn names(list: &Value) -> Vec<&str> {
    list["members"].as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap()).collect()
}

#[test]
fn several_members_are_started_side_by_side_and_each_is_answered() {
    let team = Team::new();
    let said = team.ok("spawn alice bob carol --worktree");
    for name in ["alice", "bob", "carol"] {
        assert!(said.contains(&format!("{name} is ready on branch {}", team.branch(name))), "{said}");
    }
    let said = team.run("spawn dora alice --json");
    assert_eq!(said.code, Some(1));
    let ready: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(ready["name"], "dora", "one object a line, and nothing of the one that failed");
    let failed: Value = serde_json::from_str(&said.err).unwrap();
    assert!(failed["error"]["message"].as_str().unwrap().starts_with("alice: "), "{failed}");
    assert!(team.fails(2, "spawn erna erna").contains("erna is named twice"));
    assert_eq!(names(&team.json("list")), ["alice", "bob", "carol", "dora"]);
    assert!(!team.fails(1, "spawn alice").starts_with("error: alice: "), "a single one is answered as ever");
}

#[test]
fn who_left_is_not_in_the_way_and_is_forgotten_on_demand() {
    let team = Team::new();
    team.ok("spawn alice bob");
    team.ok("spawn carol --worktree");
    let refused = team.fails(1, "forget carol");
    assert!(refused.contains("carol has not left") && refused.contains("teamster shutdown carol"), "{refused}");
    team.ok("shutdown bob");
    team.ok("shutdown carol");
    assert_eq!(names(&team.json("list")), ["alice"]);
    assert_eq!(team.json("list")["hidden"], 2);
    let shown = team.ok("list");
    assert!(shown.ends_with("2 left: teamster list --all shows them, teamster forget takes them off"), "{shown}");
    assert_eq!(names(&team.json("list --all")), ["alice", "bob", "carol"]);
    let status = team.ok("status");
    assert!(status.contains("1 idle, 2 left") && !status.contains("bob"), "{status}");

    team.ok("task add --no-wake --run --to bob later");
    let refused = team.fails(1, "forget bob carol");
    assert!(refused.contains("task 1 is for bob alone") && refused.contains("task unassign 1"), "{refused}");
    team.ok("task cancel 1");
    let said = team.ok("rm bob carol");
    let branch = team.branch("carol");
    assert_eq!(
        said,
        format!(
            "bob is off the roster; until teamster cleanup teamster logs bob and teamster inbox bob show what is kept of it\n\
             carol is off the roster; until teamster cleanup its worktree stays on {branch}, and teamster logs carol and \
             teamster inbox carol show what is kept of it"
        )
    );
    assert_eq!(names(&team.json("list --all")), ["alice"]);
    assert!(team.fails(1, "forget bob").contains("there is no member bob"));
    assert!(team.ok("doctor").contains("sound"), "nothing is missing or left over");

    // The name is free, and its worktree is found again.
    team.ok("spawn carol --worktree");
    team.ok("shutdown carol");
    team.ok("forget carol");
    team.ok("down");
    assert!(team.ok("cleanup").contains("removed the worktree of carol"));
    assert_eq!(team.git("worktree list").lines().count(), 1, "no worktree was forgotten with its member");
}

#[test]
fn all_teams_are_shown_with_their_places() {
    let team = Team::new();
    assert!(team.ok("teams").starts_with("no teams in "));
    team.ok("spawn alice bob");
    team.ok("shutdown bob");
    team.ok("task add --to alice --run -i read word");
    team.ok("--team other task add one");
    team.ok("--team broken task add one");
    team.sh("echo damaged >> \"$TEAMSTER_ROOT/broken/board.jsonl\"");
    let list = team.json("teams");
    let here = list["teams"].as_array().unwrap().iter().find(|row| row["here"] == true).unwrap();
    assert_eq!(here["dir"], team.repository().canonicalize().unwrap().to_str().unwrap());
    assert_eq!((&here["members"], &here["left"], &here["open"]), (&json!(1), &json!(1), &json!(1)));
    assert!(here["leader"]["pid"].is_number(), "{here}");
    let other = list["teams"].as_array().unwrap().iter().find(|row| row["team"] == "other").unwrap();
    assert_eq!((&other["leader"], &other["open"], &other["here"]), (&Value::Null, &json!(1), &json!(false)));
    let shown = team.ok("teams");
    assert!(shown.contains("broken") && shown.contains("unreadable") && shown.contains("other"), "{shown}");
    assert!(shown.ends_with(&format!("{} is the team here", team.dir().team())), "{shown}");
}

#[test]
fn what_is_longer_than_the_screen_goes_through_the_pager() {
    let team = Team::new();
    let at_terminal = |line: &str, pager: &str| {
        let mut command = team.command(line);
        command.env("TEAMSTER_PAGER", pager);
        let screen = team.command_at_terminal(command, "");
        assert_eq!(screen.code, Some(0), "{}", screen.text);
        screen.text
    };
    let paged = || std::fs::read_to_string(team.repository().join("paged")).ok();
    team.ok("task add --run true");
    assert!(at_terminal("task list", "cat > paged").contains("1 task: 1 pending"));
    assert_eq!(paged(), None, "what fits needs none");
    for number in 2..40 {
        team.ok(&format!("task add --run echo {number}"));
    }
    assert!(at_terminal("task list --no-pager", "cat > paged").contains("echo 39"));
    assert_eq!(paged(), None);
    assert_eq!(at_terminal("task list", "cat > paged"), "", "all of it is in the pager");
    let text = paged().unwrap();
    assert!(text.contains("echo 39") && text.contains("39 tasks: 39 pending"), "{text}");
    assert!(at_terminal("events", "tail -n 1").contains("task 39 added"));
    assert!(at_terminal("task list", "no-such-pager-anywhere 2> /dev/null").contains("echo 39"));
    assert!(team.ok("task list").contains("echo 39"), "and a pipe gets all as it is");
}

#[test]
fn help_that_is_longer_than_the_screen_goes_through_the_pager_too() {
    let team = Team::new();
    let at_terminal = |line: &str| {
        let mut command = team.command(line);
        command.env("TEAMSTER_PAGER", "sed 's/^/paged: /'");
        let screen = team.command_at_terminal(command, "");
        assert_eq!(screen.code, Some(0), "{}", screen.text);
        screen.text
    };
    for line in ["help", "--help", "help spawn", "spawn --help"] {
        let text = at_terminal(line);
        assert!(text.lines().all(|line| line.starts_with("paged: ")), "{line}: {text}");
        let text = at_terminal(&format!("--no-pager {line}"));
        assert!(text.contains("--no-pager") && !text.contains("paged: "), "{line}: {text}");
    }
    assert!(!at_terminal("--version").contains("paged: "), "what fits needs none");
    assert!(team.ok("help spawn").contains("--no-pager"), "a pipe gets all as it is");
}

#[test]
fn sentences_break_between_words_on_both_streams_of_a_terminal() {
    let team = Team::new();
    team.ok("spawn alice bob");
    team.ok("shutdown bob");
    team.ok("task add rename the parser");
    let in_a_pipe = team.ok("why 1");
    let sentence = in_a_pipe.lines().find(|line| line.contains("else spawn a member that reads")).unwrap();
    assert!(sentence.chars().count() > 80, "in a pipe a sentence is a line: {in_a_pipe}");
    for (line, code, words) in [
        ("why 1", 0, "task edit 1 --run; else spawn a member that reads"),
        ("task add move the parser", 0, "task edit 2 --run; else spawn a member that reads"),
        ("list", 0, "1 left: teamster list --all shows it, teamster forget takes it off"),
        ("dm bob hello", 0, "bob"),
        ("forget alice", 1, "alice"),
    ] {
        let mut command = team.command(&format!("--no-pager {line}"));
        command.env("NO_COLOR", "1");
        let screen = team.command_at_terminal(command, "");
        assert_eq!(screen.code, Some(code), "`{line}`: {}", screen.text);
        assert!(screen.text.lines().all(|line| line.chars().count() <= 80), "`{line}`: {}", screen.text);
        let joined = screen.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(words), "`{line}`: {}", screen.text);
    }
}

#[test]
fn what_is_said_after_an_interrupt_begins_a_line() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run mkfifo go; echo begun; read x < go");
    team.until_said("alice", "begun");
    let interrupted = |line: &str, words: &str| {
        let mut running = team.start_at_terminal(team.command(line));
        running.until(words);
        running.interrupt();
        let screen = running.ends();
        assert_eq!(screen.code, Some(130), "`{line}`: {}", screen.text);
        screen.text
    };
    team.ok("task add rename the parser");
    let told = interrupted("wait 1", "member that reads\n");
    assert!(told.ends_with("^C\n"), "nor does the prompt of the shell stand behind it: {told}");
    let told = interrupted("down", "ends them now\n");
    assert!(told.contains("^C\nnot waiting any longer"), "{told}");
    team.feed("go", "go");
}

#[test]
fn what_is_no_file_in_the_place_of_one_is_told_once_and_set_aside() {
    let team = Team::new();
    team.ok("task add --run true");
    let dir = team.dir().path().display().to_string();
    team.sh(&format!("cd {dir}; umask 0; mkfifo mail/bob.jsonl team.jsonl.old; mkdir board.jsonl.old mail/carol.lock"));
    let checks = |report: &Value| -> Vec<String> {
        let of = |check: &Value| format!("{} {}: {}", check["where"], check["what"], check["hint"]);
        let wrong = report["checks"].as_array().unwrap().iter().filter(|check| check["level"] != "ok");
        wrong.map(of).map(|text| text.replace(&dir, "").replace('"', "")).collect()
    };
    let report: Value = serde_json::from_str(&team.run("doctor --json").out).unwrap();
    insta::assert_snapshot!(checks(&report).join("\n"), @"
    null /team.jsonl.old is a named pipe, not a file: teamster doctor --repair
    null /board.jsonl.old is a directory, not a file: teamster doctor --repair
    null /mail/bob.jsonl is a named pipe, not a file: teamster doctor --repair
    /mail/carol.lock a directory stands in the place of one of our files or directories, which can not be used so: remove it, or put back what was there
    ");
    let acts: Value = serde_json::from_str(&team.run("doctor --repair --json").out).unwrap();
    let acts = acts["repairs"].as_array().unwrap();
    assert!(acts.iter().all(|act| act["outcome"] == "done"), "{acts:?}");
    assert_eq!(acts.len(), 3, "{acts:?}");
}

#[test]
fn who_clears_all_at_a_terminal_is_asked() {
    let team = Team::new();
    team.ok("task add --run true");
    let screen = team.at_terminal("task clear all", "n\n");
    assert_eq!(screen.code, Some(1), "{}", screen.text);
    assert!(screen.text.contains("Clear the only task, none done? [y/N]"), "{}", screen.text);
    assert_eq!(team.json("task list")["counts"]["total"], 1);
    let screen = team.at_terminal("task clear all", "y\n");
    assert_eq!(screen.code, Some(0), "{}", screen.text);
    assert!(screen.text.contains("cleared 1 task"), "{}", screen.text);
    let screen = team.at_terminal("task clear all", "");
    assert!(screen.text.contains("nothing to clear"), "an empty board is no question: {}", screen.text);
}

#[test]
fn times_of_another_day_have_their_date() {
    let team = Team::new();
    team.ok("task add --run true");
    // A team of a day in November 2025.
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/v1/app");
    team.sh(&format!("cp -r {fixtures} \"$TEAMSTER_ROOT/old\""));
    for line in ["events", "logs alice", "inbox alice", "task show 1"] {
        let shown = team.ok(&format!("--team old {line}"));
        assert!(shown.contains("2025-11-21 "), "`{line}` has no date: {shown}");
    }
}
