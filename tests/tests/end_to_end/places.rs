//! The place that a member works in: kept when it is spawned again, and the commit at which a worktree begins.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teamster_tests::team::Team;

#[test]
fn a_member_that_is_spawned_again_keeps_its_place_until_another_is_asked_for() {
    let team = Team::new();
    team.ok("spawn bob --worktree");
    let (branch, place) = (team.branch("bob"), team.json("status bob")["workspace"].clone());
    team.ok("kill bob");
    let told = team.ok("spawn bob");
    assert!(
        told.contains(&format!("bob is ready on branch {branch}")) && told.ends_with(", where it was before"),
        "{told}"
    );
    assert_eq!(team.json("status bob")["workspace"]["worktree"]["dir"], place["worktree"]["dir"]);
    team.ok("kill bob");
    assert!(!team.ok("spawn bob --shared").contains(&branch));
    team.ok("kill bob");
    let told = team.ok("spawn bob carol");
    let of = |name: &str| told.lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap_or_default();
    assert!(of("bob").ends_with(", where it was before") && !of("bob").contains(&branch), "{told}");
    assert!(of("carol").starts_with("carol is ready in ") && !of("carol").contains("before"), "{told}");
}

#[test]
fn a_member_that_is_spawned_again_keeps_what_its_agent_was_told() {
    let team = Team::new();
    team.ok("spawn bob --agent shell --model m1 --env KEY=secret");
    let options = |team: &Team| team.json("status bob")["options"].clone();
    assert_eq!(options(&team), serde_json::json!({"model": "m1", "env": {"KEY": "(hidden)"}}));
    team.ok("kill bob");
    team.ok("spawn bob --effort high");
    assert_eq!(options(&team), serde_json::json!({"model": "m1", "effort": "high", "env": {"KEY": "(hidden)"}}));
    let shown = team.ok("status bob");
    assert!(shown.contains("shell, model m1, effort high, variables KEY") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_member_whose_place_is_gone_is_not_put_elsewhere_unasked() {
    let team = Team::new();
    let place = team.sandbox().work().join("elsewhere");
    fs::create_dir(&place).unwrap();
    team.ok(&format!("spawn bob --cwd {}", place.display()));
    team.ok("kill bob");
    fs::remove_dir(&place).unwrap();
    let said = team.fails(1, "spawn bob");
    assert!(said.contains("elsewhere, which is not there any more") && said.contains("--cwd DIR"), "{said}");
    team.ok("spawn bob --shared");
}

#[test]
fn a_commit_to_begin_at_goes_with_the_worktrees_that_are_configured() {
    let team = Team::new();
    for line in ["spawn bob --base main", "spawn bob --shared --base main"] {
        let said = team.fails(2, line);
        assert!(said.contains("no worktree was asked for") && said.contains("--worktree"), "{said}");
    }
    fs::write(team.repository().join("teamster.toml"), "[run]\nworktree = true\n").unwrap();
    assert!(team.ok("spawn bob --base main").contains(&team.branch("bob")));
    let plan = team.plan("[[task]]\nrun = \"true\"\n");
    assert_eq!(team.run(&format!("run {plan} --base main -w 2")).code, Some(0));
}

#[test]
fn a_run_adds_its_workers_in_worktrees_where_the_members_have_some_unless_it_is_told_otherwise() {
    let team = Team::new();
    team.ok("spawn alice --worktree --no-claim");
    let plan = team.plan("[[task]]\nid = \"one\"\nrun = \"echo 1 > one; git add one; git commit -qm one\"\n");
    let run = format!("run {plan} -w 1");
    let commits = || team.git("rev-list --count HEAD");
    let before = commits();
    let worktree = || team.json("status w1")["workspace"]["worktree"]["dir"].clone();
    let who_is_new = "who is new gets a worktree, as the members have, unless --shared is said";
    assert!(team.ok(&format!("{run} --dry-run")).contains("worktree"));
    let said = team.run(&run);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.err.contains(who_is_new), "{}", said.err);
    let first = worktree();
    assert!(first.is_string(), "{first}");
    assert_eq!(commits(), before, "the branch of the people is as it was");

    // Whatever is left of the members, w1 goes on where it was.
    team.ok("shutdown alice");
    team.ok("forget alice");
    let again = team.plan("[[task]]\nid = \"two\"\nrun = \"cat one\"\n");
    let said = team.run(&format!("run {again} -w 1"));
    assert_eq!((said.code, worktree()), (Some(0), first), "{}{}", said.out, said.err);
    assert!(!said.err.contains(who_is_new), "{}", said.err);
    let said = team.run(&format!("run {again} -w 1 --shared"));
    assert_eq!(said.code, Some(1), "what is in its worktree is not here: {}{}", said.out, said.err);
    assert!(worktree().is_null());
}

/// A commit on `main` of the team's repository that adds this file.
fn advance(team: &Team, name: &str) -> String {
    fs::write(team.repository().join(name), "new\n").unwrap();
    team.git(&format!("add {name}"));
    team.git(&format!("commit -qm {name}"));
    team.git("rev-parse HEAD")
}

#[test]
fn a_second_run_begins_at_the_commit_that_the_base_is_at_by_then() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nrun = \"git rev-parse HEAD\"\n[[task]]\nrun = \"git rev-parse HEAD\"\n");
    let mut tasks = 0;
    let mut at = |base: &str| {
        let ran = team.run(&format!("run {plan} --worktree -w 2{base}"));
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        tasks += 2;
        ([tasks - 1, tasks].map(|id| team.task(id)["attempts"][0]["end"]["result"].clone()), ran.err)
    };
    let first = team.git("rev-parse HEAD");
    assert_eq!(at("").0, [&*first, &*first]);
    let second = advance(&team, "second");
    let (ends, said) = at("");
    assert_eq!(ends, [&*second, &*second]);
    let moved = format!("goes on in its worktree, moved to {}: it held no unmerged work", &second[..10]);
    assert!(said.contains(&moved), "{said}");
    let third = advance(&team, "third");
    assert_eq!(at(" --base main").0, [&*third, &*third]);
    assert_eq!(at(" --base main~2").0, [&*first, &*first]);
}

#[test]
fn a_base_that_is_given_is_obeyed_or_refused_and_work_is_never_moved() {
    let team = Team::new();
    team.ok("spawn bob --worktree");
    team.ok("task add --run --to bob echo mine > mine; git add mine; git commit -qm mine");
    team.ok("wait 1");
    let second = advance(&team, "second");
    let plan = team.plan("[[task]]\nrun = \"git log --format=%s\"\n");
    // It runs already.
    let ran = team.run(&format!("run {plan} --worktree -w 1 --base main"));
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("bob runs already, and its worktree lacks 1 commit of main"), "{}", ran.err);
    assert!(ran.err.contains("teamster shutdown bob"), "{}", ran.err);
    let ran = team.run(&format!("run {plan} --worktree -w 1"));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let lacks = "bob goes on in its worktree, and lacks 1 commit of the base: it runs already";
    assert!(ran.err.contains(lacks), "{}", ran.err);
    team.ok("shutdown bob");

    let before = team.git(&format!("rev-parse {}", team.branch("bob")));
    let said = team.fails(1, "spawn bob --base main");
    assert!(said.contains("can not begin at `main`: it holds 1 unmerged commit"), "{said}");
    assert!(said.contains("without --base it goes on where it is"), "{said}");
    let told = team.ok("spawn bob");
    let lacks = ", where it was before, and lacks 1 commit of the base: it holds 1 unmerged commit (";
    assert!(told.contains(lacks), "{told}");
    assert_eq!(team.git(&format!("rev-parse {}", team.branch("bob"))), before);
    team.ok("shutdown bob");

    // Once it is merged, nothing keeps it.
    team.git(&format!("merge -q --no-edit {}", team.branch("bob")));
    let merged = team.git("rev-parse HEAD");
    assert_ne!(merged, second);
    let spawned = team.json("spawn bob --base main");
    assert_eq!(spawned["base"]["moved"], serde_json::json!({"from": before, "to": merged}));
    assert_eq!(team.git(&format!("rev-parse {}", team.branch("bob"))), merged);
}

#[test]
fn a_worker_that_dies_goes_on_where_it_was_whatever_the_base_is() {
    let team = Team::new();
    team.ok("spawn bob --worktree");
    let first = team.git("rev-parse HEAD");
    advance(&team, "second");
    let pid = team.json("status bob")["pid"].as_u64().unwrap();
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"bob\"");
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"bob\"");
    team.ok("task add --run --to bob git rev-parse HEAD");
    team.ok("wait 1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], first);
}
