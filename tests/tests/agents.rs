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

#[tokio::test]
async fn a_limit_parks_the_member_which_keeps_its_task_and_goes_on() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, &[]).await;
    let mut bench = bench;
    let task = add(&mut bench, prompt("limit 2500\nsay done"));
    let parked = bench.said("alice", |said| matches!(said, TranscriptText::Parked { .. })).await;
    assert!(
        matches!(&parked, TranscriptText::Parked { task: Some(id), reason, .. } if *id == task && reason == "all is used up")
    );
    assert!(matches!(peer.status().await.unwrap().phase, WorkerPhase::Parked { task: Some(id), .. } if id == task));
    let member = bench.team.members().unwrap().remove(0);
    assert_eq!((member.state, member.tasks), (MemberState::Parked, vec![task]));
    assert!(member.parked_until_ms.is_some());
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("done"), 1), "the same attempt goes on");
    let limited = |said: &TranscriptText| match said {
        TranscriptText::TurnEnded { end: TurnEnd::Failed { .. }, task: Some(id), .. } => *id == task,
        _ => false,
    };
    assert_eq!(count(&bench.transcript("alice"), limited), 1);
}

#[tokio::test]
async fn members_of_one_account_are_parked_together_also_after_a_death_and_go_on_together() {
    let mut bench = Bench::new();
    let (alice, bob) = (name("alice"), name("bob"));
    fs::create_dir(bench.dir().turns(&bob)).unwrap();
    let _alice = by_hand(&mut bench, &[]).await;
    let first_bob = scripted_of(&bench, "bob", &[]).spawn().unwrap();
    bench.ready("bob", 1).await;
    let limited = NewTask { to: Some(alice.clone()), ..NewTask::new(prompt("limit 3600000\nsay done")) };
    let task = bench.team.command(TaskCommand::Add { tasks: vec![limited] }).unwrap().tasks[0];
    let parked = |times: usize| {
        let turns = bench.dir().turns(&bob);
        move |_: Seen<'_>| {
            let said = transcript::since(&turns, 0).unwrap();
            let said: Vec<TranscriptText> = said.into_iter().map(|entry| entry.what).collect();
            (count(&said, |said| matches!(said, TranscriptText::Parked { task: None, .. })) == times).then_some(())
        }
    };
    let (once, twice) = (parked(1), parked(2));
    bench.until("bob is parked", once).await;
    // Who is started again meanwhile asks nobody either.
    bench.kill("bob", first_bob).await;
    let _bob = scripted_of(&bench, "bob", &[]).spawn().unwrap();
    bench.until("bob is parked again", twice).await;
    let second = add(&mut bench, prompt("say second"));
    let owner = |bench: &mut Bench| bench.team.members().unwrap().into_iter().find(|it| it.tasks == [second]);
    assert!(owner(&mut bench).is_none(), "nobody takes it");
    assert_eq!(bench.team.lift_limit(&bob).unwrap(), [alice, bob.clone()]);
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("done"), 1), "it stayed alice's");
    bench.task(second, "completed").await;
}

#[tokio::test]
async fn a_limit_that_could_not_be_written_down_is_written_later_and_can_be_lifted_before() {
    for is_lifted_first in [false, true] {
        let mut bench = Bench::new();
        let alice = name("alice");
        let _alice = by_hand(&mut bench, &[]).await;
        let roster = bench.dir().roster();
        let aside = roster.with_extension("aside");
        let away = format!("run mv {} {}", roster.display(), aside.display());
        let task = add(&mut bench, prompt(&format!("{away}\nlimit 3600000\nsay done")));
        let turns = bench.dir().turns(&alice);
        until_said(&turns, |said| matches!(said, TranscriptText::Parked { .. })).await;
        let untold = "cannot tell others of the limit of the provider, trying again: ";
        let is_untold =
            |said: &TranscriptText| matches!(said, TranscriptText::Trouble { text } if text.starts_with(untold));
        assert!(bench.transcript("alice").iter().any(is_untold));
        let worker = Pid::from_raw(bench.pid("alice").unwrap().try_into().unwrap());
        // Whoever lifts it is faster than her next look.
        kill(worker, Signal::SIGSTOP).unwrap();
        fs::rename(&aside, &roster).unwrap();
        if !is_lifted_first {
            kill(worker, Signal::SIGCONT).unwrap();
            // She looks at the roster when her mailbox rings.
            bench.mail("alice", Urgency::Idle, "look");
            let standing = |seen: Seen<'_>| {
                seen.team.refresh_roster().unwrap();
                let standing = seen.team.roster().limit_standing(&name("alice"))?;
                matches!(standing, LimitStanding::Told { .. }).then_some(())
            };
            bench.until("others are told", standing).await;
        }
        assert_eq!(bench.team.lift_limit(&alice).unwrap(), [alice]);
        kill(worker, Signal::SIGCONT).unwrap();
        assert_eq!(bench.task(task, "completed").await.result(), Some("done"));
    }
}

/// Waits until something is said in the transcripts there, whatever is wrong with the rest of the team.
async fn until_said(turns: &Path, wanted: impl Fn(&TranscriptText) -> bool) {
    let mut watch = FileWatch::new(LIMIT);
    watch.add(turns);
    watch.add(transcript::path_of(turns, 1));
    let said = async {
        while !transcript::since(turns, 0).unwrap().iter().any(|entry| wanted(&entry.what)) {
            watch.changed().await;
        }
    };
    timeout(LIMIT, said).await.expect("it is said in time");
}

#[tokio::test]
async fn a_parked_task_can_be_stopped_and_a_parked_member_ends() {
    let bench = Bench::new();
    let (alice, peer) = linked(&bench, &[]).await;
    let mut bench = bench;
    let task = add(&mut bench, prompt("limit 3600000"));
    bench.said("alice", |said| matches!(said, TranscriptText::Parked { .. })).await;
    assert_eq!(peer.abort("enough".to_owned()).await.unwrap().task, Some(task));
    bench.task(task, "stopped").await;
    bench.ask_to_end("alice", WhenBusy::Refuse);
    assert_eq!(ended(alice).await.0, Some(0));
}

#[tokio::test]
async fn an_agent_that_dies_in_a_turn_costs_an_attempt_and_is_resumed_by_its_session() {
    let mut bench = Bench::new();
    let alice = by_hand(&mut bench, &[]).await;
    let first = add(&mut bench, prompt("count"));
    bench.task(first, "completed").await;
    let task = add(&mut bench, prompt("say half\ndie"));
    let (code, said) = ended(alice).await;
    assert_eq!(code, Some(1), "{said}");
    let reason = "the agent ended: exit status 9".to_owned();
    let how = WorkerEnd::AgentGone { reason: reason.clone() };
    assert_eq!(bench.team.members().unwrap()[0].left, Some(how));
    let end = TurnEnd::Failed { reason, fault: AgentFault::Agent };
    let told =
        |said: &TranscriptText| matches!(said, TranscriptText::TurnEnded { turn: 2, end: told, .. } if *told == end);
    assert!(bench.transcript("alice").iter().any(told));
    let view = bench.task(task, "pending").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("(the agent ended: exit status 9)\nhalf"), 1));

    let _again = by_hand(&mut bench, &["--no-claim"]).await;
    let resumed = |said: &TranscriptText| matches!(said, TranscriptText::Session { session } if session.begun == SessionBegin::Resumed);
    bench.said("alice", resumed).await;
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 3").await;
}

#[tokio::test]
async fn an_agent_without_work_is_ended_and_goes_on_with_its_conversation_when_there_is_some() {
    let mut bench = Bench::new();
    let workspace = Workspace::Shared { dir: bench.root.path().to_owned() };
    let options = AgentOptions { idle_after: Some(IdleLimit::Ms(1_000)), ..AgentOptions::default() };
    let spec = MemberSpec { options, ..MemberSpec::new("script".parse().unwrap(), workspace) };
    bench.team.add_member(name("alice"), spec).unwrap();
    // There before the worker is, so that it has no time to sleep before it.
    let first = add(&mut bench, prompt("count\nchild"));
    let (alice, peer) = linked(&bench, &[]).await;
    assert_eq!(bench.task(first, "completed").await.result(), Some("prompt 1"));
    let turns = bench.dir().turns(&name("alice"));
    let sleeps = |said: &TranscriptText| *said == TranscriptText::Asleep;
    let slept = |times: usize| {
        let turns = turns.clone();
        move |_: Seen<'_>| {
            let said = transcript::since(&turns, 0).unwrap();
            (said.iter().filter(|entry| sleeps(&entry.what)).count() >= times).then_some(())
        }
    };
    let root = bench.root.path().to_owned();
    let running = |wanted: &str| {
        let mut processes = processes_in(&root);
        processes.retain(|it| fs::read_link(it.join("exe")).is_ok_and(|program| program.ends_with(wanted)));
        processes
    };
    let agents = || running("scripted-agent");
    // None if it sleeps by now.
    let mut ends: Vec<Child> = Vec::new();
    for process in agents() {
        let pid = process.file_name().unwrap();
        ends.push(Command::new("tail").arg("--pid").arg(pid).args(["-s", "0.1", "-f", "/dev/null"]).spawn().unwrap());
    }
    bench.until("it sleeps", slept(1)).await;
    for mut end in ends {
        timeout(LIMIT, end.wait()).await.expect("its process ends").unwrap();
    }
    assert_eq!(agents(), Vec::<PathBuf>::new());

    let resumed = |bench: &Bench| {
        count(
            &bench.transcript("alice"),
            |said| matches!(said, TranscriptText::Session { session } if session.begun == SessionBegin::Resumed),
        )
    };
    // Each of the ways in which work comes: a call, mail, a command, which needs no agent, and a task.
    assert_eq!(peer.prompt(prompt("count")).await.unwrap().turn, 2);
    bench.heard("alice", "prompt 2").await;
    assert_eq!(running("tail"), Vec::<PathBuf>::new(), "nothing of the agent that fell asleep is left");
    bench.until("it sleeps again", slept(2)).await;
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 3").await;
    bench.until("it sleeps again", slept(3)).await;
    let command = add(&mut bench, TaskWork::run("echo done"));
    assert_eq!(bench.task(command, "completed").await.result(), Some("done"));
    assert_eq!(resumed(&bench), 2, "it was not woken for a command");
    let task = add(&mut bench, prompt("count"));
    assert_eq!(bench.task(task, "completed").await.result(), Some("prompt 4"), "with all of its memory");
    assert_eq!(resumed(&bench), 3);
    bench.ask_to_end("alice", WhenBusy::Refuse);
    assert_eq!(ended(alice).await.0, Some(0));
}

#[tokio::test]
async fn an_agent_is_started_for_its_first_turn_and_one_that_can_not_be_gives_its_task_back() {
    let mut bench = Bench::new();
    let for_work = ["--start", "for-work", "--no-claim"];
    let alice = by_hand(&mut bench, &for_work).await;
    bench.said("alice", |said| *said == TranscriptText::Asleep).await;
    let command = NewTask { to: Some(name("alice")), ..NewTask::new(TaskWork::run("echo done")) };
    let command = bench.team.command(TaskCommand::Add { tasks: vec![command] }).unwrap().tasks[0];
    assert_eq!(bench.task(command, "completed").await.result(), Some("done"));
    let has_session = |said: &[TranscriptText]| count(said, |said| matches!(said, TranscriptText::Session { .. }));
    assert_eq!(has_session(&bench.transcript("alice")), 0, "it is not started for a command");
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 1").await;
    assert_eq!(has_session(&bench.transcript("alice")), 1);
    bench.ask_to_end("alice", WhenBusy::Refuse);
    assert_eq!(ended(alice).await.0, Some(0));

    // Its program is gone when it is wanted. The task is told to nobody, and the next life starts the agent at once.
    let task = NewTask { to: Some(name("alice")), ..NewTask::new(prompt("count")) };
    let task = bench.team.command(TaskCommand::Add { tasks: vec![task] }).unwrap().tasks[0];
    let without = |bench: &Bench| {
        let mut command = scripted(bench, &for_work);
        command.env("TEAMSTER_SCRIPT_AGENT", "/nowhere/agent");
        command
    };
    assert_eq!(ended(without(&bench).spawn().unwrap()).await.0, Some(1));
    let view = bench.task(task, "pending").await;
    assert_eq!(view.attempts.len(), 1, "{view:?}");
    let (code, said) = ended(without(&bench).spawn().unwrap()).await;
    assert!(code == Some(1) && said.contains("cannot start the agent"), "{code:?}: {said}");
    assert_eq!(bench.task(task, "pending").await.attempts.len(), 1, "it took no task while its agent does not start");
}

#[tokio::test]
async fn an_agent_whose_conversation_is_gone_begins_with_a_summary_of_it() {
    let mut bench = Bench::new();
    let alice = by_hand(&mut bench, &[]).await;
    let first = add(&mut bench, prompt("say the answer is 42\ncount"));
    bench.task(first, "completed").await;
    add(&mut bench, prompt("say half\ndie"));
    assert_eq!(ended(alice).await.0, Some(1));
    let session = bench.transcript("alice").into_iter().find_map(|said| match said {
        TranscriptText::Session { session } => Some(session),
        _ => None,
    });
    let session = session.expect("it told its name").id;
    let kept: Vec<PathBuf> = find_files(bench.root.path(), &format!("session-{session}"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    std::fs::remove_file(&kept[0]).unwrap();

    let _again = by_hand(&mut bench, &["--no-claim"]).await;
    let why =
        format!("session {session} can not be gone on with: its file is gone; a new one begins with a summary of it");
    bench.said("alice", |said| matches!(said, TranscriptText::Trouble { text } if *text == why)).await;
    let begun = |said: &TranscriptText| matches!(said, TranscriptText::Session { session } if session.begun == SessionBegin::Summarized);
    bench.said("alice", begun).await;
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 1").await;
    let told: Vec<String> = bench.transcript("alice").into_iter().filter_map(briefed).collect();
    let [told] = &told[..] else { panic!("it is told once: {told:?}") };
    for part in ["> say the answer is 42", "> the answer is 42", "> half", "This was not done: the agent ended"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 2").await;
    assert_eq!(bench.transcript("alice").into_iter().filter_map(briefed).count(), 1, "it has been told");
}

#[tokio::test]
async fn an_agent_is_told_who_it_is_and_reaches_the_team_by_its_shell() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, &["--role", "tests"]).await;
    let task = add(&mut bench, prompt("who"));
    let view = bench.task(task, "completed").await;
    let told = view.result().unwrap();
    assert!(told.starts_with("You are alice, a member of the team"), "{told}");
    assert!(told.contains("Your role: tests") && told.contains("teamster dm NAME WORDS"), "{told}");
    let said = "run (teamster dm alice hello && teamster inbox && teamster task list --json && teamster list) 2>&1";
    let task = add(&mut bench, prompt(said));
    let view = bench.task(task, "completed").await;
    let shown = view.result().unwrap();
    for part in ["alice", "hello", "\"tasks\":[{\"id\":1", "busy"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { text, .. } if text == "hello")).await;
}

fn briefed(said: TranscriptText) -> Option<String> {
    match said {
        TranscriptText::Briefed { text } => Some(text),
        _ => None,
    }
}

/// The files of that name below a directory.
fn find_files(dir: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let found = entries.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => find_files(&entry.path(), name),
        _ if entry.file_name() == name => vec![entry.path()],
        _ => Vec::new(),
    });
    found.collect()
}

#[tokio::test]
async fn an_agent_that_dies_between_turns_or_speaks_nonsense_ends_its_worker_with_the_reason() {
    for (script, why) in
        [("die-after", "the agent ended: exit status 9"), ("garbage\nwait", "the agent said what is not understood")]
    {
        let mut bench = Bench::new();
        let alice = by_hand(&mut bench, &[]).await;
        add(&mut bench, prompt(script));
        assert_eq!(ended(alice).await.0, Some(1));
        let left = bench.team.members().unwrap().remove(0).left;
        assert!(matches!(&left, Some(WorkerEnd::AgentGone { reason }) if reason.starts_with(why)), "{left:?}");
        assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn an_agent_that_obeys_no_abort_is_ended_and_nothing_is_left() {
    let mut bench = Bench::new();
    let alice = by_hand(&mut bench, &[]).await;
    let task = add(&mut bench, prompt("child\nsay begun\nhang"));
    bench.heard("alice", "begun").await;
    signal(&alice, Signal::SIGTERM);
    assert_eq!(ended(alice).await.0, Some(143));
    bench.task(task, "pending").await;
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_killed_worker_with_an_agent_leaves_nothing_behind() {
    let mut bench = Bench::new();
    if !teamster_tests::granted::granted(teamster_tests::granted::Need::Cell) {
        return;
    }
    let alice = by_hand(&mut bench, &[]).await;
    let task = add(&mut bench, prompt("child\nsay begun\nwait"));
    bench.heard("alice", "begun").await;
    assert!(processes_in(bench.root.path()).len() >= 3);
    bench.kill("alice", alice).await;
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
    let _again = by_hand(&mut bench, &["--no-claim"]).await;
    bench.task(task, "pending").await;
}

#[tokio::test]
async fn what_an_agents_tools_left_running_outside_its_group_ends_with_the_turn() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, &["--no-claim"]).await;
    bench.mail("alice", Urgency::Next, "count");
    bench.heard("alice", "prompt 1").await;
    let agents = processes_in(bench.root.path()).len();
    let command = NewTask { to: Some(name("alice")), ..NewTask::new(TaskWork::run("(setsid sleep 1000 &); echo x")) };
    let task = bench.team.command(TaskCommand::Add { tasks: vec![command] }).unwrap().tasks[0];
    bench.task(task, "completed").await;
    assert_eq!(processes_in(bench.root.path()).len(), agents, "the agent lives, the rest does not");
}

#[tokio::test]
async fn an_agent_that_can_not_be_started_is_a_clear_refusal() {
    let mut bench = Bench::new();
    let mut command = bench.command("alice");
    command.args(["--agent", "script", "--start", "at-once"]).env("TEAMSTER_SCRIPT_AGENT", "/no/such/agent");
    let (code, said) = ended(command.spawn().unwrap()).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: cannot start the agent: cannot start /no/such/agent: No such file or directory (os error 2)\n"
    );
    let mut command = bench.command("alice");
    command.args(["--agent", "script", "--start", "at-once"]).env_remove("TEAMSTER_SCRIPT_AGENT");
    let (code, said) = ended(command.spawn().unwrap()).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("TEAMSTER_SCRIPT_AGENT does not say which program it is"), "{said}");
    assert_eq!(bench.lives("alice"), 0);
    bench.team.refresh(|_| ()).unwrap();
}

/// A program that says it is pi and is ready, and never does anything.
const STILL_PI: &str = r#"#!/bin/sh
while read -r line; do
    case $line in
    *get_state*) echo '{"id":"t2","type":"response","command":"get_state","success":true,"data":{"sessionId":"s","messageCount":0}}' ;;
    esac
done
"#;

#[tokio::test]
async fn a_command_of_the_board_is_run_by_the_shell_whatever_the_agent_is() {
    for agent in ["script", "pi", "acp", "cmd:no-such-program {}"] {
        let bench = Bench::new();
        let bin = bench.root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("pi"), STILL_PI).unwrap();
        fs::set_permissions(bin.join("pi"), Permissions::from_mode(0o755)).unwrap();
        let mut command = bench.command("alice");
        command.args(["--agent", agent]);
        command.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
        command.env("TEAMSTER_ACP_AGENT", env!("CARGO_BIN_EXE_acp-agent"));
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        let (_alice, peer) = bench::link(command, 60_000);
        peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION }).await.unwrap();
        let mut bench = bench;
        let failed = add(&mut bench, TaskWork::run("echo \"$0 of $TEAMSTER_MEMBER\"; exit 3"));
        let view = bench.task(failed, "failed").await;
        assert_eq!((view.reason(), view.result()), (Some("exit status 3"), Some("sh of alice")), "{agent}");

        let stopped = add(&mut bench, TaskWork::run("setsid tail -f /dev/null & echo begun; read line <gate"));
        bench.heard("alice", "begun").await;
        assert!(
            matches!(peer.status().await.unwrap().phase, WorkerPhase::Turn { task: Some(id), .. } if id == stopped),
            "{agent}"
        );
        assert_eq!(peer.abort("enough".to_owned()).await.unwrap().task, Some(stopped), "{agent}");
        let view = bench.task(stopped, "stopped").await;
        assert_eq!(view.result(), Some("(stopped: enough)\nbegun"), "{agent}");
        let left: Vec<String> =
            processes_in(bench.root.path()).iter().filter_map(|it| fs::read_to_string(it.join("comm")).ok()).collect();
        assert!(!left.iter().any(|name| name.trim() == "tail"), "{agent}: {left:?}");
    }
}
