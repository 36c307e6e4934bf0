//! Files of a team that somebody tidies away or puts something else in the place of, while the team works.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use teamster_protocol::host::process;
use teamster_protocol::store::presence;
use teamster_tests::team::{Running, Team};

const TAKEN_ANEW: &str = "alice.lock was removed or replaced; it is taken anew";

/// A team whose processes look at their files every so many milliseconds, also where nothing tells of a change.
fn team_that_polls(poll_ms: &str) -> (Team, Running) {
    let team = Team::new();
    let mut up = team.command("up");
    up.env("TEAMSTER_POLL_MS", poll_ms);
    let mut up = team.start_command(up);
    up.until("leading team");
    (team, up)
}

fn pid(team: &Team, member: &str) -> u64 {
    team.json(&format!("status {member}"))["pid"].as_u64().expect("it runs")
}

/// The line by which a second worker is started by hand.
fn by_hand(team: &Team, name: &str) -> Command {
    let line = team.ok(&format!("env {name}"));
    let mut shell = team.sandbox().command("sh");
    shell.current_dir(team.repository()).args(["-c", &format!("exec env {line}")]);
    shell
}

fn joins(team: &Team) -> usize {
    fs::read_to_string(team.dir().roster()).unwrap().matches("\"joined\"").count()
}

#[test]
fn a_worker_whose_lock_is_removed_while_it_is_idle_takes_it_anew_before_a_task() {
    // No poll comes: the look before the claim is all there is.
    let (team, _up) = team_that_polls("600000");
    team.ok("spawn alice");
    let worker = pid(&team, "alice");
    let lock = team.dir().member_lock(&"alice".parse().unwrap());
    fs::remove_file(&lock).unwrap();
    assert_eq!((team.state("alice"), pid(&team, "alice")), ("idle".to_owned(), worker));
    let second = team.start_command(by_hand(&team, "alice")).ends();
    assert_eq!(second.code, Some(1), "{}", second.err);
    assert!(second.err.contains("may live"), "{}", second.err);
    team.fails(1, "spawn alice");
    team.ok("task add --run echo done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.until_said("alice", TAKEN_ANEW);
    assert_eq!(presence::read_holder(&lock).unwrap().map(|holder| u64::from(holder.process.pid)), Some(worker));
    assert_eq!((pid(&team, "alice"), joins(&team)), (worker, 1));
}

#[test]
fn a_busy_worker_whose_lock_is_removed_replaced_or_gone_with_its_room_keeps_its_task_for_itself() {
    let (team, _up) = team_that_polls("50");
    team.ok("spawn alice");
    let worker = pid(&team, "alice");
    let lock = team.dir().member_lock(&"alice".parse().unwrap());
    team.ok("task add --run -i echo begun; read word; echo got $word");
    team.until_said("alice", "begun");
    let aside = team.file("aside", "");
    for hostile in ["removed", "copied", "moved", "moved back", "room removed"] {
        let before = fs::read(&lock).unwrap();
        match hostile {
            "removed" => fs::remove_file(&lock).unwrap(),
            "copied" => {
                fs::write(&aside, before).unwrap();
                fs::rename(&aside, &lock).unwrap();
            }
            "moved" => fs::rename(&lock, &aside).unwrap(),
            "moved back" => fs::rename(&aside, &lock).unwrap(),
            _ => fs::remove_dir_all(team.dir().members_dir()).unwrap(),
        }
        team.fails(1, "spawn alice");
        // The transcript tells the same trouble once; a look at the team is what there is to wait with.
        let begun = Instant::now();
        while !presence::is_held(&lock).unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{hostile}: it is not taken anew");
            team.ok("list");
        }
        assert_eq!(pid(&team, "alice"), worker, "{hostile}");
    }
    team.until_said("alice", TAKEN_ANEW);
    team.ok("steer alice hello");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let attempts = team.task(1)["attempts"].as_array().cloned().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["end"]["result"]), (1, &"begun\ngot hello".into()));
    assert_eq!(joins(&team), 1);
}

#[test]
fn a_pipe_in_the_place_of_a_lock_stops_one_member_and_says_so() {
    let (team, up) = team_that_polls("50");
    team.ok("spawn alice");
    team.ok("spawn bob");
    let worker = process::identity(pid(&team, "alice") as u32).unwrap();
    let lock = team.dir().member_lock(&"alice".parse().unwrap());
    fs::remove_file(&lock).unwrap();
    mkfifo(&lock, Mode::S_IRWXU).unwrap();
    team.until_said("alice", "takes no task");
    assert!(team.ok("why alice").contains("takes no task"));
    let doctor = team.run("doctor");
    assert!(doctor.out.contains("the worker of alice, process"), "{}", doctor.out);
    team.ok("task add --run echo done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["owner"], "bob");
    assert!(worker.runs());
    assert_eq!(team.run("down --force").code, Some(0));
    assert!(!worker.runs(), "down leaves nobody behind");
    assert_eq!(up.ends().code, Some(0));
}

#[test]
fn a_leader_whose_lock_is_removed_goes_on_leading_and_no_second_begins() {
    let (team, _up) = team_that_polls("600000");
    let leader = team.json("status")["leader"]["pid"].clone();
    fs::remove_file(team.dir().leader_lock()).unwrap();
    let second = team.run("up");
    assert_ne!(second.code, Some(0), "{}{}", second.out, second.err);
    team.ok("spawn alice");
    team.ok("task add --run echo done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let holder = presence::read_holder(&team.dir().leader_lock()).unwrap();
    assert_eq!(holder.map(|holder| holder.process.pid.into()), Some(leader));
}

#[test]
fn a_board_whose_lock_file_is_tidied_away_while_commands_add_gives_no_number_twice() {
    const EACH: usize = 25;
    let team = Team::new();
    team.ok("up --detach");
    team.ok("spawn alice");
    let (dir, done) = (team.dir().clone(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for log in [dir.board(), dir.roster()] {
                    // What is missing at the moment is there the next time.
                    let _ = fs::remove_file(log.with_extension("lock"));
                }
                thread::yield_now();
            }
        });
        let adding: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..EACH).map(|_| team.run("task add --run true").code).collect::<Vec<_>>()))
            .collect();
        let codes: Vec<_> = adding.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(codes.iter().all(|code| *code == Some(0)), "{codes:?}");
    });
    // By whoever reads the lines only, and knows nothing of folds.
    let board = fs::read_to_string(team.dir().board()).unwrap();
    let lines: Vec<serde_json::Value> = board.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<u64> = lines.iter().filter_map(|line| line["seq"].as_u64()).filter(|seq| *seq > 0).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
    assert_eq!(board.matches("\"added\"").count(), 4 * EACH);
    assert_eq!(team.run("doctor").code, Some(0));
}
