//! `send`, `steer`, `stop`, `dm`, `broadcast`, `inbox`, `logs`, `events`: what is said, by whom, and when it is heard.

use nix::sys::signal::Signal;
use serde_json::Value;
use teamster_protocol as protocol;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::store::file::Durability;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

#[test]
fn a_turn_is_sent_steered_and_followed() {
    let team = Team::new();
    team.ok("spawn alice");
    let mut logs = team.start("logs alice -f");
    assert_eq!(
        team.ok("send alice --run -i echo ready; read word; echo got $word"),
        "alice works on it: turn 1; watch with teamster logs alice -f"
    );
    // The agent's word: the worker says so too, and the prompt has it.
    logs.until_one("ready", |line| line.trim_end() == "ready");
    assert!(team.fails(1, "send alice --run true").contains("it is busy with turn 1"));
    assert_eq!(team.ok("steer alice hello there"), "alice has it: unconfirmed");
    logs.until("got hello there");
    logs.until("completed");
    logs.signal(Signal::SIGINT);
    let said = logs.ends();
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""));
    assert!(team.fails(1, "steer alice hello").contains("no turn is running"));
    let shown = team.ok("logs alice");
    team.snapshot(|| {
        insta::assert_snapshot!(shown, @"
    [clock] ready
    [clock] waits for work
    [clock] turn 1 began
    > echo ready; read word; echo got $word
    ready
    [clock] lead steers: hello there
    got hello there
    [clock] turn 1 completed
    [clock] waits for work
    ")
    });
}

#[test]
fn who_has_left_for_good_is_refused_a_word_and_no_leader_is_started_for_that() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("kill alice");
    let refusals = || {
        let lines = ["steer alice hello", "send alice --run true", "send alice --no-wake --run true"];
        lines.map(|line| team.fails(1, line))
    };
    let led = refusals();
    assert!(led[0].contains("alice is not running") && led[0].contains("teamster spawn alice"), "{led:?}");
    team.ok("down");
    assert_eq!(refusals(), led, "the same as a leader says");
    assert_eq!(team.json("status")["leader"], Value::Null, "and none was started");
}

#[test]
fn a_prompt_comes_from_standard_input_too() {
    let team = Team::new();
    team.ok("spawn alice");
    let said = team.start_with("send alice --run -", "echo one\necho two\n").ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    team.until_said("alice", "turn_ended");
    let shown = team.ok("logs alice");
    assert!(shown.contains("one") && shown.contains("two"), "{shown}");
}

#[test]
fn a_stopped_turn_gives_its_task_back_to_be_held_with_what_was_said() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("spawn bob");
    team.ok("task add --run -i --to alice echo half; read word; echo $word");
    team.until_said("alice", "half");
    assert_eq!(
        team.ok("stop alice --reason wrong-branch"),
        "alice stopped; task 1 is held for it: teamster task retry 1 lets it go on"
    );
    let task = team.task(1);
    assert_eq!((&task["status"], &task["assignee"]), (&"stopped".into(), &"alice".into()));
    assert_eq!(task["attempts"][0]["end"]["result"], "(stopped: wrong-branch)\nhalf");
    assert!(team.fails(1, "stop alice").contains("no turn is running"));
    // Held: neither of them takes it, though both look for work.
    team.ok("task add --run true");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_eq!(team.standing(1), "stopped");
    team.ok("task retry 1");
    team.until_event("\"attempt\":2");
    team.ok("steer alice done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["owner"], "alice");
    // A turn without a task can be stopped as well.
    team.ok("send bob --run -i echo begun; read word");
    team.until_said("bob", "begun");
    assert_eq!(team.ok("stop bob"), "bob stopped");
}

#[test]
fn mail_waits_for_the_end_of_a_command_and_is_never_put_into_its_input() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    team.ok("dm alice after this");
    let unread = team.json("status alice")["unread"].clone();
    assert_eq!(unread, 1, "it is not shown into a turn");
    team.ok("dm alice --urgent stop it");
    team.ok("steer alice go on");
    team.until_said("alice", "got go on");
    team.until_said("alice", "stop it");
    team.until_said("alice", "after this");
    team.until_event("acknowledged");
    let mail = team.json("inbox alice")["messages"].clone();
    let told: Vec<(&Value, &Value)> =
        mail.as_array().unwrap().iter().map(|message| (&message["body"]["text"], &message["urgency"])).collect();
    assert_eq!(told, [(&"after this".into(), &"next".into()), (&"stop it".into(), &"now".into())]);
}

#[test]
fn a_broadcast_reaches_each_member_that_is_there() {
    let team = Team::new();
    for name in ["alice", "bob"] {
        team.ok(&format!("spawn {name}"));
    }
    team.ok("shutdown bob");
    let mailed = team.json("broadcast main is frozen");
    assert_eq!(
        (&mailed["delivered"][0]["to"], &mailed["delivered"][0]["reader"]),
        (&"alice".into(), &"running".into())
    );
    assert_eq!((&mailed["delivered"][1], &mailed["left_out"]), (&Value::Null, &serde_json::json!(["bob"])));
    team.until_said("alice", "main is frozen");
    team.ok("send alice --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    let said = team.ok("broadcast --urgent now");
    assert!(said.ends_with("\nnot in the mailbox of bob, which left"), "{said}");
    team.ok("steer alice go on");
    team.until_said("alice", "got go on");
    team.until_said("alice", "now");
    team.ok("spawn bob");
    team.ok("dm bob for you alone");
    team.until_said("bob", "for you alone");
    assert!(!team.ok("logs bob").contains("main is frozen"), "what was said to others before is not for it");
    team.ok("down");
    assert!(team.fails(1, "broadcast hello").contains("every member has left, and nobody would read it"));
}

#[test]
fn the_lead_reads_its_mail_once_and_a_members_without_marking_it() {
    let team = Team::new();
    team.ok("spawn alice");
    // A worker that has something to say to the lead.
    let alice = Address::Member("alice".parse().unwrap());
    let mut from_alice = protocol::team::Team::open(team.dir().clone(), alice, Durability::Power).unwrap();
    let body = MessageBody::Text { text: "the tests pass".to_owned() };
    from_alice.post(&Address::Lead, Urgency::Next, body).unwrap();
    assert_eq!(team.json("status")["unread"], 1);
    assert_eq!(team.json("inbox --peek")["messages"][0]["read"], false);
    let shown = team.ok("inbox");
    assert!(shown.contains("the tests pass") && shown.contains("alice"), "{shown}");
    assert_eq!(team.json("inbox")["messages"][0]["read"], true);
    assert_eq!(team.json("status")["unread"], 0);
    team.ok("shutdown alice");
    team.ok("dm alice for later");
    team.ok("inbox alice");
    assert_eq!(team.json("status alice")["unread"], 1, "to look at a member's mail is not to read it");
    assert_eq!(team.json("inbox alice --all")["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn what_programs_say_to_each_other_is_no_mail_for_people() {
    let team = Team::new();
    team.ok("spawn alice");
    let alice = Address::Member("alice".parse().unwrap());
    let mut from_alice = protocol::team::Team::open(team.dir().clone(), alice, Durability::Power).unwrap();
    let asked = MessageBody::AbortRequest { reason: "a handshake".to_owned() };
    from_alice.post(&Address::Lead, Urgency::Next, asked).unwrap();
    assert_eq!(team.ok("inbox"), "no mail; members write to lead");
    assert_eq!(team.json("status")["unread"], 0);
    let text = MessageBody::Text { text: "hello".to_owned() };
    from_alice.post(&Address::Lead, Urgency::Next, text).unwrap();
    assert_eq!(team.json("inbox")["messages"].as_array().unwrap().len(), 1);
    for option in ["--protocol", "--all"] {
        assert!(team.ok(&format!("inbox {option}")).contains("[stop: a handshake]"), "{option}");
    }
}

#[test]
fn events_are_one_story_and_go_on_as_it_does() {
    let team = Team::new();
    team.ok("spawn alice");
    let mut events = team.start("events -f");
    events.until("alice joined");
    team.ok("task add --run echo ok");
    events.until("task 1 added");
    events.until("completed");
    team.ok("shutdown alice --reason enough");
    events.until("alice shut down");
    events.signal(Signal::SIGINT);
    assert_eq!(events.ends().code, Some(130));
    let all = team.ok("events --json");
    let times: Vec<u64> =
        all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted() && times.len() > 6, "{all}");
    assert_eq!(team.ok("events -n 2").lines().count(), 2);
}

#[test]
fn what_an_agent_runs_is_its_members_and_controls_nobody() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("spawn bob");
    let teamster = Program::Teamster.path().display().to_string();
    team.ok(&format!("task add --to alice --run {teamster} dm lead done here; {teamster} dm bob the parser is yours"));
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let mail = team.json("inbox");
    assert_eq!(
        (&mail["messages"][0]["from"], &mail["messages"][0]["body"]["text"]),
        (&"alice".into(), &"done here".into()),
        "{mail}"
    );
    assert_eq!(team.json("inbox bob --all")["messages"][0]["from"], "alice");

    team.ok(&format!("task add --to alice --run set +e; {teamster} stop bob; {teamster} steer bob x; {teamster} shutdown; {teamster} task clear all; exit 9"));
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":2");
    let said = team.task(2)["attempts"][0]["end"]["result"].to_string();
    for refused in ["stop members", "steer members", "shut members down", "clear the board"] {
        assert!(said.contains(&format!("alice may not {refused}: only the lead does that")), "{refused}: {said}");
    }
    assert_eq!((team.state("alice"), team.state("bob")), ("idle".to_owned(), "idle".to_owned()));
    assert!(team.fails(1, "dm lead hello").contains("you are the lead"));
}
