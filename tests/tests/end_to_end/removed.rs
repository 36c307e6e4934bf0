//! The files of a team that are removed under its leader, or under a worker of which nobody is the leader: both notice, say
//! so and end, and turn in no circle until then. What they do meanwhile is counted in processor time, which is the same on
//! a busy machine.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use teamster_protocol::host::process;
use teamster_tests::hermetic::Program;
use teamster_tests::processes::until_ended;
use teamster_tests::team::{Running, Team};

/// How often they look at the files. They end at the second look that finds these gone: one that turns in a circle until
/// then, or for ever, takes far more than [`TICKS_MAX`].
const POLL_MS: &str = "2000";

/// The clock ticks of processor time, 100 a second, that a leader or a worker may take from its start to its end. It takes
/// some 3.
const TICKS_MAX: u64 = 60;

/// Fields of `/proc/PID/stat`, counted from the state: what the process took, in user and in kernel mode, and what the
/// children took that it waited for.
const TIMES: std::ops::Range<usize> = 11..15;

fn clock_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it was not waited for");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("the name is in parentheses").1.split_whitespace().collect();
    fields[TIMES].iter().map(|field| field.parse::<u64>().expect("it is a number")).sum()
}

/// Removes a directory although others still put files into it.
fn remove_all(dir: &Path) {
    let begun = Instant::now();
    while let Err(error) = fs::remove_dir_all(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}: {error}", dir.display());
    }
}

/// A leader with a member that is busy.
fn leading(team: &Team, poll_ms: &str) -> Running {
    let mut up = team.command("up");
    // What it warns of is then said here too, and not only in its log.
    up.env("TEAMSTER_POLL_MS", poll_ms).env("TEAMSTER_LOG", "warn");
    let mut up = team.start_command(up);
    up.until("leading team");
    team.ok("spawn alice");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    up
}

/// Kills a leader or a worker that is still there at the end of its test: what would end it in order has been removed.
struct KilledAtLast(process::ProcessIdentity);

impl Drop for KilledAtLast {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.0.signal(Signal::SIGKILL);
    }
}

/// A directory, and what is done to it.
type Removal = (&'static str, fn(&Team));

const REMOVALS: [Removal; 4] = [
    ("the directory of the team is removed", |team| remove_all(team.dir().path())),
    ("the root is removed", |team| remove_all(&team.sandbox().root())),
    ("a file is in its place", |team| {
        fs::rename(team.dir().path(), team.sandbox().work().join("aside")).unwrap();
        fs::write(team.dir().path(), "").unwrap();
    }),
    ("a link to itself is in its place", |team| {
        fs::rename(team.dir().path(), team.sandbox().work().join("aside")).unwrap();
        symlink(team.dir().path(), team.dir().path()).unwrap();
    }),
];

#[test]
fn a_leader_whose_team_or_root_is_removed_ends_and_turns_in_no_circle() {
    thread::scope(|scope| REMOVALS.iter().for_each(|removal| drop(scope.spawn(|| ends_after(*removal)))));
}

fn ends_after((what, remove): Removal) {
    let team = Team::new();
    let up = leading(&team, POLL_MS);
    let worker = team.json("status alice")["pid"].as_u64().expect("it runs") as u32;
    let worker = process::identity(worker).expect("it runs");
    let (warden, leader) = (up.started(), process::identity(up.pid()).expect("it runs"));
    let _killed = KilledAtLast(leader);
    remove(&team);
    until_ended(warden, Duration::from_secs(60));
    let ticks = clock_ticks(warden);
    let said = up.ends();
    assert_eq!(said.code, Some(0), "{what}: {}", said.err);
    assert!(said.err.contains("leader.lock was removed or replaced"), "{what}: {}", said.err);
    assert!(!worker.runs(), "{what}: its worker is left behind");
    assert!(ticks <= TICKS_MAX, "{what}: {ticks} clock ticks\n{}", said.err);
}

#[test]
fn a_worker_by_hand_whose_team_or_root_is_removed_ends_and_turns_in_no_circle() {
    thread::scope(|scope| REMOVALS.iter().for_each(|removal| drop(scope.spawn(|| worker_ends_after(*removal)))));
}

fn worker_ends_after((what, remove): Removal) {
    let team = Team::new();
    let mut worker = team.other(Program::Worker.path());
    worker.args(["--name", "alice"]).env("TEAMSTER_TEAM", team.dir().team().as_str()).env("TEAMSTER_POLL_MS", POLL_MS);
    let mut worker = team.start_command(worker);
    worker.until("is ready in team");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    let (outer, inner) = (worker.started(), process::identity(worker.pid()).expect("it runs"));
    let _killed = KilledAtLast(inner.clone());
    remove(&team);
    until_ended(outer, Duration::from_secs(60));
    let ticks = clock_ticks(outer);
    let said = worker.ends();
    assert_eq!(said.code, Some(1), "{what}: {}", said.err);
    assert!(said.err.contains("the team of alice was removed or replaced"), "{what}: {}", said.err);
    assert!(!inner.runs(), "{what}: it is left behind");
    assert!(ticks <= TICKS_MAX, "{what}: {ticks} clock ticks\n{}", said.err);
}

#[test]
fn a_leader_whose_lock_alone_is_removed_takes_it_anew_once_each_time() {
    const ROUNDS: usize = 5;
    const TAKEN_ANEW: &str = "leader.lock was removed or replaced while it was held; it is taken anew";
    let team = Team::new();
    let mut up = leading(&team, "200");
    let leader = up.pid();
    let before = clock_ticks(leader);
    for _ in 0..ROUNDS {
        fs::remove_file(team.dir().leader_lock()).unwrap();
        up.until(TAKEN_ANEW);
    }
    let ticks = clock_ticks(leader) - before;
    assert!(ticks <= TICKS_MAX, "{ticks} clock ticks");
    team.ok("down --force");
    let said = up.ends();
    assert_eq!(said.err.matches(TAKEN_ANEW).count(), ROUNDS, "{}", said.err);
}
