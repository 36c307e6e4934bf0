//! Repositories of every kind: a team is found there, whatever format, path or owner they have.

use nix::unistd::geteuid;
use teamster_tests::team::Team;

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
