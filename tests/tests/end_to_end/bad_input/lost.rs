//! Logs of which a part, or all, is gone that was there: damage, whoever looks and whether or not a leader runs. Never a
//! new log, and no number is given a second time.

use std::fs;
use std::path::{Path, PathBuf};

use teamster_protocol::model::id::{Address, TaskId};
use teamster_tests::team::Team;

/// How the bytes of a log are lost.
type Loss = fn(&[u8]) -> Vec<u8>;

/// What leaves no whole header.
const LOSSES: [(&str, Loss); 3] =
    [("empty", |_| Vec::new()), ("zeros", |whole| vec![0; whole.len()]), ("cut", |whole| whole[..20].to_vec())];

const LED: [bool; 2] = [false, true];

/// A team with a member, three tasks that nobody takes, and mail.
fn team(led: bool) -> Team {
    let team = Team::new();
    team.ok("spawn alice");
    for task in ["one", "two", "three"] {
        team.ok(&format!("task add --role nobody {task}"));
    }
    team.ok("dm alice hello");
    team.until_said("alice", "hello");
    if !led {
        team.ok("down");
    }
    team
}

fn mailbox(team: &Team) -> PathBuf {
    team.dir().mailbox(&Address::Member("alice".parse().unwrap()))
}

/// Overwrites in place, as whoever has the file open sees it too.
fn lose(log: &Path, loss: Loss) -> (Vec<u8>, Vec<u8>) {
    let whole = fs::read(log).unwrap();
    let lost = loss(&whole);
    fs::write(log, &lost).unwrap();
    (whole, lost)
}

/// Each of these exits 4 and names the file, and none of them writes to it.
fn all_refuse(team: &Team, log: &Path, lines: &[&str], what: &str) {
    let lost = fs::read(log).unwrap();
    let name = log.file_name().unwrap().to_str().unwrap();
    for line in lines {
        let said = team.run(line);
        assert_eq!(said.code, Some(4), "`{line}` of {what}: {}{}", said.out, said.err);
        assert!(said.err.contains(name), "`{line}` of {what}: {}", said.err);
        assert!(said.err.contains("teamster doctor"), "`{line}` of {what} names no way out: {}", said.err);
        assert_eq!(fs::read(log).unwrap(), lost, "`{line}` of {what} has written");
    }
    let doctor = team.run("doctor");
    assert_eq!(doctor.code, Some(4), "doctor of {what}: {}", doctor.out);
    assert!(doctor.out.contains(name) && doctor.out.contains("teamster doctor --repair"), "{what}: {}", doctor.out);
}

#[test]
fn a_board_without_a_whole_header_is_damage_and_its_numbers_are_not_given_again() {
    for led in LED {
        for (what, loss) in LOSSES {
            let team = team(led);
            lose(&team.dir().board(), loss);
            let lines = ["task list", "task add four", "list", "task show 1", "events", "status", "run --resume"];
            all_refuse(&team, &team.dir().board(), &lines, &format!("{what}, led: {led}"));
            let mended = team.json("doctor --repair");
            assert_eq!(mended["state"], "sound", "{what}: {mended}");
            assert_eq!(team.json("task add --role nobody four")["tasks"][0], 4, "{what}, led: {led}");
            assert_eq!(team.json("task list")["counts"]["total"], 1);
        }
    }
}

#[test]
fn a_mailbox_and_a_roster_without_a_whole_header_are_damage_too() {
    for led in LED {
        for (what, loss) in LOSSES {
            let team = team(led);
            let what = format!("{what}, led: {led}");
            let (whole, _) = lose(&mailbox(&team), loss);
            all_refuse(&team, &mailbox(&team), &["inbox alice", "events", "dm alice more", "list"], &what);
            fs::write(mailbox(&team), whole).unwrap();
            assert_eq!(team.run("inbox alice").code, Some(0), "{what}");
            let (whole, _) = lose(&team.dir().roster(), loss);
            let lines = ["list", "task list", "dm alice more", "status"];
            all_refuse(&team, &team.dir().roster(), &lines, &what);
            // A leader that has read the whole of it sees zeros in its place only when it opens it again.
            if !led || !what.starts_with("zeros") {
                assert_ne!(team.run("spawn bob").code, Some(0), "{what}");
            }
            fs::write(team.dir().roster(), whole).unwrap();
            assert_eq!(team.json("list --all")["members"][0]["name"], "alice", "{what}");
        }
    }
}

#[test]
fn a_board_that_is_cut_at_the_end_of_a_line_is_damage_and_numbers_on_after_its_repair() {
    for led in LED {
        let team = team(led);
        let board = team.dir().board();
        let text = fs::read_to_string(&board).unwrap();
        let end = text.find("\"added\":{\"id\":2").unwrap();
        let end = text[..end].rfind('\n').unwrap() + 1;
        fs::write(&board, &text[..end]).unwrap();
        all_refuse(&team, &board, &["task list", "task add four", "list", "events"], &format!("a cut, led: {led}"));
        let mended = team.json("doctor --repair");
        assert_eq!(mended["state"], "sound", "{mended}");
        assert_eq!(team.json("task add --role nobody four")["tasks"][0], 4);
        assert_eq!(team.json("task list")["counts"]["total"], 2);
        assert_eq!(team.json("doctor")["state"], "sound");
    }
}

#[test]
fn an_older_board_whose_lock_was_tidied_away_too_is_told_by_the_views() {
    let team = team(false);
    let (board, lock) = (team.dir().board(), team.dir().board().with_extension("lock"));
    fs::write(team.dir().task_view(TaskId(3)), "{}").unwrap();
    let text = fs::read_to_string(&board).unwrap();
    let end = text.find("\"added\":{\"id\":3").unwrap();
    fs::write(&board, &text[..text[..end].rfind('\n').unwrap() + 1]).unwrap();
    fs::remove_file(lock).unwrap();
    let said = team.run("doctor");
    assert!(said.out.contains("the last task of the board is 2, but task 3 was added"), "{}", said.out);
    assert_eq!(said.code, Some(1));
    team.json("doctor --repair");
    assert_eq!(team.json("task add --role nobody four")["tasks"][0], 4);
}

#[test]
fn a_team_whose_board_and_roster_are_gone_is_not_begun_anew() {
    let team = team(false);
    for log in [team.dir().board(), team.dir().roster()] {
        let aside = log.with_extension("aside");
        fs::rename(&log, &aside).unwrap();
        for line in ["task list", "task add four", "list", "spawn bob"] {
            let said = team.fails(4, line);
            assert!(said.contains("is missing, although the team is there"), "`{line}`: {said}");
        }
        fs::rename(&aside, &log).unwrap();
    }
    fs::remove_file(team.dir().board()).unwrap();
    fs::remove_file(team.dir().roster()).unwrap();
    let said = team.fails(4, "task add four");
    assert!(said.contains("board.jsonl is missing, although the team is there"), "{said}");
    assert_eq!(team.json("doctor --repair")["state"], "sound");
    assert_eq!(team.json("task add four")["tasks"][0], 4);
}

#[test]
fn a_team_that_is_not_made_yet_is_new_whatever_a_creator_that_died_has_left() {
    let team = Team::new();
    let dir = team.dir().path().to_owned();
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("board.jsonl.tmp"), "{\"v\":1,\"lo").unwrap();
    fs::write(dir.join("board.lock"), "").unwrap();
    assert_eq!(team.json("task add one")["tasks"][0], 1);
    assert_eq!(team.json("doctor")["state"], "sound");
}

#[test]
fn a_mailbox_that_was_removed_is_damage_and_no_empty_one() {
    for (whose, led) in [("lead", false), ("alice", false), ("alice", true)] {
        let team = team(led);
        let mut from_alice = team.command("dm lead hello");
        from_alice.env("TEAMSTER_MEMBER", "alice").env("TEAMSTER_TEAM", team.dir().team().as_str());
        assert_eq!(team.start_command(from_alice).ends().code, Some(0));
        let log = team.dir().mail_dir().join(format!("{whose}.jsonl"));
        fs::remove_file(&log).unwrap();
        let lines = match whose {
            "lead" => &[(4, "inbox"), (4, "inbox --all"), (4, "events"), (3, "up --detach")],
            _ => &[(4, "inbox alice"), (4, "dm alice more"), (4, "list"), (4, "events")],
        };
        for (code, line) in lines {
            let said = team.fails(*code, line);
            let due = format!("{whose}.jsonl is missing");
            assert!(said.contains(&due) && said.contains("teamster doctor --repair"), "`{line}`, led: {led}: {said}");
            assert!(!log.exists(), "`{line}` has made a new one");
        }
        let doctor = team.run("doctor");
        assert_eq!(doctor.code, Some(4), "{}", doctor.out);
        assert!(doctor.out.contains("the mailbox is missing, although there was mail in it"), "{}", doctor.out);
        if !led {
            let mended = team.json("doctor --repair");
            assert_eq!(mended["state"], "sound", "{mended}");
            team.ok("inbox");
            team.ok("dm alice again");
            assert!(team.ok("inbox alice").contains("again"));
        }
    }
}
