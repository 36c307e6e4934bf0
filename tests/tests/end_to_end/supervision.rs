//! Who dies, hangs or is replaced, as its user sees it: the leader, a worker, an agent.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use teamster_protocol::host::process;
use teamster_protocol::store::presence::PresenceLock;
use teamster_tests::granted::{Need, granted};
use teamster_tests::processes::until_ended;
use teamster_tests::team::{Running, Team};

fn pid(team: &Team, member: &str) -> i32 {
    team.json(&format!("status {member}"))["pid"].as_i64().expect("it runs") as i32
}

fn leader(team: &Team) -> i32 {
    team.json("status")["leader"]["pid"].as_i64().expect("one leads") as i32
}

/// Waits until a process has ended, whoever is to wait for it.
pub(super) fn until_gone(process: &process::ProcessIdentity) {
    until_ended(process.pid, Duration::from_secs(30));
}

fn die(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
}

#[test]
fn a_leader_is_replaced_and_nobody_notices_but_its_process_id() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    let (worker, before) = (pid(&team, "alice"), leader(&team));
    let restarted = team.json("restart-leader");
    assert_eq!(restarted["before"], before);
    assert_eq!(restarted["leader"]["pid"], leader(&team));
    assert_ne!(restarted["leader"]["pid"], before);
    assert_eq!(pid(&team, "alice"), worker);
    assert_eq!(team.ok("steer alice hello"), "alice has it: unconfirmed");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "begun\ngot hello");
}

#[test]
fn a_worker_that_dies_comes_back_and_its_task_and_its_mail_with_it() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun $$; ls again || { touch again; read word; }");
    team.until_said("alice", "begun");
    team.ok("dm alice after this");
    die(pid(&team, "alice"));
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.until_said("alice", "after this");
    let attempts = &team.task(1)["attempts"];
    assert_eq!(attempts.as_array().map(Vec::len), Some(2), "{attempts}");
    let end = attempts[0]["end"].to_string();
    assert!(
        end.contains("killed by SIGKILL") && end.contains("begun"),
        "how it died and its last words are kept: {end}"
    );
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn a_member_that_dies_again_and_again_is_failed_and_says_why() {
    let team = Team::new();
    team.ok("spawn alice");
    let mut events = team.events();
    for _ in 0..5 {
        events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
        die(pid(&team, "alice"));
    }
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    die(pid(&team, "alice"));
    events.until("\"given_up\"");
    assert_eq!(team.state("alice"), "given_up");
    let (list, status, doctor) = (team.ok("list"), team.ok("status"), team.ok("doctor"));
    assert!(list.contains("given up") && status.contains("1 given up"), "{list}{status}");
    assert!(status.contains("needs a look") && status.contains("alice  was given up: "), "{status}");
    assert!(doctor.contains("alice was given up: ") && team.ok("events").contains("alice was given up: "), "{doctor}");
    assert!(team.ok("why alice").contains("was given up"));
    assert!(team.ok("status alice").contains("it died 6 times within 60 s"), "{}", team.ok("status alice"));
    team.ok("spawn alice");
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn whichever_half_of_a_worker_is_killed_it_has_died() {
    if !granted(Need::Cell) {
        return;
    }
    let team = Team::new();
    team.ok("up --detach");
    team.ok("spawn alice");
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    let worker = process::identity(pid(&team, "alice") as u32).expect("it runs");
    let outer = process::parent(worker.pid).expect("it runs") as i32;
    let first = leader(&team);
    assert_ne!(outer, first, "a worker in no cell where the system grants one");
    // A leader that has other things to do hears of it when all is over.
    kill(Pid::from_raw(first), Signal::SIGSTOP).expect("it is there");
    die(outer);
    until_gone(&worker);
    kill(Pid::from_raw(first), Signal::SIGCONT).expect("it is there");
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");

    // The next leader did not start it, and hears of it by the roster alone.
    die(first);
    team.ok("send alice --run true");
    let worker = pid(&team, "alice");
    let outer = process::parent(worker as u32).expect("it runs") as i32;
    assert_ne!(leader(&team), first);
    die(outer);
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");

    // Who is told to end by a signal ends for good.
    let worker = process::identity(pid(&team, "alice") as u32).expect("it runs");
    worker.signal(Signal::SIGTERM).expect("it is there");
    events.until("\"kind\":\"left\",\"data\":{\"name\":\"alice\",\"how\":\"terminated\"}");
    until_gone(&worker);
    assert_eq!(team.state("alice"), "left", "{}", team.ok("events --json"));
}

#[test]
fn a_leader_that_dies_before_it_starts_a_member_again_leaves_that_to_the_next_one() {
    let team = Team::new();
    team.ok("up --detach");
    team.ok("spawn alice");
    let mut events = team.events();
    for _ in 0..4 {
        events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
        die(pid(&team, "alice"));
    }
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    let (worker, first) = (pid(&team, "alice"), leader(&team));
    // There are 1.6 s between this death and the start, and the leader is killed in them.
    die(worker);
    events.until("\"kind\":\"restarting\",\"data\":{\"name\":\"alice\"");
    die(first);
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    assert_ne!((pid(&team, "alice"), leader(&team)), (worker, first));
    // It is the sixth, whoever counted the others.
    die(pid(&team, "alice"));
    events.until("\"given_up\"");
}

#[test]
fn who_can_not_be_started_again_for_want_of_descriptors_is_when_there_are_some() {
    let team = Team::new();
    let mut up = team.start("up");
    up.until("leading team");
    team.ok("spawn alice");
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    let (worker, first) = (pid(&team, "alice"), leader(&team));
    let first = rustix::process::Pid::from_raw(first);
    let before = getrlimit(Resource::Nofile);
    // It keeps those it has, and gets no more.
    prlimit(first, Resource::Nofile, Rlimit { current: Some(3), ..before }).expect("it is ours");
    die(worker);
    up.until("alice can not be started for now");
    prlimit(first, Resource::Nofile, before).expect("it is ours");
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    assert_eq!(team.state("alice"), "idle");
}

#[test]
fn a_leader_has_room_for_more_members_than_the_soft_limit_of_open_files_allows() {
    let team = Team::new();
    let mut up = team.other("sh");
    let program = team.command("up").get_program().to_owned();
    up.args(["-c", "ulimit -Sn 40; exec \"$0\" up --detach"]).arg(program);
    assert_eq!(team.start_command(up).ends().code, Some(0));
    // Each needs three descriptors of the leader, which has about 20 of its own.
    for member in 1..=8 {
        team.ok(&format!("spawn w{member}"));
    }
    team.file("limit.sh", "ulimit -Sn\n");
    team.ok("task add --run -f ../limit.sh");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "40", "an agent has the limit that the user has set");
}

#[test]
fn an_agent_that_says_nothing_is_shown_and_heard_again() {
    let team = Team::new();
    team.ok("spawn alice --stall-after 100ms");
    team.ok("task add --run -i read word; echo got $word; read word");
    team.until_said("alice", "\"kind\":\"stalled\"");
    assert_eq!(team.state("alice"), "stalled");
    assert!(team.ok("list").contains("stalled"));
    assert!(team.ok("why alice").contains("its agent, which has said nothing"), "{}", team.ok("why alice"));
    team.ok("steer alice hello");
    team.until_said("alice", "got hello");
}

#[test]
fn a_stalled_turn_is_ended_as_set() {
    let team = Team::new();
    // Longer than a busy machine takes to begin a command, which must have said its word by then.
    team.ok("spawn alice --stall-after 2s --on-stall abort");
    team.ok("task add --run -i echo begun; read word");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":1");
    let end = team.task(1)["attempts"][0]["end"].clone();
    let why = end["how"]["failed"]["reason"].as_str();
    assert!(why.is_some_and(|why| why.contains("its agent said nothing for")), "{end}");
    assert_eq!((end["result"].as_str(), team.state("alice")), (Some("begun"), "idle".to_owned()));

    team.ok("spawn bob --no-claim --stall-after 2s --on-stall restart");
    let before = pid(&team, "bob");
    team.ok("task add --to bob --run -i ls again || { touch again; echo so far; read word; }");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_ne!(pid(&team, "bob"), before, "agent and worker were started anew");
    assert_eq!(team.task(2)["attempts"].as_array().map(Vec::len), Some(2));
    let end = team.task(2)["attempts"][0]["end"].to_string();
    assert!(
        end.contains("worker_died") && end.contains("its agent said nothing for") && end.contains("so far"),
        "{end}"
    );
}

#[test]
fn an_agent_that_stalls_is_asked_to_go_on() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script --stall-after 100ms --on-stall steer");
    team.ok("task add wait");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let shown = team.ok("logs alice");
    assert!(shown.contains("steered: nothing was heard of you"), "{shown}");
}

#[test]
fn who_was_asked_to_end_says_so_until_it_has() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let mut ending = team.start("shutdown alice --finish");
    ending.until("waits for alice");
    let why = team.ok("why alice");
    assert!(why.contains("has been ending for") && why.contains("on task 1"), "{why}");
    team.ok("steer alice go");
    assert_eq!(ending.ends().code, Some(0));
    assert_eq!(team.state("alice"), "left");
}

/// A leader that soon notices who hangs.
fn watchful(team: &Team) -> Running {
    let mut up = team.command("up");
    up.env("TEAMSTER_POLL_MS", "50").env("TEAMSTER_ANSWER_WITHIN_MS", "500");
    let mut up = team.start_command(up);
    up.until("leading team");
    up
}

fn stop(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it is there");
}

#[test]
fn a_worker_that_hangs_is_shown_and_shown_to_be_well_again() {
    let team = Team::new();
    let _up = watchful(&team);
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; echo got $word; read word");
    team.until_said("alice", "begun");
    let worker = pid(&team, "alice");
    stop(worker);
    team.until_event("\"kind\":\"hung\",\"data\":{\"name\":\"alice\"}");
    assert_eq!(team.state("alice"), "hung");
    assert!(team.ok("list").contains("hung"));
    assert!(team.ok("why 1").contains("its worker has not answered"), "{}", team.ok("why 1"));
    assert!(team.ok("status").contains("1 hung"), "{}", team.ok("status"));
    kill(Pid::from_raw(worker), Signal::SIGCONT).expect("it is there");
    team.until_event("\"kind\":\"answering\",\"data\":{\"name\":\"alice\"}");
    assert_eq!((team.state("alice"), pid(&team, "alice")), ("busy".to_owned(), worker));
    team.ok("steer alice hello");
    team.until_said("alice", "got hello");
}

#[test]
fn who_is_killed_for_good_does_not_come_back_though_the_leader_dies_before_it_is_buried() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i trap '' TERM; echo begun; read word");
    team.until_said("alice", "begun");
    let worker = process::identity(pid(&team, "alice") as u32).expect("it runs");
    // Its agent does not heed SIGTERM, so that its end takes longer than the life of its leader.
    let killing = team.start("kill alice");
    team.until_event("\"kind\":\"dismissed\",\"data\":{\"name\":\"alice\"}");
    die(leader(&team));
    assert_ne!(killing.ends().code, Some(0), "it is not known yet what comes of it");
    team.until_event("\"kind\":\"left\",\"data\":{\"name\":\"alice\"");
    until_gone(&worker);
    assert_eq!(team.state("alice"), "left");
    let events = team.ok("events --json");
    assert!(!events.contains("\"restarting\""), "{events}");
}

#[test]
fn a_worker_that_hangs_while_it_finishes_its_turn_is_shown_and_ended() {
    let team = Team::new();
    let _up = watchful(&team);
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let ending = team.start("shutdown alice --finish");
    team.until_event("\"shutdown_reply\"");
    stop(pid(&team, "alice"));
    team.until_event("\"kind\":\"hung\",\"data\":{\"name\":\"alice\"}");
    assert_eq!(ending.ends().code, Some(0));
    assert_eq!(team.state("alice"), "left", "it is not started again");
    assert_eq!(team.standing(1), "pending");
}

#[test]
fn a_worker_that_hangs_is_killed_if_that_is_set_or_its_task_takes_too_long() {
    let team = Team::new();
    let _up = watchful(&team);
    let again = "--run -i ls again || { touch again; echo begun; read word; }";
    let restart = "--on-stall restart";
    for (id, name, set, add) in [(1, "alice", restart, ""), (2, "bob", "", "--timeout 3s"), (3, "cy", restart, "")] {
        team.ok(&format!("spawn {name} {set} --worktree --no-claim"));
        team.ok(&format!("task add --to {name} {add} {again}"));
        team.until_said(name, "begun");
        let worker = pid(&team, name);
        stop(worker);
        if name == "cy" {
            // The next leader has never heard of it but by the roster.
            die(leader(&team));
        }
        team.until_event(&format!("\"kind\":\"restarting\",\"data\":{{\"name\":\"{name}\""));
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id}"));
        assert_ne!(pid(&team, name), worker);
        assert_eq!(team.task(id)["attempts"].as_array().map(Vec::len), Some(2));
    }
}

/// Stops both halves of a member's worker, the outer one first: it passes on nothing by then. Returns them.
fn stop_both_halves(team: &Team, member: &str) -> [process::ProcessIdentity; 2] {
    let worker = process::identity(pid(team, member) as u32).expect("it runs");
    let outer = process::identity(process::parent(worker.pid).expect("it runs")).expect("it runs");
    for half in [&outer, &worker] {
        half.signal(Signal::SIGSTOP).expect("it is there");
    }
    [outer, worker]
}

#[test]
fn a_worker_of_which_both_halves_are_stopped_is_ended_and_started_again() {
    if !granted(Need::Cell) {
        return;
    }
    let team = Team::new();
    let _up = watchful(&team);
    team.ok("spawn alice --on-stall restart");
    team.ok("task add --run -i ls again || { touch again; echo begun; read word; }");
    team.until_said("alice", "begun");
    let halves = stop_both_halves(&team, "alice");
    team.until_event("\"kind\":\"restarting\",\"data\":{\"name\":\"alice\"");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    halves.iter().for_each(until_gone);

    let halves = stop_both_halves(&team, "alice");
    team.ok("kill alice");
    halves.iter().for_each(until_gone);
    assert_eq!(team.state("alice"), "left");
    team.ok("spawn alice");

    // The next leader knows it by the roster alone.
    die(leader(&team));
    team.ok("send alice --run true");
    let halves = stop_both_halves(&team, "alice");
    team.ok("kill alice");
    halves.iter().for_each(until_gone);
    team.ok("spawn alice");
    let halves = stop_both_halves(&team, "alice");
    team.ok("down --force");
    halves.iter().for_each(until_gone);
}

#[test]
fn a_leader_whose_team_was_removed_ends_and_leaves_the_next_one_alone() {
    let team = Team::new();
    let mut up = team.command("up");
    up.env("TEAMSTER_POLL_MS", "50");
    let mut up = team.start_command(up);
    up.until("leading team");
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let worker = team.json("status alice")["pid"].as_u64().expect("it runs") as u32;
    let worker = process::identity(worker).unwrap();
    fs::rename(team.dir().path(), team.sandbox().work().join("aside")).unwrap();
    team.ok("spawn alice");
    let next = leader(&team);
    let said = up.ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("leader.lock was removed or replaced"), "{}", said.err);
    assert!(!worker.runs(), "its worker is not left behind");
    assert_eq!((leader(&team), team.state("alice")), (next, "idle".to_owned()));
}

#[test]
fn doctor_tells_the_level_that_a_worker_truly_reaches() {
    let team = Team::new();
    team.ok("spawn alice");
    let reached = team.json("status alice")["isolation"].as_str().map(str::to_owned);
    let told = |level: &str| {
        let mut doctor = team.command("doctor");
        doctor.env("TEAMSTER_ISOLATION", level);
        team.start_command(doctor).ends().out
    };
    let granted = told("auto").contains("✓ a PID namespace for each worker");
    assert_eq!(reached.as_deref(), Some(if granted { "namespace" } else { "subreaper" }));
    assert!(told("subreaper").contains("! no PID namespace for a worker"), "{}", told("subreaper"));
    team.ok("down");
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_ISOLATION", "subreaper");
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice");
    assert_eq!(told("auto").contains("alice runs without a PID namespace, and could have one"), granted);
}

#[test]
fn who_is_killed_has_left_nothing_behind_when_that_is_said() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_ISOLATION", "subreaper");
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice");
    team.file("task.sh", "setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 1; done' &\nwait\n");
    team.ok("task add --run -f ../task.sh");
    team.until_said("alice", "pid ");
    let said = team.ok("logs alice");
    let left = said.lines().find_map(|line| line.split("pid ").nth(1)?.trim().parse::<u32>().ok()).unwrap();
    let left = process::identity(left).expect("it runs");
    // It can not end its agent itself, and its task is given back only after somebody else has.
    die(pid(&team, "alice"));
    team.until_event("\"kind\":\"restarting\",\"data\":{\"name\":\"alice\"");
    assert!(!left.runs(), "{left:?} is there");
}

/// Kills a worker while its leader can not notice, and lets `meanwhile` happen before that goes on.
fn die_unnoticed<T>(team: &Team, worker: i32, meanwhile: impl FnOnce() -> T) -> T {
    let (leader, dead) = (leader(team), process::identity(worker as u32).expect("it runs"));
    stop(leader);
    die(worker);
    until_gone(&dead);
    let happened = meanwhile();
    kill(Pid::from_raw(leader), Signal::SIGCONT).expect("it is there");
    happened
}

#[test]
fn how_a_worker_died_stays_with_its_task_also_if_a_poll_is_due_in_that_moment() {
    let team = Team::new();
    let _up = watchful(&team);
    team.ok("spawn alice");
    team.ok("task add --run -i ls again || { touch again; echo begun; read word; }");
    team.until_said("alice", "begun");
    // To look at the team takes longer than from one poll to the next.
    die_unnoticed(&team, pid(&team, "alice"), || (0..5).for_each(|_| drop(team.ok("status"))));
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let end = team.task(1)["attempts"][0]["end"].to_string();
    assert!(end.contains("killed by SIGKILL"), "{end}");
}

#[test]
fn that_a_member_is_started_again_is_said_also_if_somebody_else_buries_it() {
    let team = Team::new();
    team.ok("up --detach");
    team.ok("spawn alice");
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    // As a worker does that gives back what the dead held.
    let path = team.dir().member_lock(&"alice".parse().unwrap());
    let burying = die_unnoticed(&team, pid(&team, "alice"), || PresenceLock::take(&path, 0).expect("nobody holds it"));
    events.until("\"kind\":\"restarting\",\"data\":{\"name\":\"alice\"");
    burying.release();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
}
