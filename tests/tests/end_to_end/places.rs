//! The place that a member works in: kept when it is spawned again, and the commit at which a worktree begins.

use std::fs;

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
