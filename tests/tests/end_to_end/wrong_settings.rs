//! A repository's file of settings that is wrong: it keeps nobody from looking at the team, or from ending it.

use std::fs;

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
        assert!(said.err.contains("workerz") && said.err.contains("goes on without that file"), "{line}: {}", said.err);
    }
    assert!(team.run("list").err.contains("workerz"));
}
