//! `cleanup`: everything goes, unless somebody would miss it.

use std::fs;

use teamster_tests::team::Team;

/// Refused, for this reason; and nothing is gone.
fn refused(team: &Team, line: &str, why: &str) -> String {
    let before = files(team);
    let said = team.fails(1, line);
    assert!(said.contains(why), "{why:?} is not the reason:\n{said}");
    assert_eq!(files(team), before, "`{line}` was refused, and changed something");
    said
}

fn files(team: &Team) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut todo = vec![team.dir().path().to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            names.push(entry.path().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
        }
    }
    names.sort();
    names
}

#[test]
fn it_refuses_while_anyone_runs_also_by_force() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("spawn bob");
    for line in ["cleanup", "cleanup --force"] {
        let said = refused(&team, line, "alice runs (process ");
        assert!(said.contains("bob runs (process ") && said.contains("a leader, or another cleanup, runs (process "));
        assert!(said.contains("end what runs first: teamster down"), "{said}");
    }
    assert_eq!((team.state("alice"), team.state("bob")), ("idle".to_owned(), "idle".to_owned()));
    team.ok("down");
    assert_eq!(team.plain(&team.ok("cleanup")), "removed team app-0");
    assert_eq!(fs::read_dir(team.sandbox().root()).unwrap().count(), 0);
    assert!(team.fails(1, "cleanup").contains("there is no team app-0"));
}

#[test]
fn it_refuses_while_tasks_are_in_progress_or_to_be_done() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.ok("task add --run true");
    team.until_said("alice", "begun");
    refused(&team, "cleanup", "task 1 is in progress by alice");
    team.ok("down --force");
    let said = refused(&team, "cleanup", "2 tasks are still to be done");
    assert!(said.contains("teamster run --resume") && said.contains("--force"), "{said}");
    assert!(!said.contains("commit"), "nothing is there to be merged: {said}");
    team.ok("cleanup --force");
    assert!(!team.dir().path().exists());
}

#[test]
fn it_refuses_while_work_is_nowhere_else_and_by_force_keeps_it_under_a_ref() {
    let team = Team::new();
    for name in ["ada", "ben", "cy", "dan"] {
        team.ok(&format!("spawn {name} --worktree"));
    }
    let work = [
        ("ada", "echo draft > draft; echo changed >> README"),
        ("ben", "echo new > new; git add new; git commit -qm new"),
        ("cy", "echo merged > merged; git add merged; git commit -qm merged"),
        ("dan", "true"),
    ];
    for (id, (name, script)) in (1..).zip(work) {
        team.ok(&format!("task add --run --to {name} -- {script}"));
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id}"));
    }
    team.git(&format!("merge --quiet {}", team.branch("cy")));
    team.ok("down");
    let said = refused(&team, "cleanup", "of ada holds");
    team.snapshot(|| {
        insta::assert_snapshot!(said, @"
        error: cannot remove team app-0:
          teamster/app-0/ada of ada holds 2 uncommitted files (README, draft)
          teamster/app-0/ben of ben holds 1 unmerged commit ([commit])
          hint: merge or commit what you want to keep, or use --force: it keeps the work under refs/teamster/kept/
        ")
    });
    let cleaned = team.json("cleanup --force")["worktrees"].clone();
    let kept = |name: &str| {
        let one = cleaned.as_array().unwrap().iter().find(|one| one["member"] == name).unwrap();
        one["kept"].as_str().map(str::to_owned)
    };
    assert!(kept("ada").unwrap().starts_with("refs/teamster/kept/"), "{cleaned}");
    assert_eq!(team.git(&format!("show {}:draft", kept("ada").unwrap())), "draft");
    assert_eq!(team.git(&format!("show {}:README", kept("ada").unwrap())), "one\nchanged");
    assert_eq!(team.git(&format!("log -1 --format=%s {}", kept("ben").unwrap())), "new");
    assert_eq!((kept("cy"), kept("dan")), (None, None), "what is merged, or nothing, needs no keeping");
    assert_eq!(team.git("branch --list teamster/*"), "");
    assert_eq!(team.git("worktree list").lines().count(), 1);
    assert_eq!(fs::read_dir(team.sandbox().root()).unwrap().count(), 0);
}

#[test]
fn what_is_merged_goes_without_force_and_other_teams_stay() {
    let team = Team::new();
    team.ok("spawn alice --worktree");
    team.ok("task add --run -- echo new > new; git add new; git commit -qm new");
    team.until_event("completed");
    team.ok("task add --team other --run true");
    team.ok("down");
    team.git(&format!("merge --quiet {}", team.branch("alice")));
    insta::assert_snapshot!(team.plain(&team.ok("cleanup")), @"
    removed team app-0
    removed the worktree of alice and its branch teamster/app-0/alice
    ");
    assert_eq!(fs::read_to_string(team.repository().join("new")).unwrap(), "new\n");
    assert_eq!(team.json("task list --team other")["counts"]["total"], 1);
}

#[test]
fn no_task_is_lost_that_is_added_while_a_cleanup_runs() {
    let team = Team::new();
    for round in 0..40 {
        // So that there is something to remove, and nothing that stands against it.
        team.ok("task add --run true");
        team.ok("task cancel 1");
        let adding = team.start(&format!("task add --run -- echo round-{round}-"));
        let cleaning = team.start("cleanup");
        let (added, cleaned) = (adding.ends(), cleaning.ends());
        let board = fs::read_to_string(team.dir().board()).unwrap_or_default();
        let stands = board.contains(&format!("round-{round}-"));
        assert_eq!(
            added.code == Some(0),
            stands,
            "round {round}: {} {}; {} {}",
            added.out,
            added.err,
            cleaned.out,
            cleaned.err
        );
        assert!(!added.err.contains("--repair"), "nothing is damaged: {}", added.err);
        if team.dir().path().exists() {
            // One that came too late may have begun to make the team anew.
            team.run("cleanup --force");
        }
    }
}
