//! `spawn`, `list`, `status`, `shutdown`, `kill`: members come, work where they were told, and go.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

#[test]
fn a_member_in_a_worktree_works_on_its_own_branch_from_its_base() {
    let team = Team::new();
    let first = team.git("rev-parse HEAD");
    team.git("tag v1");
    team.git("commit --quiet --allow-empty --message=second");
    let spawned = team.json("spawn alice --worktree --base v1");
    let worktree = &spawned["workspace"]["worktree"];
    assert_eq!((&worktree["base"], &worktree["branch"]), (&first.into(), &team.branch("alice").into()));
    let second = team.git("rev-parse HEAD");
    assert_eq!(team.json("spawn bob --worktree")["workspace"]["worktree"]["base"], second, "HEAD if none is given");
    team.ok("task add --run --to alice -- echo new > new && git add new && git commit -qm new && pwd");
    team.until_event("completed");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], worktree["dir"]);
    assert!(!team.repository().join("new").exists(), "the user's own tree is not touched");
    assert_eq!(team.git(&format!("log --format=%s v1..{}", team.branch("alice"))), "new");
    // Who comes back finds its work as it left it.
    team.ok("shutdown alice");
    team.ok("spawn alice --worktree");
    assert_eq!(team.git(&format!("log --format=%s v1..{}", team.branch("alice"))), "new");
}

#[test]
fn a_member_in_a_shared_directory_works_where_it_was_told() {
    let team = Team::new();
    let here = team.repository().canonicalize().unwrap();
    fs::create_dir(here.join("sub")).unwrap();
    for (line, dir) in
        [("spawn a", here.clone()), ("spawn b --shared", here.clone()), ("spawn c --cwd sub", here.join("sub"))]
    {
        assert_eq!(team.json(line)["workspace"]["shared"]["dir"], dir.to_str().unwrap(), "{line}");
    }
    team.ok("task add --run --to c pwd");
    team.until_event("completed");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], here.join("sub").to_str().unwrap());
    assert!(team.fails(1, "spawn d --cwd nowhere").contains("cannot work in /t/work/app/nowhere"));
    assert!(team.fails(1, "status d").contains("there is no member d"), "nobody was put on the roster");
}

#[test]
fn a_role_takes_what_asks_for_it_and_no_claim_takes_only_what_is_its_own() {
    let team = Team::new();
    team.ok("spawn plain");
    team.ok("spawn quiet --no-claim");
    let said = team.run("task add --run --role tester true");
    assert_eq!(said.code, Some(0), "{}", said.err);
    team.ok("task add --run --to quiet echo mine");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    team.ok("task add --run echo anyone");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":3");
    assert_eq!(team.task(2)["owner"], "quiet");
    assert_eq!(team.task(3)["owner"], "plain");
    assert_eq!(team.standing(1), "pending");
    team.ok("spawn tess --role tester");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["owner"], "tess");
}

#[test]
fn the_team_is_shown_as_it_is() {
    let team = Team::new();
    team.ok("spawn alice --worktree --role tester");
    team.ok("spawn bob --no-claim");
    team.ok("task add --run -i --to alice echo begun; read word");
    team.until_said("alice", "begun");
    team.ok("task add --run exit 2");
    team.ok("task assign 2 bob");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":2");
    team.ok("task add --after 2 write the notes");
    // Bob's books are done once he waits again.
    team.until_said("bob", "turn_ended");
    team.until_said("bob", "\"kind\":\"waiting\"");
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&team.ok("list")), @"
    name  state  for  task  agent  works in  mail
    alice  busy  [time]  1 echo begun; read word  shell (tester)  teamster/app-0/alice
    bob  idle  [time]  shell  /t/work/app
    ")
    });
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&team.ok("status")), @"
    team  app-0  /t/work/app
    leader  process [pid], up [time]
    members  1 busy, 1 idle
    tasks  1 in progress, 1 blocked, 1 failed
    files  /t/root/app-0

    name  state  for  task  agent  works in  mail
    alice  busy  [time]  1 echo begun; read word  shell (tester)  teamster/app-0/alice
    bob  idle  [time]  shell  /t/work/app

    id  needs a look; see teamster task show ID
     2  exit 2  failed, bob

    id  blocked
     3  write the notes  waits for 2
    ")
    });
    team.snapshot(|| {
        insta::assert_snapshot!(team.plain(&team.ok("status alice")), @"
        member  alice, busy for [time]
        task  1 echo begun; read word
        agent  shell, role tester; takes open tasks
        works in  /t/root/app-0/worktrees/alice
        branch  teamster/app-0/alice
        process [pid], started by the leader
        used  1 turn in [time]
        done  0 completed, 0 failed
        unread  0

        last said, [time]
        [clock] ready
        [clock] waits for work
        [clock] turn 1 began, task 1
        > echo begun; read word
        begun
        ")
    });
}

#[test]
fn shutdown_is_asked_of_one_or_of_all_and_a_busy_one_may_refuse() {
    let team = Team::new();
    for name in ["alice", "bob", "carol"] {
        team.ok(&format!("spawn {name}"));
    }
    assert_eq!(team.ok("shutdown carol"), "carol shut down");
    assert_eq!(team.state("carol"), "left");
    team.ok("task add --run -i --to alice echo begun; read word");
    team.until_said("alice", "begun");
    let said = team.run("shutdown");
    assert_eq!(said.code, Some(1));
    let mut lines: Vec<&str> = said.out.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    alice goes on, it is busy with task 1; teamster shutdown alice --finish lets it finish first
    bob shut down
    ");
    assert_eq!((team.state("alice"), team.state("bob")), ("busy".to_owned(), "left".to_owned()));
    let mut asked = team.start("shutdown alice --finish");
    asked.until("Ctrl-C");
    team.ok("steer alice go");
    let said = asked.ends().out;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("waits for alice, busy with task 1 for "), "{said}");
    assert_eq!(lines[1..], ["  Ctrl-C only stops waiting; teamster kill alice ends it now", "alice shut down"]);
    assert_eq!(team.standing(1), "completed");
    assert_eq!(team.ok("shutdown"), "no member runs");
    assert_eq!(team.ok("shutdown alice"), "alice does not run");
}

#[test]
fn a_member_that_is_killed_gives_its_task_back_and_may_come_again() {
    let team = Team::new();
    team.ok("spawn alice");
    assert!(team.fails(1, "spawn alice").contains("it runs already"));
    team.ok("task add --run -i pwd > agent; echo begun; read word");
    team.until_said("alice", "begun");
    let agent = fs::read_to_string(team.repository().join("agent")).unwrap();
    assert_eq!(team.ok("kill alice"), "alice ended at once\ntask 1 is pending again");
    assert_eq!((team.state("alice"), team.standing(1)), ("left".to_owned(), "pending".to_owned()));
    let there = |entry: std::io::Result<fs::DirEntry>| {
        let link = |name: &str| fs::read_link(entry.as_ref().unwrap().path().join(name)).unwrap_or_default();
        // The leader, its warden and its spare worker are there too.
        let is_ours = link("exe").file_name().is_some_and(|name| name.to_string_lossy().starts_with("teamster"));
        link("cwd").as_os_str() == agent.trim() && !is_ours
    };
    let agents = fs::read_dir("/proc").unwrap().map(there).filter(|there| *there).count();
    assert_eq!(agents, 0, "its agent outlived it");
    assert_eq!(team.ok("kill alice"), "alice does not run", "with a leader, as shutdown says");
    assert_eq!(team.ok("shutdown alice"), "alice does not run");
    team.ok("spawn alice");
    team.until_event("\"attempt\":2");
}

#[test]
fn several_members_are_stopped_ended_and_killed_by_one_command_with_a_result_for_each() {
    let team = Team::new();
    team.ok("spawn alice bob carol");
    for name in ["alice", "bob"] {
        team.ok(&format!("task add --run -i --to {name} echo begun; read word"));
        team.until_said(name, "begun");
    }
    let said = team.run("stop alice bob carol --reason wrong");
    assert_eq!(said.code, Some(1), "carol is in no turn");
    let mut lines: Vec<&str> = said.out.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    alice stopped; task 1 is held for it: teamster task retry 1 lets it go on
    bob stopped; task 2 is held for it: teamster task retry 2 lets it go on
    ");
    assert!(said.err.contains("error: carol: carol did not take it: no turn is running"), "{}", said.err);
    let killed = team.json("kill carol bob");
    let of = |at: usize| killed["members"][at]["name"].as_str().expect("a name").to_owned();
    assert_eq!((of(0), of(1)), ("carol".to_owned(), "bob".to_owned()));
    let mut lines: Vec<String> = team.ok("shutdown alice bob").lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["alice shut down", "bob does not run"]);
    for verb in ["stop", "shutdown", "kill"] {
        assert!(team.fails(2, &format!("{verb} alice alice")).contains("alice is named twice"));
        assert!(team.fails(1, &format!("{verb} alice nobody-here")).contains("there is no member nobody-here"));
    }
    let said = team.fails(1, "shutdown alice good night");
    assert!(said.contains("a reason is one text: teamster shutdown alice --reason"), "{said}");
}

#[test]
fn the_reason_of_a_stop_and_of_a_shutdown_is_where_one_looks_for_it() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    team.ok_words(&["stop", "alice", "--reason", "the branch is wrong"]);
    team.ok_words(&["shutdown", "alice", "--reason", "no more work today"]);
    let (log, events) = (team.ok("logs alice"), team.ok("events"));
    assert!(log.contains("turn 1 is to stop: the branch is wrong"), "{log}");
    assert!(log.contains("is asked to end: no more work today"), "{log}");
    assert!(events.contains("task 1 stopped and held: the branch is wrong"), "{events}");
    assert!(events.contains("no more work today"), "{events}");
    assert!(team.ok("task show 1").contains("the branch is wrong"));
}

#[test]
fn a_name_that_no_command_could_have_again_is_refused() {
    let team = Team::new();
    assert!(team.fails(2, "spawn -- -x").contains("it begins with -"));
    assert!(team.fails(2, "spawn 12").contains("a number means a task"));
}

#[test]
fn a_worker_by_hand_is_started_where_the_root_has_a_blank_in_its_path() {
    let team = Team::new();
    let root = team.sandbox().root().join("a root");
    let mut shell = team.other("sh");
    shell.args(["-c", r#"eval "exec $("$0" env dave)""#]).arg(Program::Teamster.path()).env("TEAMSTER_ROOT", &root);
    let mut dave = team.start_command(shell);
    dave.until("dave is ready");
    dave.signal(Signal::SIGTERM);
    dave.ends();
}

#[test]
fn who_is_spawned_again_keeps_its_role_its_claims_and_its_answer_to_silence() {
    let team = Team::new();
    team.ok("spawn tess --role tester --no-claim --on-stall abort --stall-after 3m");
    team.ok("kill tess");
    team.ok("spawn tess");
    let spec = |team: &Team| {
        let events = team.ok("events --json");
        let added = events.lines().rfind(|line| line.contains("\"kind\":\"added\"")).expect("one at least");
        let added: Value = serde_json::from_str(added).expect("an event");
        added["data"]["spec"].clone()
    };
    let kept = spec(&team);
    assert_eq!((&kept["role"], &kept["auto"]), (&"tester".into(), &"off".into()), "{kept}");
    assert_eq!(kept["stall"], serde_json::json!({"after_ms": 180_000, "then": "abort"}));
    team.ok("kill tess");
    team.ok("spawn tess --claim --role writer --on-stall show");
    let changed = spec(&team);
    assert_eq!((&changed["role"], &changed["auto"]), (&"writer".into(), &"on".into()), "{changed}");
    assert_eq!(changed["stall"], serde_json::json!({"after_ms": 180_000, "then": "show"}));
}

#[test]
fn who_is_ending_takes_no_prompt_and_it_is_said_what_to_type_instead() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let _ending = team.start("shutdown alice --finish");
    team.until_event("\"kind\":\"ending\",\"data\":{\"name\":\"alice\"");
    let told = team.fails(1, "send alice --run true");
    let said = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it takes nothing more: give it to another member"), "{said}");
    assert!(said.contains("teamster spawn alice, then teamster send alice --run COMMAND"), "{said}");
}

#[test]
fn the_stop_of_a_turn_that_is_for_no_task_is_among_the_events() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("send alice --run -i echo begun; read word");
    team.until_said("alice", "begun");
    team.ok_words(&["stop", "alice", "--reason", "wrong branch"]);
    let events = team.ok("events");
    assert!(events.contains("alice is to stop turn 1: wrong branch"), "{events}");
    team.ok("task add --run -i echo of a task; read word");
    team.until_said("alice", "of a task");
    team.ok("stop alice");
    let events = team.ok("events");
    assert_eq!(events.matches("is to stop turn").count(), 1, "the board tells of the other: {events}");
}
