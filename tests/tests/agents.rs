//! A conversation with a real worker: one agent process for many turns, with its steers, questions, limits and deaths.
//! The agent is `scripted-agent`, which does what its prompts say.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::bench::{self, Bench, LIMIT, Seen, ended, name, processes_in, signal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teamster_protocol::model::agent::options::{AgentOptions, IdleLimit};
use teamster_protocol::model::agent::{
    AgentFault, Permission, PermissionBy, QuestionId, SessionBegin, ToolState, TurnEnd,
};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::{Notice, NoticeKind, TranscriptText};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::{LimitStanding, MemberSpec, WorkerEnd, Workspace};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{MemberState, TaskCommand};
use teamster_protocol::wire::api::{PromptAnswer, ProtocolHello, SteerHaste, WorkerApiClient, WorkerPhase};
use teamster_protocol::wire::peer::Peer;
use tokio::process::{Child, Command};
use tokio::time::timeout;

mod limits;
mod lives;

/// A worker's command line whose agent is the scripted one, which is started with its worker unless it is said when.
fn scripted(bench: &Bench, args: &[&str]) -> Command {
    scripted_of(bench, "alice", args)
}

fn scripted_of(bench: &Bench, who: &str, args: &[&str]) -> Command {
    let mut command = bench.command(who);
    command.args(["--agent", "script"]).args(args);
    if !args.contains(&"--start") {
        command.args(["--start", "at-once"]);
    }
    command.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    command
}

async fn by_hand(bench: &mut Bench, args: &[&str]) -> Child {
    let lives = bench.lives("alice");
    let child = scripted(bench, args).spawn().unwrap();
    bench.ready("alice", lives + 1).await;
    child
}

/// Starts it as the leader does.
async fn linked(bench: &Bench, args: &[&str]) -> (Child, Peer) {
    let (child, peer) = bench::link(scripted(bench, args), 60_000);
    peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION }).await.unwrap();
    (child, peer)
}

fn add(bench: &mut Bench, work: TaskWork) -> TaskId {
    bench.team.command(TaskCommand::Add { tasks: vec![NewTask::new(work)] }).unwrap().tasks[0]
}

fn prompt(text: &str) -> TaskWork {
    TaskWork::Prompt(text.to_owned())
}

fn count(said: &[TranscriptText], wanted: impl Fn(&TranscriptText) -> bool) -> usize {
    said.iter().filter(|said| wanted(said)).count()
}

/// Waits until a text has come this far.
async fn receipt(bench: &mut Bench, text: TextId, state: ReceiptState) {
    bench.said("alice", |said| *said == TranscriptText::Receipt { text, state: state.clone() }).await;
}

async fn waits(bench: &mut Bench, times: usize) {
    let dir = bench.dir().turns(&name("alice"));
    bench
        .until("it waits for work", move |_: Seen<'_>| {
            let said = teamster_protocol::store::transcript::since(&dir, 0).unwrap();
            (said.iter().filter(|entry| entry.what == TranscriptText::Waiting).count() >= times).then_some(())
        })
        .await;
}

#[tokio::test]
async fn one_agent_serves_many_turns_and_the_shell_runs_the_commands() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, &[]).await;
    for number in 1..=3 {
        let task = add(&mut bench, prompt("count"));
        assert_eq!(bench.task(task, "completed").await.result(), Some(&*format!("prompt {number}")));
    }
    let command = add(&mut bench, TaskWork::run("sleep 1000 & setsid sleep 1000 & echo \"task $TEAMSTER_TASK\""));
    let result = format!("task {command}");
    assert_eq!(
        bench.task(command, "completed").await.result(),
        Some(&*result),
        "what it started is gone, the agent is not"
    );
    let failed = add(&mut bench, prompt("say so far\nfail it is too hard"));
    let view = bench.task(failed, "failed").await;
    assert_eq!((view.reason(), view.result()), (Some("it is too hard"), Some("so far")));
    let task = add(&mut bench, prompt("count\nthink hm\ntool ls\nplan count\nusage 120 7"));
    assert_eq!(bench.task(task, "completed").await.result(), Some("prompt 5"), "the same process, with its memory");
    let said = bench.transcript("alice");
    assert_eq!(count(&said, |said| matches!(said, TranscriptText::Session { .. })), 1);
    assert!(said.contains(&TranscriptText::Thought { text: "hm".to_owned() }));
    assert!(said.contains(&TranscriptText::ToolCall {
        id: "t1".to_owned(),
        title: "ls".to_owned(),
        state: ToolState::Done
    }));
    assert!(said.iter().any(|said| matches!(said, TranscriptText::Plan { steps } if steps.len() == 1)));
    assert!(said.iter().any(|said| matches!(said, TranscriptText::Usage { turn: 6, usage } if usage.input == 120)));
}

#[tokio::test]
async fn a_prompt_and_a_steer_have_receipts_that_tell_the_truth() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, &[]).await;
    let mut bench = bench;
    let asked = peer.prompt(prompt("say begun\nwait")).await.unwrap();
    assert_eq!(asked, PromptAnswer { turn: 1, text: TextId::prompt_of(1) });
    bench.heard("alice", "begun").await;
    let steered = peer.steer("left".to_owned(), None).await.unwrap();
    assert_eq!(steered.state, ReceiptState::Accepted);
    for text in [asked.text, steered.text] {
        receipt(&mut bench, text, ReceiptState::Delivered).await;
        receipt(&mut bench, text, ReceiptState::Answered).await;
    }
    assert!(bench.transcript("alice").contains(&TranscriptText::Text { text: "steered: left\n".to_owned() }));
}

#[tokio::test]
async fn an_agent_that_is_interrupted_goes_on_with_its_task_in_the_same_turn() {
    let mut bench = Bench::new();
    let task = add(&mut bench, prompt("say begun\nusage 100 5\nwait-at-first"));
    let (_alice, peer) = linked(&bench, &[]).await;
    bench.heard("alice", "begun").await;
    let steered = peer.steer("say turned".to_owned(), Some(SteerHaste::Now)).await.unwrap();
    assert_eq!(steered.state, ReceiptState::Queued);
    for state in [ReceiptState::Delivered, ReceiptState::Answered] {
        receipt(&mut bench, steered.text, state).await;
    }
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("begun\nturned"), 1));
    let said = bench.transcript("alice");
    assert_eq!(count(&said, |said| matches!(said, TranscriptText::TurnStarted { .. })), 1, "{said:?}");
    let again = "say begun\nusage 100 5\nwait-at-first\n\nYou had begun with this, and were interrupted. You had said:\n\
                 > begun\n\nMessage from lead:\nsay turned\n\nGo on with what you were asked, and heed this.";
    assert!(said.contains(&TranscriptText::Interrupted { turn: 1, prompt: again.to_owned() }), "{said:?}");
    let used = said.iter().filter_map(|said| match said {
        TranscriptText::TurnEnded { used, .. } => Some((used.turns, used.input)),
        _ => None,
    });
    assert_eq!(used.collect::<Vec<_>>(), [(1, 200)], "what both parts used is that of the turn");
}

#[tokio::test]
async fn mail_that_the_agent_queues_is_not_acknowledged_until_it_has_it() {
    let mut bench = Bench::new();
    let task = add(&mut bench, prompt("queue\nsay begun\nread\nread"));
    let _alice = by_hand(&mut bench, &[]).await;
    bench.heard("alice", "begun").await;
    let mail = bench.mail("alice", Urgency::Now, "turn left");
    receipt(&mut bench, TextId::Message(mail), ReceiptState::Queued).await;
    assert_eq!(bench.unread("alice"), 1, "queued is not delivered");
    let second = bench.mail("alice", Urgency::Now, "and then right");
    bench.task(task, "completed").await;
    // Nobody prompts it, so it is given a turn to take them in.
    bench.heard("alice", "from the queue: and then right").await;
    for text in [mail, second].map(TextId::Message) {
        receipt(&mut bench, text, ReceiptState::InContext).await;
        receipt(&mut bench, text, ReceiptState::Answered).await;
    }
    assert_eq!(bench.unread("alice"), 0);
    assert_eq!(
        count(&bench.transcript("alice"), |said| matches!(said, TranscriptText::Mail { .. })),
        2,
        "each is shown once"
    );
}

#[tokio::test]
async fn mail_that_died_in_the_agents_queue_goes_to_the_next_life() {
    let mut bench = Bench::new();
    let task = add(&mut bench, prompt("queue\nsay begun\nread\nwait"));
    let alice = by_hand(&mut bench, &[]).await;
    bench.heard("alice", "begun").await;
    let mail = bench.mail("alice", Urgency::Now, "say it was not lost");
    receipt(&mut bench, TextId::Message(mail), ReceiptState::Queued).await;
    bench.kill("alice", alice).await;
    assert_eq!(bench.unread("alice"), 1);
    let _again = by_hand(&mut bench, &["--no-claim"]).await;
    bench.heard("alice", "it was not lost").await;
    receipt(&mut bench, TextId::Message(mail), ReceiptState::Delivered).await;
    bench.task(task, "pending").await;
    let inbox = bench.dir().mailbox(&name("alice").into());
    let acknowledged = std::fs::read_to_string(inbox).unwrap().matches("acknowledged").count();
    assert_eq!(acknowledged, 1);
}

#[tokio::test]
async fn mail_is_acknowledged_when_it_is_delivered_and_also_by_an_agent_that_confirms_nothing() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, &[]).await;
    bench.mail("alice", Urgency::Next, "say one");
    bench.heard("alice", "one").await;
    let silent = bench.mail("alice", Urgency::Next, "silent\nsay two");
    receipt(&mut bench, TextId::Message(silent), ReceiptState::Answered).await;
    let third = bench.mail("alice", Urgency::Next, "say three");
    receipt(&mut bench, TextId::Message(third), ReceiptState::Answered).await;
    waits(&mut bench, 4).await;
    assert_eq!(bench.unread("alice"), 0);
}

#[tokio::test]
async fn a_question_is_answered_by_the_setting() {
    for (setting, answer) in [("auto", "allowed"), ("deny", "denied: this member is set up to deny every question")] {
        let mut bench = Bench::new();
        let task = add(&mut bench, prompt("ask rm -r x"));
        let _alice = by_hand(&mut bench, &["--approval", setting]).await;
        assert_eq!(bench.task(task, "completed").await.result(), Some(answer));
        let said = bench.transcript("alice");
        assert!(said.iter().any(
            |said| matches!(said, TranscriptText::PermissionAsked { asked, until_ms: None } if asked.title == "rm -r x")
        ));
        let by_policy = |said: &TranscriptText| matches!(said, TranscriptText::PermissionAnswered { by, .. } if *by == PermissionBy::Policy);
        assert_eq!(count(&said, by_policy), 1);
    }
}

#[tokio::test]
async fn a_question_is_answered_by_the_lead_or_taken_back_by_the_end_of_its_turn() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, &[]).await;
    let mut notices = peer.notices(0).await.unwrap();
    let question = async |notices: &mut jsonrpsee::core::client::Subscription<Notice>| -> (u64, QuestionId) {
        loop {
            let notice = timeout(LIMIT, notices.next()).await.unwrap().unwrap().unwrap();
            if let NoticeKind::PermissionAsked { question } = notice.what {
                return (notice.seq, question);
            }
        }
    };
    let mut bench = bench;
    peer.prompt(prompt("ask rm\nsay done")).await.unwrap();
    let (asked, _) = question(&mut notices).await;
    assert!(peer.permit(asked + 1, Permission::Once).await.is_err());
    peer.permit(asked, Permission::Never { reason: "not here".to_owned() }).await.unwrap();
    bench.heard("alice", "denied: not here").await;
    assert!(peer.permit(asked, Permission::Once).await.is_err(), "it is answered");
    waits(&mut bench, 2).await;

    peer.prompt(prompt("ask again")).await.unwrap();
    let (_, asked) = question(&mut notices).await;
    peer.abort("enough".to_owned()).await.unwrap();
    let taken_back = |said: &TranscriptText| match said {
        TranscriptText::PermissionAnswered { question, by, .. } => *question == asked && *by == PermissionBy::TurnEnd,
        _ => false,
    };
    bench.said("alice", taken_back).await;
    bench.said("alice", |said| matches!(said, TranscriptText::TurnEnded { turn: 2, end: TurnEnd::Aborted, .. })).await;
}
