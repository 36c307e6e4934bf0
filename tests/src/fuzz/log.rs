//! Files of a team: read, shown, written on and begun anew, or refused with file and line. Bytes that do not begin
//! like a log are lists of facts, one a line, and are put into records that fit each other.

use std::fs;
use std::path::Path;

use teamster_protocol::model::board::{Board, WaitingClaimant, WorkerDeath};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::mail::Mailbox;
use teamster_protocol::model::roster::Roster;
use teamster_protocol::model::task::{NewTask, TaskStatus, TaskWork};
use teamster_protocol::store::file::{Durability, Log, LogError, LogFold, LogReader};

/// Tasks that are looked at one by one.
const TASKS_SHOWN_MAX: usize = 40;

thread_local! {
    /// In memory where the system has such a place: each new generation is synced.
    static PLACE: tempfile::TempDir =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder");
}

pub(super) fn run(bytes: &[u8]) {
    PLACE.with(|place| {
        one::<Board>(place.path(), bytes, on_board);
        one::<Mailbox>(place.path(), bytes, |log| {
            for letter in log.state().letters() {
                log.read_at(letter.at).expect("a message is where it was delivered");
            }
            assert!(log.state().unread().count() <= log.state().letters().count());
        });
        one::<Roster>(place.path(), bytes, |log| {
            for (name, _) in log.state().members() {
                log.state().member(name).expect("who is listed is there");
            }
        });
    });
}

/// Reads the bytes as one kind of log. What can be read can be written on, in this generation and the next.
fn one<F: LogFold>(place: &Path, bytes: &[u8], look: impl Fn(&mut Log<F>)) {
    let path = place.join("it.jsonl");
    for left in ["jsonl", "jsonl.old", "jsonl.tmp", "lock"] {
        let _ = fs::remove_file(path.with_extension(left));
    }
    let bytes = if bytes.starts_with(b"{\"v\"") { bytes.to_vec() } else { framed(F::KIND, bytes) };
    fs::write(&path, &bytes).expect("a temporary folder can be written");
    let records = match LogReader::<F>::open(&path) {
        Ok(reader) => reader.next_seq(),
        Err(error) => return check(&error, &path),
    };
    match Log::<F>::open(&path, 1) {
        Ok(mut log) => {
            assert_eq!(log.next_seq(), records, "a writer and a reader read the same");
            look(&mut log);
            drop(log);
            // Looking at it, or writing on it, leaves a log that can be read.
            if let Err(error) = LogReader::<F>::open(&path) {
                panic!("the log could be read before it was used, and now: {error}");
            }
        }
        Err(error) => check(&error, &path),
    }
}

/// An error about a file names it, in few words.
fn check(error: &LogError, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.len() < 2_000, "an error of {} bytes", text.len());
}

fn on_board(log: &mut Log<Board>) {
    let who = |name: &str| WaitingClaimant {
        role: Some("tester".parse().expect("it is a name")),
        agent: Some("shell".parse().expect("it is a name")),
        ..WaitingClaimant::new(name.parse().expect("it is a name"))
    };
    consistent(log.state());
    let ids: Vec<TaskId> = log.state().tasks().map(|(id, _)| id).take(TASKS_SHOWN_MAX).collect();
    for id in &ids {
        log.state().view(*id, &mut |offset| log.read_at(offset)).expect("a task on the board can be shown");
        // Refused or not: it is decided.
        let _ = log.state().retry(*id);
        let _ = log.state().cancel(*id);
        let _ = log.state().assign(*id, who("alice").name);
        ids.iter().for_each(|on| drop(log.state().add_dependency(*id, *on)));
    }
    let _ = log.state().to_wake();
    log.set_generation_bytes_max(1);
    let claim = |board: &Board| Ok::<_, String>((board.claim_next(&who("alice")).0, ()));
    let bury = |board: &Board| Ok::<_, String>((board.bury(&name("alice"), WorkerDeath::default()), ()));
    let add = |board: &Board| {
        let task = NewTask::new(TaskWork::run("true"));
        Ok::<_, String>((board.add(vec![task.clone(), task]).map_err(|refusal| refusal.to_string())?, ()))
    };
    // A log that holds facts of a newer version may refuse to be written on.
    let _ = log.transact("alice", 1, Durability::Process, claim);
    let _ = log.transact("lead", 2, Durability::Process, add);
    let _ = log.transact("lead", 3, Durability::Process, bury);
    consistent(log.state());
}

/// What the board counts and keeps in order is what its tasks say, whatever the facts were.
fn consistent(board: &Board) {
    for (id, task) in board.tasks() {
        assert_eq!(task.open_dependencies as usize, board.open_dependencies(&task).len(), "task {id}");
        assert!(task.blocked_by.iter().all(|on| board.task(*on).is_ok_and(|other| other.blocks.contains(&id))));
        assert!(task.blocks.iter().all(|by| board.task(*by).is_ok_and(|other| other.blocked_by.contains(&id))));
    }
    for name in board.owners() {
        assert!(
            board
                .owned_by(name)
                .all(|id| board.task(id).is_ok_and(|task| matches!(task.status, TaskStatus::InProgress { .. })))
        );
    }
    for who in board.waiting() {
        assert!(board.next_for(who).is_none_or(|id| board.task(id).is_ok_and(|task| task.is_ready())));
    }
}

fn name(text: &str) -> MemberName {
    text.parse().expect("it is a name")
}

/// A log of records whose facts are the lines of `bytes`.
fn framed(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let mut log = format!("{{\"v\":1,\"log\":\"{kind}\",\"gen\":1,\"next_seq\":1,\"at_ms\":1}}\n").into_bytes();
    for (seq, facts) in (1..).zip(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
        log.extend(format!("{{\"v\":1,\"seq\":{seq},\"at_ms\":1,\"by\":\"lead\",\"facts\":[").as_bytes());
        log.extend(facts);
        log.extend(b"]}\n");
    }
    log
}
