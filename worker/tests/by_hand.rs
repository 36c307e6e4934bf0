//! A worker that was started by hand is a member like any other, and is reached by mail.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::bench::{Bench, ended, name, processes_in, signal};
use nix::sys::signal::Signal;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{StartedBy, WorkerEnd};
use teamster_protocol::model::shutdown::{ShutdownAnswer, WhenBusy};
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::{MemberState, Team};

fn mail_shown(said: &[TranscriptText], words: &str) -> usize {
    said.iter().filter(|said| matches!(said, TranscriptText::Mail { text, .. } if text == words)).count()
}

#[tokio::test]
async fn it_joins_claims_what_is_there_and_what_comes() {
    let mut bench = Bench::new();
    let first = bench.add("echo one");
    let _alice = bench.by_hand("alice").await;
    assert_eq!(bench.task(first, "completed").await.result(), Some("one"));
    bench.said("alice", |said| *said == TranscriptText::Waiting).await;
    let second = bench.add("echo $TEAMSTER_TEAM $TEAMSTER_MEMBER $TEAMSTER_TASK \"$TEAMSTER_WORKSPACE\"; pwd; exit 3");
    let view = bench.task(second, "failed").await;
    let dir = bench.root.path().canonicalize().unwrap();
    assert_eq!(view.reason(), Some("exit status 3"));
    assert_eq!(view.result(), Some(&*format!("t alice {second} {0}\n{0}", dir.display())));
    let member = &bench.team.members().unwrap()[0];
    assert_eq!(
        (&member.name, member.started_by, member.pid),
        (&name("alice"), Some(StartedBy::Hand), bench.pid("alice"))
    );
    assert!(matches!(member.state, MemberState::Idle | MemberState::Busy));
}

#[tokio::test]
async fn a_text_is_shown_once_and_acknowledged() {
    let mut bench = Bench::new();
    let alice = bench.by_hand("alice").await;
    bench.mail("alice", Urgency::Next, "hello");
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { .. })).await;
    bench.mail("alice", Urgency::Idle, "again");
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { text, .. } if text == "again")).await;
    bench.ask_to_end("alice", WhenBusy::Refuse);
    assert_eq!(ended(alice).await.0, Some(0));
    assert_eq!((mail_shown(&bench.transcript("alice"), "hello"), bench.unread("alice")), (1, 0));

    let _alice = bench.by_hand("alice").await;
    bench.mail("alice", Urgency::Next, "third");
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { text, .. } if text == "third")).await;
    assert_eq!(mail_shown(&bench.transcript("alice"), "hello"), 1);
}

#[tokio::test]
async fn what_does_not_work_is_said_once_and_not_with_every_look() {
    let mut bench = Bench::new();
    let _alice = bench.command("alice").env("TEAMSTER_POLL_MS", "20").spawn().unwrap();
    bench.said("alice", |said| *said == TranscriptText::Waiting).await;
    let mailbox = bench.dir().mailbox(&Address::Member(name("alice")));
    OpenOptions::new().append(true).open(mailbox).unwrap().write_all(b"oops\n").unwrap();
    let unreadable = |said: &TranscriptText| matches!(said, TranscriptText::Trouble { text } if text.contains("cannot read the mailbox"));
    bench.said("alice", unreadable).await;
    // Each takes as long as several looks, of which that at the board works.
    for _ in 0..3 {
        let task = bench.add("sleep 0.1");
        bench.task(task, "completed").await;
    }
    assert_eq!(bench.transcript("alice").iter().filter(|said| unreadable(said)).count(), 1);
}

#[tokio::test]
async fn urgent_mail_is_never_put_into_the_input_of_a_command() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; sh");
    let _alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    bench.mail("alice", Urgency::Now, "echo run by a shell");
    bench.control("alice", MessageBody::AbortRequest { reason: String::new() });
    assert_eq!(bench.task(task, "stopped").await.result(), Some("begun"));
    let mail =
        |said: &TranscriptText| matches!(said, TranscriptText::Mail { text, .. } if text == "echo run by a shell");
    bench.said("alice", mail).await;
}

#[tokio::test]
async fn an_abort_by_the_lead_stops_the_task_and_one_by_a_member_does_not() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line");
    let _alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    let dir = bench.dir();
    let bob = Address::Member(name("bob"));
    let mut bob =
        teamster_protocol::team::Team::open(dir, bob, teamster_protocol::store::file::Durability::Process).unwrap();
    let abort = |reason: &str| MessageBody::AbortRequest { reason: reason.to_owned() };
    bob.post(&Address::Member(name("alice")), Urgency::Now, abort("envy")).unwrap();
    bench
        .said("alice", |said| matches!(said, TranscriptText::Trouble { text } if text.contains("only the lead")))
        .await;
    bench.control("alice", abort("not needed"));
    let view = bench.task(task, "stopped").await;
    assert_eq!(view.assignee, Some(name("alice")));
    assert_eq!(view.result(), Some("(stopped: not needed)\nbegun"));
    // It goes on with other work, and leaves the stopped task alone.
    let next = bench.add("echo next");
    bench.task(next, "completed").await;
    bench.task(task, "stopped").await;
}

#[tokio::test]
async fn busy_it_refuses_to_end_and_idle_it_ends() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line <gate");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    let request = bench.ask_to_end("alice", WhenBusy::Refuse);
    let reply = bench.reply().await;
    assert_eq!((reply.request, reply.verdict), (request, ShutdownAnswer::Refused { task: Some(task) }));
    bench.open_gate("go on");
    bench.task(task, "completed").await;
    let request = bench.ask_to_end("alice", WhenBusy::Refuse);
    let reply = bench.reply().await;
    let (code, said) = ended(alice).await;
    assert_eq!((reply.request, reply.verdict, code), (request, ShutdownAnswer::Approved, Some(0)));
    assert!(said.contains("alice is ready in team t; Ctrl-C ends it"), "{said}");
    let member = &bench.team.members().unwrap()[0];
    assert_eq!((member.state, &member.left), (MemberState::Left, &Some(WorkerEnd::Shutdown)));
    assert_eq!(bench.team.board().waiting().count(), 0);
}

#[tokio::test]
async fn asked_to_finish_it_ends_after_its_turn_and_takes_no_more() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line <gate");
    let next = bench.add("echo never");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    bench.ask_to_end("alice", WhenBusy::Finish);
    assert_eq!(bench.reply().await.verdict, ShutdownAnswer::Finishing { task: Some(task) });
    bench.open_gate("go on");
    assert_eq!(bench.reply().await.verdict, ShutdownAnswer::Approved);
    assert_eq!(ended(alice).await.0, Some(0));
    bench.task(task, "completed").await;
    bench.task(next, "pending").await;
}

#[tokio::test]
async fn killed_in_a_turn_it_takes_the_task_again_and_its_mail_is_not_lost() {
    let mut bench = Bench::new();
    let task = bench.add("if [ -e here ]; then echo second; else touch here; echo begun; read line; fi");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    bench.mail("alice", Urgency::Next, "after this turn");
    bench.kill("alice", alice).await;
    assert_eq!(bench.unread("alice"), 1);
    let alice = bench.by_hand("alice").await;
    let view = bench.task(task, "completed").await;
    let attempts: Vec<u32> = view.attempts.iter().map(|attempt| attempt.attempt).collect();
    assert_eq!((view.result(), attempts), (Some("second"), vec![1, 2]));
    bench.ask_to_end("alice", WhenBusy::Finish);
    ended(alice).await;
    assert_eq!((mail_shown(&bench.transcript("alice"), "after this turn"), bench.unread("alice")), (1, 0));
}

#[tokio::test]
async fn a_dead_workers_task_goes_to_another_at_its_poll() {
    let mut bench = Bench::new();
    fs::create_dir(bench.dir().turns(&name("bob"))).unwrap();
    let task = bench.add("echo begun by $TEAMSTER_MEMBER; [ $TEAMSTER_MEMBER = bob ] || read line");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    let _bob = bench.command("bob").env("TEAMSTER_POLL_MS", "20").spawn().unwrap();
    bench.said("bob", |said| *said == TranscriptText::Waiting).await;
    bench.kill("alice", alice).await;
    assert_eq!(bench.task(task, "completed").await.owner, Some(name("bob")));
}

#[tokio::test]
async fn a_signal_gives_the_task_back_and_leaves_nothing_running() {
    for (number, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let mut bench = Bench::new();
        let task = bench.add("setsid sleep 1000 & echo begun; read line");
        let alice = bench.by_hand("alice").await;
        bench.heard("alice", "begun").await;
        signal(&alice, number);
        assert_eq!(ended(alice).await.0, Some(code));
        assert_eq!(bench.task(task, "pending").await.result(), Some("begun"));
        assert_eq!(processes_in(bench.root.path()), Vec::<std::path::PathBuf>::new());
        let said = bench.transcript("alice");
        assert!(matches!(said.last(), Some(TranscriptText::Leaving { .. })), "{said:?}");
        assert!(
            said.iter().any(|said| matches!(said, TranscriptText::TurnEnded { end: TurnEnd::Aborted, .. })),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_worker_that_was_started_to_survive_its_terminal_does() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line <gate; echo got $line");
    let worker = bench.command("alice");
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(worker.as_std().get_program());
    shell.args(worker.as_std().get_args()).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    for (name, value) in worker.as_std().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let alice = shell.kill_on_drop(true).spawn().unwrap();
    bench.heard("alice", "begun").await;
    signal(&alice, Signal::SIGHUP);
    bench.open_gate("on");
    assert_eq!(bench.task(task, "completed").await.result(), Some("begun\ngot on"));
    signal(&alice, Signal::SIGTERM);
    assert_eq!(ended(alice).await.0, Some(143));
}

#[tokio::test]
async fn told_to_end_it_ends_although_its_team_was_removed_and_no_book_can_be_kept() {
    let mut bench = Bench::new();
    bench.add("setsid sleep 1000 & echo begun; read line");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    fs::remove_dir_all(bench.dir().path()).unwrap();
    signal(&alice, Signal::SIGTERM);
    let (code, said) = ended(alice).await;
    assert_eq!(code, Some(143), "{said}");
    assert_eq!(processes_in(bench.root.path()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn it_does_not_outlive_its_team_and_leaves_what_is_in_its_place_alone() {
    let mut bench = Bench::new();
    let task = bench.add("echo begun; read line");
    let alice = bench.command("alice").env("TEAMSTER_POLL_MS", "20").spawn().unwrap();
    bench.heard("alice", "begun").await;
    let dir = bench.dir();
    fs::rename(dir.path(), dir.path().with_extension("aside")).unwrap();
    bench.team = Team::open(dir, Address::Lead, Durability::Process).unwrap();
    assert_eq!(bench.add("true"), task, "the same number, and another task");
    let (code, said) = ended(alice).await;
    assert_eq!(code, Some(1), "{said}");
    bench.task(task, "pending").await;
    assert_eq!(processes_in(bench.root.path()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_a_stubborn_command() {
    let mut bench = Bench::new();
    bench.add("trap 'echo asked' TERM; echo begun; while :; do read line || :; done");
    let alice = bench.by_hand("alice").await;
    bench.heard("alice", "begun").await;
    signal(&alice, Signal::SIGINT);
    bench.heard("alice", "asked").await;
    signal(&alice, Signal::SIGINT);
    assert_eq!(ended(alice).await.0, Some(130));
    assert_eq!(processes_in(bench.root.path()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn without_a_transcript_it_works_on_and_acknowledges_nothing_it_could_not_show() {
    let mut bench = Bench::new();
    let alice = bench.by_hand("alice").await;
    let in_the_way = bench.dir().turns(&name("alice")).join("000001.jsonl");
    fs::create_dir(&in_the_way).unwrap();
    let task = bench.add("echo begun; read line <gate; echo \"got $line\"");
    bench.task(task, "in_progress").await;
    bench.mail("alice", Urgency::Now, "turn left");
    bench.open_gate("right");
    assert_eq!(bench.task(task, "completed").await.result(), Some("begun\ngot right"));
    assert_eq!(bench.unread("alice"), 1);
    fs::remove_dir(&in_the_way).unwrap();
    bench.said("alice", |said| matches!(said, TranscriptText::Mail { text, .. } if text == "turn left")).await;
    bench.ask_to_end("alice", WhenBusy::Refuse);
    let (code, said) = ended(alice).await;
    assert_eq!((code, bench.unread("alice")), (Some(0), 0));
    assert_eq!(said.matches("the work goes on without a transcript").count(), 1, "{said}");
}

#[tokio::test]
async fn a_name_has_one_worker() {
    let mut bench = Bench::new();
    let _alice = bench.by_hand("alice").await;
    let (code, said) = ended(bench.command("alice").spawn().unwrap()).await;
    assert_eq!(code, Some(1));
    let pid = bench.pid("alice").unwrap();
    assert!(said.contains(&format!("alice has a worker already, process {pid}")), "{said}");
}

#[tokio::test]
async fn bad_starts_say_what_is_wrong() {
    let mut bench = Bench::new();
    let alice = |args: &[&str]| {
        let mut command = bench.command("alice");
        command.args(args);
        ended(command.spawn().unwrap())
    };
    let (code, said) = alice(&["--agent", "parrot"]).await;
    assert_eq!(
        (code, said.as_str()),
        (
            Some(2),
            "error: there is no agent parrot\nknown agents: shell, pi, claude, codex, opencode, gemini, qwen, kimi, llm, \
             acp:COMMAND, cmd:COMMAND\n"
        )
    );
    let mut nowhere = bench.command("alice");
    let nowhere = nowhere.env("TEAMSTER_POLL_MS", "soon").spawn().unwrap();
    assert_eq!(
        ended(nowhere).await,
        (Some(2), "error: TEAMSTER_POLL_MS is \"soon\", which is not a number of milliseconds\n".to_owned())
    );
    bench.add("true");
    let board = bench.dir().board();
    let lines = fs::read_to_string(&board).unwrap();
    fs::write(&board, format!("{lines}nonsense\n")).unwrap();
    let (code, said) = ended(bench.command("alice").spawn().unwrap()).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("{}:3: ", board.display())), "{said}");
}

#[tokio::test]
async fn its_settings_stay_from_one_life_to_the_next() {
    let mut bench = Bench::new();
    let first = bench.command("alice").args(["--role", "tester", "--no-claim"]).spawn().unwrap();
    bench.ready("alice", 1).await;
    signal(&first, Signal::SIGTERM);
    ended(first).await;
    let written = fs::read_to_string(bench.dir().roster()).unwrap().matches("added").count();
    let _second = bench.by_hand("alice").await;
    let member = bench.team.members().unwrap().remove(0);
    assert_eq!(member.role.unwrap().as_str(), "tester");
    assert_eq!(member.auto, teamster_protocol::model::board::AutoClaim::Off);
    assert_eq!(fs::read_to_string(bench.dir().roster()).unwrap().matches("added").count(), written);
}
