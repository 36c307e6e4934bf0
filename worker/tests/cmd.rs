//! A member whose agent is a program that takes one prompt and ends: `--agent 'cmd:COMMAND {}'`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::bench::{Bench, ended, link, processes_in};
use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::team::TaskCommand;
use teamster_protocol::wire::api::{ProtocolHello, WorkerApiClient};
use tokio::process::Command;

/// An agent that says what it has on its standard input and in its arguments, and does what its last argument begins
/// with.
const AGENT: &str = r#"#!/bin/sh
cat
for last; do printf '[%s]' "$last"; done
echo
case $last in
fail*) exit 3 ;;
die*) kill -9 $$ ;;
wait*) setsid sleep 1000 & sleep 1000 & echo "waits: $last"; read line <gate; echo "$line" ;;
esac
"#;

/// A team whose workspace has the agent in it.
fn bench() -> Bench {
    let bench = Bench::new();
    let agent = bench.root.path().join("agent");
    fs::write(&agent, AGENT).unwrap();
    fs::set_permissions(&agent, Permissions::from_mode(0o755)).unwrap();
    bench
}

/// A worker's command line whose agent is that program with these words after it.
fn worker(bench: &Bench, words: &str) -> Command {
    let mut command = bench.command("alice");
    command.arg("--agent").arg(format!("cmd:{} {words}", bench.root.path().join("agent").display()));
    command
}

fn add(bench: &mut Bench, work: TaskWork) -> TaskId {
    bench.team.command(TaskCommand::Add { tasks: vec![NewTask::new(work)] }).unwrap().tasks[0]
}

fn prompt(text: &str) -> TaskWork {
    TaskWork::Prompt(text.to_owned())
}

#[tokio::test]
async fn a_prompt_is_an_argument_and_the_exit_status_decides() {
    let mut bench = bench();
    let _alice = worker(&bench, "'two words' --text={} {}").spawn().unwrap();
    let text = "say \"$HOME\"; rm -r * | `x`\n'and more'";
    let task = add(&mut bench, prompt(text));
    let said = format!("[two words][--text={text}][{text}]");
    assert_eq!(bench.task(task, "completed").await.result(), Some(&*said), "and standard input is empty");

    let task = add(&mut bench, prompt("fail"));
    let view = bench.task(task, "failed").await;
    assert_eq!((view.reason(), view.result()), (Some("exit status 3"), Some("[two words][--text=fail][fail]")));

    let task = add(&mut bench, prompt("--yolo"));
    let said = "[two words][--text=--yolo][\n--yolo]";
    assert_eq!(bench.task(task, "completed").await.result(), Some(said), "a text sets no option");

    let task = add(&mut bench, TaskWork::run("echo \"$0 $TEAMSTER_MEMBER $TEAMSTER_TASK\""));
    let said = format!("sh alice {task}");
    assert_eq!(bench.task(task, "completed").await.result(), Some(&*said), "a command is run by the shell");
}

#[tokio::test]
async fn without_a_mark_the_text_is_the_last_argument_and_the_member_keeps_its_command() {
    let mut bench = bench();
    let alice = worker(&bench, "-p").spawn().unwrap();
    let task = add(&mut bench, prompt("hello {}"));
    assert_eq!(bench.task(task, "completed").await.result(), Some("[-p][hello {}]"));
    bench.kill("alice", alice).await;
    let lives = bench.lives("alice");
    let _again = bench.command("alice").spawn().unwrap();
    bench.ready("alice", lives + 1).await;
    let task = add(&mut bench, prompt("again"));
    assert_eq!(bench.task(task, "completed").await.result(), Some("[-p][again]"), "it is on the roster");
}

#[tokio::test]
async fn mail_to_an_idle_program_begins_a_turn_and_is_delivered_with_it() {
    let mut bench = bench();
    let _alice = worker(&bench, "{}").spawn().unwrap();
    bench.said("alice", |said| *said == TranscriptText::Waiting).await;
    for (urgency, words) in [(Urgency::Now, "one"), (Urgency::Next, "two"), (Urgency::Idle, "three")] {
        let mail = bench.mail("alice", urgency, words);
        bench.said("alice", |said| matches!(said, TranscriptText::Text { text } if text.contains(words))).await;
        let answered = TranscriptText::Receipt { text: TextId::Message(mail), state: ReceiptState::Answered };
        bench.said("alice", |said| *said == answered).await;
    }
    assert_eq!(bench.unread("alice"), 0);
}

#[tokio::test]
async fn what_is_said_in_a_turn_waits_for_the_next_prompt_and_an_abort_leaves_nothing() {
    let bench = bench();
    let (_alice, peer) = link(worker(&bench, "{}"), 60_000);
    peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION }).await.unwrap();
    let mut bench = bench;
    peer.prompt(prompt("wait")).await.unwrap();
    bench.heard("alice", "waits: wait\n").await;
    let steered = peer.steer("turn left".to_owned(), None).await.unwrap();
    assert_eq!(steered.state, ReceiptState::Queued);
    bench.open_gate("goes on");
    bench.heard("alice", "goes on").await;
    bench.heard("alice", "turn left").await;
    let answered = TranscriptText::Receipt { text: steered.text, state: ReceiptState::Answered };
    bench.said("alice", |said| *said == answered).await;

    let task = add(&mut bench, prompt("wait for ever"));
    bench.heard("alice", "waits: wait for ever").await;
    peer.abort("enough".to_owned()).await.unwrap();
    bench.task(task, "stopped").await;
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_program_that_a_signal_ended_costs_an_attempt_and_not_the_task() {
    let mut bench = bench();
    let alice = worker(&bench, "{}").spawn().unwrap();
    let task = add(&mut bench, prompt("die"));
    assert_eq!(ended(alice).await.0, Some(1));
    let reason = "killed by SIGKILL".to_owned();
    let end = TurnEnd::Failed { reason: reason.clone(), fault: AgentFault::Agent };
    let told =
        |said: &TranscriptText| matches!(said, TranscriptText::TurnEnded { turn: 1, end: told, .. } if *told == end);
    assert!(bench.transcript("alice").iter().any(told));
    assert_eq!(bench.team.members().unwrap()[0].left, Some(WorkerEnd::AgentGone { reason }));
    bench.task(task, "pending").await;
}

#[tokio::test]
async fn a_prompt_that_fits_into_no_argument_fails_and_the_member_goes_on() {
    let mut bench = bench();
    let _alice = worker(&bench, "{}").spawn().unwrap();
    let task = add(&mut bench, prompt(&"x".repeat(200_000)));
    let view = bench.task(task, "failed").await;
    let reason = view.reason().unwrap();
    assert!(reason.starts_with("cannot be prompted: ") && reason.contains("200000 bytes"), "{reason}");
    let task = add(&mut bench, prompt("short"));
    assert_eq!(bench.task(task, "completed").await.result(), Some("[short]"));
}

#[tokio::test]
async fn arguments_that_are_too_long_together_fail_the_task_too() {
    let mut bench = bench();
    // Each is short enough. No system takes more than 6 MiB of them.
    let _alice = worker(&bench, &"{} ".repeat(60)).spawn().unwrap();
    let task = add(&mut bench, prompt(&"x".repeat(130_000)));
    let view = bench.task(task, "failed").await;
    let reason = view.reason().unwrap();
    assert!(reason.starts_with("cannot be prompted: ") && reason.ends_with("the arguments are too long"), "{reason}");
}

#[tokio::test]
async fn a_program_that_is_missing_ends_the_member_with_the_reason_and_keeps_the_task() {
    let mut bench = Bench::new();
    let mut command = bench.command("alice");
    command.args(["--agent", "cmd:no-such-program {}"]);
    let alice = command.spawn().unwrap();
    let task = add(&mut bench, prompt("hello"));
    assert_eq!(ended(alice).await.0, Some(1));
    let left = bench.team.members().unwrap().remove(0).left;
    let Some(WorkerEnd::AgentGone { reason }) = left else { panic!("{left:?}") };
    assert!(reason.starts_with("cannot start no-such-program: "), "{reason}");
    bench.task(task, "pending").await;
}
