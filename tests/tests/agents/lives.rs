//! The lives of an agent: its start, its sleep, its deaths, and what the next life knows of them.

use super::*;

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
