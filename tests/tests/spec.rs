//! SPEC.md says what the program does: each example is read by the program's own types and written again, each
//! file is written again by the log, each call goes over a real connection, and nothing that is stored or called
//! lacks an example.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::{self, sizes};
use teamster_protocol::model::mail::Mailbox;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{MemberSpec, Roster, Workspace};
use teamster_protocol::store::file as log;
use teamster_protocol::store::file::{Durability, Log, LogFold, LogReader};
use teamster_protocol::store::presence::PresenceLock;
use teamster_protocol::store::transcript::Transcript;
use teamster_protocol::team::{Inbox, Team};
use teamster_protocol::wire::{api::code, peer};
use teamster_tests::spec::{self, Block, section, tagged};

mod types;
mod wire;

use wire::Api;

/// The tags of blocks that other tests than that of plain values read.
const OTHER_TAGS: &[&str] = &[
    "directory",
    "log-header",
    "board-record",
    "log-seal",
    "log-snapshot-end",
    "log-mark",
    "board-old-file",
    "board-file",
    "rpc-error",
    "worker-call",
    "leader-call",
];

#[test]
fn every_example_is_read_and_written_again_without_a_loss() {
    let kinds = types::kinds();
    for block in spec::blocks(&spec::text()) {
        // What the command line prints is compared with what it does print, in a test of its own.
        let elsewhere = OTHER_TAGS.contains(&block.tag.as_str()) || block.tag.starts_with("cli:");
        if elsewhere || (block.language != "json" && block.tag.is_empty()) {
            continue;
        }
        let kind = kinds.iter().find(|kind| kind.tag == block.tag);
        let kind = kind.unwrap_or_else(|| panic!("{}: no test knows this tag", block.at()));
        for value in block.values() {
            let again = (kind.again)(&value).unwrap_or_else(|error| panic!("{}: {value}: {error}", block.at()));
            assert_eq!(again, value, "{}: it is written otherwise", block.at());
        }
    }
}

#[test]
fn every_variant_has_an_example() {
    let mut missing = Vec::new();
    for kind in types::kinds() {
        let values = tagged(kind.tag).iter().flat_map(Block::values).collect::<Vec<_>>();
        let shown: BTreeSet<String> = values.iter().map(|value| kind.variant(value)).collect();
        missing.extend(kind.variants.iter().filter(|name| !shown.contains(*name)).map(|name| (kind.tag, name.clone())));
    }
    assert!(missing.is_empty(), "SPEC.md has no example of {missing:?}");
}

#[test]
fn the_logs_know_their_own_facts() {
    fn of<F: LogFold>(facts: &[&str])
    where
        F::Fact: serde::de::DeserializeOwned,
    {
        assert_eq!(types::variants::<F::Fact>(serde_json::json!({"nobody": null})), facts, "{}", F::KIND);
    }
    of::<Board>(BoardFact::KEYS);
    of::<Roster>(Roster::FACTS);
    of::<Mailbox>(Mailbox::FACTS);
}

#[test]
fn the_log_writes_the_files_that_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    let (old, new) = (lines("board-old-file"), lines("board-file"));
    let at_ms = |line: &Value| line["at_ms"].as_u64().unwrap();
    let mut log: Log<Board> = Log::open(&path, at_ms(&old[0])).unwrap();
    let append = |log: &mut Log<Board>, record: &Value| {
        let facts: Vec<BoardFact> = serde_json::from_value(record["facts"].clone()).unwrap();
        let by = record["by"].as_str().unwrap();
        log.transact(by, at_ms(record), Durability::Process, |_| Ok::<_, String>((facts, ()))).unwrap();
    };
    let records = &old[1..old.len() - 1];
    for (at, record) in records.iter().enumerate() {
        log.set_generation_bytes_max(if at + 1 == records.len() { 0 } else { u64::MAX });
        append(&mut log, record);
    }
    log.set_generation_bytes_max(u64::MAX);
    new.iter().filter(|line| line["seq"].as_u64() > Some(0)).for_each(|record| append(&mut log, record));
    assert_eq!(read_lines(&dir.path().join("board.jsonl.old")), old);
    assert_eq!(read_lines(&path), new);
    log.make_durable::<String>(Durability::Power).unwrap();
    assert_eq!(read_lines(&dir.path().join("board.lock")), lines("log-mark"));
    assert_eq!(fs::metadata(dir.path().join("board.lock")).unwrap().len(), 128);
    for (tag, shown) in
        [("log-header", &old[0]), ("board-record", &old[2]), ("log-seal", &old[3]), ("log-snapshot-end", &new[3])]
    {
        let again: Vec<Value> = tagged(tag).iter().flat_map(Block::values).collect();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        again.iter().for_each(|value| assert_eq!(keys(value), keys(shown), "{tag}"));
    }
}

#[test]
fn a_stranger_can_write_a_log_by_what_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    fs::write(&path, tagged("board-file")[0].json_lines().join("\n") + "\n").unwrap();
    let reader: LogReader<Board> = LogReader::open(&path).unwrap();
    assert_eq!((reader.state().len(), reader.next_seq()), (1, 4));
    let view = reader.state().view(TaskId(1), &mut |offset| reader.read_at(offset)).unwrap();
    assert_eq!((view.status.typed(), view.result()), ("completed", Some("ok, 41 tests")));
}

#[tokio::test]
async fn every_call_goes_over_the_wire_as_it_is_shown() {
    for (api, tag) in [(Api::Worker, "worker-call"), (Api::Leader, "leader-call")] {
        let mut shown = BTreeSet::new();
        for block in tagged(tag) {
            let values = block.values();
            let (call, expected) = values.split_first().expect("a call");
            shown.insert(call["method"].as_str().expect("a method").to_owned());
            if call["method"] == "unsubscribe" {
                // It needs a subscription first; the name and the answer are jsonrpsee's own.
                assert_eq!(expected[0]["result"], Value::Bool(true), "{}", block.at());
                continue;
            }
            let heard = within(api.call(&call.to_string(), expected)).await;
            assert_eq!(heard.asked.as_ref(), Some(&call["params"]), "{}: the parameters", block.at());
            assert_eq!(heard.lines.len(), expected.len(), "{}", block.at());
            for (line, expected) in heard.lines.iter().zip(expected) {
                assert_eq!(&with_subscription_1(line, call), expected, "{}", block.at());
            }
        }
        let all: BTreeSet<String> = api.methods().into_iter().collect();
        assert_eq!(shown, all, "SPEC.md shows other methods with {tag} than there are");
    }
}

#[tokio::test]
async fn what_is_no_call_is_refused_as_it_is_shown() {
    for block in tagged("rpc-error") {
        let (sent, answer) = block.text.trim_end().split_once('\n').expect("a line and its answer");
        // The line that is sent need not be JSON; the answer is, and may be broken over several lines.
        let answer: Value = serde_json::from_str(answer).unwrap();
        let heard = within(Api::Worker.call(sent, std::slice::from_ref(&answer))).await;
        assert_eq!((heard.asked, &heard.lines[..]), (None, &[answer][..]), "{}", block.at());
    }
}

#[test]
fn the_error_codes_are_those_of_the_program() {
    use jsonrpsee::types::error;
    let codes = [
        ("REFUSED", code::REFUSED),
        ("NOT_FOUND", code::NOT_FOUND),
        ("OTHER_VERSION", code::OTHER_VERSION),
        ("CORRUPT", code::CORRUPT),
        ("SYSTEM", code::SYSTEM),
        ("ENDED", code::ENDED),
        ("PARSE", error::PARSE_ERROR_CODE),
        ("INVALID_REQUEST", error::INVALID_REQUEST_CODE),
        ("METHOD_NOT_FOUND", error::METHOD_NOT_FOUND_CODE),
        ("INVALID_PARAMS", error::INVALID_PARAMS_CODE),
        ("INTERNAL", error::INTERNAL_ERROR_CODE),
        ("TOO_MANY_SUBSCRIPTIONS", error::TOO_MANY_SUBSCRIPTIONS_CODE),
        ("OVERSIZED", peer::OVERSIZED_CODE),
        ("OVERSIZED_ANSWER", error::OVERSIZED_RESPONSE_CODE),
        ("BUSY", peer::BUSY_CODE),
    ];
    let text = section("## 7.");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Some((cells.get(2)?.trim_matches('`').to_owned(), cells.get(1)?.parse::<i32>().ok()?))
    });
    assert_eq!(rows.collect::<Vec<_>>(), codes.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn the_limits_are_those_of_the_program() {
    let values = [
        ("NAME_CHARS_MAX", count(limits::NAME_CHARS_MAX)),
        ("AGENT_FORM_BYTES_MAX", bytes(limits::AGENT_FORM_BYTES_MAX as u64)),
        ("TASK_TEXT_BYTES_MAX", bytes(limits::TASK_TEXT_BYTES_MAX as u64)),
        ("MAIL_TEXT_BYTES_MAX", bytes(limits::MAIL_TEXT_BYTES_MAX as u64)),
        ("GIVEN_TEXT_BYTES_MAX", bytes(limits::GIVEN_TEXT_BYTES_MAX)),
        ("MARK_BYTES_MAX", bytes(limits::MARK_BYTES_MAX)),
        ("TITLE_BYTES_MAX", bytes(limits::TITLE_BYTES_MAX as u64)),
        ("RESULT_BYTES_MAX", bytes(limits::RESULT_BYTES_MAX as u64)),
        ("TASKS_PER_ADD_MAX", count(limits::TASKS_PER_ADD_MAX)),
        ("ATTEMPTS_DEFAULT_MAX", count(limits::ATTEMPTS_DEFAULT_MAX as usize)),
        ("MAIL_READ_KEPT_MAX", count(limits::MAIL_READ_KEPT_MAX)),
        ("TRANSCRIPT_BYTES_MAX", bytes(limits::TRANSCRIPT_BYTES_MAX)),
        ("TRANSCRIPTS_KEPT_MAX", count(limits::TRANSCRIPTS_KEPT_MAX as usize)),
        ("BUDGET_WARN_PERCENT", count(limits::BUDGET_WARN_PERCENT as usize)),
        ("STDERR_LOG_BYTES_MAX", bytes(limits::STDERR_LOG_BYTES_MAX)),
        ("LOG_TAIL_BYTES_MAX", bytes(limits::LOG_TAIL_BYTES_MAX)),
        ("SLOW_POLL", seconds(limits::SLOW_POLL)),
        ("START_WITHIN", seconds(limits::START_WITHIN)),
        ("SHUTDOWN_WITHIN", seconds(limits::SHUTDOWN_WITHIN)),
        ("TERM_GRACE", seconds(limits::TERM_GRACE)),
        ("KILL_GRACE", seconds(limits::KILL_GRACE)),
        ("OPEN_FILES_MAX", count(limits::OPEN_FILES_MAX as usize)),
        ("DEATH_LOOK", millis(limits::DEATH_LOOK)),
        ("CHILDREN_LOOK", millis(limits::CHILDREN_LOOK)),
        ("LOCK_RETRY", millis(limits::LOCK_RETRY)),
        ("SPARE_AFTER", seconds(limits::SPARE_AFTER)),
        ("LEADER_GRACE", seconds(limits::LEADER_GRACE)),
        ("RECORD_RETRY", seconds(limits::RECORD_RETRY)),
        ("MEMBER_LOCK_WITHIN", seconds(limits::MEMBER_LOCK_WITHIN)),
        ("LOG_LOCK_WITHIN", seconds(limits::LOG_LOCK_WITHIN)),
        ("LOG_LOCK_BY_FORCE", format!("{} ms", limits::LOG_LOCK_BY_FORCE.as_millis())),
        ("RESTARTS_MAX", count(limits::RESTARTS_MAX)),
        ("RESTARTS_WITHIN", seconds(limits::RESTARTS_WITHIN)),
        ("RESTART_DELAY_MIN", format!("{} ms", limits::RESTART_DELAY_MIN.as_millis())),
        ("RESTART_DELAY_MAX", seconds(limits::RESTART_DELAY_MAX)),
        ("PARK_DEFAULT", seconds(limits::PARK_DEFAULT)),
        ("PARK_MIN", seconds(limits::PARK_MIN)),
        ("LIMIT_RESET_WITHIN", seconds(limits::LIMIT_RESET_WITHIN)),
        ("PROVIDER_WAIT_MIN", seconds(limits::PROVIDER_WAIT_MIN)),
        ("PROVIDER_TRIES_MAX", limits::PROVIDER_TRIES_MAX.to_string()),
        ("PERMISSION_WITHIN", seconds(limits::PERMISSION_WITHIN)),
        ("QUESTIONS_WAITING_MAX", count(limits::QUESTIONS_WAITING_MAX)),
        ("QUESTION_TITLE_BYTES_MAX", bytes(limits::QUESTION_TITLE_BYTES_MAX as u64)),
        ("QUESTION_DETAIL_BYTES_MAX", bytes(limits::QUESTION_DETAIL_BYTES_MAX as u64)),
        ("APPROVAL_RULES_MAX", count(limits::APPROVAL_RULES_MAX)),
        ("STALL_AFTER", seconds(limits::STALL_AFTER)),
        ("AGENT_IDLE_AFTER", seconds(limits::AGENT_IDLE_AFTER)),
        ("ANSWER_WITHIN", seconds(limits::ANSWER_WITHIN)),
        ("LAST_WORDS_BYTES_MAX", bytes(limits::LAST_WORDS_BYTES_MAX as u64)),
        ("LOST_LINES_MAX", count(limits::LOST_LINES_MAX)),
        ("LOST_LINE_CHARS_MAX", count(limits::LOST_LINE_CHARS_MAX)),
        ("GENERATION_BYTES_MAX", bytes(limits::GENERATION_BYTES_MAX)),
        ("LOG_LINE_BYTES_MAX", bytes(sizes::LOG_LINE_BYTES_MAX as u64)),
        ("LOG_BYTES_MAX", bytes(sizes::LOG_BYTES_MAX)),
        ("MESSAGE_LINE_BYTES_MAX", bytes(sizes::MESSAGE_LINE_BYTES_MAX as u64)),
        ("CALLS_IN_FLIGHT_MAX", count(sizes::CALLS_IN_FLIGHT_MAX)),
        ("SUBSCRIPTIONS_MAX", count(sizes::SUBSCRIPTIONS_MAX as usize)),
        ("NOTICES_QUEUED_MAX", count(sizes::NOTICES_QUEUED_MAX)),
        ("NOTICES_UNREAD_MAX", count(sizes::NOTICES_UNREAD_MAX)),
        ("MESSAGES_FORWARDED_MAX", count(sizes::MESSAGES_FORWARDED_MAX)),
        ("LEADER_INPUTS_MAX", count(sizes::LEADER_INPUTS_MAX)),
        ("LINKS_MAX", count(sizes::LINKS_MAX)),
        ("NOTICES_BEHIND_MAX", count(sizes::NOTICES_BEHIND_MAX)),
        ("COMMAND_STEER_BYTES_MAX", bytes(sizes::COMMAND_STEER_BYTES_MAX as u64)),
        ("IDENTITY_BYTES_MAX", bytes(sizes::IDENTITY_BYTES_MAX as u64)),
        ("RECAP_BYTES_MAX", bytes(sizes::RECAP_BYTES_MAX as u64)),
        ("RECAP_TURNS_MAX", count(sizes::RECAP_TURNS_MAX)),
        ("RECAP_TEXT_BYTES_MAX", bytes(sizes::RECAP_TEXT_BYTES_MAX as u64)),
        ("PROMPT_JOINED_BYTES_MAX", bytes(sizes::PROMPT_JOINED_BYTES_MAX as u64)),
        ("OUTPUT_PIECE_BYTES_MAX", bytes(sizes::OUTPUT_PIECE_BYTES_MAX as u64)),
        ("AGENT_LINE_BYTES_MAX", bytes(sizes::AGENT_LINE_BYTES_MAX as u64)),
        ("AGENT_UNREAD_BYTES_MAX", bytes(sizes::AGENT_UNREAD_BYTES_MAX as u64)),
        ("ORDERS_QUEUE_MAX", count(sizes::ORDERS_QUEUE_MAX)),
        ("NEWS_QUEUE_MAX", count(sizes::NEWS_QUEUE_MAX)),
        ("ODD_LINES_MAX", count(sizes::ODD_LINES_MAX as usize)),
        ("QUESTIONS_OPEN_MAX", count(sizes::QUESTIONS_OPEN_MAX)),
        ("TEAM_STEM_CHARS_MAX", count(sizes::TEAM_STEM_CHARS_MAX)),
        ("RUN_WORKERS_MAX", count(sizes::RUN_WORKERS_MAX.into())),
        ("ATTEMPTS_MAX", count(sizes::ATTEMPTS_MAX as usize)),
        ("DURATION_HOURS_MAX", count(sizes::DURATION_HOURS_MAX as usize)),
        ("CONFIG_BYTES_MAX", bytes(sizes::CONFIG_BYTES_MAX as u64)),
        ("GIT_FILE_BYTES_MAX", bytes(sizes::GIT_FILE_BYTES_MAX)),
        ("PLAN_BYTES_MAX", bytes(sizes::PLAN_BYTES_MAX as u64)),
        ("PLAN_TASKS_MAX", count(sizes::PLAN_TASKS_MAX)),
        ("PLAN_ID_CHARS_MAX", count(sizes::PLAN_ID_CHARS_MAX)),
        ("PLAN_TITLE_COLUMNS_MAX", count(sizes::PLAN_TITLE_COLUMNS_MAX)),
        ("PROBLEMS_SHOWN_MAX", count(sizes::PROBLEMS_SHOWN_MAX)),
        ("LAST_ENTRIES_MAX", count(sizes::LAST_ENTRIES_MAX)),
    ];
    let shown: BTreeMap<String, String> =
        spec::rows(&section("## 12.")).into_iter().map(|(name, cells)| (name, cells[0].clone())).collect();
    let values: BTreeMap<String, String> = values.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(shown, values);
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src/model");
    let files = ["limits.rs", "limits/sizes.rs"];
    let source: String = files.iter().map(|file| fs::read_to_string(room.join(file)).unwrap()).collect();
    let named =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':')).map(|(name, _)| name);
    let missing: Vec<&str> = named.filter(|name| *name != "PROTOCOL_VERSION" && !shown.contains_key(*name)).collect();
    assert!(missing.is_empty(), "SPEC.md does not list {missing:?}");
}

#[test]
fn the_versions_are_those_of_the_program() {
    let rows: Vec<Vec<String>> = section("## 1.")
        .lines()
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .filter(|cells: &Vec<String>| cells.len() > 3)
        .collect();
    let now = |what: &str| rows.iter().find(|cells| cells[1] == what).map(|cells| cells[2].clone());
    assert_eq!(now("log format"), Some(log::VERSION.to_string()));
    assert_eq!(now("wire protocol"), Some(limits::PROTOCOL_VERSION.to_string()));
}

#[tokio::test]
async fn the_directory_looks_as_it_is_shown() {
    let root = tempfile::tempdir().unwrap();
    let dir = TeamDir::new(root.path(), "app".parse().unwrap());
    let alice: MemberName = "alice".parse().unwrap();
    let mut team = Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap();
    let spec = MemberSpec {
        agent: "shell".parse().unwrap(),
        options: Default::default(),
        role: None,
        auto: Default::default(),
        workspace: Workspace::Shared { dir: root.path().to_owned() },
        stall: Default::default(),
        rules: Vec::new(),
        budget: Default::default(),
    };
    team.add_member(alice.clone(), spec).unwrap();
    let _inbox = Inbox::open(&dir, Address::Lead, Durability::Process).unwrap();
    let _member = PresenceLock::take(&dir.member_lock(&alice), 1).unwrap();
    let _leader = PresenceLock::take(&dir.leader_lock(), 1).unwrap();
    let _socket = peer::socket::listen(&dir.leader_socket()).unwrap();
    let mut transcript = Transcript::open(dir.turns(&alice)).unwrap();
    transcript.say(1, TranscriptText::Ready).unwrap();
    let mut board: Log<Board> = Log::open(dir.board(), 1).unwrap();
    board.set_generation_bytes_max(0);
    let fact = BoardFact::Numbered { last_id: 1 };
    board.transact("lead", 1, Durability::Process, |_| Ok::<_, String>((vec![fact], ()))).unwrap();

    let shown: BTreeMap<String, u32> = tagged("directory")[0]
        .text
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let mode = u32::from_str_radix(words.next().unwrap(), 8).unwrap();
            let name = words.next().unwrap().trim_end_matches('/');
            (name.replace("<member>", "alice").replace("<turn>", "000000"), mode)
        })
        .collect();
    let mut found = BTreeMap::from([(".".to_owned(), mode_of(dir.path()))]);
    walk(dir.path(), dir.path(), &mut found);
    assert!(found.len() > 15, "{found:?}");
    for (name, mode) in found {
        assert_eq!(shown.get(&name), Some(&mode), "{name}: {mode:o}");
    }
}

fn walk(top: &Path, dir: &Path, found: &mut BTreeMap<String, u32>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.insert(path.strip_prefix(top).unwrap().display().to_string(), mode_of(&path));
        if path.is_dir() {
            walk(top, &path, found);
        }
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn lines(tag: &str) -> Vec<Value> {
    tagged(tag)[0].values()
}

fn read_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Subscriptions are numbered over all connections of a process.
fn with_subscription_1(line: &Value, call: &Value) -> Value {
    let mut line = line.clone();
    if call["method"] == "subscribe" {
        let id = if line.get("method").is_some() { &mut line["params"]["subscription"] } else { &mut line["result"] };
        assert!(id.is_number(), "{line}");
        *id = 1.into();
    }
    line
}

async fn within<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), call).await.expect("it answers")
}

fn count(value: usize) -> String {
    value.to_string()
}

fn bytes(value: u64) -> String {
    match value {
        value if value % (1 << 20) == 0 => format!("{} MiB", value >> 20),
        value if value % (1 << 10) == 0 => format!("{} KiB", value >> 10),
        value => format!("{value} B"),
    }
}

fn seconds(value: Duration) -> String {
    format!("{} s", value.as_secs_f64())
}

fn millis(value: Duration) -> String {
    format!("{} ms", value.as_millis())
}
