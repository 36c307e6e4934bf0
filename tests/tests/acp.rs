//! A worker whose agent speaks the Agent Client Protocol, well or badly: what a user sees of it. The agent is `acp-agent`,
//! a real process that does what its command line and its prompts say.

use std::path::PathBuf;

use crate::bench::{self, Bench, LIMIT, ended, name, processes_in};
use teamster_protocol::model::agent::{AgentFault, Permission, QuestionId, SessionBegin, TurnEnd};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::{NoticeKind, TranscriptText};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::transcript;
use teamster_protocol::team::TaskCommand;
use teamster_protocol::wire::api::{ProtocolHello, SteerHaste, WorkerApiClient};
use teamster_protocol::wire::peer::Peer;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A worker's command line whose agent is started with these words.
fn worker(bench: &Bench, words: &str, args: &[&str]) -> Command {
    let mut command = bench.command("alice");
    command.args(["--agent", "acp", "--start", "at-once"]).args(args);
    command.env("TEAMSTER_ACP_AGENT", format!("{} {words}", env!("CARGO_BIN_EXE_acp-agent")));
    command
}

async fn by_hand(bench: &mut Bench, words: &str, args: &[&str]) -> Child {
    let lives = bench.lives("alice");
    let child = worker(bench, words, args).spawn().unwrap();
    bench.ready("alice", lives + 1).await;
    child
}

/// Starts it as the leader does.
async fn linked(bench: &Bench, words: &str) -> (Child, Peer) {
    let (child, peer) = bench::link(worker(bench, words, &[]), 60_000);
    peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION }).await.unwrap();
    (child, peer)
}

fn prompt(text: &str) -> TaskWork {
    TaskWork::Prompt(text.to_owned())
}

fn add(bench: &mut Bench, text: &str) -> TaskId {
    bench.team.command(TaskCommand::Add { tasks: vec![NewTask::new(prompt(text))] }).unwrap().tasks[0]
}

async fn receipt(bench: &mut Bench, text: TextId, state: ReceiptState) {
    bench.said("alice", |said| *said == TranscriptText::Receipt { text, state: state.clone() }).await;
}

#[tokio::test]
async fn an_agent_that_can_not_start_ends_its_worker_with_the_reason_and_leaves_nothing() {
    let garbage = "the agent said what is not understood: ";
    for (words, why) in [
        ("die", "the agent ended: exit status 9"),
        ("version-2", "the agent speaks version 2 of the Agent Client Protocol, and not 1"),
        ("login", "the agent wants a login first (Authentication required): Log in: run `agent login`"),
        ("garbage", garbage),
    ] {
        let bench = Bench::new();
        let alice = worker(&bench, words, &[]).spawn().unwrap();
        assert_eq!(ended(alice).await.0, Some(1), "{words}");
        let mut bench = bench;
        bench.team.refresh(|_| ()).unwrap();
        let left = bench.team.members().unwrap().remove(0).left;
        let reason = match &left {
            Some(WorkerEnd::ProviderRefused { reason }) if words == "login" => reason,
            Some(WorkerEnd::AgentGone { reason }) if words != "login" => reason,
            other => panic!("{words}: {other:?}"),
        };
        assert!(reason.starts_with(why), "{words}: {reason}");
        assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new(), "{words}");
    }
}

#[tokio::test]
async fn a_leader_is_told_why_an_agent_can_not_start() {
    for (words, why) in [
        ("die", "its agent is gone: the agent ended: exit status 9"),
        ("version-2", "its agent is gone: the agent speaks version 2"),
        ("login", "its provider serves it no more: the agent wants a login first"),
    ] {
        let bench = Bench::new();
        let (alice, peer) = bench::link(worker(&bench, words, &[]), 60_000);
        let refused = peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION }).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{words}: {refused}");
        assert_eq!(ended(alice).await.0, Some(1), "{words}");
    }
}

#[tokio::test]
async fn an_agent_of_a_worker_that_is_started_by_hand_is_told_to_ask_also_where_all_is_allowed() {
    for approval in ["ask", "deny", "auto"] {
        let mut bench = Bench::new();
        let _alice = by_hand(&mut bench, "moded", &["--approval", approval]).await;
        let task = add(&mut bench, "mode");
        assert_eq!(bench.task(task, "completed").await.result(), Some("default"), "{approval}");
        if approval == "auto" {
            let task = add(&mut bench, "ask rm -r x");
            assert_eq!(bench.task(task, "completed").await.result(), Some("allowed"));
        }
    }
}

#[tokio::test]
async fn an_agent_that_says_more_than_it_should_does_its_tasks_all_the_same() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, "banner", &["--approval", "auto"]).await;
    let banner = |said: &TranscriptText| matches!(said, TranscriptText::Trouble { text } if text.contains("Welcome"));
    bench.said("alice", banner).await;
    for (text, result) in [
        ("unknown", "refused with -32601"),
        ("storm 200", "200 answered"),
        ("say one\ntwice", "one"),
        ("ask rm -r x", "allowed"),
        ("say last", "last"),
    ] {
        let task = add(&mut bench, text);
        assert_eq!(bench.task(task, "completed").await.result(), Some(result), "{text}");
    }
    let flood = add(&mut bench, "flood 1000\nsay over");
    assert!(bench.task(flood, "completed").await.result().unwrap().ends_with("999\nover"));
}

#[tokio::test]
async fn a_task_of_which_nothing_came_is_not_completed() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, "", &["--approval", "deny"]).await;
    let nothing = add(&mut bench, "nothing");
    let view = bench.task(nothing, "failed").await;
    assert_eq!(view.reason(), Some("the agent ended the turn without doing anything for it"));
}

#[tokio::test]
async fn a_conversation_is_gone_on_with_after_a_kill_or_it_is_said_that_it_can_not_be() {
    let mut bench = Bench::new();
    let alice = by_hand(&mut bench, "", &[]).await;
    let first = add(&mut bench, "count");
    assert_eq!(bench.task(first, "completed").await.result(), Some("prompt 1"));
    let task = add(&mut bench, "say begun\nwait");
    bench.heard("alice", "begun").await;
    bench.kill("alice", alice).await;
    let again = by_hand(&mut bench, "", &["--no-claim"]).await;
    let resumed = |said: &TranscriptText| matches!(said, TranscriptText::Session { session } if session.begun == SessionBegin::Resumed);
    bench.said("alice", resumed).await;
    bench.task(task, "pending").await;
    bench.mail("alice", Urgency::Next, "hello");
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { .. })).await;
    bench.kill("alice", again).await;

    let _third = by_hand(&mut bench, "forgetful", &["--no-claim"]).await;
    let why = "can not be gone on with: Internal error: no such file; a new one begins with a summary of it";
    bench.said("alice", |said| matches!(said, TranscriptText::Trouble { text } if text.ends_with(why))).await;
}

#[tokio::test]
async fn an_agent_is_told_who_it_is_before_its_first_prompt_and_after_a_compaction() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, "", &[]).await;
    for text in ["count", "compact", "count", "count"] {
        let task = add(&mut bench, text);
        bench.task(task, if text == "compact" { "failed" } else { "completed" }).await;
    }
    let mut told = vec![0];
    for said in bench.transcript("alice") {
        match said {
            TranscriptText::Briefed { text } => {
                assert!(text.starts_with("You are alice, a member of the team"), "{text}");
                *told.last_mut().unwrap() += 1;
            }
            TranscriptText::TurnEnded { .. } => told.push(0),
            _ => {}
        }
    }
    assert_eq!(told, [1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_text_in_a_turn_waits_for_the_next_prompt_where_the_agent_takes_none() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, "").await;
    let mut bench = bench;
    peer.prompt(prompt("say begun\nask rm")).await.unwrap();
    bench.heard("alice", "begun").await;
    let steered = peer.steer("say and this".to_owned(), None).await.unwrap();
    assert_eq!(steered.state, ReceiptState::Queued);
    let mail = bench.mail("alice", Urgency::Now, "say and that");
    bench.said("alice", |said| matches!(said, TranscriptText::PermissionAsked { .. })).await;
    let waits = transcript::questions(&bench.dir().turns(&name("alice"))).unwrap().remove(0);
    assert_eq!((waits.asked.title.as_str(), waits.asked.question), ("rm", QuestionId("q1".to_owned())));
    peer.permit(waits.number, Permission::Once).await.unwrap();
    bench.heard("alice", "allowed").await;
    for (words, text) in [("and this", steered.text), ("and that", TextId::Message(mail))] {
        bench.heard("alice", words).await;
        receipt(&mut bench, text, ReceiptState::InContext).await;
        receipt(&mut bench, text, ReceiptState::Answered).await;
    }
}

#[tokio::test]
async fn a_text_that_is_said_now_reaches_an_agent_that_takes_none_in_a_turn() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, "").await;
    let mut bench = bench;
    let asked = peer.prompt(prompt("say begun\nwait-at-first")).await.unwrap();
    bench.heard("alice", "begun").await;
    let steered = peer.steer("say turned".to_owned(), Some(SteerHaste::Now)).await.unwrap();
    bench.heard("alice", "turned").await;
    for text in [steered.text, asked.text] {
        receipt(&mut bench, text, ReceiptState::Answered).await;
    }
    bench.said("alice", |said| matches!(said, TranscriptText::TurnEnded { end: TurnEnd::Completed, .. })).await;
}

#[tokio::test]
async fn a_text_in_a_turn_reaches_it_where_the_agent_takes_some() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, "steered").await;
    let mut bench = bench;
    peer.prompt(prompt("say begun\nwait")).await.unwrap();
    bench.heard("alice", "begun").await;
    let steered = peer.steer("left".to_owned(), None).await.unwrap();
    assert_eq!(steered.state, ReceiptState::Accepted);
    bench.heard("alice", "steered: left").await;
    receipt(&mut bench, steered.text, ReceiptState::Delivered).await;
    receipt(&mut bench, steered.text, ReceiptState::Answered).await;
}

#[tokio::test]
async fn a_turn_is_stopped_though_its_agent_waits_for_an_answer() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, "").await;
    let mut notices = peer.notices(0).await.unwrap();
    peer.prompt(prompt("ask rm")).await.unwrap();
    loop {
        let notice = timeout(LIMIT, notices.next()).await.unwrap().unwrap().unwrap();
        if let NoticeKind::PermissionAsked { .. } = notice.what {
            break;
        }
    }
    peer.abort("enough".to_owned()).await.unwrap();
    let mut bench = bench;
    bench.said("alice", |said| matches!(said, TranscriptText::TurnEnded { turn: 1, end: TurnEnd::Aborted, .. })).await;
    let task = add(&mut bench, "count");
    assert_eq!(bench.task(task, "completed").await.result(), Some("prompt 2"), "the same agent goes on");
}

#[tokio::test]
async fn a_limit_of_the_provider_parks_the_member_with_its_task() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, "", &[]).await;
    let task = add(&mut bench, "limit\nsay done");
    let parked = bench.said("alice", |said| matches!(said, TranscriptText::Parked { .. })).await;
    let why = "Internal error: all is used up (try 1 of 10)";
    assert!(
        matches!(&parked, TranscriptText::Parked { task: Some(id), reason, .. } if *id == task && reason == why),
        "{parked:?}"
    );
}

#[tokio::test]
async fn an_agent_that_dies_or_speaks_nonsense_in_a_turn_costs_an_attempt() {
    for (script, why) in
        [("say half\ndie", "the agent ended: exit status 9"), ("garbage", "the agent said what is not understood")]
    {
        let mut bench = Bench::new();
        let alice = by_hand(&mut bench, "", &[]).await;
        let task = add(&mut bench, script);
        assert_eq!(ended(alice).await.0, Some(1), "{script}");
        assert_eq!(bench.task(task, "pending").await.attempts.len(), 1);
        let left = bench.team.members().unwrap().remove(0).left;
        assert!(matches!(&left, Some(WorkerEnd::AgentGone { reason }) if reason.starts_with(why)), "{left:?}");
        assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
        assert!(bench.dir().turns(&name("alice")).exists());
    }
}

#[tokio::test]
async fn a_turn_that_the_agent_never_ends_is_stopped_with_its_agent() {
    let bench = Bench::new();
    let (alice, peer) = linked(&bench, "").await;
    let mut bench = bench;
    peer.prompt(prompt("say begun\nhang")).await.unwrap();
    bench.heard("alice", "begun").await;
    peer.abort("enough".to_owned()).await.unwrap();
    bench.said("alice", |said| matches!(said, TranscriptText::TurnEnded { turn: 1, end: TurnEnd::Aborted, .. })).await;
    assert_eq!(ended(alice).await.0, Some(1));
    bench.team.refresh(|_| ()).unwrap();
    let left = bench.team.members().unwrap().remove(0).left;
    let why = "the agent did not end its turn within 3 s of being told to stop";
    assert!(matches!(&left, Some(WorkerEnd::AgentGone { reason }) if reason == why), "{left:?}");
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_agent_that_does_not_obey_an_interruption_costs_an_attempt_which_has_the_reason_and_its_words() {
    let bench = Bench::new();
    let (alice, peer) = linked(&bench, "").await;
    let mut bench = bench;
    let task = add(&mut bench, "say begun\nhang");
    bench.heard("alice", "begun").await;
    let steered = peer.steer("not that".to_owned(), Some(SteerHaste::Now)).await.unwrap();
    assert_eq!(ended(alice).await.0, Some(1));
    let why = "the agent did not end its turn within 3 s of being told to stop";
    let view = bench.task(task, "pending").await;
    assert_eq!((view.result(), view.attempts.len()), (Some(&*format!("({why})\nbegun")), 1));
    let said = bench.transcript("alice");
    let end = TurnEnd::Failed { reason: why.to_owned(), fault: AgentFault::Agent };
    let is_end = |said: &TranscriptText| matches!(said, TranscriptText::TurnEnded { end: told, .. } if *told == end);
    assert!(said.iter().any(is_end), "{said:?}");
    let is_lost = |said: &TranscriptText| {
        let TranscriptText::Receipt { text, state: ReceiptState::Lost { .. } } = said else { return false };
        *text == steered.text
    };
    assert!(said.iter().any(is_lost), "{said:?}");
}

#[tokio::test]
async fn what_an_agent_leaves_running_of_a_turn_that_was_stopped_ends_with_the_turn() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, "").await;
    let mut bench = bench;
    let before = processes_in(bench.root.path()).len();
    peer.prompt(prompt("leave\nsay begun\nwait")).await.unwrap();
    bench.heard("alice", "begun").await;
    assert_eq!(processes_in(bench.root.path()).len(), before + 2);
    peer.abort("enough".to_owned()).await.unwrap();
    bench.said("alice", |said| matches!(said, TranscriptText::TurnEnded { turn: 1, end: TurnEnd::Aborted, .. })).await;
    assert_eq!(processes_in(bench.root.path()).len(), before);
    let task = add(&mut bench, "count");
    assert_eq!(bench.task(task, "completed").await.result(), Some("prompt 2"), "the agent goes on");
}
