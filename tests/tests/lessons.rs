//! What teams of agents have been seen to lose, to say wrongly or to leave behind elsewhere, and do not here: one test
//! for each such promise that no other test keeps. The README lists them all.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;
use teamster_protocol::host::process;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

fn process_of(team: &Team, member: &str) -> Pid {
    pid(&team.json(&format!("status {member}"))["pid"])
}

fn leader(team: &Team) -> Pid {
    pid(&team.json("status")["leader"]["pid"])
}

fn pid(number: &Value) -> Pid {
    Pid::from_raw(number.as_i64().expect("it runs") as i32)
}

fn runs(pid: u32) -> bool {
    process::identity(pid).is_ok_and(|identity| identity.runs())
}

/// Everything below a directory; what goes meanwhile is passed over.
fn all_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn who_is_killed_while_adding_tasks_takes_none_back_and_repeats_no_number() {
    let team = Team::new();
    let mut acknowledged = Vec::new();
    for round in 1..=10 {
        let mut adding = team.sandbox().command("sh");
        let script = "while \"$0\" task add --run true; do :; done";
        adding.current_dir(team.repository()).process_group(0);
        adding.args(["-c", script]).arg(Program::Teamster.path());
        let mut adding = team.start_command(adding);
        for _ in 0..round % 4 {
            adding.until("is on the board");
        }
        killpg(Pid::from_raw(adding.started() as i32), Signal::SIGKILL).unwrap();
        let said = adding.ends().out;
        let number = |line: &str| line.strip_prefix("task ")?.strip_suffix(" is on the board")?.parse::<u64>().ok();
        acknowledged.extend(said.lines().filter_map(number));
    }
    assert!(acknowledged.len() >= 10, "{acknowledged:?}");
    let distinct: BTreeSet<u64> = acknowledged.iter().copied().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "a number was given twice: {acknowledged:?}");
    let tasks = team.json("task list")["tasks"].clone();
    let there: BTreeSet<u64> = tasks.as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect();
    assert_eq!(distinct.difference(&there).collect::<Vec<_>>(), Vec::<&u64>::new());
    assert_eq!(there.last().copied(), Some(there.len() as u64), "they go on from one to the next: {there:?}");
}

#[test]
fn a_leader_that_ends_or_dies_takes_no_work_with_it() {
    for end in ["down", "down --force", "killed"] {
        let team = Team::new();
        team.ok("spawn alice --worktree");
        team.ok("task add --run -- echo new > new; git add new; git commit -qm new; echo draft > draft");
        team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
        if end == "killed" {
            let worker = process_of(&team, "alice");
            kill(leader(&team), Signal::SIGKILL).unwrap();
            kill(worker, Signal::SIGKILL).unwrap();
            team.ok("down --force");
        } else {
            team.ok(end);
        }
        assert_eq!(team.git(&format!("log --format=%s main..{}", team.branch("alice"))), "new", "{end}");
        let worktree = team.dir().worktree(&"alice".parse().unwrap());
        assert_eq!(fs::read_to_string(worktree.join("draft")).unwrap(), "draft\n", "{end}");
    }
}

#[test]
fn a_worker_that_crashed_keeps_no_team_from_going() {
    let team = Team::new();
    let mut worker = team.sandbox().command("sh");
    worker.current_dir(team.repository()).args(["-c", "exec $(\"$0\" env dave)"]).arg(Program::Teamster.path());
    worker.env("TEAMSTER_WORKER", Program::Worker.path());
    let mut dave = team.start_command(worker);
    dave.until("dave is ready");
    dave.signal(Signal::SIGKILL);
    dave.ends();
    assert_eq!(team.json("list --all")["members"][0]["name"], "dave", "it is on the roster");
    assert_eq!(team.plain(&team.ok("cleanup")), "removed team app-0");
}

#[test]
fn what_is_queued_for_a_member_outlives_the_end_of_its_turn() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    team.ok("task add --to alice --run -i echo begun; read word");
    team.until_said("alice", "begun");
    for id in 2..=4 {
        team.ok(&format!("task add --to alice --run echo this is {id}"));
        team.ok(&format!("dm alice word {id}"));
    }
    team.ok("steer alice go");
    for id in 2..=4 {
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id}"));
        assert_eq!(team.task(id)["attempts"][0]["end"]["result"], format!("this is {id}"));
        team.until_said("alice", &format!("word {id}"));
    }
}

#[test]
fn a_stopped_task_is_not_completed_however_well_its_agent_ends() {
    let team = Team::new();
    for id in 1..=3 {
        team.ok(&format!("spawn m{id} --no-claim"));
        team.ok(&format!(
            "task add --to m{id} --run -i trap 'echo all is done; exit 0' TERM; echo begun; read word || :"
        ));
        team.until_said(&format!("m{id}"), "begun");
    }
    for id in 1..=3 {
        team.ok(&format!("stop m{id}"));
    }
    for id in 1..=3 {
        assert_eq!(team.standing(id), "stopped");
    }
}

#[test]
fn each_of_five_tasks_in_a_row_is_reported() {
    let team = Team::new();
    let plan: String = (1..=5).map(|id| format!("[[task]]\nid = \"t{id}\"\nrun = \"echo said {id}\"\n")).collect();
    let said = team.run(&format!("run {} -w 1", team.plan(&plan)));
    assert_eq!(said.code, Some(0), "{}", said.err);
    for id in 1..=5 {
        assert_eq!(said.err.matches(&format!("completed {id} t{id}")).count(), 1, "{}", said.err);
        assert_eq!(team.task(id)["attempts"][0]["end"]["result"], format!("said {id}"));
    }
}

#[test]
fn what_an_agent_says_does_not_tell_whether_it_succeeded() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run echo all is well; exit 7");
    team.ok("task add --run true");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":1");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    let (first, second) = (team.task(1), team.task(2));
    assert_eq!(first["attempts"][0]["end"]["result"], "all is well");
    assert_eq!((&first["status"], &second["status"]), (&"failed".into(), &"completed".into()));
}

#[test]
fn a_turn_that_can_not_begin_leaves_nobody_busy() {
    let team = Team::new();
    let dir = team.repository().join("sub");
    fs::create_dir(&dir).unwrap();
    team.ok("spawn alice --cwd sub");
    fs::remove_dir(&dir).unwrap();
    team.ok("task add --to alice --run true");
    team.until_event("\"kind\":\"released\",\"data\":{\"id\":1");
    let end = team.task(1)["attempts"][0]["end"].to_string();
    assert!(end.contains("worker_left"), "{end}");
    team.until_event("cannot enter workspace");
    // What was wrong was not the task: it is done where it can be.
    fs::create_dir(&dir).unwrap();
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.ok("shutdown alice"), "alice shut down");
}

#[test]
fn a_worker_whose_place_is_gone_fails_no_task_of_others() {
    let team = Team::new();
    let dir = team.repository().join("sub");
    fs::create_dir(&dir).unwrap();
    team.ok("spawn alice --cwd sub");
    fs::remove_dir(&dir).unwrap();
    for _ in 0..20 {
        team.ok("task add --run true");
    }
    team.until_event("cannot enter workspace");
    team.ok("spawn bob");
    for id in 1..=20 {
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id},"));
    }
}

#[test]
fn idle_at_work_hung_and_dead_are_told_apart() {
    let team = Team::new();
    team.ok("spawn idle --no-claim");
    team.ok("spawn busy --no-claim");
    team.ok("spawn hung --no-claim --stall-after 100ms");
    team.ok("spawn dead --no-claim");
    for (id, name) in (1..).zip(["busy", "hung"]) {
        team.ok(&format!("task add --to {name} --run -i echo begun; read word"));
        team.until_said(name, "begun");
        assert_eq!(team.standing(id), "in_progress");
    }
    team.until_said("hung", "\"kind\":\"stalled\"");
    team.ok("kill dead");
    for (name, state) in [("idle", "idle"), ("busy", "busy"), ("hung", "stalled"), ("dead", "left")] {
        assert_eq!(team.state(name), state, "{name}");
    }
}

#[test]
fn a_file_that_shows_a_task_is_never_read_back() {
    let team = Team::new();
    for _ in 0..11 {
        team.ok("task add --run true");
    }
    team.ok("up --detach");
    let view = |id: u32| team.dir().path().join(format!("tasks/{id}.json"));
    fs::write(view(1), "").unwrap();
    fs::write(view(2), "{\"status\":\"completed\"}").unwrap();
    fs::write(team.dir().path().join("tasks/99.json"), "{}").unwrap();
    let listed = team.json("task list")["tasks"].clone();
    let order: Vec<u64> = listed.as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect();
    assert_eq!(order, (1..=11).collect::<Vec<u64>>(), "and ten comes after nine");
    team.ok("spawn alice");
    for id in 1..=11 {
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id}"));
    }
}

#[test]
fn two_spawns_of_one_name_at_once_make_one_worker() {
    let team = Team::new();
    team.ok("up --detach");
    let spawns: Vec<_> = (0..4).map(|_| team.start("spawn alice")).collect();
    let said: Vec<_> = spawns.into_iter().map(|spawn| spawn.ends()).collect();
    let codes: Vec<Option<i32>> = said.iter().map(|said| said.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{said:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 3, "{said:?}");
    let roster = fs::read_to_string(team.dir().roster()).unwrap();
    assert_eq!(roster.matches("\"joined\"").count(), 1, "{roster}");
}

#[test]
fn a_lock_that_is_held_for_long_is_waited_for_and_nothing_is_lost_of_it() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    let before = leader(&team);
    let board = File::open(team.dir().board()).unwrap();
    board.lock().unwrap();
    // Its outcome can not be written, and nobody is told that it was.
    team.ok("steer alice hello");
    let adding = team.start("task add --run true");
    team.until_said("alice", "got hello");
    assert_eq!(team.standing(1), "in_progress");
    drop(board);
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(adding.ends().code, Some(0));
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_eq!(leader(&team), before, "the leader did not die of it");
}

#[test]
fn workers_that_are_stuck_are_ended_all_at_once() {
    const STUCK: u32 = 8;
    let team = Team::new();
    for id in 1..=STUCK {
        team.ok(&format!("spawn m{id} --no-claim"));
    }
    let workers: Vec<Pid> = (1..=STUCK).map(|id| process_of(&team, &format!("m{id}"))).collect();
    for worker in &workers {
        kill(*worker, Signal::SIGSTOP).unwrap();
    }
    let begun = Instant::now();
    team.ok("down --force");
    // Each is given three seconds to heed SIGTERM.
    assert!(begun.elapsed() < Duration::from_secs(3 * u64::from(STUCK)), "it took {:?}", begun.elapsed());
    for worker in workers {
        assert!(!runs(worker.as_raw() as u32), "process {worker} outlived it");
    }
}

#[test]
fn whoever_hangs_with_the_board_in_its_hands_keeps_no_end_by_force_waiting() {
    const MEMBERS: u32 = 4;
    let team = Team::new();
    for id in 1..=MEMBERS {
        team.ok(&format!("spawn m{id} --no-claim"));
    }
    // By no worker of the team, so that it stays locked whoever is killed. Ten seconds for each would be too long.
    let lock = File::open(team.dir().board()).unwrap();
    lock.lock().unwrap();
    assert_eq!(team.run("down --force").code, Some(0));
    lock.unlock().unwrap();
    team.ok("up --detach");
    for id in 1..=MEMBERS {
        assert_eq!(team.state(&format!("m{id}")), "left", "the next leader does not start it again");
    }
}

#[test]
fn whoever_only_looks_like_one_of_ours_is_never_ended() {
    let team = Team::new();
    team.ok("spawn alice --worktree");
    let worktree = team.dir().worktree(&"alice".parse().unwrap());
    // By its name, by where it is, and by all that it says of itself on its command line.
    let fifo = team.sandbox().work().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let mut stranger = team.sandbox().command("sh");
    stranger.current_dir(&worktree).arg0(Program::Worker.path()).process_group(0);
    stranger.args(["-c", "echo up; read word < \"$2\"; echo got $word", "--name", "alice"]).arg(&fifo);
    let mut stranger = team.start_command(stranger);
    stranger.until("up");
    team.ok("kill alice");
    team.ok("down --force");
    team.ok("up --detach");
    team.ok("down");
    team.ok("cleanup --force");
    fs::write(&fifo, "on\n").unwrap();
    stranger.until("got on");
    assert_eq!(stranger.ends().code, Some(0));
}

#[test]
fn what_a_shell_had_started_before_it_became_teamster_is_not_ended_with_it() {
    let team = Team::new();
    let plan = team.plan("[[task]]\nrun = \"true\"\n");
    for name in ["question", "answer"] {
        mkfifo(&team.repository().join(name), Mode::S_IRWXU).unwrap();
    }
    let mut shell = team.sandbox().command("sh");
    let script = "{ read word < question; echo got $word > answer; } >/dev/null 2>&1 & exec \"$0\" run \"$1\" -w 1";
    shell.current_dir(team.repository()).env("TEAMSTER_WORKER", Program::Worker.path());
    shell.args(["-c", script]).arg(Program::Teamster.path()).arg(plan);
    let said = team.start_command(shell).ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    team.feed("question", "on");
    assert_eq!(fs::read_to_string(team.repository().join("answer")).unwrap(), "got on\n");
}

#[test]
fn the_jobs_of_a_shell_that_became_a_worker_are_not_ended_with_it() {
    let team = Team::new();
    team.ok("up --detach");
    for name in ["up", "end", "question", "answer", "over", "late", "last"] {
        mkfifo(&team.repository().join(name), Mode::S_IRWXU).unwrap();
    }
    let mut shell = team.sandbox().command("sh");
    // One job in the group of the shell, and one in its own as at a terminal. Of both only what they started is left.
    let job = "{ read word < question; echo got $word > answer; } & read word < end";
    let other = "{ read word < late; echo got $word > last; } & echo up > up; read word < over";
    let script = format!(
        "{{ {job}; }} >/dev/null 2>&1 & setsid sh -c '{other}' >/dev/null 2>&1 & read word < up; exec $(\"$0\" env dave)"
    );
    shell.current_dir(team.repository()).env("TEAMSTER_WORKER", Program::Worker.path());
    shell.env("TEAMSTER_ISOLATION", "subreaper").args(["-c", &script]).arg(Program::Teamster.path());
    let mut dave = team.start_command(shell);
    dave.until("dave is ready");
    team.feed("end", "bye");
    team.feed("over", "bye");
    team.ok("task add --to dave --run (sleep 1000; :) & echo done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.ok("shutdown dave");
    assert_eq!(dave.ends().code, Some(0));
    for (fifo, file) in [("question", "answer"), ("late", "last")] {
        team.feed(fifo, "on");
        assert_eq!(fs::read_to_string(team.repository().join(file)).unwrap(), "got on\n");
    }
}

#[test]
fn what_a_lock_file_says_locks_nobody_out() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("down");
    let own = process::identity(std::process::id()).unwrap();
    let live = serde_json::to_string(&serde_json::json!({ "process": own, "since_ms": 0 })).unwrap();
    for text in ["", "{", live.as_str()] {
        for lock in [team.dir().leader_lock(), team.dir().member_lock(&"alice".parse().unwrap())] {
            fs::write(lock, text).unwrap();
        }
        team.ok("spawn alice");
        assert_eq!(team.state("alice"), "idle", "{text:?}");
        team.ok("down");
        assert_eq!(team.state("alice"), "left", "{text:?}");
    }
    assert!(runs(std::process::id()), "and the one that was named in it lives");
}

#[test]
fn secrets_of_the_environment_are_nowhere_on_disk_and_nobody_else_can_look() {
    const SECRET: &str = "kept-5ec4e7-to-itself";
    let team = Team::new();
    let mut spawn = team.command("spawn alice");
    spawn.env("SOME_API_KEY", SECRET).env("TEAMSTER_LOG", "trace");
    assert_eq!(team.start_command(spawn).ends().code, Some(0));
    team.ok("task add --run -- test -n \"$SOME_API_KEY\"");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    kill(process_of(&team, "alice"), Signal::SIGKILL).unwrap();
    let mut events = team.events();
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    events.until("\"kind\":\"joined\",\"data\":{\"name\":\"alice\"");
    let root = team.dir().path();
    assert_eq!(fs::metadata(root).unwrap().permissions().mode() & 0o777, 0o700);
    for path in all_below(root) {
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        assert_eq!(found.permissions().mode() & 0o077, 0, "{} is open to others", path.display());
        assert!(found.file_type().is_socket() || !holds(&path, SECRET), "{} holds it", path.display());
    }
    team.ok("down");
}

fn holds(path: &Path, words: &str) -> bool {
    fs::read(path).unwrap_or_default().windows(words.len()).any(|window| window == words.as_bytes())
}
