//! Agents that are a command: `--agent 'cmd:COMMAND {}'` and `--agent 'acp:COMMAND'`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use teamster_tests::team::{Said, Team};

/// A program in the repository.
fn script(team: &Team, name: &str, text: &str) {
    let path = team.repository().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// A program in the repository that says its arguments, each in brackets.
fn program(team: &Team, name: &str) {
    script(team, name, "#!/bin/sh\nprintf '[%s]' \"$@\"\n");
}

fn run(team: &Team, words: &[&str]) -> Said {
    let mut command = team.command("");
    command.args(words);
    team.start_command(command).ends()
}

#[test]
fn a_program_of_the_users_is_a_member_from_the_command_line() {
    let team = Team::new();
    program(&team, "mine");
    team.ok_words(&["spawn", "alice", "--agent", "cmd:./mine 'a b' {}", "--worktree"]);
    team.ok("task add do it; rm *");
    team.until_event("completed");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "[a b][do it; rm *]", "it is found from a worktree too");
    assert!(team.ok("status alice").contains("cmd:./mine 'a b' {}"));

    team.ok("shutdown alice");
    team.ok("spawn alice");
    team.ok("task add again");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_eq!(team.task(2)["attempts"][0]["end"]["result"], "[a b][again]", "it keeps its agent");
}

#[test]
fn what_can_not_be_a_command_is_refused_and_leaves_nobody() {
    let team = Team::new();
    for (agent, code, says) in [
        ("cmd:no-such-program {}", 1, "the program of cmd:no-such-program {} is not there: no-such-program"),
        ("acp:./nothing", 1, "is not there"),
        ("cmd:echo {} | cat", 2, "`|` is for a shell, and none runs it"),
        ("cmd:{}", 2, "{} stands for the prompt, which can not name the program"),
        ("cmd:", 2, "no command follows"),
        ("acp:'x", 2, "a ' has no end"),
    ] {
        let said = run(&team, &["spawn", "alice", "--agent", agent]);
        assert_eq!(said.code, Some(code), "{agent}: {}", said.err);
        assert!(said.err.contains(says), "{agent}: {}", said.err);
        let plan = team.plan("[[task]]\nprompt = \"x\"\n");
        let said = run(&team, &["run", &plan, "--agent", agent]);
        assert_eq!(said.code, Some(code), "{agent}: {}", said.err);
    }
    let said = run(&team, &["spawn", "alice", "--agent", "cmd:echo {}", "--model", "m"]);
    assert!(said.err.contains("can not be told a model"), "{}", said.err);
    assert!(!team.dir().path().exists(), "nothing was made for it");
    let said = run(&team, &["status", "alice"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
}

#[test]
fn a_repository_brings_no_command() {
    let team = Team::new();
    fs::write(team.repository().join("teamster.toml"), "[run]\nagent = \"cmd:echo {}\"\n").unwrap();
    let said = run(&team, &["spawn", "alice"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("`agent` can not be a command in a repository's file"), "{}", said.err);
}

#[test]
fn agents_tells_of_the_forms() {
    let team = Team::new();
    let said = team.ok("agents");
    assert!(said.contains("'acp:COMMAND ARGS'") && said.contains("'cmd:COMMAND {}'"), "{said}");
}

/// Waits when it is begun, and says its prompt once it is told what not to do.
const STUBBORN: &str = r#"#!/bin/sh
case "$1" in
*'but that'*) printf '%s' "$1" ;;
*) echo begun; exec tail -f /dev/null ;;
esac
"#;

#[test]
fn a_program_is_interrupted_with_all_that_it_was_told_and_what_has_no_room_is_refused() {
    let team = Team::new();
    script(&team, "stubborn", STUBBORN);
    team.ok_words(&["spawn", "alice", "--agent", "cmd:./stubborn {}"]);
    let asked = "x".repeat(100_000);
    team.ok_words(&["task", "add", &asked]);
    team.until_said("alice", "begun");
    let said = run(&team, &["steer", "alice", "--now", &"y".repeat(40_000)]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("its agent takes 131070 at most"), "{}", said.err);
    assert!(said.err.contains("say it in fewer words, or without --now"), "{}", said.err);
    team.ok("steer alice --now not this");
    team.until_said("alice", "\"interrupted\"");
    team.ok("steer alice --now but that");
    team.until_event("completed");
    let task = team.task(1);
    assert_eq!(task["attempts"].as_array().unwrap().len(), 1, "{task}");
    let logs = team.ok("logs alice -n 1000 --json");
    let told = format!(
        "{asked}\\n\\nYou had begun with this, and were interrupted. You had said:\\n> begun\\n> begun\\n\\n\
         Message from lead:\\nnot this\\n\\nMessage from lead:\\nbut that\\n\\nGo on with what you were asked, and heed this."
    );
    assert!(logs.contains(&told), "{}", team.ok("logs alice"));
}

/// Fails as programs do whose provider serves nothing, and in another way.
const POOR: &str = r#"#!/bin/sh
case "$1" in
limit) if mkdir hit 2>/dev/null; then echo "ERROR: You've hit your usage limit. Try again in 1s."; exit 1; fi; echo done ;;
test) echo "assertion failed: expected 200, got 429"; exit 1 ;;
*) echo "Credit balance is too low" >&2; exit 1 ;;
esac
"#;

#[test]
fn a_program_whose_provider_serves_nothing_does_not_fail_its_task() {
    let team = Team::new();
    script(&team, "poor", POOR);
    team.ok_words(&["spawn", "alice", "--agent", "cmd:./poor {}"]);
    team.ok("task add limit");
    team.run("wait 1");
    let task = team.task(1);
    assert_eq!(task["attempts"].as_array().unwrap().len(), 1, "it waits for its provider, and goes on: {task}");
    assert_eq!(task["attempts"][0]["end"]["result"], "done");
    assert!(team.ok("logs alice -n 1000").contains("You've hit your usage limit"), "{}", team.ok("logs alice -n 1000"));
    team.ok("task add test");
    team.run("wait 2");
    assert_eq!(team.standing(2), "failed", "what it says of something else is no word of its provider");
    team.ok("task add anything");
    team.until_event("\"kind\":\"left\"");
    assert_eq!(team.standing(3), "pending");
    assert!(team.ok("why alice").contains("Credit balance is too low"), "{}", team.ok("why alice"));
}
