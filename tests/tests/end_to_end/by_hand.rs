//! A worker that somebody started with the line `env` prints: a member like any other, reached by mail where no leader
//! runs.

use nix::sys::signal::Signal;
use teamster_protocol::host::process;
use teamster_tests::granted::{Need, granted};
use teamster_tests::team::{Running, Team};

fn start(team: &Team, name: &str) -> Running {
    let line = team.ok(&format!("env {name}"));
    let mut shell = team.sandbox().command("sh");
    shell.current_dir(team.repository()).args(["-c", &format!("exec env {line}")]);
    let mut worker = team.start_command(shell);
    worker.until("is ready in team");
    worker
}

#[test]
fn it_obeys_as_a_child_of_the_leader_does() {
    let team = Team::new();
    team.ok("up --detach");
    let dave = start(&team, "dave");
    team.ok("task add --run -i echo up; read word; echo got $word");
    team.until_said("dave", "up");
    team.ok("steer dave this way");
    team.until_said("dave", "got this way");
    team.ok("task add --run -i echo again; read word");
    team.until_said("dave", "again");
    team.ok("stop dave --reason wrong-branch");
    team.until_event("\"why\":\"stopped\"");
    assert_eq!(team.task(2)["attempts"][0]["end"]["result"], "(stopped: wrong-branch)\nagain");
    let listed = team.json("list")["members"][0].clone();
    assert_eq!((&listed["started_by"], &listed["pid"]), (&"hand".into(), &dave.pid().into()));
    team.ok("dm dave thanks");
    team.until_said("dave", "thanks");
    assert_eq!(team.ok("shutdown dave --reason done"), "dave shut down");
    assert_eq!(dave.ends().code, Some(0));
    assert_eq!(team.state("dave"), "left");
}

#[test]
fn it_is_refused_and_refuses_as_any_other() {
    let team = Team::new();
    team.ok("up --detach");
    let dave = start(&team, "dave");
    let line = team.run("env dave");
    assert_eq!(line.err, "note: dave runs already, so this is refused until teamster shutdown dave\n");
    let line = line.out.trim_end();
    let mut second = team.sandbox().command("sh");
    second.args(["-c", &format!("exec env {line}")]);
    let second = team.start_command(second).ends();
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains(&dave.pid().to_string()), "it names the one that runs: {}", second.err);
    assert!(team.fails(1, "spawn dave").contains("dave"));
    team.ok("task add --run -i echo up; read word");
    team.until_said("dave", "up");
    let said = team.run("shutdown dave");
    assert_eq!((said.code, said.out.contains("it is busy with task 1")), (Some(1), true), "{}", said.out);
    // It is no child of the leader, and ended all the same.
    let said = team.run("kill dave");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(dave.ends().code, Some(143), "as after SIGTERM, which it obeyed");
    assert_eq!(team.standing(1), "pending");
}

#[test]
fn it_is_ended_by_force_with_both_halves_though_both_are_stopped() {
    if !granted(Need::Cell) {
        return;
    }
    let team = Team::new();
    team.ok("up --detach");
    let dave = start(&team, "dave");
    let worker = process::identity(dave.pid()).expect("it runs");
    let outer = process::identity(process::parent(worker.pid).expect("it runs")).expect("it runs");
    for half in [&outer, &worker] {
        half.signal(Signal::SIGSTOP).expect("it is there");
    }
    team.ok("down --force");
    assert_eq!(dave.ends().code, Some(143), "both go on, and the worker obeys SIGTERM");
    assert!(!outer.runs() && !worker.runs());
}

#[test]
fn it_works_and_obeys_by_mail_without_any_leader() {
    let team = Team::new();
    let dave = start(&team, "dave");
    team.ok("task add --run mkfifo go; echo up; read word < go; echo got $word");
    team.until_said("dave", "up");
    team.ok("dm dave --urgent hello");
    team.feed("go", "on");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "up\ngot on");
    team.until_said("dave", "hello");
    team.ok("task add --run -i echo again; read word");
    team.until_said("dave", "again");
    assert_eq!(team.ok("stop dave --reason wrong-branch"), "dave was told by mail to stop");
    team.until_event("\"why\":\"stopped\"");
    assert_eq!(team.task(2)["attempts"][0]["end"]["result"], "(stopped: wrong-branch)\nagain");
    assert!(team.fails(3, "kill dave").contains(&format!("kill {} ends it", dave.pid())));
    assert_eq!(team.ok("shutdown dave"), "dave shut down");
    assert_eq!(dave.ends().code, Some(0));
}
