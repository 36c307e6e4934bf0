//! What a new user meets in the first hour: each answer names what is the case, and the way on is one that works.

use serde_json::Value;
use teamster_tests::team::{Said, Team};

fn summary(said: &Said) -> Value {
    let last = said.out.lines().last().unwrap_or_else(|| panic!("nothing was said: {}", said.err));
    serde_json::from_str(last).expect("JSON")
}

#[test]
fn a_member_that_was_forgotten_can_still_be_read_and_leaves_no_warning() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    team.ok("send alice --run echo something to remember");
    team.until_said("alice", "something to remember");
    team.ok("dm alice a letter");
    team.ok("shutdown alice --finish");
    let said = team.ok("forget alice");
    assert!(said.contains("teamster logs alice and teamster inbox alice show what is kept of it"), "{said}");
    assert!(team.ok("logs alice").contains("something to remember"));
    assert!(team.ok("inbox alice").contains("a letter"));
    assert!(team.ok("doctor").contains("sound"));
    assert!(team.fails(1, "logs nobody-here").contains("there is no member nobody-here"));
}

#[test]
fn a_run_that_goes_on_leaves_each_member_in_its_place_and_gives_new_ones_such_places() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nrun = \"pwd; exit 3\"\n[[task]]\nrun = \"pwd; exit 4\"\n");
    assert_eq!(team.run(&format!("run {plan} -w 1 --worktree")).code, Some(1));
    let preview = team.json("run --retry-failed --dry-run -w 2");
    for (at, name) in ["w1", "w2"].into_iter().enumerate() {
        assert_eq!(preview["spawns"][at]["name"], name);
        assert!(preview["spawns"][at]["workspace"]["worktree"].is_object(), "{preview}");
    }
    let again = summary(&team.run("run --retry-failed -w 2 --json"));
    for task in again["tasks"].as_array().expect("tasks") {
        let member = task["member"].as_str().expect("somebody had it");
        assert_eq!(task["branch"], team.branch(member));
        let worked_in = task["result"].as_str().expect("a result").trim_end();
        assert!(worked_in.ends_with(&format!("/worktrees/{member}")), "{worked_in}");
    }
    // What is said goes before what was.
    let preview = team.json("run --retry-failed --dry-run -w 1 --shared");
    assert!(preview["spawns"][0]["workspace"]["shared"].is_object(), "{preview}");
}

#[test]
fn a_run_that_goes_on_with_blocked_tasks_only_says_why_and_what_to_do() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nid = \"a\"\nrun = \"exit 3\"\n[[task]]\nrun = \"true\"\nafter = [\"a\"]\n");
    assert_eq!(team.run(&format!("run {plan} -w 1")).code, Some(1));
    let said = team.run("run --resume -w 1");
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("waits for 1 (failed)"), "{}", said.out);
    assert!(said.out.contains("task 1 failed, and others wait for it: see teamster logs 1"), "{}", said.out);
    assert!(said.out.contains("teamster run --retry-failed"), "{}", said.out);
    let why = team.ok("why 2");
    assert!(why.contains("teamster logs 1 shows why; teamster task retry 1, or teamster task dep rm 2 1"), "{why}");
    let doctor = team.ok("doctor");
    assert!(doctor.contains("teamster task retry 1, or teamster task dep rm 2 1"), "{doctor}");
}

#[test]
fn hints_fit_the_agent_of_a_member() {
    let team = Team::new();
    let begin = "no team here yet; begin with teamster spawn NAME or teamster task add --run COMMAND";
    assert_eq!(team.ok("list"), begin);
    team.ok("spawn alice");
    assert!(team.ok("why alice").contains("teamster task add --run COMMAND"));
    assert!(team.ok("status").contains("none; add one with teamster task add --run COMMAND"));
    let refused = team.fails(1, "steer alice go on");
    assert!(refused.contains("teamster send alice --run COMMAND"), "{refused}");
    team.ok("task add --run exit 3");
    team.until_event("\"failed\"");
    let why = team.ok("why 1");
    assert!(why.contains("teamster logs 1 shows its attempts; teamster task retry 1 opens it again"), "{why}");
}

#[test]
fn what_can_not_be_meant_is_refused_as_bad_usage() {
    let team = Team::new();
    team.ok("task add --run true");
    let empty = ["task", "add", "--run", "--title", "", "true"];
    let titled = team.other(teamster_tests::hermetic::Program::Teamster.path()).args(empty).output().expect("it runs");
    assert_eq!(titled.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&titled.stderr).contains("the title is empty"));
    assert!(team.fails(2, "task edit 1").contains("say what"));
    let said = team.fails(2, "task assign 1");
    assert!(said.contains("<NAME> is missing"), "{said}");
    let said = team.start_with("task add --run -", "a\0b").ends();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("it holds a NUL character"), "{}", said.err);
    assert_eq!(team.json("task list")["counts"]["total"], 1, "none of these is on the board");
}

#[test]
fn a_task_that_was_not_begun_has_one_word_everywhere() {
    let team = Team::new();
    team.ok("task add --run true");
    team.ok("task add --run --after 1 true");
    let list = team.ok("task list");
    assert!(list.contains("2 tasks: 1 pending, 1 blocked"), "{list}");
    assert!(list.contains("1  pending") && list.contains("2  blocked by 1"), "{list}");
    assert!(team.ok("task show 1").contains("pending"));
    assert!(team.ok("why 1").contains("is pending"));
    assert!(team.ok("status").contains("1 pending, 1 blocked"));
    assert_eq!(team.json("task list")["counts"]["pending"], 1);
    assert_eq!(team.standing(1), "pending");
}

#[test]
fn no_events_are_shown_where_none_were_asked_for_and_no_text_is_cut_in_a_pipe() {
    let team = Team::new();
    let long = format!("echo {}", "a-long-word-".repeat(30));
    team.ok_words(&["task", "add", "--run", "--title", &long, "true"]);
    assert_eq!(team.ok("events -n 0"), "");
    for line in ["task list", "events"] {
        let mut command = team.command(line);
        let output = command.env_remove("COLUMNS").output().expect("it runs");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(&long), "{said}");
    }
}

#[test]
fn a_task_that_is_done_again_shows_whose_result_it_has() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i test -e there && { echo begun; read word; }; echo first; exit 3");
    team.until_event("\"failed\"");
    team.sh("touch there");
    team.ok("task retry 1");
    team.until_said("alice", "begun");
    let shown = team.ok("task show 1");
    assert!(shown.contains("running") && shown.contains("result of attempt 1\n  first"), "{shown}");
    team.ok("down --force");
}

#[test]
fn a_task_that_a_killed_member_had_is_said_to_be_pending_again() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let said = team.ok("kill alice");
    assert_eq!(said.lines().last(), Some("task 1 is pending again"), "{said}");
}

#[test]
fn what_was_meant_is_told_in_words_of_the_command() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add rename the parser");
    let said = team.fails(1, "task dep add 1 1");
    assert!(said.contains("cannot wait for itself") && said.contains("name another task"), "{said}");
    let said = team.run("env alice");
    assert!(said.out.starts_with("env TEAMSTER_ROOT="), "{}", said.out);
    assert!(said.err.contains("alice runs already"), "{}", said.err);
    assert_eq!(team.json("env alice")["is_running"], true);
    assert!(team.run("env bob").err.is_empty());
    let sent = team.fails(1, "send alice hello");
    let plan = team.plan("[[task]]\nprompt = \"hello\"\n");
    let run = team.fails(1, &format!("run {plan}"));
    assert!([sent, run].iter().all(|said| said.contains("runs commands only")), "words are refused with one code");
    assert_eq!(team.ok("kill alice"), "alice ended at once");
    for line in ["status alice", "events", "why alice", "logs alice"] {
        let shown = team.ok(line);
        assert!(shown.contains("killed by the lead"), "{line}: {shown}");
    }
    for line in ["help --json", "--json help task add", "completions bash --json"] {
        let said: serde_json::Value = serde_json::from_str(&team.fails(2, line)).unwrap();
        assert!(said["error"]["message"].as_str().unwrap().contains("there is no JSON of it"), "{line}: {said}");
    }
}
