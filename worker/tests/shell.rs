//! What a worker sees of the shell agent, with real shells.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "shell/apart.rs"]
mod apart;

use std::time::Duration;

use apart::{Ended, agent, agent_with, apart, assert_gone, failed, memory_kib_max, open_descriptors, prompt, setup};
use nix::sys::wait::waitpid;
use teamster_protocol::model::agent::{Permission, QuestionId, TurnEnd};
use teamster_protocol::model::limits::RESULT_BYTES_MAX;
use teamster_protocol::model::limits::sizes::COMMAND_STEER_BYTES_MAX;
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::task::TaskWork;
use teamster_worker::driver::shell::ShellSetup;
use teamster_worker::driver::{AgentNews, AgentPrompt, Driver, DriverError};

/// For what has to happen before a limit does.
fn patient() -> ShellSetup {
    let long = Duration::from_secs(30);
    ShellSetup { term_grace: long, linger: long, ..setup() }
}

macro_rules! apart {
    ($(async fn $name:ident() $body:block)*) => {
        $(#[test] fn $name() { apart(stringify!($name), async $body); })*
    };
}

fn completed(result: &str) -> Ended {
    Ended { end: TurnEnd::Completed, result: result.into() }
}

apart! {
async fn a_script_of_many_lines_completes_with_its_output() {
    let mut agent = agent().await;
    let script = "greet() {\n  echo \"hello $1\"\n}\ngreet 'a  b'\ncat <<END\nhere\nEND\necho $0 $#";
    assert_eq!(agent.turn(script).await, completed("hello a  b\nhere\nsh 0"));
    assert_eq!(agent.said, "hello a  b\nhere\nsh 0\n");
}

async fn the_exit_status_decides_and_the_output_stays() {
    let mut agent = agent().await;
    for (script, reason, result) in [
        ("echo so far; exit 3", "exit status 3", "so far"),
        ("echo one; false; echo two", "exit status 1", "one"),
        ("kill -9 $$", "killed by SIGKILL", ""),
        ("kill -40 $$", "killed by signal 40", ""),
    ] {
        assert_eq!(agent.turn(script).await, Ended { end: failed(reason), result: result.into() }, "{script}");
    }
    let ended = agent.turn("echo $TEAMSTER_NO_SUCH").await;
    assert!(matches!(ended.end, TurnEnd::Failed { .. }) && ended.result.contains("TEAMSTER_NO_SUCH"), "{ended:?}");
}

async fn both_outputs_come_in_the_order_of_writing() {
    let mut agent = agent().await;
    let ended = agent.turn("for i in 1 2 3; do echo out $i; echo err $i >&2; done").await;
    assert_eq!(ended, completed("out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3"));
}

async fn a_turn_runs_in_the_workspace_with_the_environment_given() {
    let workspace = tempfile::tempdir().unwrap();
    let of_worker = std::env::var("PATH").unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let env = vec![variable("TEAMSTER_MEMBER", "alice"), variable("BOTH", "setup")];
    let mut agent = agent_with(ShellSetup { env, workspace: workspace.path().into(), ..setup() }).await;
    let env = vec![variable("TEAMSTER_TASK", "7"), variable("BOTH", "prompt")];
    let text = "pwd -P; echo $TEAMSTER_MEMBER $TEAMSTER_TASK $BOTH; echo $PATH";
    agent.shell.prompt(AgentPrompt { env, ..prompt(text) }).unwrap();
    let expected = format!("{}\nalice 7 prompt\n{of_worker}", workspace.path().canonicalize().unwrap().display());
    assert_eq!(agent.end().await, completed(&expected));
    let bad = AgentPrompt { env: vec![variable("A=B", "")], ..prompt("true") };
    assert!(matches!(agent.shell.prompt(bad), Err(DriverError::BadVariable { .. })));
}

async fn a_steer_reaches_read_and_a_question_is_seen_first() {
    let mut agent = agent().await;
    agent.start("printf 'name? '; read -r name; printf 'age? '; read -r age; echo \"$name is $age\"");
    agent.says("name? ").await;
    assert_eq!(agent.steer("däve \\o/").unwrap(), ReceiptState::Unconfirmed);
    agent.says("age? ").await;
    agent.steer("7\n").unwrap();
    assert_eq!(agent.end().await, completed("name? age? däve \\o/ is 7"));
    assert_eq!(agent.receipts, [ReceiptState::Delivered, ReceiptState::Delivered]);
}

async fn a_command_has_nothing_to_read_unless_it_was_asked_for() {
    let mut agent = agent().await;
    let closed = TaskWork::run("cat; read -r line || echo nothing");
    agent.shell.prompt(AgentPrompt { work: closed, ..prompt("") }).unwrap();
    let refused = agent.steer("x").unwrap_err().to_string();
    assert!(refused.contains("the standard input of the command is closed"), "{refused}");
    assert_eq!(agent.end().await, completed("nothing"));
}

async fn words_are_never_run() {
    let mut agent = agent().await;
    let words = TaskWork::Prompt("echo run".to_owned());
    let refused = agent.shell.prompt(AgentPrompt { work: words, ..prompt("") }).unwrap_err();
    assert_eq!(refused.to_string(), "cannot prompt: this agent takes commands only");
    assert_eq!(agent.turn("echo next").await, completed("next"));
}

async fn a_steer_that_the_command_never_reads_is_told_as_lost() {
    let mut agent = agent().await;
    agent.start("read -r line; echo got $line");
    agent.steer("one").unwrap();
    agent.steer("two").unwrap();
    assert_eq!(agent.end().await, completed("got one"));
    assert!(matches!(agent.receipts[..], [ReceiptState::Delivered, ReceiptState::Lost { .. }]), "{:?}", agent.receipts);
}

async fn what_can_not_be_steered_says_why() {
    let mut agent = agent().await;
    assert_eq!(agent.steer("x").unwrap_err().to_string(), "cannot steer: no turn is running");
    agent.start("echo up; exec 0<&-; echo closed; exec sleep 1000");
    agent.says("closed").await;
    let refused = agent.steer("x").unwrap_err().to_string();
    assert_eq!(refused, "cannot steer: the command has closed its standard input");
    agent.shell.abort();
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);

    agent.start("echo up; exec sleep 1000");
    let too_long = agent.steer(&"x".repeat(COMMAND_STEER_BYTES_MAX));
    assert!(matches!(too_long, Err(DriverError::SteerTooLong { .. })));
    let line = "x".repeat(COMMAND_STEER_BYTES_MAX - 1);
    let taken = (0..1000).take_while(|_| agent.steer(&line).is_ok()).count();
    assert_eq!(taken, 16, "a pipe of 64 KiB");
    assert!(matches!(agent.steer("x"), Err(DriverError::SteersUnread)));
    agent.shell.abort();
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
}

async fn refusals_change_nothing() {
    let mut agent = agent().await;
    assert!(matches!(agent.shell.prompt(prompt("a\0b")), Err(DriverError::NulInText { .. })));
    let asked = agent.shell.permit(&QuestionId("1".into()), Permission::Once);
    assert!(matches!(asked, Err(DriverError::NotAsked { .. })));
    agent.shell.abort();
    agent.start("read -r line; echo $line");
    assert_eq!(agent.shell.prompt(prompt("echo no")).unwrap_err().to_string(), "cannot prompt: a turn is running");
    agent.steer("the first").unwrap();
    assert_eq!(agent.end().await, completed("the first"));
}

async fn abort_asks_before_it_kills() {
    let mut agent = agent_with(patient()).await;
    agent.start("trap 'echo cleaned; exit 0' TERM; echo up; read -r line");
    agent.says("up").await;
    agent.shell.abort();
    agent.shell.abort();
    assert_eq!(agent.end().await, Ended { end: TurnEnd::Aborted, result: "up\ncleaned".into() });
}

async fn abort_before_the_shell_runs_is_an_abort() {
    let mut agent = agent().await;
    agent.start("sleep 1000");
    agent.shell.abort();
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
    assert_eq!(agent.turn("echo next").await, completed("next"));
}

async fn abort_ends_who_ignores_it_and_who_got_away() {
    let mut agent = agent().await;
    agent.start(
        "trap '' TERM
         echo pid $$
         (setsid sh -c 'echo pid $$; (sh -c \"echo pid \\$\\$; echo away; exec sleep 1000\" &); exec sleep 1000' &)
         timeout 1000 sleep 1000 & echo pid $!
         setsid sleep 1000 & echo pid $!
         setsid sh -c 'sleep 1000 & echo pid $!'
         while :; do read -r line || exec sleep 1000; done",
    );
    agent.says("away").await;
    while agent.pids().len() < 6 {
        let more = agent.said.len();
        let Some(AgentNews::Text(text)) = agent.next().await else { panic!("no pids") };
        agent.said.push_str(&text);
        assert!(agent.said.len() > more);
    }
    agent.shell.abort();
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
    assert_gone(&agent.pids());
    assert!(waitpid(None, None).is_err(), "a child is left");
}

async fn what_is_left_running_neither_hangs_the_turn_nor_survives_it() {
    let mut agent = agent().await;
    let ended = agent.turn("sleep 1000 & echo pid $!; setsid sleep 1000 & echo pid $!").await;
    assert_eq!(ended.end, TurnEnd::Completed);
    assert_eq!(agent.pids().len(), 2);
    assert_gone(&agent.pids());
}

async fn what_finishes_soon_after_the_shell_is_heard() {
    let mut agent = agent_with(patient()).await;
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The background part goes on only when the shell is gone, and has some work to do then.
    let script = format!("(cat {0} >/dev/null; sleep 0.05; echo late) & exec 3>{0}; echo early", fifo.display());
    assert_eq!(agent.turn(script).await, completed("early\nlate"));
}

async fn a_flood_stays_in_bounds_and_can_be_aborted() {
    let mut agent = agent().await;
    agent.start("yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 100000000");
    let before_kib = memory_kib_max();
    let mut bytes = 0;
    let result = loop {
        match agent.next().await {
            Some(AgentNews::Text(text)) => bytes += text.len(),
            Some(AgentNews::TurnEnded { end, result }) => {
                assert_eq!(end, TurnEnd::Completed);
                break result;
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bytes, 100_000_000);
    assert!(result.starts_with("[cut: ") && result.len() <= RESULT_BYTES_MAX, "{result}");
    let grown_kib = memory_kib_max() - before_kib;
    assert!(grown_kib < 4 * 1024, "{grown_kib} KiB");

    agent.start("echo pid $$; exec yes");
    agent.says("\ny\n").await;
    agent.shell.abort();
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
    assert_gone(&agent.pids());
}

async fn an_abort_works_while_nobody_takes_the_news() {
    let mut agent = agent().await;
    agent.start("echo pid $$; exec yes");
    agent.says("\ny\n").await;
    agent.shell.abort();
    let pid = agent.pids()[0];
    while nix::sys::signal::kill(pid, None).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
}

async fn bytes_that_are_no_text_are_shown_as_far_as_they_can_be() {
    let mut agent = agent().await;
    assert_eq!(agent.turn("printf 'a\\377b\\303\\n\\000\\303\\244'").await, completed("a\u{fffd}b\u{fffd}\n\0ä"));
    agent.turn("head -c 1000000 /dev/urandom").await;
    assert_eq!(agent.turn("echo still here").await, completed("still here"));
}

async fn nobody_else_can_read_a_script_and_what_it_starts_does_not_get_it() {
    let mut agent = agent().await;
    let huge = format!("# {}\n", "x".repeat(200_000));
    for before in ["", &huge] {
        let script = format!("{before}cat /proc/$$/cmdline | tr '\\0' '\\n'; env | grep -c password-4711 || echo none");
        let ended = agent.turn(script + " # password-4711").await;
        assert_eq!(ended.end, TurnEnd::Completed, "{ended:?}");
        assert!(ended.result.starts_with("sh\n-eu\n-c\n"), "{ended:?}");
        assert!(ended.result.ends_with("\n0\nnone") && !ended.result.contains("password-4711"), "{ended:?}");
    }
    let ended = agent.turn("true\n\nno_such_program").await;
    assert!(ended.result.contains("3: "), "lines count from 1: {ended:?}");
}

async fn a_huge_script_runs_like_a_small_one() {
    let mut agent = agent().await;
    for bytes in [131_054, 131_055, 131_056, 1_000_000] {
        let end = "\necho $0 $#; ls -l /proc/self/fd | grep -c memfd || :; read -r line; echo $line; exit 3";
        let script = format!("x=1 # {}{end}", "x".repeat(bytes - end.len() - 6));
        assert_eq!(script.len(), bytes);
        agent.start(script);
        agent.steer("steered").unwrap();
        let expected = Ended { end: failed("exit status 3"), result: "sh 0\n0\nsteered".into() };
        assert_eq!(agent.end().await, expected, "{bytes} bytes");
    }
}

async fn what_is_missing_keeps_the_turn_from_beginning_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("later");
    let mut agent = agent_with(ShellSetup { workspace: workspace.clone(), ..setup() }).await;
    let reason = format!("cannot enter workspace {}: No such file or directory (os error 2)", workspace.display());
    assert_eq!(agent.turn("true").await, Ended { end: TurnEnd::NotBegun { reason }, result: String::new() });
    std::fs::create_dir(&workspace).unwrap();
    assert_eq!(agent.turn("echo here").await, completed("here"));

    let mut agent = agent_with(ShellSetup { program: "/no/such/sh".into(), ..setup() }).await;
    let reason = "cannot start /no/such/sh: No such file or directory (os error 2)";
    let reason = reason.to_owned();
    assert_eq!(agent.turn("true").await, Ended { end: TurnEnd::NotBegun { reason }, result: String::new() });
}

async fn close_ends_the_turn_and_then_the_agent() {
    let mut agent = agent().await;
    agent.start("trap '' TERM; echo pid $$; while :; do read -r line; done");
    agent.says("pid ").await;
    agent.shell.close();
    agent.shell.close();
    assert_eq!(agent.shell.prompt(prompt("true")).unwrap_err().to_string(), "cannot prompt: the agent is closed");
    assert!(matches!(agent.steer("x"), Err(DriverError::Closed { .. })));
    assert_eq!(agent.end().await.end, TurnEnd::Aborted);
    assert_gone(&agent.pids());
    agent.exits().await;
}

async fn close_without_a_turn_exits_at_once() {
    let mut agent = agent().await;
    agent.turn("true").await;
    agent.shell.close();
    agent.exits().await;
}

async fn a_driver_or_a_listener_that_is_dropped_ends_the_command() {
    let mut first = agent().await;
    first.start("echo pid $$; exec sleep 1000");
    first.says("\n").await;
    drop(first.shell);
    let Some(AgentNews::TurnEnded { end, .. }) = first.news.recv().await else { panic!("no end") };
    assert_eq!(end, TurnEnd::Aborted);

    let mut second = agent().await;
    second.start("echo pid $$; exec sleep 1000");
    second.says("\n").await;
    let pids = second.pids();
    drop(second.news);
    while nix::sys::signal::kill(pids[0], None).is_ok() {
        tokio::task::yield_now().await;
    }
}

async fn many_turns_leave_no_zombie_and_no_descriptor() {
    let mut agent = agent().await;
    agent.turn("true").await;
    let before = open_descriptors();
    for turn in 0..200 {
        assert_eq!(agent.turn(format!("echo {turn}; (true &) ; true | true")).await.end, TurnEnd::Completed);
    }
    assert_eq!(open_descriptors(), before);
    assert!(waitpid(None, None).is_err(), "a child is left");
}
}
