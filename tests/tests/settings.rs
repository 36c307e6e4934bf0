//! Files of settings, with the real programs: what they say is done, by every process of the team, and a mistake in one
//! stops a command before it does anything.

use std::fs;

use serde_json::Value;
use teamster_tests::hermetic::{Program, Sandbox};
use teamster_tests::team::Team;

/// One setting as `config --json` shows it.
fn setting(config: &Value, key: &str) -> Value {
    let settings = config["settings"].as_array().unwrap();
    settings.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key} in {config}")).clone()
}

fn users_file(sandbox: &Sandbox, text: &str) {
    let dir = sandbox.home().join(".config/teamster");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.toml"), text).unwrap();
}

#[test]
fn each_value_is_shown_with_who_gave_it() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository("app");
    fs::write(repository.join("teamster.toml"), "[team]\nname = \"crew\"\npoll = \"2s\"\n[run]\nworkers = 3\n")
        .unwrap();
    users_file(&sandbox, "[team]\npoll = \"9s\"\nstall-after = \"1m\"\n");
    fs::create_dir(repository.join("src")).unwrap();
    let mut command = sandbox.program(Program::Teamster);
    command.args(["config", "--json"]).current_dir(repository.join("src")).env("TEAMSTER_DURABILITY", "process");
    let output = command.output().unwrap();
    let config: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(setting(&config, "team.poll")["from"], "repository");
    assert_eq!(setting(&config, "team.poll")["line"], 3);
    assert_eq!(setting(&config, "team.stall-after")["from"], "user");
    assert_eq!(setting(&config, "team.durability")["variable"], "TEAMSTER_DURABILITY");
    assert_eq!(setting(&config, "limits.attempts")["from"], "built_in");
    let name = setting(&config, "team.name")["value"].as_str().unwrap().to_owned();
    assert!(name.starts_with("crew-") && name.len() == 11, "the place decides how it ends: {name}");
}

#[test]
fn the_name_of_a_team_is_said_to_be_from_where_it_is_from() {
    let team = Team::new();
    assert_eq!(setting(&team.json("config"), "team.name")["from"], "place");
    team.ok("task add --run true");
    let name = setting(&team.json("config"), "team.name")["value"].clone();
    fs::write(team.repository().join("teamster.toml"), "[team]\nname = \"crew\"\n").unwrap();
    let row = setting(&team.json("config"), "team.name");
    assert_eq!((&row["from"], &row["value"]), (&"existing_team".into(), &name), "the file has no effect");
    let shown = team.ok("config");
    assert!(shown.contains("a name in a file has no effect while a team is here"), "{shown}");
}

#[test]
fn a_variable_that_is_not_understood_is_refused_before_anything_is_done() {
    let team = Team::new();
    let known = [
        ("TEAMSTER_DURABILITY", "power or process"),
        ("TEAMSTER_ISOLATION", "auto, namespace or subreaper"),
        ("TEAMSTER_LOG", "off, error, warn, info, debug or trace"),
    ];
    for (variable, words) in known {
        let output = team.command("spawn alice").env(variable, "foo").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said, format!("error: {variable} is \"foo\", which is not {words}\n"));
    }
    assert_eq!(fs::read_dir(team.dir().root()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn what_the_files_say_is_done_by_tasks_members_and_their_workers() {
    let team = Team::new();
    let text = "[team]\non-stall = \"abort\"\nstall-after = \"7m\"\npoll = \"1s\"\n[run]\nworktree = true\n\
        [limits]\nattempts = 7\ntask-time = \"30m\"\nleader-grace = \"11s\"\n";
    fs::write(team.repository().join("teamster.toml"), text).unwrap();
    team.ok("task add --run --priority 1 true");
    let task = team.task(1)["task"].clone();
    assert_eq!((&task["max_attempts"], &task["timeout_ms"]), (&7.into(), &1_800_000.into()));
    team.ok("task add --run --timeout 5s true");
    assert_eq!(team.task(2)["task"]["timeout_ms"], 5_000, "what is typed is before what is configured");

    team.ok("spawn alice --no-claim");
    assert_eq!(team.git("branch --list teamster/*").lines().count(), 1, "it has a worktree of its own");
    team.ok("spawn bob --no-claim --shared");
    assert_eq!(team.git("branch --list teamster/*").lines().count(), 1, "what is typed is before what is configured");
    let log = fs::read_to_string(team.dir().roster()).unwrap();
    assert!(log.contains(r#""after_ms":420000"#) && log.contains(r#""then":"abort""#), "{log}");

    // The variable of the test is before the file, and the file before what is built in.
    team.ok_words(&["send", "alice", "--run", "echo poll=$TEAMSTER_POLL_MS grace=$TEAMSTER_LEADER_GRACE_MS"]);
    team.until_said("alice", "poll=1000 grace=2000");
    team.ok("down --force");
}

#[test]
fn a_mistake_in_a_file_stops_a_command_before_it_does_anything() {
    let team = Team::new();
    let file = team.repository().join("teamster.toml");
    let root = team.dir().root().to_owned();
    fs::write(&file, "[run]\nworker = 2\n").unwrap();
    let said = team.fails(2, "task add x");
    assert!(said.contains("teamster.toml:2:1: unknown key `worker`"), "{said}");
    assert!(said.contains("did you mean `workers`?"), "{said}");
    assert_eq!(fs::read_dir(root).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_leader_in_the_background_is_not_ended_by_a_mistake_in_a_file() {
    let team = Team::new();
    fs::write(team.repository().join("teamster.toml"), "[limits]\nanswer-within = \"3s\"\n").unwrap();
    team.ok("up --detach");
    let dir = team.dir();
    fs::write(team.repository().join("teamster.toml"), "[limits\n").unwrap();
    // The next leader is started by the warden, in the same directory.
    let (team_name, root) = (dir.team().as_str(), dir.root().to_str().unwrap());
    let elsewhere = team.sandbox().work();
    let mut command = team.sandbox().program(Program::Teamster);
    command.args(["--team", team_name, "--root", root, "restart-leader"]).current_dir(elsewhere);
    let said = team.start_command(command).ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    fs::remove_file(team.repository().join("teamster.toml")).unwrap();
    team.ok("down --force");
}
