//! Logs that are damaged: named with file and line, never read as empty, never written to.

use std::fs;
use std::path::Path;

use serde_json::Value;
use teamster_protocol::model::id::Address;
use teamster_tests::team::Team;

/// Puts garbage where the second record was. Gives the whole text.
fn damage(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "{\"v\":1,\"seq\":oops}";
    let text = lines.join("\n") + "\n";
    fs::write(log, &text).unwrap();
    text
}

/// A team with three tasks that nobody leads.
fn at_rest() -> Team {
    let team = Team::new();
    for task in ["one", "two", "three"] {
        team.ok(&format!("task add {task}"));
    }
    team
}

#[test]
fn a_damaged_board_is_named_by_every_command_and_kept_as_it_is() {
    let team = at_rest();
    let text = damage(&team.dir().board());
    for line in [
        "task list",
        "task add four",
        "task show 1",
        "status",
        "list",
        "events",
        "run --resume",
        "cleanup --force",
        "up",
        "spawn alice",
    ] {
        let said = team.fails(4, line);
        assert!(said.contains("/t/root/app-0/board.jsonl:3: "), "`{line}`: {said}");
        assert!(
            said.contains("look with teamster doctor, and mend it with teamster doctor --repair"),
            "`{line}`: {said}"
        );
        assert_eq!(fs::read_to_string(team.dir().board()).unwrap(), text, "`{line}` has written");
    }
    let error: Value = serde_json::from_str(&team.run("task list --json").err).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["kind"]), (&4.into(), &"corrupt".into()));
}

#[test]
fn a_damaged_roster_and_a_damaged_mailbox_too() {
    let team = at_rest();
    team.ok("spawn alice");
    team.ok("down");
    let text = damage(&team.dir().roster());
    for line in ["list", "spawn bob", "dm alice hello", "task assign 1 alice"] {
        let said = team.fails(4, line);
        assert!(said.contains("/t/root/app-0/team.jsonl:3: "), "`{line}`: {said}");
    }
    assert_eq!(fs::read_to_string(team.dir().roster()).unwrap(), text);

    let team = at_rest();
    team.ok("spawn alice");
    team.ok("down");
    team.ok("dm alice one");
    let mailbox = team.dir().mailbox(&Address::Member("alice".parse().unwrap()));
    let text = damage(&mailbox);
    for line in ["inbox alice", "dm alice two"] {
        let said = team.fails(4, line);
        assert!(said.contains("/t/root/app-0/mail/alice.jsonl:3: "), "`{line}`: {said}");
    }
    assert_eq!(fs::read_to_string(&mailbox).unwrap(), text);
}

#[test]
fn a_board_that_is_damaged_under_a_leader_ends_no_turn_and_can_be_mended() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run mkfifo go; echo begun; read word < go; echo got $word");
    team.until_said("alice", "begun");
    let whole = fs::read_to_string(team.dir().board()).unwrap();
    fs::write(team.dir().board(), format!("{whole}garbage\n")).unwrap();
    let line = whole.lines().count() + 1;
    for command in ["task add two", "task list"] {
        assert!(team.fails(4, command).contains(&format!("board.jsonl:{line}: ")), "`{command}`");
    }
    let transcript = team.dir().turns(&"alice".parse().unwrap()).join("000001.jsonl");
    let mut tail = team.sandbox().command("tail");
    let mut tail = team.start_command({
        tail.args(["-n", "+1", "-f"]).arg(transcript);
        tail
    });
    team.feed("go", "hello");
    tail.until("cannot write down how the turn ended, trying again: ");
    // Cut off again, nothing is missing: the turn's outcome is written late.
    fs::write(team.dir().board(), &whole).unwrap();
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "begun\ngot hello");
}

#[test]
fn a_team_with_a_damaged_board_can_be_ended() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --role none one");
    let text = fs::read_to_string(team.dir().board()).unwrap() + "garbage\n";
    fs::write(team.dir().board(), &text).unwrap();
    let said = team.run("down");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(fs::read_to_string(team.dir().board()).unwrap(), text);
}

#[test]
fn an_unfinished_last_line_is_nobodys_and_cut_by_the_next_writer() {
    let team = at_rest();
    let board = team.dir().board();
    let text = fs::read_to_string(&board).unwrap();
    fs::write(&board, format!("{text}{{\"v\":1,\"seq\":4,\"at")).unwrap();
    assert_eq!(team.json("task list")["counts"]["total"], 3);
    let said = team.run("task add four");
    assert_eq!((said.code, said.err.contains("cut an unfinished record")), (Some(0), true), "{}", said.err);
    assert_eq!(team.json("task list")["counts"]["total"], 4);
    assert!(fs::read_to_string(&board).unwrap().starts_with(&text));
}

#[test]
fn a_log_of_a_newer_version_is_left_alone() {
    let team = at_rest();
    let board = team.dir().board();
    let text = fs::read_to_string(&board).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    fs::write(&board, &text).unwrap();
    insta::assert_snapshot!(team.fails(4, "task add four"), @"
    error: /t/root/app-0/board.jsonl:1: format version 2, but this program reads up to 1
      hint: use the newer teamster that wrote it
    ");
    assert_eq!(fs::read_to_string(&board).unwrap(), text);
}
