//! `run` and `demo`: a plan in, an exit code out.

use nix::sys::signal::Signal;
use serde_json::Value;
use teamster_tests::team::{Running, Said, Team};

/// The objects that `run --json` printed, one a line.
fn objects(said: &Said) -> Vec<Value> {
    let object = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err));
    said.out.lines().map(object).collect()
}

/// The last of them.
fn summary(said: &Said) -> Value {
    let summary = objects(said).pop().unwrap_or_else(|| panic!("nothing was printed: {}", said.err));
    assert_eq!(summary["kind"], "summary", "{summary}");
    summary
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
        "[[task]]\nid = \"bad\"\nrun = \"echo trying; echo oops; exit 3\"\n\
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
         4  good  w1  completed  [time]  and more

        1 bad on w1: exit status 3
          trying
          oops

        3 slow on w1: timed out after [time]

        1 completed, 2 failed, 1 pending in [time]
        see teamster logs 1; do what failed again with teamster run --retry-failed
        ")
    });
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&said.err), @"
        4 tasks for 1 worker
        [clock] w1 began 1 bad
        [clock] w1 failed 1 bad in [time]: exit status 3: oops
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
fn of_a_task_that_is_done_again_a_run_shows_what_its_last_attempt_said() {
    let team = Team::new();
    let plan = team.plan(
        "[[task]]\nrun = \"test -e a && exit 4; touch a; echo oops; exit 3\"\n\
         [[task]]\nrun = \"test -e b && exit; touch b; echo oh no; exit 3\"\n",
    );
    let first = summary(&team.run(&format!("run {plan} --json")));
    let (failed, mended) = (&first["tasks"][0], &first["tasks"][1]);
    assert_eq!((&failed["result"], &mended["result"]), (&"oops".into(), &"oh no".into()));
    let again = summary(&team.run("run --retry-failed --json"));
    let (failed, mended) = (&again["tasks"][0], &again["tasks"][1]);
    assert_eq!((&failed["reason"], &failed["attempts"]), (&"exit status 4".into(), &2.into()));
    assert_eq!((&mended["status"], &mended["attempts"]), (&"completed".into(), &2.into()));
    assert_eq!((&failed["result"], &mended["result"]), (&Value::Null, &Value::Null), "neither said anything this time");
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
    let said = team.run(&format!("run {plan} -w 1 --timeout 10s --json"));
    assert_eq!(said.code, Some(1), "{}", said.err);
    let ran = summary(&said);
    assert_eq!((&ran["ok"], &ran["ended"]), (&false.into(), &"timed_out".into()));
    assert_eq!((team.standing(1), team.standing(2)), ("stopped".to_owned(), "stopped".to_owned()));
}

/// A run whose first task waits for a word in the fifo `go`, and whose second waits for the first.
fn run_that_waits(team: &Team) -> Running {
    let plan = "[[task]]\nrun = \"mkfifo go; echo begun; read x < go; echo done\"\n\
                [[task]]\nrun = \"true\"\nafter = [\"1\"]\n";
    let mut run = team.start(&format!("run {} -w 1", team.plan(plan)));
    run.until("w1 began 1");
    team.until_said("w1", "begun");
    run.signal(Signal::SIGINT);
    run.until("finishing what runs; Ctrl-C again stops it");
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
     1  mkfifo go; echo begun; …  w1  completed  [time]  done
     2  true  stopped

    1 completed, 1 stopped in [time], interrupted
    go on with teamster run --resume
    ")
    });
    assert_eq!((team.standing(1), team.standing(2)), ("completed".to_owned(), "stopped".to_owned()));
    let rest = summary(&team.run("run --resume --json"));
    assert_eq!(rest["counts"]["completed"], 1);
}

#[test]
fn ctrl_c_twice_stops_what_runs_and_loses_no_task() {
    let team = Team::new();
    let run = run_that_waits(&team);
    // The worker has agreed to end after its turn, and says so again when it ends on the signal.
    team.until_event("shutdown_reply");
    run.signal(Signal::SIGINT);
    let said = run.ends();
    assert_eq!(said.code, Some(130));
    let own_log = ["WARN", "ERROR", "teamster_leader", "shutdown request", "warning:"];
    assert!(!own_log.iter().any(|word| said.err.contains(word)), "{}", said.err);
    assert!(said.out.contains("2 stopped in ") && said.out.contains(", interrupted"), "{}", said.out);
    assert_eq!((team.standing(1), team.standing(2)), ("stopped".to_owned(), "stopped".to_owned()));
    assert!(team.task(1)["attempts"][0]["end"]["how"]["released"].is_object());
    assert_eq!(team.task(1)["assignee"], Value::Null, "it is kept for nobody: w1 is gone");
}

/// A run whose tasks are done by a member that was there before. The first waits for a word in the fifo `go`.
fn run_by_alice(team: &Team, options: &str) -> Running {
    team.ok("spawn alice");
    let plan = "[[task]]\nrun = \"mkfifo go; echo begun; read x < go\"\n[[task]]\nrun = \"true\"\n";
    let mut run = team.start(&format!("run {} -w 1 {options}", team.plan(plan)));
    run.until("2 tasks for 1 worker, of which alice is there already");
    run.until("alice began 1");
    team.until_said("alice", "begun");
    run
}

/// Neither the leader nor alice went with the run, and nobody has taken the second task.
fn alice_is_there_and_took_one_task(team: &Team) {
    assert_eq!(team.state("alice"), "idle");
    assert_eq!((team.standing(2), team.task(2)["attempts"].clone()), ("stopped".to_owned(), Value::Array(Vec::new())));
    // Who is asked for more work finds none: the rest is held.
    team.ok("send alice --run true");
    team.until_said("alice", "\"kind\":\"turn_ended\",\"data\":{\"turn\":2");
    assert_eq!(team.standing(2), "stopped");
}

#[test]
fn ctrl_c_twice_stops_what_runs_on_a_member_that_was_there_before() {
    let team = Team::new();
    let mut run = run_by_alice(&team, "");
    run.signal(Signal::SIGINT);
    run.until("finishing what runs");
    run.signal(Signal::SIGINT);
    let said = run.ends();
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert!(said.err.contains("alice was stopped at 1"), "{}", said.err);
    assert_eq!((team.standing(1), team.task(1)["assignee"].clone()), ("stopped".to_owned(), Value::Null));
    alice_is_there_and_took_one_task(&team);
    team.ok("task cancel 1");
    let rest = summary(&team.run("run --resume --json"));
    assert_eq!((&rest["ok"], &rest["tasks"][0]["member"]), (&true.into(), &"alice".into()));
}

#[test]
fn ctrl_c_once_lets_a_member_that_was_there_before_finish_and_begin_nothing_more() {
    let team = Team::new();
    let mut run = run_by_alice(&team, "");
    run.signal(Signal::SIGINT);
    run.until("finishing what runs");
    team.until_event("held");
    team.feed("go", "go");
    let said = run.ends();
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert_eq!(team.standing(1), "completed");
    alice_is_there_and_took_one_task(&team);
}

#[test]
fn a_run_whose_time_is_over_stops_what_runs_on_a_member_that_was_there_before() {
    let team = Team::new();
    let said = run_by_alice(&team, "--timeout 10s").ends();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("the time is over") && said.out.contains("2 stopped in "), "{}{}", said.err, said.out);
    alice_is_there_and_took_one_task(&team);
}

#[test]
fn a_member_that_is_there_is_one_of_the_workers_that_were_asked_for() {
    let team = Team::new();
    team.ok("spawn alice");
    let plan = team.plan("[[task]]\nrun = \"true\"\n[[task]]\nrun = \"true\"\n[[task]]\nrun = \"true\"\n");
    let said = team.run(&format!("run {plan} -w 2"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.starts_with("3 tasks for 2 workers, of which alice is there already\n"), "{}", said.err);
    let members = team.json("list --all")["members"].clone();
    let names: Vec<&Value> = members.as_array().unwrap().iter().map(|member| &member["name"]).collect();
    assert_eq!(names, ["alice", "w1"]);
    assert_eq!(team.state("alice"), "idle", "who was there before stays");
}

#[test]
fn json_reports_a_run_as_it_goes_one_object_a_line() {
    let team = Team::new();
    let plan = team.plan(
        "[[task]]\nid = \"a\"\nrun = \"mkfifo go; read x < go; echo one\"\n\
         [[task]]\nrun = \"echo two; exit 2\"\nafter = [\"a\"]\n",
    );
    let mut run = team.start(&format!("run {plan} -w 1 --json"));
    // It is told while it goes: the task can not end before its word is given.
    run.until("\"kind\":\"claimed\",\"task\":1");
    team.until_event("claimed");
    team.sh("until [ -p go ]; do :; done");
    team.feed("go", "go");
    let said = run.ends();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let told = objects(&said);
    let kinds: Vec<&str> = told.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["begun", "listed", "claimed", "completed", "claimed", "failed", "summary"]);
    assert_eq!((&told[0]["tasks"], &told[0]["spawns"]), (&2.into(), &serde_json::json!(["w1"])));
    assert_eq!(told[1]["tasks"][0], serde_json::json!({"id": 1, "label": "a", "title": told[1]["tasks"][0]["title"]}));
    assert_eq!((&told[3]["member"], &told[3]["result"]), (&"w1".into(), &"one".into()));
    assert_eq!((&told[5]["reason"], &told[5]["result"]), (&"exit status 2".into(), &"two".into()));
    assert_eq!(told[6]["counts"], serde_json::json!({"completed": 1, "failed": 1}));
}

#[test]
fn a_run_that_is_resumed_with_nothing_left_says_so_and_what_failed_can_be_done_again() {
    let team = Team::new();
    let said = team.fails(1, "run --resume");
    assert!(said.contains("nothing to run") && said.contains("hint: give it a plan"), "{said}");
    let plan = team.plan("[[task]]\nrun = \"true\"\n[[task]]\nrun = \"echo no; test -e there\"\n");
    assert_eq!(team.run(&format!("run {plan} -w 1")).code, Some(1));
    let said = team.run("run --resume");
    assert_eq!(said.code, Some(1), "{}", said.err);
    insta::assert_snapshot!(said.out, @"
    2 echo no; test -e there on w1: exit status 1
      no

    nothing is left to do: 1 completed, 1 failed
    see teamster logs 2; do what failed again with teamster run --retry-failed
    ");
    team.sh("touch there");
    let again = summary(&team.run("run --retry-failed --json"));
    assert_eq!((&again["ok"], &again["tasks"].as_array().unwrap().len()), (&true.into(), &1));
    for line in ["run --resume", "run --retry-failed"] {
        let said = team.run(line);
        assert_eq!((said.code, said.out.as_str()), (Some(0), "nothing is left to do: 2 completed\n"), "{}", said.err);
    }
    let said = team.run("run --resume --json");
    assert_eq!((said.code, &summary(&said)["nothing_left"]), (Some(0), &true.into()));
}

#[test]
fn a_run_that_is_resumed_goes_on_where_it_was_with_as_many_workers_and_what_they_were_told() {
    let team = Team::new();
    let commit = "git -c user.name=w -c user.email=w@x commit -qm one";
    let plan = team.plan(&format!(
        "[[task]]\nid = \"one\"\nrun = \"echo 1 > one; git add one; {commit}\"\n\
         [[task]]\nid = \"two\"\nrun = \"cat one; test -e \\\"$ROOM/there\\\"\"\nafter = [\"one\"]\n\
         [[task]]\nid = \"three\"\nrun = \"cat one\"\nafter = [\"two\"]\n"
    ));
    let room = team.sandbox().work();
    let run = |line: &str| {
        let mut command = team.command(line);
        command.env("ROOM", &room);
        team.start_command(command).ends()
    };
    let said = run(&format!("run {plan} -w 1 --worktree --on-stall abort --stall-after 3m"));
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    std::fs::write(room.join("there"), "").expect("it can be written");
    let preview = team.ok("run --retry-failed --dry-run");
    assert!(preview.contains("would start: w1, agent shell, each in the worktree that it had"), "{preview}");
    let said = run("run --retry-failed --json");
    let again = summary(&said);
    assert_eq!((said.code, &again["ok"]), (Some(0), &true.into()), "{}{}", said.out, said.err);
    let members = team.json("list --all")["members"].as_array().expect("a list").len();
    assert_eq!(members, 1, "what the first worker committed is in its worktree, and another would not have it");
    let events = team.ok("events --json");
    let kept = "\"stall\":{\"after_ms\":180000,\"then\":\"abort\"}";
    assert_eq!(events.matches(kept).count(), 2, "{events}");
}

#[test]
fn a_task_is_typed_by_its_number_and_who_types_its_name_is_told_that() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nid = \"build\"\nrun = \"true\"\n[[task]]\nrun = \"echo second\"\n");
    assert_eq!(team.run(&format!("run {plan} -w 1")).code, Some(0));
    for line in ["logs build", "why build", "status build"] {
        let told = team.fails(1, line);
        assert!(told.contains("build is task 1, by its name in a plan: type 1 for the task"), "{told}");
    }
    let told = team.fails(2, "task show build");
    assert!(told.contains("type its number: teamster task list shows it"), "{told}");
    let listed = team.ok("task list");
    assert!(listed.contains("build: true") && !listed.contains("2: echo second"), "{listed}");
}

#[test]
fn a_dry_run_shows_what_would_be_done_and_writes_nothing() {
    let team = Team::new();
    let plan = team.plan(
        "[[task]]\nid = \"test\"\nrun = \"make test\"\nafter = [\"build\"]\n\
         [[task]]\nid = \"build\"\nrun = \"make\"\n\
         [[task]]\nid = \"docs\"\nrun = \"make docs\"\nto = \"ada\"\npriority = 3\n",
    );
    let root = team.sandbox().root();
    let told = team.ok(&format!("run {plan} --dry-run"));
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "the team was made");
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&told), @"
        id  task  waits for  for  does
         3  docs  ada  make docs
         2  build  make
         1  test  2  make test

        would start: ada, w1, w2, agent shell, in /t/work/app

        nothing was done: this was a dry run
        ")
    });
    // With a team: who is there, what is left, and what is refused, as in a run.
    team.ok("spawn ada --no-claim");
    team.ok("task add --run echo left");
    assert!(team.fails(1, &format!("run {plan} --dry-run")).contains("unfinished tasks"));
    let before = team.ok("events --json");
    let preview = team.json(&format!("run {plan} --resume --dry-run -w 2"));
    assert_eq!(team.ok("events --json"), before);
    let ids: Vec<&Value> = preview["tasks"].as_array().unwrap().iter().map(|task| &task["id"]).collect();
    assert_eq!(ids, [4, 1, 3, 2].map(Value::from).iter().collect::<Vec<_>>());
    let names: Vec<&Value> = preview["spawns"].as_array().unwrap().iter().map(|member| &member["name"]).collect();
    assert_eq!((&preview["there"], names), (&serde_json::json!(["ada"]), vec![&"w1".into(), &"w2".into()]));
}

#[test]
fn the_demo_tells_that_all_of_it_happened() {
    let team = Team::new();
    let said = team.run("demo");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().filter(|line| line.starts_with('✓')).count(), 15);
}

#[test]
fn the_demo_with_an_agent_of_words_gives_prompts_and_wants_to_see_commits() {
    let team = Team::new();
    let agent = team.sandbox().work().join("agent.sh");
    std::fs::write(&agent, "echo \"$1\" > asked; git add -A && git commit -qm done && echo I did it\n")
        .expect("a file");
    let mut demo = team.command("demo");
    demo.args(["--agent", &format!("cmd:sh {} {{}}", agent.display())]);
    let said = team.start_command(demo).ends();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("ada has made a greeting – \"I did it\""), "{}", said.out);
    assert!(said.out.contains("ahead of main"), "{}", said.out);
    // Who commits nothing has not done it.
    let mut demo = team.command("demo");
    demo.args(["--agent", "cmd:true {}"]);
    let said = team.start_command(demo).ends();
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.err.contains("0 commits are on the branches, not 3"), "{}", said.err);
    assert!(team.fails(2, "demo --agent shell").contains("runs commands only"));
    assert!(team.fails(2, "demo --model x").contains("name it with --agent"));
}
