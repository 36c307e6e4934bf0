//! A file of settings that is wrong, the repository's or the user's: it keeps nobody from looking at the team, or from ending it.

use std::fs;

use serde_json::Value;
use teamster_tests::team::Team;

#[test]
fn a_mistake_in_the_file_of_the_repository_locks_nobody_out_of_the_team() {
    let team = Team::new();
    team.ok("spawn alice");
    // Its name, before each command has something to note.
    team.dir();
    fs::write(team.repository().join("teamster.toml"), "[run]\nworkerz = 1\n").unwrap();
    let said = team.fails(2, "spawn bob");
    assert!(said.contains("workerz") && said.contains("teamster down"), "{said}");
    for line in ["list", "status", "logs alice", "doctor", "task list", "down"] {
        let said = team.run(line);
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
        assert!(
            said.err.contains("workerz") && said.err.contains("goes on without what is wrong there"),
            "{line}: {}",
            said.err
        );
    }
    assert!(team.run("list").err.contains("workerz"));
}

#[test]
fn a_mistake_in_ones_own_file_locks_nobody_out_either() {
    let team = Team::new();
    team.ok("spawn alice");
    team.dir();
    let text = "[run]\nworkerz = 1\n\n[team]\npoll = \"7s\"\n";
    team.sh(&format!(
        "mkdir -p \"$XDG_CONFIG_HOME/teamster\"; printf '{text}' > \"$XDG_CONFIG_HOME/teamster/config.toml\""
    ));
    for line in ["spawn bob", "up --detach", "task add --run true", "run --resume", "env bob"] {
        let said = team.fails(2, line);
        assert!(said.contains("config.toml:2:1") && said.contains("workerz"), "{line}: {said}");
        assert!(said.contains("until then teamster down, and whatever only looks"), "{line}: {said}");
    }
    let said = team.run("config");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.out.contains("7s") && said.out.contains("run.workers"), "the rest is shown: {}", said.out);
    assert!(said.err.starts_with("error: ") && said.err.contains("config.toml:2:1"), "{}", said.err);
    let said = team.run("config --json");
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert!(shown["problems"][0].as_str().unwrap().contains("config.toml:2:1"), "{shown}");
    let failed: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((&failed["error"]["kind"], said.code), (&"usage".into(), Some(2)));
    let looks = ["list", "status", "why alice", "logs alice", "doctor", "task list", "wait --idle", "events"];
    for line in looks.into_iter().chain(["kill alice", "down", "cleanup"]) {
        let said = team.run(line);
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
        assert!(
            said.err.contains("workerz") && said.err.contains("goes on without what is wrong"),
            "{line}: {}",
            said.err
        );
    }
}

#[test]
fn where_teams_are_kept_is_read_although_something_else_is_wrong() {
    let team = Team::new();
    let with_root = |line: &str| {
        let mut command = team.command(line);
        command.env_remove("TEAMSTER_ROOT");
        team.start_command(command).ends()
    };
    team.sh("mkdir -p \"$XDG_CONFIG_HOME/teamster\"; printf '[team]\\nroot = \"~/kept\"\\n' > \"$XDG_CONFIG_HOME/teamster/config.toml\"");
    assert_eq!(with_root("task add --run true").code, Some(0));
    team.sh("echo 'rooot = 1' >> \"$XDG_CONFIG_HOME/teamster/config.toml\"");
    let said = with_root("task list");
    assert!(said.out.contains("1 task: 1 pending"), "{}{}", said.out, said.err);
}
