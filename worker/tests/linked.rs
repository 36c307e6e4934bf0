//! A worker as the leader's child: calls over standard input and output.

use std::process::Stdio;

use crate::bench::{self, Bench, LIMIT, ended, name, open};
use jsonrpsee::core::client::Error;
use nix::sys::signal::Signal;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::notice::{Notice, NoticeKind, TranscriptText};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::{StartedBy, WorkerEnd};
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::{
    AbortAnswer, PromptAnswer, ProtocolHello, SteerAnswer, WorkerApiClient, WorkerPhase, code,
};
use teamster_protocol::wire::peer::socket;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

const HELLO: ProtocolHello = ProtocolHello { protocol: PROTOCOL_VERSION };

fn refused(error: Error, wanted: i32) -> String {
    match error {
        Error::Call(error) if error.code() == wanted => error.message().to_owned(),
        error => panic!("expected code {wanted}, got {error:?}"),
    }
}

type Notices = jsonrpsee::core::client::Subscription<Notice>;

async fn next(notices: &mut Notices) -> Notice {
    timeout(LIMIT, notices.next()).await.expect("a notice comes").expect("the link is up").unwrap()
}

async fn until(notices: &mut Notices, wanted: impl Fn(&NoticeKind) -> bool) -> Notice {
    loop {
        let notice = next(notices).await;
        if wanted(&notice.what) {
            return notice;
        }
    }
}

#[tokio::test]
async fn it_greets_and_says_where_it_stands() {
    let mut bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    let welcome = peer.initialize(HELLO).await.unwrap();
    assert_eq!(
        (welcome.protocol, welcome.name, Some(welcome.pid)),
        (PROTOCOL_VERSION, name("alice"), bench.pid("alice"))
    );
    assert_eq!(peer.ping(7).await.unwrap(), 7);
    assert_eq!(peer.status().await.unwrap().phase, WorkerPhase::Idle);
    assert_eq!(bench.team.members().unwrap()[0].started_by, Some(StartedBy::Leader));
}

#[tokio::test]
async fn links_that_say_nothing_keep_no_leader_out() {
    let bench = Bench::new();
    let (_alice, first) = bench.linked(60_000);
    first.initialize(HELLO).await.unwrap();
    let path = bench.dir().member_socket(&name("alice"));
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(socket::connect(&path).await.unwrap());
    }
    let second = socket::dial(&path).await.unwrap();
    assert_eq!(second.initialize(HELLO).await.unwrap().name, name("alice"));
    assert_eq!(silent[0].read(&mut [0]).await.unwrap(), 0, "the oldest gave way");
    assert_eq!(first.ping(7).await.unwrap(), 7, "a leader's link stays");
}

#[tokio::test]
async fn another_protocol_is_refused_with_the_way_out() {
    let bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    let why = refused(peer.initialize(ProtocolHello { protocol: 99 }).await.unwrap_err(), code::OTHER_VERSION);
    assert!(why.contains("version 99") && why.contains("speaks 1") && why.contains("same release"), "{why}");
}

#[tokio::test]
async fn prompts_steers_and_aborts_are_taken_or_refused_with_the_reason() {
    let bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    peer.initialize(HELLO).await.unwrap();
    let mut notices = peer.notices(0).await.unwrap();
    assert_eq!(
        refused(peer.steer("x".into(), None).await.unwrap_err(), code::REFUSED),
        "no turn is running: it is idle"
    );
    assert_eq!(refused(peer.abort("x".into()).await.unwrap_err(), code::REFUSED), "no turn is running: it is idle");
    let script = "echo begun; read line; echo \"got $line\"; read line";
    assert_eq!(peer.prompt(open(script)).await.unwrap(), PromptAnswer { turn: 1, text: TextId::prompt_of(1) });
    assert_eq!(refused(peer.prompt(open("true")).await.unwrap_err(), code::REFUSED), "it is busy with turn 1");
    assert!(matches!(peer.status().await.unwrap().phase, WorkerPhase::Turn { turn: 1, task: None, .. }));
    let steered =
        SteerAnswer { text: TextId::InTurn { turn: 1, number: 1 }, state: ReceiptState::Unconfirmed, haste: None };
    assert_eq!(peer.steer("left".into(), None).await.unwrap(), steered);
    let mut bench = bench;
    bench.heard("alice", "got left").await;
    assert_eq!(peer.abort("enough".into()).await.unwrap(), AbortAnswer { turn: 1, task: None });
    let ended = until(&mut notices, |what| matches!(what, NoticeKind::TurnEnded { .. })).await;
    assert_eq!(ended.what, NoticeKind::TurnEnded { turn: 1, task: None, end: TurnEnd::Aborted });
    until(&mut notices, |what| *what == NoticeKind::Waiting).await;
    assert_eq!(refused(peer.prompt(open(" ")).await.unwrap_err(), code::REFUSED), "a prompt needs a text");
    assert!(
        bench
            .transcript("alice")
            .iter()
            .any(|said| matches!(said, TranscriptText::Steered { text, .. } if text == "left"))
    );
}

#[tokio::test]
async fn words_are_refused_by_a_shell_and_so_is_a_steer_that_nothing_reads() {
    let mut bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    peer.initialize(HELLO).await.unwrap();
    let words = peer.prompt(TaskWork::Prompt("touch run".to_owned())).await.unwrap_err();
    let why = refused(words, code::REFUSED);
    let said = "its agent runs commands only, and words are never run as one\n\
                if it is a command: teamster send alice --run COMMAND";
    assert_eq!(why, said);
    // The end of its input is met at once, so what follows is run.
    peer.prompt(TaskWork::run("cat; echo begun; sleep 1000")).await.unwrap();
    bench.heard("alice", "begun").await;
    let why = refused(peer.steer("left".into(), None).await.unwrap_err(), code::REFUSED);
    assert!(why.starts_with("it runs a command whose standard input is closed"), "{why}");
    peer.abort("enough".into()).await.unwrap();
}

#[tokio::test]
async fn calls_are_decided_on_in_the_order_in_which_they_were_made() {
    let bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    peer.initialize(HELLO).await.unwrap();
    for _ in 0..20 {
        let (prompt, steer, abort) =
            tokio::join!(peer.prompt(open("cat")), peer.steer("a line".into(), None), peer.abort("enough".into()));
        let mut notices = peer.notices(0).await.unwrap();
        let (turn, aborting) = (prompt.unwrap().turn, abort.unwrap());
        assert_eq!((steer.unwrap().state, aborting.turn), (ReceiptState::Unconfirmed, turn));
        until(&mut notices, |what| matches!(what, NoticeKind::TurnEnded { turn: ended, .. } if *ended == turn)).await;
        until(&mut notices, |what| *what == NoticeKind::Waiting).await;
    }
}

#[tokio::test]
async fn notices_come_from_disk_and_then_live_without_gap_or_repeat() {
    let mut bench = Bench::new();
    let (_alice, peer) = bench.linked(60_000);
    peer.initialize(HELLO).await.unwrap();
    for number in 1..=5 {
        let task = bench.add(&format!("echo {number}"));
        bench.task(task, "completed").await;
    }
    // One that is asked for while more is happening.
    let later: Vec<_> = (6..=10).map(|number| bench.add(&format!("echo {number}"))).collect();
    let mut notices = peer.notices(0).await.unwrap();
    for task in later {
        bench.task(task, "completed").await;
    }
    let mut seen = Vec::new();
    while seen.iter().filter(|notice: &&Notice| matches!(notice.what, NoticeKind::TurnEnded { .. })).count() < 10 {
        seen.push(next(&mut notices).await);
    }
    let last = seen.last().unwrap().seq;
    let on_disk = teamster_protocol::store::transcript::since(&bench.dir().turns(&name("alice")), 0).unwrap();
    let wanted: Vec<Notice> =
        on_disk.iter().filter(|entry| entry.seq <= last).filter_map(|entry| entry.notice()).collect();
    assert_eq!(seen, wanted);

    let middle = wanted[wanted.len() / 2].seq;
    let mut rest = peer.notices(middle).await.unwrap();
    for notice in wanted.iter().filter(|notice| notice.seq > middle) {
        assert_eq!(next(&mut rest).await, *notice);
    }
}

#[tokio::test]
async fn without_its_leader_it_finishes_its_turn_and_leaves_after_the_grace() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line <gate; echo done");
    let (alice, peer) = bench.linked(1);
    peer.initialize(HELLO).await.unwrap();
    bench.heard("alice", "begun").await;
    peer.close().await;
    drop(peer);
    bench.open_gate("go on");
    let (code, said) = ended(alice).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bench.task(task, "completed").await.result(), Some("begun\ndone"));
    assert_eq!(bench.team.members().unwrap()[0].left, Some(WorkerEnd::LeaderGone));
}

#[tokio::test]
async fn told_to_end_it_says_so_to_its_leader_before_the_link_closes() {
    let bench = Bench::new();
    let (alice, peer) = bench.linked(60_000);
    peer.initialize(HELLO).await.unwrap();
    let mut notices = peer.notices(0).await.unwrap();
    bench::signal(&alice, Signal::SIGTERM);
    until(&mut notices, |what| matches!(what, NoticeKind::Leaving { .. })).await;
    assert_eq!(ended(alice).await.0, Some(143));
}

#[tokio::test]
async fn bad_lines_are_answered_and_harm_nothing() {
    let bench = Bench::new();
    let mut command = bench.command("alice");
    let mut alice = command.arg("--stdio").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut write = alice.stdin.take().unwrap();
    let mut lines = BufReader::new(alice.stdout.take().unwrap()).lines();
    let oversized = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(9 << 20));
    let asked = [
        ("nonsense", -32700),
        (r#"{"jsonrpc":"2.0","id":2,"method":"fly","params":[]}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":["x"]}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"prompt","params":{"words":1}}"#, -32602),
        (oversized.as_str(), teamster_protocol::wire::peer::OVERSIZED_CODE),
    ];
    for (line, code) in asked {
        let (told, answer) = tokio::join!(async { write.write_all(format!("{line}\n").as_bytes()).await }, async {
            timeout(LIMIT, lines.next_line()).await.expect("it is answered").unwrap().unwrap()
        });
        told.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    write.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"params\":[7]}\n").await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!((&answer["id"], &answer["result"]), (&5.into(), &7.into()));
}
