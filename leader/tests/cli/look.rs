//! Commands that only show something, once or as it happens.

use std::io::BufRead;

use nix::sys::signal;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::MessageBody;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice;
use teamster_protocol::model::roster::{TeamFact, WorkerEnd};
use teamster_protocol::model::task::NewTask;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::store::presence::PresenceLock;
use teamster_protocol::store::transcript::Transcript;
use teamster_protocol::team::TaskCommand;

use crate::place::{Place, follow, said};

#[test]
fn looking_at_a_team_that_is_not_there_makes_nothing() {
    let place = Place::new();
    let commands = [
        "list",
        "status",
        "status alice",
        "inbox",
        "inbox alice",
        "logs alice",
        "events",
        "events -f",
        "task list",
        "task show 1",
        "task cancel 1",
        "task clear all",
        "dm alice hello",
        "send alice --run hello",
        "stop alice",
        "shutdown",
        "kill alice",
        "down",
    ];
    for command in commands {
        let error = place.fails(1, command);
        assert!(error.starts_with("error: no team crew under /t/root yet"), "`{command}`: {error}");
    }
    assert!(!place.root().exists(), "a command that only looks made something");
    insta::assert_snapshot!(place.fails(1, "list"), @"
    error: no team crew under /t/root yet
      hint: start it with teamster spawn NAME or teamster task add --run COMMAND; if it is another team, say which with --team
    ");
}

#[test]
fn members_and_status_are_shown_without_a_leader() {
    let place = Place::new();
    let added = "task 1 is on the board\nnote: nobody can take it yet: no worker runs; teamster spawn NAME";
    assert_eq!(place.ok("task add one"), added);
    assert_eq!(place.ok("list"), "no members yet; start one with teamster spawn NAME");
    place.enroll("alice");
    place.ok("task add --after 1 two");
    insta::with_settings!({filters => vec![(r"\d+(ms|\.\ds)", "[time]"), (r" +\[time\]", " [time]"), (r" +for ", " for ")]}, {
        insta::assert_snapshot!(place.ok("status"), @"
        team      crew  /t/work
        leader    none runs; start one with teamster up --detach
        members   1 starting
        tasks     1 pending, 1 blocked
        files     /t/root/crew

        name   state for  task  agent  works in   mail
        alice  starting [time]        shell  /src/tool

        id  blocked
         2  two      waits for 1
        ");
        insta::assert_snapshot!(place.ok("status alice"), @"
        member    alice, starting for [time]
        agent     shell; takes open tasks
        works in  /src/tool
        done      0 completed, 0 failed
        unread    0
        ");
    });
    assert_eq!(place.json("status")["leader"], Value::Null);
    assert_eq!(place.json("status")["blocked"][0]["waits_for"][0], 1);
    assert_eq!(place.json("list")["members"][0]["name"], "alice");
    assert_eq!(place.ok("logs alice"), "alice has said nothing yet");
    assert_eq!(place.ok("logs alice --json"), "");
}

#[test]
fn who_is_about_to_be_started_again_is_shown_so_and_when() {
    let place = Place::new();
    let name = place.enroll("alice");
    let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    let restarting = TeamFact::Restarting { name, how, at_ms: u64::MAX };
    place.open(Address::Lead).enroll(restarting).expect("it is written");
    assert!(place.ok("list").contains("restarting"), "{}", place.ok("list"));
    let status = place.ok("status");
    assert!(status.contains("members   1 restarting"), "{status}");
    let status = place.ok("status alice");
    assert!(status.contains("alice, restarting for"), "{status}");
    assert!(status.contains("it died: killed by SIGKILL; it is started again in"), "{status}");
    let member = place.json("status alice");
    assert_eq!((&member["state"], &member["again_ms"]), (&"restarting".into(), &u64::MAX.into()));
}

#[test]
fn events_are_one_order_of_all_logs() {
    let place = Place::new();
    let alice = place.enroll("alice");
    place.ok("task add make test");
    place.write_to_lead(&alice, "hello");
    place.ok("task cancel 1");
    insta::with_settings!({filters => vec![(r"\d\d:\d\d:\d\d", "[clock]")]}, {
        insta::assert_snapshot!(place.ok("events"), @"
        [clock]  lead      alice is on the roster, agent shell
        [clock]  lead      team founded for /t/work
        [clock]  lead      task 1 added: make test
        [clock]  alice     to lead: hello
        [clock]  lead      task 1 cancelled
        ");
    });
    let lines = place.ok("events --json");
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    let times: Vec<u64> = events.iter().map(|event| event["at_ms"].as_u64().expect("a time")).collect();
    assert!(times.is_sorted());
    assert_eq!(place.ok("events -n 1 --json").lines().count(), 1);
}

#[test]
fn events_are_followed_until_ctrl_c() {
    let place = Place::new();
    let alice = place.enroll("alice");
    let (child, mut lines, first) = follow(&place, "events -f");
    assert!(first.contains("alice is on the roster"), "{first}");
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        line
    };
    place
        .open(Address::Lead)
        .command(TaskCommand::Add { tasks: vec![NewTask::new(TaskWork::run("true"))] })
        .expect("it is written");
    assert!(next().contains("task 1 added: true"));
    place.write_to_lead(&alice, "hello");
    assert!(next().contains("to lead: hello"));
    let bob = place.enroll("bob");
    assert!(next().contains("bob is on the roster"));
    let hi = MessageBody::Text { text: "hi".into() };
    place.open(Address::Lead).post(&bob.into(), Urgency::Next, hi).expect("it is delivered");
    assert!(next().contains("to bob: hi"), "a mailbox that came later is followed too");
    signal::kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    let said = said(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""), "Ctrl-C is no failure to complain about");
}

#[test]
fn a_transcript_is_followed_from_turn_to_turn() {
    let place = Place::new();
    let alice = place.enroll("alice");
    let mut transcript = Transcript::open(place.team_dir().turns(&alice)).expect("a transcript");
    transcript.say(1, notice::TranscriptText::Ready).expect("it is written");
    let (child, mut lines, first) = follow(&place, "logs alice -f --json");
    assert!(first.contains("\"kind\":\"ready\""), "{first}");
    for turn in 1..4 {
        let prompt = format!("prompt {turn}");
        transcript
            .say(
                2,
                notice::TranscriptText::TurnStarted {
                    turn,
                    task: None,
                    work: TaskWork::run(prompt.clone()),
                    texts: Vec::new(),
                    used_before: Default::default(),
                },
            )
            .expect("it is written");
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        assert!(line.contains(&prompt), "{line}");
    }
    // Nobody reads any more: the next line ends it, and ends it well.
    drop(lines);
    transcript.say(3, notice::TranscriptText::Waiting).expect("it is written");
    let said = said(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn who_left_is_not_starting_while_its_leader_buries_it() {
    let place = Place::new();
    let ada = place.enroll("ada");
    let left = TeamFact::Left { name: ada.clone(), how: WorkerEnd::Shutdown };
    place.open(ada.clone().into()).enroll(left).expect("it is written");
    let dir = place.team_dir();
    let _leads = PresenceLock::take(&dir.leader_lock(), 1).expect("free");
    let _buries = PresenceLock::take(&dir.member_lock(&ada), 1).expect("free");
    let why = place.ok("why ada");
    assert!(why.contains("left") && !why.contains("starting"), "{why}");
    assert_eq!(place.json("list --all")["members"][0]["state"], "left");
}
