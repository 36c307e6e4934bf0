//! `up`, `down`, `id`, `env`: the leader from its first word to its last.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::team::Team;

#[test]
fn it_leads_in_the_foreground_until_ctrl_c() {
    let team = Team::new();
    let mut up = team.start("up");
    let line = up.until("leading team");
    assert!(line.contains(&format!("process {}; Ctrl-C ends it", up.pid())), "{line}");
    team.ok("spawn alice");
    up.signal(Signal::SIGINT);
    assert_eq!(up.ends().code, Some(0), "that is how it is meant to end");
    assert_eq!(team.json("status")["leader"], Value::Null);
    assert_eq!(team.json("list --all")["members"][0]["left"], "shutdown", "its members were asked to end");
}

#[test]
fn in_a_pipe_it_tells_what_happens_a_line_each() {
    let team = Team::new();
    let mut up = team.start("up");
    up.until("leading team");
    team.ok("spawn alice");
    up.until("alice joined as process");
    team.ok("task add --run true");
    up.until("task 1 completed");
    up.signal(Signal::SIGINT);
    let said = up.ends();
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("alice shut down") && said.out.ends_with("the leader ended\n"), "{}", said.out);
    assert!(!said.out.contains('\u{1b}') && !said.out.contains("took a message"), "{}", said.out);
    assert!(!said.err.contains("INFO"), "{}", said.err);
}

#[test]
fn on_a_terminal_it_shows_the_team_and_above_it_what_happens() {
    let team = Team::new();
    let mut command = team.command("up");
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    let mut up = team.start_at_terminal(command);
    up.until_drawn(&["no members; start one with teamster spawn NAME", "no tasks yet; Ctrl-C ends the team"]);
    team.ok("spawn alice");
    up.until_drawn(&["\nalice  idle", "no tasks yet; Ctrl-C ends the team"]);
    team.ok_words(&["task", "add", "--run", "mkfifo go; echo begun; read x < go"]);
    up.until_drawn(&["\nalice  busy", "1 mkfifo go", "1 in progress; Ctrl-C ends the team"]);
    team.until_said("alice", "begun");
    team.feed("go", "go");
    up.until_drawn(&["\nalice  idle", "1 completed; Ctrl-C ends the team"]);
    team.ok("dm alice hello");
    team.ok("down");
    let screen = up.ends();
    assert_eq!(screen.code, Some(0), "{}", screen.text);
    for happened in ["alice joined as process", "task 1 completed", "to alice: hello", "alice shut down"] {
        assert_eq!(screen.text.matches(happened).count(), 1, "it is told once, and stays: {}", screen.text);
    }
    assert!(!screen.text.contains("took a message"), "{}", screen.text);
    let last = screen.text.rsplit("\u{1b}[?2026h").next().expect("there is one part at least");
    assert!(!last.contains("Ctrl-C") && last.trim_end().ends_with("the leader ended"), "nothing is left: {last:?}");
}

#[test]
fn a_death_is_told_once_and_the_leaders_own_words_go_to_its_log() {
    let team = Team::new();
    let mut up = team.start("up");
    up.until("leading team");
    team.ok("spawn alice");
    let worker = team.json("status alice")["pid"].as_i64().expect("it runs");
    kill(Pid::from_raw(worker as i32), Signal::SIGKILL).expect("it is there");
    up.until("alice died: killed by SIGKILL; it is started again");
    up.until("alice joined as process");
    team.ok("down");
    let said = up.ends();
    assert_eq!(said.out.matches("alice died").count(), 1, "{}", said.out);
    assert!(!said.err.contains("died") && !said.err.contains("WARN"), "{}", said.err);
    let log = fs::read_to_string(team.dir().logs_dir().join("leader.log")).expect("the leader had something to say");
    assert!(log.contains("WARN") && log.contains("alice died (killed by SIGKILL)"), "{log}");
}

#[test]
fn it_leads_in_the_background_until_down() {
    let team = Team::new();
    let up = team.json("up --detach");
    assert_eq!(up["leader"]["team"], team.dir().team().as_str());
    assert_eq!(team.json("status")["leader"]["pid"], up["leader"]["pid"]);
    team.ok("spawn alice");
    team.ok("spawn bob");
    let said = team.ok("down");
    let mut lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.pop(), Some("the leader ended"));
    lines.sort_unstable();
    assert_eq!(lines, ["alice shut down", "bob shut down"], "each as it goes");
    assert_eq!(team.json("status")["leader"], Value::Null);
    assert_eq!(team.ok("down"), "nothing of the team runs", "what is wanted is so already");
    // The next one takes over what the last one left.
    team.ok("up --detach");
    assert_eq!(team.ok("down"), "the leader ended; no member ran");
}

#[test]
fn a_second_leader_is_refused_by_whichever_way_it_comes() {
    let team = Team::new();
    let pid = team.json("up --detach")["leader"]["pid"].clone();
    for line in ["up", "up --detach"] {
        let said = team.fails(1, line);
        assert!(said.contains(&format!("has a leader already (process {pid})")), "`{line}`: {said}");
        assert!(said.contains("end it with teamster down"), "`{line}`: {said}");
    }
    assert_eq!(team.json("status")["leader"]["pid"], pid, "the first one leads on");
}

#[test]
fn down_lets_turns_finish_and_takes_no_more() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; echo got $word");
    team.ok("task add --run true");
    team.until_said("alice", "begun");
    let down = team.start("down");
    team.until_event("shutdown_request");
    team.ok("steer alice hello");
    let said = down.ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.ends_with("alice shut down\nthe leader ended\n"), "{}", said.out);
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "begun\ngot hello");
    assert_eq!((team.standing(1), team.standing(2)), ("completed".to_owned(), "pending".to_owned()));
}

#[test]
fn down_by_force_waits_for_no_turn_and_loses_no_task() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo half; read word");
    team.until_said("alice", "half");
    let ended = team.json("down --force");
    assert_eq!(ended["members"][0]["name"], "alice");
    assert_eq!(team.json("status")["leader"], Value::Null);
    let task = team.task(1);
    assert_eq!(task["status"], "pending");
    assert!(task["attempts"][0]["end"]["how"]["released"].is_object(), "{task}");
}

#[test]
fn the_name_of_a_team_is_that_of_the_repository_or_the_one_given() {
    let team = Team::new();
    let id = team.json("id");
    assert_eq!(id["exists"], false);
    assert!(id["team"].as_str().unwrap().starts_with("app-"));
    assert_eq!(team.ok("id --team crew"), "crew");
    let mut command = team.command("id");
    command.env("TEAMSTER_TEAM", "other");
    assert_eq!(team.start_command(command).ends().out, "other\n");
    // The same for all worktrees of the repository: their members talk to the same team.
    team.ok("spawn alice --worktree");
    let mut command = team.command("id");
    command.current_dir(team.dir().worktree(&"alice".parse().unwrap()));
    assert_eq!(team.start_command(command).ends().out.trim(), team.dir().team().as_str());
    assert_eq!(team.json("id")["exists"], true);
}

#[test]
fn env_is_the_line_that_starts_a_worker() {
    let team = Team::new();
    let env = team.json("env dave");
    let (line, program) = (env["command"].as_str().unwrap(), env["program"].as_str().unwrap());
    assert_eq!(team.ok("env dave"), line);
    assert!(line.ends_with(&format!("{program} --name dave")), "{line}");
    assert!(!team.dir().path().exists(), "to print a line makes no team");
    // Whoever has another worker than the one beside the program gets that.
    let mut command = team.command("env dave");
    command.env("TEAMSTER_WORKER", "/opt/worker");
    assert!(team.start_command(command).ends().out.ends_with(" /opt/worker --name dave\n"));
}
