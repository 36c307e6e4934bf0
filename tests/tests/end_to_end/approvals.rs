//! Questions for permission: asked, seen everywhere, answered by the lead with or without a leader, by rules, by time.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

const SCRIPTED: (&str, &str) = ("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));

/// A leader whose members can drive the scripted agent, with these variables too.
fn led(team: &Team, variables: &[(&str, &str)]) {
    let mut up = team.command("up --detach");
    up.envs([SCRIPTED]).envs(variables.iter().copied());
    assert_eq!(team.start_command(up).ends().code, Some(0));
}

/// A led team with these members, each with a scripted agent.
fn team_of(members: &[&str]) -> Team {
    let team = Team::new();
    led(&team, &[]);
    for member in members {
        team.ok(&format!("spawn {member} --agent script"));
    }
    team
}

/// Gives the member a prompt.
fn send(team: &Team, member: &str, prompt: &str) {
    team.ok_words(&["send", member, prompt]);
}

/// Waits for the question of that number of the member, from 1, and returns its name.
fn question(team: &Team, member: &str, number: usize) -> String {
    let mut logs = team.start(&format!("logs {member} -f --json -n 100"));
    let line = (0..number).map(|_| logs.until("\"kind\":\"permission_asked\"")).last().expect("one at least");
    let entry: Value = serde_json::from_str(&line).expect("an entry");
    format!("{member}.{}", entry["seq"])
}

/// The names of the questions that wait.
fn waiting(team: &Team) -> Vec<String> {
    let open = team.json("approvals");
    let rows = open["approvals"].as_array().expect("a list");
    rows.iter().map(|row| row["id"].as_str().expect("a name").to_owned()).collect()
}

fn settings(team: &Team, scope: &str, text: &str) {
    let path = match scope {
        "user" => team.sandbox().home().join(".config/teamster/config.toml"),
        _ => team.repository().join("teamster.toml"),
    };
    fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    fs::write(path, text).expect("a file");
}

#[test]
fn a_question_is_seen_everywhere_and_what_is_answered_reaches_the_agent() {
    let team = team_of(&["alice"]);
    assert_eq!(team.ok("approvals"), "no question waits for an answer");
    assert_eq!(team.ok("approve --all"), "no such question waits for an answer");
    send(&team, "alice", "ask make clean\nask make it");
    let first = question(&team, "alice", 1);
    assert_eq!(waiting(&team), [first.as_str()]);
    team.until_event("permission_asked");
    let hide = |text: String| text.replace(&first, "alice.N");
    team.snapshot(|| {
        insta::assert_snapshot!(hide(team.plain(&team.ok("list"))), @"
        name  state  for  task  agent  works in  mail
        alice  asking  [time]  turn 1, no task  script  /t/work/app

        alice asks: make clean
          teamster approve alice.N, or teamster deny alice.N REASON
        ");
        insta::assert_snapshot!(hide(team.ok("why alice")), @"
        alice
          in a turn for mail or a prompt for [time]
          waits for you: its agent asks for permission
          → teamster approvals; then teamster approve alice.N, or teamster deny alice.N REASON
        ");
        insta::assert_snapshot!(hide(team.ok("inbox")), @"
        ● alice  [time], urgent
          [asks for permission: make clean]
          teamster approve alice.N, or teamster deny alice.N REASON
        ");
    });
    for line in ["status", "status alice", "approvals"] {
        let said = team.ok(line);
        assert!(said.contains(&format!("teamster approve {first}, or teamster deny {first} REASON")), "{line}: {said}");
    }
    assert_eq!(team.state("alice"), "asking");
    assert_eq!(team.ok(&format!("approve {first}")), format!("{first} allowed"));
    team.until_said("alice", "allowed");
    let second = question(&team, "alice", 2);
    let denied = team.ok(&format!("deny {second} not on this branch"));
    assert_eq!(denied, format!("{second} denied"));
    team.until_said("alice", "denied: not on this branch");

    // Each has its answer, and says which.
    let again = team.fails(1, &format!("approve {second}"));
    assert!(again.contains(&format!("{second} was denied")) && again.contains("already"), "{again}");
    let again = team.fails(1, &format!("deny {first}"));
    assert!(again.contains(&format!("{first} was allowed")), "{again}");
    assert!(team.fails(1, "approve alice.1").contains("alice asks no question 1"));
    assert!(team.fails(1, "approve bob.1").contains("there is no member bob"));
    assert!(team.fails(2, "approve alice").contains("names no question"));
    let several = team.fails(1, &format!("deny {first} {second}"));
    assert!(several.contains("takes one question"), "{several}");
    let unread = team.json("inbox --peek")["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter(|it| it["read"] == false)
        .count();
    assert_eq!(unread, 0, "what was answered, or shown, is no news any more");
    let mail = team.ok("inbox");
    assert!(mail.contains("no answer is waited for any more") && !mail.contains("teamster approve"), "{mail}");
}

#[test]
fn who_waits_for_a_text_is_told_that_its_agent_asks_and_how_to_answer() {
    let team = team_of(&["alice"]);
    let mut command = team.command("send alice --wait");
    command.arg("ask make it");
    let mut waits = team.start_at_terminal(command);
    let asked = question(&team, "alice", 1);
    waits.until("asks for permission:");
    waits.until(&format!("teamster approve {asked}"));
    team.ok(&format!("approve {asked}"));
    let screen = waits.ends();
    assert_eq!(screen.code, Some(0), "{}", screen.text);
    assert_eq!(screen.text.matches("asks for permission:").count(), 1, "{}", screen.text);
}

#[test]
fn all_that_wait_are_allowed_by_member_and_by_tool() {
    let team = team_of(&["alice", "bob", "cleo"]);
    send(&team, "alice", "ask make");
    send(&team, "bob", "ask-for Edit a.txt");
    send(&team, "cleo", "ask-for Edit b.txt");
    let all = [question(&team, "alice", 1), question(&team, "bob", 1), question(&team, "cleo", 1)];
    assert_eq!(team.ok("approve --all --tool Write"), "no such question waits for an answer");
    assert_eq!(team.ok("approve --all --tool edit --member cleo"), format!("{} allowed", all[2]));
    assert_eq!(team.ok("approve --all --tool edit --always"), format!("{} allowed", all[1]));
    team.until_said("bob", "allowed");
    assert_eq!(waiting(&team), [all[0].as_str()]);
    // Of several that are named each has its own result.
    let both = team.run(&format!("approve {} {}", all[1], all[0]));
    assert_eq!(both.code, Some(1));
    assert!(both.out.contains(&format!("{} allowed", all[0])), "{}", both.out);
    assert!(both.out.contains(&format!("{} was allowed", all[1])), "{}", both.out);
    team.until_said("alice", "allowed");
    assert!(team.fails(2, "approve --member alice").contains("--all"));
    assert_eq!(waiting(&team), Vec::<String>::new());
}

#[test]
fn of_two_answers_at_once_one_wins_and_the_other_is_told() {
    let team = team_of(&["alice"]);
    send(&team, "alice", "ask make");
    let question = question(&team, "alice", 1);
    let (yes, no) = (team.start(&format!("approve {question}")), team.start(&format!("deny {question} no")));
    let (yes, no) = (yes.ends(), no.ends());
    let (won, lost, heard) = match yes.code {
        Some(0) => (yes, no, "allowed"),
        _ => (no, yes, "denied: no"),
    };
    assert_eq!((won.code, lost.code), (Some(0), Some(1)), "{won:?} {lost:?}");
    assert!(lost.err.contains("already"), "{}", lost.err);
    team.until_said("alice", heard);
}

#[test]
fn a_question_survives_the_death_of_the_leader() {
    let team = team_of(&["alice"]);
    send(&team, "alice", "ask make");
    let question = question(&team, "alice", 1);
    let leader = team.json("status")["leader"]["pid"].as_i64().expect("one leads") as i32;
    kill(Pid::from_raw(leader), Signal::SIGKILL).expect("it is there");
    assert_eq!(waiting(&team), [question.as_str()]);
    assert_eq!(team.ok(&format!("deny {question} try again")), format!("{question} denied"));
    team.until_said("alice", "denied: try again");
}

#[test]
fn without_a_leader_the_answer_goes_by_mail_and_is_known_to_be_taken() {
    let team = Team::new();
    team.ok("task add ask make");
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--team", team.dir().team().as_str(), "--name", "alice", "--agent", "script"]).envs([SCRIPTED]);
    let _worker = team.start_command(worker);
    let name = {
        team.until_event("permission_asked");
        question(&team, "alice", 1)
    };
    assert_eq!(team.json("approvals")["approvals"][0]["task"], 1);
    let answered = team.json(&format!("approve {name}"));
    assert_eq!((&answered["answered"][0]["via"], &answered["answered"][0]["taken"]), (&"mail".into(), &"yes".into()));
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "allowed");
    assert!(team.fails(1, &format!("deny {name}")).contains("was allowed"));
}

#[test]
fn a_question_ends_by_time_or_with_its_turn_and_later_answers_are_told_so() {
    let team = Team::new();
    led(&team, &[("TEAMSTER_APPROVAL_WITHIN_MS", "300")]);
    team.ok("spawn alice --agent script");
    send(&team, "alice", "ask make");
    let late = question(&team, "alice", 1);
    team.until_said("alice", "denied: nobody answered within 0.3 s");
    let said = team.fails(1, &format!("approve {late}"));
    assert!(said.contains("nobody had answered in time"), "{said}");

    let team = team_of(&["alice"]);
    send(&team, "alice", "ask make");
    let taken_back = question(&team, "alice", 1);
    team.ok("stop alice");
    let said = team.fails(1, &format!("approve {taken_back}"));
    assert!(said.contains("was taken back") && said.contains("its turn ended"), "{said}");
    assert_eq!(waiting(&team), Vec::<String>::new());
}

#[test]
fn rules_answer_before_the_lead_in_every_life_of_the_member() {
    let team = Team::new();
    led(&team, &[]);
    settings(
        &team,
        "repository",
        "[[approval]]\ntool = \"sh\"\npattern = \"make clean\"\nanswer = \"deny\"\nreason = \"keep it\"\n",
    );
    settings(&team, "user", "[[approval]]\ntool = \"sh\"\npattern = \"make *\"\nanswer = \"allow\"\n");
    team.ok("spawn alice --agent script");
    send(&team, "alice", "ask make clean\nask make it\nask make it; rm -r x");
    let asked = question(&team, "alice", 3);
    assert_eq!(waiting(&team), [asked.as_str()], "the first two were answered by rules");
    let logs = team.ok("logs alice");
    assert!(logs.contains("denied: keep it") && logs.contains("by a rule"), "{logs}");
    let by_rule = team.ok("logs alice --json").matches("\"by\":\"rule\"").count();
    assert_eq!(by_rule, 2);
    // The files say something else by now, and the member is another process.
    fs::remove_file(team.repository().join("teamster.toml")).expect("it is there");
    let worker = team.json("status alice")["pid"].as_i64().expect("it runs") as i32;
    let mut events = team.events();
    kill(Pid::from_raw(worker), Signal::SIGKILL).expect("it is there");
    (0..2).for_each(|_| drop(events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"")));
    team.ok_words(&["task", "add", "--to", "alice", "ask make clean"]);
    events.until("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "denied: keep it");
    let lost = team.fails(1, &format!("approve {asked}"));
    assert!(lost.contains("is lost") || lost.contains("was taken back"), "{lost}");
}

#[test]
fn no_repository_allows_itself_anything_and_no_member_answers() {
    let team = team_of(&["alice"]);
    team.dir();
    settings(&team, "repository", "[[approval]]\ntool = \"*\"\nanswer = \"allow\"\n");
    let refused = team.fails(2, "spawn bob --agent script");
    assert!(refused.contains("`answer` can not be allow here") && refused.contains("teamster.toml:3:10"), "{refused}");
    fs::remove_file(team.repository().join("teamster.toml")).expect("it is there");
    send(&team, "alice", "ask make");
    let asked = question(&team, "alice", 1);
    team.ok("spawn carl");
    let program = Program::Teamster.path().display().to_string();
    team.ok_words(&[
        "send",
        "carl",
        "--run",
        &format!("{program} approve --all || {program} deny {asked} || {program} approvals"),
    ]);
    team.until_said("carl", "carl may not answer questions for permission: only the lead does that");
    team.until_said("carl", &asked);
    assert_eq!(waiting(&team), [asked.as_str()]);
}

#[test]
fn a_run_shows_what_is_asked_and_goes_on_when_it_is_answered() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nprompt = \"ask make\"\n");
    let mut command = team.command(&format!("run {plan} --agent script -w 1"));
    command.envs([SCRIPTED]);
    let mut run = team.start_command(command);
    let line = run.until("asks for permission: make");
    let name = line.split("teamster approve ").nth(1).and_then(|rest| rest.split(',').next()).expect("a name");
    team.ok(&format!("deny {name} not now"));
    run.until(&format!("was denied {name}: not now"));
    let said = run.ends();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

#[test]
fn the_panel_of_a_run_shows_who_asks() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nprompt = \"ask make\"\n");
    let mut command = team.command(&format!("run {plan} --agent script -w 1"));
    command.envs([SCRIPTED]).env("TERM", "xterm");
    let mut run = team.start_at_terminal(command);
    run.until_drawn(&["w1", "asks (w1."]);
    let asked = question(&team, "w1", 1);
    team.ok(&format!("approve {asked}"));
    assert_eq!(run.ends().code, Some(0));
}
