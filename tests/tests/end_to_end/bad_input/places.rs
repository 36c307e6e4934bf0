//! Places to work in that cannot be had, and leaders that are not there.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::team::Team;

use super::refused;

/// Nothing of a spawn is left: no member, no branch, no worktree.
fn nothing_came_of_it(team: &Team) {
    assert_eq!(team.json("list")["members"].as_array().unwrap().len(), 0, "a member was made");
    assert!(std::fs::read_dir(team.dir().worktrees_dir()).into_iter().flatten().next().is_none());
}

#[test]
fn a_base_that_is_no_commit() {
    let team = Team::new();
    team.ok("up --detach");
    let said =
        refused(&team, 1, &["spawn alice --worktree --base nosuch", "spawn alice --worktree --base HEAD:README"]);
    insta::assert_snapshot!(said, @"
    $ spawn alice --worktree --base nosuch
    error: cannot spawn alice: unknown base `nosuch`: it names no commit in /t/work/app
      hint: `git branch --all` and `git tag` list what can be named
    $ spawn alice --worktree --base HEAD:README
    error: cannot spawn alice: unknown base `HEAD:README`: it names no commit in /t/work/app
      hint: `git branch --all` and `git tag` list what can be named
    ");
    nothing_came_of_it(&team);
    assert_eq!((team.git("branch --list teamster/*"), team.git("worktree list").lines().count()), (String::new(), 1));
    let plan = team.plan("[[task]]\nrun = \"true\"\n");
    let said = team.run(&format!("run {plan} --worktree --base nosuch"));
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("nosuch"), "{}", said.err);
    assert_eq!(team.json("task list")["counts"]["total"], 0, "a plan without workers was begun");
}

#[test]
fn a_worktree_without_a_repository() {
    let team = Team::without_repository();
    team.ok("up --detach");
    let said = refused(&team, 1, &["spawn alice --worktree"]);
    insta::assert_snapshot!(said, @"
    $ spawn alice --worktree
    error: cannot spawn alice: not a git repository: /t/work
      hint: run `git init` there, or do without isolation with `--shared`
    ");
    nothing_came_of_it(&team);
    // What was not asked for is not done instead; asked for, it is.
    team.ok("spawn alice --shared");
    team.ok("task add --run pwd");
    team.until_event("completed");
}

#[test]
fn a_branch_that_is_there_already() {
    let team = Team::new();
    team.ok("up --detach");
    let branch = team.branch("alice");
    team.git(&format!("branch {branch}"));
    let tip = team.git(&format!("rev-parse {branch}"));
    let said = refused(&team, 1, &["spawn alice --worktree"]);
    team.snapshot(|| insta::assert_snapshot!(said, @"
    $ spawn alice --worktree
    error: cannot spawn alice: branch `teamster/app-0/alice` exists already, at [commit]
      hint: choose another name, or put the branch away with `git branch -m teamster/app-0/alice NEW` (delete a merged one with `git branch -d teamster/app-0/alice`)
    "));
    nothing_came_of_it(&team);
    assert_eq!(team.git(&format!("rev-parse {branch}")), tip, "the branch is as it was");
    team.ok("spawn bob --worktree");
}

#[test]
fn no_leader_where_one_is_needed() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("shutdown alice");
    team.ok("down");
    // What is to end does not run: it is as it was wanted.
    for line in ["down", "shutdown", "shutdown alice", "kill alice"] {
        team.ok(line);
    }
    let said = refused(&team, 1, &["stop alice"]);
    insta::assert_snapshot!(said, @"
    $ stop alice
    error: alice is not running
      hint: start it with teamster spawn alice
    ");
    let said = refused(&team, 3, &["restart-leader"]);
    insta::assert_snapshot!(said, @"
    $ restart-leader
    error: no leader runs for team app-0
      hint: start one with teamster up --detach
    ");
    let error = team.run("restart-leader --json");
    let error: Value = serde_json::from_str(&error.err).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["kind"]), (&3.into(), &"no_leader".into()));
    // The same refusal from a leader has the same words and the same code.
    let without = team.fails(1, "stop alice");
    team.ok("up --detach");
    let with = ["stop alice", "send alice --no-wake --run true", "steer alice true"].map(|line| team.fails(1, line));
    assert_eq!(with, [&*without; 3]);
}

#[test]
fn a_leader_that_was_killed_is_missed_and_replaced() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    let leader = team.json("status")["leader"]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(leader as i32), Signal::SIGKILL).unwrap();
    // Its socket is still there, and nobody listens: that is no leader. The warden may have started the next one by now.
    let up = team.run("up --detach");
    assert!(up.code == Some(0) || up.err.contains("has a leader already"), "{}", up.err);
    // The worker lived on with its turn, and hears the new leader.
    assert_eq!(team.ok("steer alice hello"), "alice has it: unconfirmed", "a command does not tell");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "begun\ngot hello");
    // Who ends the team in such a moment ends the leader that comes next.
    let leader = team.json("status")["leader"]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(leader as i32), Signal::SIGKILL).unwrap();
    assert_eq!(team.ok("down"), "alice shut down\nthe leader ended");
}

#[test]
fn a_text_that_is_none_and_a_file_that_is_not_there() {
    let team = Team::new();
    team.ok("spawn alice");
    let said = refused(&team, 1, &["task add -f nosuch.md", "run nosuch.toml"]);
    insta::assert_snapshot!(said, @"
    $ task add -f nosuch.md
    error: cannot read nosuch.md: No such file or directory (os error 2)
    $ run nosuch.toml
    error: cannot read nosuch.toml: No such file or directory (os error 2)
    ");
    for line in ["task add -", "send alice --run -", "dm alice -"] {
        let said = team.start_with(line, " \n").ends();
        assert_eq!((said.code, said.err.contains("text")), (Some(2), true), "`{line}`: {}", said.err);
    }
    for line in
        ["task add", "dm alice", "send", "run", "frobnicate", "spawn a --base main", "spawn a --shared --worktree"]
    {
        team.fails(2, line);
    }
}
