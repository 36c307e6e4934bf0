//! `doctor` and `why` as a person meets them: what is said of a sound team, of one with every kind of damage, and what
//! a repair leaves.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use teamster_protocol::host::process::life::{self, MemberLife};
use teamster_protocol::host::process::{ProcessIdentity, own_identity};
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::notice;
use teamster_protocol::model::roster::{Roster, StartedBy, TeamFact, WorkerProcess};
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::store::file::{Durability, Log};
use teamster_protocol::store::presence::PresenceLock;
use teamster_protocol::store::transcript::Transcript;

use crate::place::{Place, Said};

/// A place whose worker program only says its version, so that the tests need not build it.
fn place() -> Place {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    place.program("worker", format!("#!/bin/sh\necho teamster-worker '{version} (protocol 1)'\n").as_bytes());
    place
}

fn doctor(place: &Place, words: &[&str]) -> Said {
    let mut command = place.command(&[&["doctor"], words].concat());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.env("TEAMSTER_WORKER", place.dir.path().join("worker"));
    crate::place::said(command.output().expect("it runs"))
}

fn report(place: &Place, code: i32, words: &[&str]) -> Value {
    let said = doctor(place, &[words, &["--json"]].concat());
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    serde_json::from_str(&place.plain(&said.out)).expect("an object")
}

/// What is not as it should be, one a line.
fn troubles(report: &Value) -> String {
    let checks = report["checks"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    // What the machine is like is not the team's.
    let of_the_team = |group: &str| !["root", "limits", "programs", "isolation"].contains(&group);
    let lines = checks.filter(|check| check["level"] != "ok" && of_the_team(&text(&check["group"]))).map(|check| {
        let (group, level) = (text(&check["group"]), text(&check["level"]));
        format!("{group} {level}: {} [{}] -> {}", text(&check["what"]), text(&check["where"]), text(&check["hint"]))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Makes a member whose worker joined and is gone: its number belongs to a process that began later.
fn died(place: &Place, name: &str) {
    let member = place.enroll(name);
    let ours = own_identity().expect("we run");
    let process = WorkerProcess {
        identity: ProcessIdentity { start_ticks: ours.start_ticks - 1, ..ours },
        started_by: StartedBy::Leader,
        isolation: None,
        outer_half: None,
    };
    File::create(place.team_dir().member_lock(&member)).expect("a file");
    let mut team = place.open(Address::Member(member.clone()));
    team.enroll(TeamFact::Joined { name: member, process }).expect("it is written");
}

fn break_line(path: &Path, at: usize) {
    let text = fs::read_to_string(path).expect("a log");
    let lines =
        text.lines().enumerate().map(|(nth, line)| if nth == at { "oops\n".to_owned() } else { format!("{line}\n") });
    fs::write(path, lines.collect::<String>()).expect("a log");
}

#[test]
fn without_a_team_it_tells_how_the_machine_is() {
    let place = place();
    let report = report(&place, 0, &[]);
    let groups: Vec<&str> =
        report["checks"].as_array().expect("a list").iter().filter_map(|it| it["group"].as_str()).collect();
    for group in ["root", "limits", "programs", "isolation"] {
        assert!(groups.contains(&group), "{group} is not among {groups:?}");
    }
    assert!(!place.root().exists(), "a look makes nothing");
}

/// A process that bears the mark of a life of alice; it ends when its input does.
fn marked(place: &Place, worker: &ProcessIdentity) -> Child {
    let team = life::team_of(place.team_dir().path()).expect("it is there");
    let life = MemberLife { team, member: "alice".parse().expect("a name"), worker: worker.clone() };
    let mut cat = Command::new("cat");
    cat.env(life::VARIABLE, life.mark()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat")
}

#[test]
fn what_runs_is_judged_by_the_life_it_belongs_to_and_not_by_a_name() {
    let place = place();
    let alice = place.enroll("alice");
    let lives = own_identity().expect("we run");
    let over = ProcessIdentity { start_ticks: lives.start_ticks - 1, ..lives.clone() };
    let _lock = PresenceLock::take(&place.team_dir().member_lock(&alice), 1).expect("free");
    let mut cats = [marked(&place, &lives), marked(&place, &over)];
    let left = cats[1].id();
    let said = troubles(&report(&place, 1, &[]));
    for cat in &mut cats {
        drop(cat.stdin.take());
        cat.wait().expect("it ends");
    }
    let of_processes: Vec<&str> = said.lines().filter(|line| line.starts_with("processes")).collect();
    let expected = format!(
        "processes wrong: process {left} (cat) is left of a life of alice that is over [-] -> \
         the next leader ends it, or kill {left}"
    );
    assert_eq!(of_processes, [expected]);
}

#[test]
fn a_sound_team_is_sound_and_nothing_is_changed_by_the_look() {
    let place = place();
    place.enroll("alice");
    place.ok("task add one");
    let before = fs::read(place.team_dir().board()).expect("a log");
    // Of a spawn that was refused.
    drop(PresenceLock::take_unsigned(&place.team_dir().member_lock(&"bob".parse().expect("a name"))).expect("free"));
    assert_eq!(troubles(&report(&place, 0, &[])), "");
    assert_eq!(report(&place, 0, &["--repair"])["repairs"], Value::Array(Vec::new()));
    assert_eq!(fs::read(place.team_dir().board()).expect("a log"), before);
    let said = doctor(&place, &[]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    let shown = place.plain(&said.out);
    let of_team = shown.split_once("logs\n").expect("the group").1;
    insta::with_settings!({filters => vec![(r"\d+ B", "[size]"), (r"\d+ checks.*", "[sum]")]}, {
        insta::assert_snapshot!(of_team, @"
          ✓ the roster is sound: 2 records, generation 1, [size]
          ✓ the board is sound: 1 record, generation 1, [size]
          ✓ 1 mailbox is sound: 0 records, [size]
        locks
          ✓ no leader runs
          ✓ 0 of 0 workers run
        members
          ✓ 1 on the roster, each as it is written there
        board
          ✓ 1 task, and none that nobody can do
        files
          ✓ nothing in the team's directory that does not belong there
        processes
          ✓ none is left of a dead worker; 0 run below living ones
        sound: [sum]
        ");
    });
}

#[test]
fn a_corrupt_board_is_mended_with_a_backup_and_no_whole_record_is_lost() {
    let place = place();
    place.enroll("alice");
    for task in ["one", "two", "three", "four"] {
        place.ok(&format!("task add {task}"));
    }
    let board = place.team_dir().board();
    break_line(&board, 2);
    let damaged = fs::read(&board).expect("a log");
    let error = place.fails(4, "task list");
    assert!(error.ends_with("hint: look with teamster doctor, and mend it with teamster doctor --repair"), "{error}");
    insta::assert_snapshot!(troubles(&report(&place, 4, &[])), @"
    logs corrupt: line 3: expected value at column 1; line 4: record 3 where 2 was due [/t/root/crew/board.jsonl] -> teamster doctor --repair
    members wrong: cannot be looked at: /t/root/crew/board.jsonl:3: expected value at column 1 [-] -> teamster doctor --repair
    ");
    let mended = report(&place, 0, &["--repair"]);
    let backup = mended["repairs"][0]["backup"]
        .as_str()
        .expect("a backup")
        .replace("/t/", &format!("{}/", place.dir.path().display()));
    assert_eq!(fs::read(&backup).expect("a backup"), damaged);
    assert_eq!(fs::metadata(&backup).expect("a backup").permissions().mode() & 0o777, 0o600);
    let ids: Vec<u64> = place.json("task list")["tasks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["id"].as_u64())
        .collect();
    assert_eq!(ids, [1, 3, 4]);
    assert_eq!(place.json("task add five")["tasks"][0], 5);
    assert_eq!(
        report(&place, 0, &["--repair"])["repairs"],
        Value::Array(Vec::new()),
        "the second time there is nothing to do"
    );
}

#[test]
fn a_board_that_was_removed_is_told_and_begun_anew_only_by_a_repair() {
    let place = place();
    place.enroll("alice");
    place.ok("task add one");
    fs::remove_file(place.team_dir().board()).expect("it is there");
    for line in ["task list", "task add two", "status", "list"] {
        let error = place.fails(4, line);
        assert!(error.contains("board.jsonl is missing, although the team is there"), "`{line}`: {error}");
    }
    place.ok("inbox");
    assert!(troubles(&report(&place, 4, &[])).contains("logs corrupt: the board is missing"));
    assert!(!place.team_dir().board().exists());
    let mended = report(&place, 0, &["--repair"]);
    assert_eq!(mended["repairs"][0]["what"], "began an empty board: nothing was left of the old one");
    assert_eq!(place.json("task list")["counts"]["total"], 0);
    assert_eq!(place.json("task add two")["tasks"][0], 1_001, "nobody knows how many were given");
    // A view and a transcript that were left tell of more.
    let dir = place.team_dir();
    fs::remove_file(dir.board()).expect("it is there");
    fs::write(dir.task_view(TaskId(1_500)), "{}").expect("a view");
    let turns = dir.turns(&"alice".parse().expect("a name"));
    let begun = notice::TranscriptText::TurnStarted {
        turn: 1,
        task: Some(TaskId(2_600)),
        work: TaskWork::run("x"),
        texts: Vec::new(),
        used_before: Default::default(),
    };
    Transcript::open(turns).expect("transcripts").say(1, begun).expect("it is written");
    report(&place, 0, &["--repair"]);
    assert_eq!(place.json("task add three")["tasks"][0], 3_001);
    assert_eq!(report(&place, 0, &["--repair"])["repairs"], Value::Array(Vec::new()));
}

#[test]
fn an_older_board_that_was_put_back_numbers_on_after_what_was_given() {
    let place = place();
    place.enroll("alice");
    place.ok("task add one");
    let dir = place.team_dir();
    let older = fs::read(dir.board()).expect("a log");
    place.ok("task add two");
    fs::write(dir.task_view(TaskId(2)), "{}").expect("a view");
    fs::write(dir.board(), older).expect("it is put back");
    fs::set_permissions(dir.task_view(TaskId(2)), fs::Permissions::from_mode(0o600)).expect("ours");
    let mended = report(&place, 0, &["--repair"]);
    assert_eq!(mended["repairs"][0]["what"], "the tasks on the board are numbered on after 2, which was given");
    assert_eq!(place.json("task add three")["tasks"][0], 3);
}

#[test]
fn the_dead_are_told_and_buried_and_what_they_left_lying_is_removed() {
    let place = place();
    died(&place, "alice");
    place.ok("task add --run --to alice one");
    place.ok("task add --role tester two");
    let alice = "alice".parse().expect("a name");
    let claimant = place.open(Address::Lead).roster().member(&alice).expect("she is").spec.claimant(&alice);
    place.open(Address::Member(alice)).claim_next(&claimant).expect("it is written");
    let stale = place.team_dir().roster();
    // Somebody whom a leader wanted to start, long ago.
    let mut log: Log<Roster> = Log::open(&stale, 0).expect("a log");
    let spec = log.state().members().next().expect("alice is").1.spec.clone();
    let added = TeamFact::Added { name: "bob".parse().expect("a name"), spec: Box::new(spec) };
    log.transact("lead", 1_000, Durability::Process, |_| Ok::<_, std::convert::Infallible>((vec![added], ())))
        .expect("it is written");
    let dir = place.team_dir();
    drop(UnixListener::bind(dir.leader_socket()).expect("a socket"));
    fs::write(dir.path().join("board.jsonl.tmp"), "half").expect("a file");
    fs::write(dir.path().join("notes.txt"), "mine").expect("a file");
    let lock = dir.member_lock(&"alice".parse().expect("a name"));
    for file in [dir.path().join("board.jsonl.tmp"), dir.leader_socket(), lock] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("ours");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    insta::with_settings!({filters => vec![(r"process \d+", "process [pid]"), (r"for \d+d \d+h", "for [long]")]}, {
        insta::assert_snapshot!(troubles(&report(&place, 1, &[])), @"
        members wrong: the worker of alice (process [pid]) died; task 1 is still written down as in progress by it [-] -> teamster doctor --repair, or teamster spawn alice
        members wrong: bob has been expected for [long], and nobody starts it [-] -> teamster doctor --repair, or teamster spawn bob
        members wrong: bob has no mailbox [/t/root/crew/mail/bob.jsonl] -> teamster doctor --repair
        board wrong: task 1 is in progress by alice, whose worker is dead [-] -> teamster doctor --repair
        board note: task 2 is pending for the role tester, which nobody has [-] -> teamster spawn NAME --role tester
        files note: it is not of ours, and left alone [/t/root/crew/notes.txt] -> -
        files note: a file that was not finished [/t/root/crew/board.jsonl.tmp] -> teamster doctor --repair
        ");
        let mended = report(&place, 0, &["--repair"]);
        let acts: Vec<&str> = mended["repairs"].as_array().expect("a list").iter().filter_map(|act| act["what"].as_str()).collect();
        insta::assert_snapshot!(acts.join("\n"), @"
        nobody else can use /t/root/crew any more
        removed what was not finished beside /t/root/crew/board.jsonl
        wrote down that alice is gone: process [pid] was found dead; task 1 is free again
        made a mailbox for bob
        wrote down that bob is gone: it never got ready
        removed /t/root/crew/leader.sock
        ");
        insta::assert_snapshot!(troubles(&mended), @"
        board note: task 1 is pending for alice, who has left [-] -> teamster spawn alice
        board note: task 2 is pending for the role tester, which nobody has [-] -> teamster spawn NAME --role tester
        files note: it is not of ours, and left alone [/t/root/crew/notes.txt] -> -
        ");
    });
    assert_eq!(report(&place, 0, &["--repair"])["repairs"], Value::Array(Vec::new()));
    assert_eq!(fs::read_to_string(dir.path().join("notes.txt")).expect("it is there"), "mine");
}

#[test]
fn a_transcript_is_mended_while_its_worker_does_not_run() {
    let place = place();
    died(&place, "alice");
    let turns = place.team_dir().turns(&"alice".parse().expect("a name"));
    fs::create_dir(&turns).expect("a directory");
    let path = turns.join("000000.jsonl");
    let (first, last) =
        ("{\"seq\":1,\"at_ms\":1,\"kind\":\"ready\"}\n", "{\"seq\":3,\"at_ms\":1,\"kind\":\"waiting\"}\n");
    fs::write(&path, format!("{first}??\n{last}")).expect("a file");
    assert!(troubles(&report(&place, 1, &[])).contains("a transcript with lines that are no entries: 2"));
    report(&place, 0, &["--repair"]);
    assert_eq!(fs::read_to_string(&path).expect("it is there"), format!("{first}{last}"));
}

#[test]
fn a_worker_that_is_not_there_or_speaks_another_protocol_is_wrong() {
    let place = place();
    let program = place.program("worker", &b"#!/bin/sh\necho teamster-worker '9.0.0 (protocol 9)'\n"[..]);
    let what = |report: &Value| {
        let checks = report["checks"].as_array().expect("a list").iter();
        checks.filter(|check| check["level"] == "wrong").map(|check| check["what"].to_string()).collect::<String>()
    };
    assert!(what(&report(&place, 1, &[])).contains("the leader speaks protocol 1, so no worker could join"));
    fs::remove_file(&program).expect("it is there");
    assert!(what(&report(&place, 1, &[])).contains("teamster-worker: cannot start it"));
}

#[test]
fn why_tells_the_root_and_the_way_out() {
    let place = place();
    place.enroll("alice");
    place.ok("task add --run one");
    place.ok("task add --run --after 1 two");
    place.ok("task add --run --after 2 three");
    let said = ["why 3", "why alice"].map(|line| format!("$ {line}\n{}", place.ok(line))).join("\n");
    insta::with_settings!({filters => vec![(r"since \d+(\.\d+)?m?s", "since [time]")]}, {
        insta::assert_snapshot!(said, @"
        $ why 3
        task 3 three is pending
          waits for task 1 (by way of 2): no worker runs
            → teamster spawn NAME
        $ why alice
        alice
          is starting, since [time]
        ");
    });
    let why = place.json("why 3");
    assert_eq!(why["because"][0]["kind"], "waits_for");
    assert_eq!(why["because"][0]["because"]["kind"], "no_worker");
    assert!(place.fails(1, "why 9").contains("there is no task 9"));
    assert!(place.fails(1, "why alcie").contains("did you mean alice?"));
    assert!(place.fails(2, "why ../x").contains("is not a name"));
}
