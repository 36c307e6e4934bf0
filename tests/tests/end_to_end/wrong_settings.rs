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
    assert_eq!(said.matches("hint:").count(), 1, "{said}");
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

#[test]
fn a_file_of_ones_own_that_hides_where_teams_are_kept_is_refused_until_that_is_said() {
    let team = Team::new();
    let settings = team.sandbox().home().join(".config/teamster");
    let file = settings.join("config.toml");
    let without_root = |line: &str| {
        let mut command = team.command(line);
        command.env_remove("TEAMSTER_ROOT").env_remove("XDG_CONFIG_HOME");
        team.start_command(command).ends()
    };
    fs::create_dir_all(&settings).unwrap();
    fs::write(&file, "[team]\nroot = \"~/kept\"\n").unwrap();
    let said = without_root("spawn alice");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let kept = team.sandbox().home().join("kept");

    let is_refused = |place: &str| {
        for line in ["wait --idle", "down", "kill alice", "list", "status", "doctor", "teams", "config", "spawn bob"] {
            let said = without_root(line);
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{line}: {}", said.err);
            assert!(said.err.contains(&format!("config.toml{place}")), "{line}: {}", said.err);
            assert!(said.err.contains("where your teams are kept is not known"), "{line}: {}", said.err);
            assert!(said.err.contains("--root DIR or TEAMSTER_ROOT"), "{line}: {}", said.err);
        }
    };
    fs::write(&file, "[team]\nroot = ~/kept\n").unwrap();
    is_refused(":2:8: ");
    fs::write(&file, b"# \xe9t\xe9\n[team]\nroot = \"~/kept\"\n").unwrap();
    is_refused(":1:3: the text from here on is not UTF-8");
    fs::write(&file, "[team]\nroot = \"kept\"\n").unwrap();
    is_refused(":2:8: `root` must be an absolute path");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    is_refused(": it is no regular file");
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink(settings.join("nowhere"), &file).unwrap();
    is_refused(": No such file or directory");

    // Who says where is not kept from looking, nor from ending the team that is meant.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "[team\n").unwrap();
    let kept = kept.to_str().unwrap();
    let said = without_root(&format!("--root {kept} list"));
    assert!(said.out.contains("alice"), "{}{}", said.out, said.err);
    let said = without_root(&format!("--root {kept} spawn bob"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("until then teamster down"), "{}", said.err);
    let said = without_root(&format!("--root {kept} down"));
    assert_eq!(said.code, Some(0), "{}", said.err);
}
