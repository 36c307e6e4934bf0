//! `run` and `demo`: a plan in, an exit code out.

use nix::sys::signal::Signal;
use serde_json::Value;
use teamster_tests::team::{Running, Said, Team};

fn summary(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

#[test]
fn a_plan_of_fifty_tasks_is_drained_by_four_workers_in_worktrees() {
    let team = Team::new();
    let mut plan = String::new();
    for i in 0..50 {
        let after = if i >= 7 && i % 2 == 1 { format!("[\"t{}\", \"t{}\"]", i - 7, i - 3) } else { "[]".to_owned() };
        let run = format!("echo {i} > f{i} && git add f{i} && git commit -qm t{i} && echo done {i}");
        plan.push_str(&format!("[[task]]\nid = \"t{i}\"\nrun = \"{run}\"\nafter = {after}\n"));
    }
    let summary = summary(&team.run(&format!("run {} -w 4 --worktree --json", team.plan(&plan))));
    assert_eq!(summary["ok"], true);
    assert_eq!(summary["counts"]["completed"], 50);
    let tasks = summary["tasks"].as_array().unwrap();
    for (i, task) in tasks.iter().enumerate() {
        assert_eq!(task["label"], format!("t{i}"));
        assert_eq!(task["result"], format!("done {i}"));
        assert_eq!(task["attempts"], 1);
    }
    // Every commit is on the branch that the summary names, and nowhere else.
    let mut commits = 0;
    for member in ["w1", "w2", "w3", "w4"] {
        let branch = team.branch(member);
        for subject in team.git(&format!("log --format=%s main..{branch}")).lines() {
            let index: usize = subject[1..].parse().unwrap();
            assert_eq!(tasks[index]["branch"], branch.as_str(), "{subject}");
            commits += 1;
        }
    }
    assert_eq!(commits, 50);
}

#[test]
fn a_run_says_what_failed_and_goes_on_with_what_is_left() {
    let team = Team::new();
    let plan = team.plan(
        "[[task]]\nid = \"bad\"\nrun = \"echo oops; exit 3\"\n\
         [[task]]\nid = \"never\"\nrun = \"true\"\nafter = [\"bad\"]\n\
         [[task]]\nid = \"slow\"\nrun = \"read x < /dev/zero\"\ntimeout = \"100ms\"\n\
         [[task]]\nid = \"good\"\ntitle = \"a good one\"\nrun = \"echo fine; echo and more\"\n",
    );
    let said = team.run(&format!("run {plan} -w 1"));
    assert_eq!(said.code, Some(1));
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&said.out), @"
        id  task  member  state  time  result
         1  bad  w1  failed  [time]  exit status 3: oops
         2  never  pending  waits for 1 (failed)
         3  slow  w1  failed  [time]  timed out after [time]
         4  good  w1  completed  [time]  fine

        1 completed, 2 failed, 1 pending in [time]
        see teamster task show 1
        ")
    });
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&said.err), @"
        4 tasks for 1 worker
        [clock] w1 began 1 bad
        [clock] w1 failed 1 bad in [time]: exit status 3
        [clock] w1 began 3 slow
        [clock] w1 failed 3 slow in [time]: timed out after [time]
        [clock] w1 began 4 good
        [clock] w1 completed 4 good in [time]
        ")
    });
    let told = team.ok("logs w1");
    assert!(told.contains(" failed: timed out after ") && !told.contains("aborted"), "{told}");
    insta::assert_snapshot!(team.fails(1, &format!("run {plan}")), @"
    error: the board of team app-0 has unfinished tasks: 2
      hint: go on with them: teamster run --resume; or drop them: teamster task clear all
    ");
    // The cause is mended: the rest can be done.
    team.ok("task dep rm 2 1");
    let rest = summary(&team.run("run --resume --json"));
    assert_eq!((&rest["ok"], &rest["counts"]["completed"]), (&true.into(), &1.into()));
}

#[test]
fn a_plan_comes_as_json_too_and_from_standard_input() {
    let team = Team::new();
    let plan = r#"{"task": [{"id": "a", "run": "echo one"}, {"run": "echo two", "after": ["a"]}]}"#;
    let path = team.file("plan.json", plan);
    let ran = summary(&team.run(&format!("run {} --json", path.display())));
    assert_eq!(ran["counts"]["completed"], 2);
    let ran = summary(&team.start_with("run - --json", plan).ends());
    assert_eq!((&ran["tasks"][1]["id"], &ran["tasks"][1]["result"]), (&4.into(), &"two".into()));
    let ran = summary(&team.start_with("run - --json", "[[task]]\nrun = \"echo three\"\n").ends());
    assert_eq!(ran["tasks"][0]["result"], "three");
}

#[test]
fn members_and_roles_that_a_plan_names_are_spawned_for_it() {
    let team = Team::new();
    let plan = "[[task]]\nrun = \"echo $TEAMSTER_MEMBER\"\nto = \"ada\"\n\
                [[task]]\nrun = \"echo role\"\nrole = \"tester\"\n\
                [[task]]\nrun = \"echo low >> order\"\nto = \"ben\"\n\
                [[task]]\nrun = \"echo high >> order\"\nto = \"ben\"\npriority = 5\n";
    let ran = summary(&team.run(&format!("run {} -w 1 --json", team.plan(plan))));
    assert_eq!(ran["ok"], true, "{ran}");
    assert_eq!((&ran["tasks"][0]["member"], &ran["tasks"][0]["result"]), (&"ada".into(), &"ada".into()));
    let tester = ran["tasks"][1]["member"].as_str().unwrap();
    assert_eq!(team.json(&format!("status {tester}"))["role"], "tester");
    assert_eq!(std::fs::read_to_string(team.repository().join("order")).unwrap(), "high\nlow\n");
}

#[test]
fn as_many_workers_as_asked_for_run_at_once_and_leave_by_handshake() {
    let team = Team::new();
    // Each of the two waits for the other: with one worker this would never end.
    let meet = |own: &str, other: &str| format!("mkfifo {own} {other} || true; echo x > {own} & read y < {other}");
    let plan = format!("[[task]]\nrun = \"{}\"\n[[task]]\nrun = \"{}\"\n", meet("a", "b"), meet("b", "a"));
    let ran = summary(&team.run(&format!("run {} -w 2 --timeout 20s --json", team.plan(&plan))));
    assert_eq!(ran["ok"], true, "{ran}");
    let members = team.json("list --all")["members"].clone();
    let ended: Vec<(&Value, &Value)> =
        members.as_array().unwrap().iter().map(|member| (&member["name"], &member["left"])).collect();
    assert_eq!(ended, [(&"w1".into(), &"shutdown".into()), (&"w2".into(), &"shutdown".into())]);
    assert_eq!(team.json("status")["leader"], Value::Null, "the run's leader ended with it");
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_keeps_its_tasks() {
    let team = Team::new();
    let plan =
        team.plan("[[task]]\nrun = \"mkfifo never; read x < never\"\n[[task]]\nrun = \"true\"\nafter = [\"1\"]\n");
    let said = team.run(&format!("run {plan} -w 1 --timeout 2s --json"));
    assert_eq!(said.code, Some(1), "{}", said.err);
    let ran = summary(&said);
    assert_eq!((&ran["ok"], &ran["ended"]), (&false.into(), &"timed out".into()));
    assert_eq!((team.standing(1), team.standing(2)), ("pending".to_owned(), "pending".to_owned()));
}

/// A run whose first task waits for a word in the fifo `go`, and whose second waits for the first.
fn run_that_waits(team: &Team) -> Running {
    let plan = "[[task]]\nrun = \"mkfifo go; echo begun; read x < go; echo done\"\n\
                [[task]]\nrun = \"true\"\nafter = [\"1\"]\n";
    let mut run = team.start(&format!("run {} -w 1", team.plan(plan)));
    run.until("w1 began 1");
    team.until_said("w1", "begun");
    run.signal(Signal::SIGINT);
    run.until("finishing what runs; Ctrl-C again kills it");
    run
}

#[test]
fn ctrl_c_finishes_what_runs_and_leaves_the_rest_for_the_next_run() {
    let team = Team::new();
    let run = run_that_waits(&team);
    team.until_event("shutdown_request");
    team.feed("go", "go");
    let said = run.ends();
    assert_eq!(said.code, Some(130));
    team.snapshot(|| {
        insta::assert_snapshot!(said.out, @"
    id  task  member  state  time  result
     1  mkfifo go; echo begun; …  w1  completed  [time]  begun
     2  true  pending

    1 completed, 1 pending in [time], interrupted
    go on with teamster run --resume
    ")
    });
    assert_eq!((team.standing(1), team.standing(2)), ("completed".to_owned(), "pending".to_owned()));
    let rest = summary(&team.run("run --resume --json"));
    assert_eq!(rest["counts"]["completed"], 1);
}

#[test]
fn ctrl_c_twice_kills_what_runs_and_loses_no_task() {
    let team = Team::new();
    let run = run_that_waits(&team);
    run.signal(Signal::SIGINT);
    let said = run.ends();
    assert_eq!(said.code, Some(130));
    assert!(said.out.contains("2 pending in ") && said.out.contains(", interrupted"), "{}", said.out);
    assert_eq!((team.standing(1), team.standing(2)), ("pending".to_owned(), "pending".to_owned()));
    assert!(team.task(1)["attempts"][0]["end"]["how"]["released"].is_object());
}

#[test]
fn the_demo_tells_that_all_of_it_happened() {
    let team = Team::new();
    let said = team.run("demo");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().filter(|line| line.starts_with('✓')).count(), 15);
}
