//! Last month's files: a team's directory as version 1 wrote it must open in every later version, fold to the same
//! state, and go on from there.
//!
//! The files in `tests/fixtures/v1` are never written again. When a format changes, keep them, add `v2` beside
//! them with the generator below (`cargo test -p teamster-tests -- formats:: --ignored`), and a test like these.

use std::fs;
use std::path::{Path, PathBuf};

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::board::{AutoClaim, Board, BoardFact, WaitingClaimant};
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::mail::{Mailbox, MessageBody};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{MemberPresence, Roster};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::store::file::{Durability, Log, LogError, LogReader};
use teamster_protocol::store::transcript::{self, Transcript};
use teamster_protocol::team::{Inbox, Team};

mod write;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A copy of the version 1 directory, to be opened and written on.
fn version_1() -> (tempfile::TempDir, TeamDir) {
    let root = tempfile::tempdir().unwrap();
    copy(&fixtures().join("v1"), root.path());
    let dir = TeamDir::new(root.path(), "app".parse().unwrap());
    (root, dir)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() { copy(&entry.path(), &to) } else { drop(fs::copy(entry.path(), to)) }
    }
}

fn member(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn name_of(name: &str) -> WaitingClaimant {
    WaitingClaimant::new(member(name))
}

#[test]
fn the_board_of_version_1_folds_to_what_it_was() {
    let (_root, dir) = version_1();
    let team = Team::open(dir, Address::Lead, Durability::Process).unwrap();
    let told: Vec<String> = team.board().tasks().map(|(id, _)| told(&team.task_view(id).unwrap())).collect();
    assert_eq!(
        told,
        [
            "1 completed by alice, added by lead at 1763700001000: 1 alice released worker_died \"\", \
             2 alice completed \"ok, 41 tests\"",
            "2 failed by bob, added by lead at 1763700001000: 1 bob failed: exit status 2 \"assertion failed\"",
            "3 stopped for alice, added by lead at 1763700001000: 1 alice released stopped \"12 of 41\"",
            "4 pending waiting for 2, 3, added by lead at 1763700001000: ",
            "5 cancelled, added by bob at 1763700002000: ",
            "7 in progress by bob, added by lead at 1763700020000: 1 bob running",
            "8 pending for alice, added by lead at 1763700021000: ",
        ]
    );
    let asked = team.new_task(TaskId(4)).unwrap();
    assert_eq!((asked.label.as_deref(), asked.priority, asked.timeout_ms), (Some("release"), -3, Some(60_000)));
    assert_eq!(asked.role, Some("writer".parse().unwrap()));
    assert_eq!(asked.agent, Some("pi".parse().unwrap()));
    assert_eq!(asked.work.text(), "Write the release notes: ä, \"quotes\",\na second line.");
    assert_eq!(team.new_task(TaskId(8)).unwrap().title, "format");
    assert_eq!((asked.max_attempts, team.new_task(TaskId(7)).unwrap().max_attempts), (1, 3));
    let board = team.board();
    assert_eq!((board.next_id(), board.owned_by(&member("bob")).collect::<Vec<_>>()), (TaskId(9), vec![TaskId(7)]));
    assert_eq!(
        board.waiting().collect::<Vec<_>>(),
        [&WaitingClaimant { role: Some("tester".parse().unwrap()), auto: AutoClaim::Off, ..name_of("carol") }]
    );
    assert_eq!(board.restore().unwrap(), BoardFact::Restored { ids: vec![TaskId(6)] });
    // Where the deaths of a task are counted on: task 1 had one, and keeps that.
    assert_eq!((board.task(TaskId(1)).unwrap().deaths, board.task(TaskId(1)).unwrap().attempt), (1, 2));
}

fn told(view: &teamster_protocol::model::task::view::TaskView) -> String {
    use teamster_protocol::model::task::view::AttemptEndKind;
    let mut text = format!("{} {}", view.id, view.status);
    if let Some(owner) = &view.owner {
        text += &format!(" by {owner}");
    }
    if let Some(assignee) = &view.assignee {
        text += &format!(" for {assignee}");
    }
    if !view.waits_for.is_empty() {
        let ids: Vec<String> = view.waits_for.iter().map(ToString::to_string).collect();
        text += &format!(" waiting for {}", ids.join(", "));
    }
    let attempts = view.attempts.iter().map(|attempt| {
        let end = match &attempt.end {
            None => "running".to_owned(),
            Some(end) => match &end.how {
                AttemptEndKind::Completed => format!("completed {:?}", end.result),
                AttemptEndKind::Failed { reason } => format!("failed: {reason} {:?}", end.result),
                AttemptEndKind::Released { why } => {
                    format!("released {} {:?}", serde_json::to_value(why).unwrap().as_str().unwrap(), end.result)
                }
            },
        };
        format!("{} {} {end}", attempt.attempt, attempt.owner)
    });
    let attempts: Vec<String> = attempts.collect();
    format!("{text}, added by {} at {}: {}", view.added_by, view.added_ms, attempts.join(", "))
}

#[test]
fn the_board_of_version_1_goes_on() {
    let (_root, dir) = version_1();
    let mut team = Team::open(dir.clone(), Address::Member(member("alice")), Durability::Process).unwrap();
    let claim = team.claim_next(&name_of("alice")).unwrap().expect("task 8 is hers");
    assert_eq!((claim.id, claim.attempt), (TaskId(8), 1));
    let last = fs::read_to_string(dir.board()).unwrap().lines().last().unwrap().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["seq"], 22, "records are numbered on over the generations");
}

#[test]
fn the_generation_before_is_still_read_to_its_seal() {
    let (_root, dir) = version_1();
    let old = dir.board().with_extension("jsonl.old");
    let reader: LogReader<Board> = LogReader::open(old).unwrap();
    assert_eq!((reader.state().len(), reader.next_seq()), (5, 16));
}

#[test]
fn the_roster_of_version_1_folds_to_what_it_was() {
    let (_root, dir) = version_1();
    let reader: LogReader<Roster> = LogReader::open(dir.roster()).unwrap();
    let roster = reader.state();
    assert_eq!(roster.dir(), Some(Path::new("/src/app")));
    let told: Vec<String> = roster
        .members()
        .map(|(name, member)| {
            let presence = match &member.presence {
                MemberPresence::Expected { since_ms } => format!("expected since {since_ms}"),
                MemberPresence::Joined { at_ms, process } => format!(
                    "joined at {at_ms} as {} {} by {:?}",
                    process.identity.pid, process.identity.start_ticks, process.started_by
                ),
                MemberPresence::Left { at_ms, how, .. } => format!("left at {at_ms}: {how:?}"),
            };
            let spec = &member.spec;
            format!(
                "{name} {} {:?} {:?} {} {:?}: {presence}",
                spec.agent,
                spec.role,
                spec.auto,
                spec.workspace.dir().display(),
                spec.workspace.branch()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "alice shell Some(tester) On /state/app/worktrees/alice Some(\"teamster/app/alice\"): \
             joined at 1763700003000 as 4711 88123 by Leader",
            "bob shell None On /src/app None: left at 1763700030000: Died { reason: \"killed by SIGKILL\" }",
            "carol shell Some(tester) Off /src/app None: expected since 1763700002000",
        ]
    );
}

#[test]
fn the_mail_of_version_1_is_still_to_be_read() {
    let (_root, dir) = version_1();
    let mut inbox = Inbox::open(&dir, Address::Member(member("alice")), Durability::Process).unwrap();
    let unread = inbox.unread().unwrap();
    let told: Vec<String> = unread
        .iter()
        .map(|mail| format!("{} {} {:?} {}", mail.id, mail.from, mail.urgency, body(&mail.body)))
        .collect();
    assert_eq!(
        told,
        [
            "01KAJBCK6G0000000000000002 bob Now text One of the unread.",
            "01KAJBCM5R0000000000000003 lead Next task 8",
            "01KAJBCN500000000000000004 lead Now shutdown 01KAJBCM5R0000000000000003 Finish until 1763700040000",
            "01KAJBCP480000000000000005 lead Now abort wrong branch",
        ]
    );
    let ids: Vec<_> = unread.iter().map(|mail| mail.id).collect();
    inbox.acknowledge(&ids).unwrap();
    assert_eq!(inbox.unread().unwrap(), []);
    let lead: LogReader<Mailbox> = LogReader::open(dir.mailbox(&Address::Lead)).unwrap();
    assert_eq!((lead.state().letters().count(), lead.state().unread_len()), (3, 3));
}

fn body(body: &MessageBody) -> String {
    match body {
        MessageBody::Text { text } => format!("text {text}"),
        MessageBody::TaskAssigned { task } => format!("task {task}"),
        MessageBody::ShutdownRequest(ask) => {
            assert_eq!(ask.when_busy, WhenBusy::Finish);
            format!("shutdown {} {:?} until {}", ask.request, ask.when_busy, ask.deadline_ms)
        }
        MessageBody::ShutdownReply(reply) => format!("reply {:?}", reply.verdict),
        MessageBody::AbortRequest { reason } => format!("abort {reason}"),
        MessageBody::PermissionAsked(letter) => format!("asks {}", letter.question),
        MessageBody::PermissionReply { question, answer } => format!("permits {question}: {answer:?}"),
        MessageBody::Unknown => "unknown".to_owned(),
    }
}

#[test]
fn the_transcripts_of_version_1_are_read_and_gone_on_with() {
    let (_root, dir) = version_1();
    let turns = dir.turns(&member("alice"));
    assert_eq!(transcript::turns(&turns).unwrap(), [0, 1, 2]);
    let entries = transcript::since(&turns, 0).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let stops: Vec<&TurnEnd> = entries
        .iter()
        .filter_map(|entry| if let TranscriptText::TurnEnded { end, .. } = &entry.what { Some(end) } else { None })
        .collect();
    assert_eq!(stops, [&TurnEnd::Completed, &TurnEnd::failed("exit status 2")]);
    let mut transcript = Transcript::open(turns).unwrap();
    assert_eq!((transcript.turn(), transcript.seq()), (2, 20));
    assert_eq!(transcript.say(1, TranscriptText::Ready).unwrap().seq, 21);
}

#[test]
fn what_a_newer_version_adds_is_passed_over_and_what_it_changes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    let header = r#"{"v":1,"log":"board","gen":1,"next_seq":1,"at_ms":1,"shard":"a"}"#;
    let added = r#"{"added":{"id":1,"task":{"work":{"run":"true"},"title":"true","colour":"red"},"cost":3}}"#;
    let record =
        format!(r#"{{"v":1,"seq":1,"at_ms":2,"by":"lead","facts":["paused",{{"tagged":{{}}}},{added}],"x":0}}"#);
    fs::write(&path, format!("{header}\n{record}\n")).unwrap();
    let mut log: Log<Board> = Log::open(&path, 3).unwrap();
    assert_eq!(log.state().tasks().map(|(id, _)| id).collect::<Vec<_>>(), [TaskId(1)]);
    // It could not carry those facts over, so it does not start the next generation.
    log.set_generation_bytes_max(0);
    let unassigned = BoardFact::Unassigned { id: TaskId(1) };
    log.transact("lead", 3, Durability::Process, |_| Ok::<_, String>((vec![unassigned], ()))).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&format!("{header}\n{record}\n")), "{text}");
    assert_eq!(text.lines().count(), 3);

    let newer = text + "{\"v\":2,\"seq\":3,\"at_ms\":4,\"by\":\"lead\",\"facts\":[]}\n";
    fs::write(&path, newer).unwrap();
    match LogReader::<Board>::open(&path) {
        Err(LogError::Newer { line: 4, found: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// Writes the files of the version that runs, unless they are there.
#[test]
#[ignore = "it makes the fixtures of a new version; those that are there are kept for ever"]
fn write_the_fixtures() {
    let version = teamster_protocol::store::file::VERSION;
    let root = fixtures().join(format!("v{version}"));
    if root.exists() {
        return eprintln!("{} is there; a released fixture is never written again", root.display());
    }
    write::team(&TeamDir::new(&root, "app".parse().unwrap()));
}
