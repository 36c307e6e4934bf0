//! Repositories of every kind: a team is found there, whatever format, path or owner they have.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;
use teamster_tests::team::{Said, Team};

/// How the repository of the team is changed, and for whom that can be tested.
const KINDS: [(&str, &str); 5] = [
    ("sha256", "rm -rf .git; git init -q --object-format=sha256"),
    ("reftable", "rm -rf .git; git init -q --ref-format=reftable"),
    ("unknown extension", "git config core.repositoryFormatVersion 1; git config extensions.fromTheFuture true"),
    ("unknown format", "git config core.repositoryFormatVersion 7"),
    ("bare", "rm -rf .git README; git init -q --bare ."),
];

#[test]
fn a_team_begins_in_a_repository_that_libgit2_can_not_open() {
    for (kind, script) in KINDS {
        let team = Team::new();
        let before = team.ok("id");
        team.sh(script);
        if kind != "bare" {
            assert_eq!(team.ok("id"), before, "{kind}: the name comes from the path alone");
        }
        team.ok("task add --run true");
        team.ok("spawn ann");
        team.until_event("completed");
        team.ok("down");
        team.ok("--team other task add --run true");
    }
}

#[test]
fn a_team_begins_in_a_repository_of_another_owner() {
    if !geteuid().is_root() {
        eprintln!("not root: nothing can be given to another owner");
        return;
    }
    let team = Team::new();
    let before = team.ok("id");
    team.sh("chown -R 12345:12345 .");
    assert_eq!(team.ok("id"), before);
    team.ok("task add --run true");
    team.ok("--team other task add --run true");
    let said = team.fails(1, "spawn ann --worktree");
    assert!(said.contains("own"), "git's own reason: {said}");
}

#[test]
fn a_team_with_a_name_needs_no_repository_at_all() {
    let team = Team::new();
    // The name, before nothing leads to it.
    team.dir();
    team.sh("rm -rf .git; echo 'gitdir: /nowhere' > .git");
    let said = team.fails(2, "task add --run true");
    assert!(said.contains("--team"), "{said}");
    team.ok("--team other task add --run true");
    team.ok("--team other spawn ann");
    team.ok("--team other down");
    assert_eq!(team.json("--team other task list")["counts"]["completed"], 1);
}

#[test]
fn a_worktree_is_made_and_removed_in_a_path_with_a_newline() {
    let team = Team::new();
    team.sh("mkdir 'two\nlines'; cd 'two\nlines'; git init -q -b main; git commit -q --allow-empty -m one");
    let within = |line: &str| {
        let mut command = team.command(line);
        command.current_dir(team.repository().join("two\nlines"));
        let said = team.start_command(command).ends();
        assert_eq!(said.code, Some(0), "{line}: {}", said.err);
        said.out
    };
    within("spawn ann --worktree");
    within("task add --run --to ann -- echo new > new; git add new; git commit -qm new");
    within("down");
    within("spawn ann --worktree");
    within("down");
    assert!(within("cleanup --force").contains("refs/teamster/kept/"));
    team.sh("cd 'two\nlines'; test -z \"$(git branch --list 'teamster/*')\"");
}

/// A command typed in a directory beside the repository: the code, what it printed and what it said aside.
fn at(team: &Team, dir: &Path, line: &str) -> Said {
    let mut command = team.command(line);
    command.current_dir(dir);
    team.start_command(command).ends()
}

fn ok_at(team: &Team, dir: &Path, line: &str) -> String {
    let said = at(team, dir, line);
    assert_eq!(said.code, Some(0), "{line}: {}", said.err);
    said.out
}

#[test]
fn a_team_follows_its_repository_with_its_worktrees() {
    let team = Team::new();
    let name = team.ok("id");
    team.ok("spawn ann --worktree");
    team.ok("spawn bob");
    team.ok("task add --run --to ann -- echo kept > draft");
    team.until_event("completed");
    team.ok("down");
    let branch = team.branch("ann");
    let old = team.repository().canonicalize().unwrap();
    let new = old.with_file_name("moved here");
    fs::rename(&old, &new).unwrap();

    let said = at(&team, &new, "id");
    assert_eq!((said.code, said.out.trim()), (Some(0), name.trim()), "{}", said.err);
    assert!(said.err.contains("followed its repository from") && said.err.contains("moved here"), "{}", said.err);
    let again = at(&team, &new, "id");
    assert_eq!((again.out.trim(), again.err.as_str()), (name.trim(), ""), "it is said once");
    // Git alone says that the worktree is whole.
    let tree = team.dir().worktrees_dir().join("ann");
    assert_eq!(team.sandbox().git(&tree, &["status", "--porcelain"]), "?? draft");
    assert_eq!(team.sandbox().git(&new, &["worktree", "list"]).lines().count(), 2);
    ok_at(&team, &new, "spawn ann --worktree");
    ok_at(&team, &new, "task add --run --to ann -- git add draft; git commit -qm draft");
    ok_at(&team, &new, "spawn bob");
    ok_at(&team, &new, "task add --run --to bob -- pwd > ../where");
    ok_at(&team, &new, "down");
    let status: serde_json::Value = serde_json::from_str(&ok_at(&team, &new, "status --json")).unwrap();
    assert_eq!(status["dir"], new.to_str().unwrap(), "{status}");
    assert!(fs::read_to_string(new.with_file_name("where")).unwrap().contains("moved here"));
    let said = at(&team, &new, "doctor");
    assert!(!said.out.contains("worktree of"), "{}", said.out);
    let said = at(&team, &new, "cleanup");
    assert!(said.err.contains("unmerged commit"), "{}", said.err);
    assert!(ok_at(&team, &new, "cleanup --force").contains("refs/teamster/kept/"));
    assert_eq!(team.sandbox().git(&new, &["branch", "--list", &branch]), "");
}

#[test]
fn a_team_follows_twice_and_back_again() {
    let team = Team::new();
    team.ok("task add --run true");
    let name = team.ok("id");
    let old = team.repository().canonicalize().unwrap();
    let mut at_last = old.clone();
    for next in ["second", "third", "app"] {
        let next = old.with_file_name(next);
        fs::rename(&at_last, &next).unwrap();
        at_last = next;
        assert_eq!(ok_at(&team, &at_last, "id").trim(), name.trim());
        let status: serde_json::Value = serde_json::from_str(&ok_at(&team, &at_last, "status --json")).unwrap();
        assert_eq!(status["dir"], at_last.to_str().unwrap());
        assert!(ok_at(&team, &at_last, "task list").contains("true"));
    }
}

#[test]
fn a_copy_of_a_repository_is_another_team() {
    let team = Team::new();
    team.ok("task add --run true");
    let copy = team.repository().canonicalize().unwrap().with_file_name("copy");
    team.sh("cp -a . ../copy");
    assert_ne!(ok_at(&team, &copy, "id").trim(), team.ok("id").trim());
    ok_at(&team, &copy, "task add --run false");
    assert_eq!(team.json("task list")["counts"]["total"], 1);
}

#[test]
fn a_new_repository_in_the_place_of_a_moved_one_is_not_given_its_team() {
    let team = Team::new();
    team.ok("task add --run true");
    team.dir();
    let old = team.repository().canonicalize().unwrap();
    let new = old.with_file_name("moved");
    fs::rename(&old, &new).unwrap();
    ok_at(&team, &new, "task list");
    fs::create_dir(&old).unwrap();
    team.sh("git init -q");
    let said = team.fails(2, "task add --run false");
    assert!(said.contains("followed its repository from here to") && said.contains("--team"), "{said}");
    team.ok("--team other task add --run false");
}

#[test]
fn a_shell_that_completes_a_word_lets_no_team_follow() {
    let team = Team::new();
    team.ok("spawn ann --worktree");
    team.ok("down");
    let old = team.repository().canonicalize().unwrap();
    let new = old.with_file_name("moved");
    fs::rename(&old, &new).unwrap();
    let all = || {
        let mut shell = team.other("sh");
        let script = "cd \"$TEAMSTER_ROOT\"; find . \"$0\" -type f -exec cksum {} + | sort";
        shell.args(["-euc", script, new.to_str().unwrap()]).current_dir(&new);
        let said = team.start_command(shell).ends();
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        said.out
    };
    let before = all();
    let mut tab = team.command("-- teamster stop");
    tab.arg("").env("TEAMSTER_COMPLETE", "fish").current_dir(&new);
    let said = team.start_command(tab).ends();
    assert_eq!((said.code, said.out.lines().next()), (Some(0), Some("ann")), "it knows whose team that is");
    assert_eq!(all(), before, "to press Tab changes nothing");
    assert!(at(&team, &new, "id").err.contains("followed its repository"));
}
