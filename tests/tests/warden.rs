//! Whoever is killed, and in whatever order: a leader comes back or says that it does not, workers outlive it, and no
//! process stays behind, not even one that left its session, forked twice and ignores what can be ignored.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::host::process;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::wire::api::{LeaderApiClient, ProtocolHello};
use teamster_protocol::wire::peer::socket;
use teamster_tests::granted::{Need, granted};
use teamster_tests::hermetic::{Program, Sandbox};
use teamster_tests::processes::until_ended;

/// Far beyond what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(30);

/// What a task starts that does not want to end, before it waits for a word in `go`; a second attempt ends at once. Each
/// of the four says that it is up before the task says that it has begun, so that whoever heard that can count them.
const STUBBORN: &str = "if [ -p go ]; then exit; fi; trap '' TERM INT HUP; mkfifo up go; exec 3<>up; \
                        for i in 1 2; do (setsid sh -c '(echo up >&3; exec sleep 1000) & echo up >&3; exec sleep 1000' &); done; \
                        for i in 1 2 3 4; do read word <&3; done; echo begun; read word < go; echo got $word";
/// How many processes an agent is that does so.
const STUBBORN_PROCESSES: usize = 5;

struct Team {
    sandbox: Sandbox,
    isolation: &'static str,
}

impl Team {
    fn new(isolation: &'static str) -> Team {
        Team { sandbox: Sandbox::new(), isolation }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.program(Program::Teamster);
        command.args(args).stdin(Stdio::null()).env("TEAMSTER_ISOLATION", self.isolation).env("TEAMSTER_TEAM", "app");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["--json"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        // A command that goes on for a while tells a line for each thing that happened, and its result last.
        let result = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap();
        serde_json::from_slice(result).unwrap()
    }

    fn dir(&self) -> TeamDir {
        TeamDir::new(self.sandbox.root(), "app".parse().unwrap())
    }

    /// The process of the leader that answers, once it is another than `before`.
    fn leader(&self, before: Option<u32>) -> u32 {
        let answers = async {
            let mut watch = FileWatch::new(Duration::from_millis(20));
            watch.add(self.dir().leader_socket());
            loop {
                if let Ok(leader) = socket::dial(&self.dir().leader_socket()).await
                    && let Ok(leader) = leader.hello(ProtocolHello { protocol: PROTOCOL_VERSION }).await
                    && Some(leader.pid) != before
                {
                    return leader.pid;
                }
                watch.changed().await;
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(LIMIT, answers).await }).expect("a leader answers")
    }

    fn worker(&self) -> u32 {
        u32::try_from(self.json(&["list"])["members"][0]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Starts a leader with alice, who is on a task that does not want to end.
    fn begin(&self) -> u32 {
        self.json(&["up", "--detach"]);
        self.json(&["spawn", "alice"]);
        self.json(&["task", "add", "--run", STUBBORN]);
        self.until(&["logs", "alice", "-f"], "begun");
        self.leader(None)
    }

    /// Lets the task go on.
    fn go(&self) {
        fs::write(self.sandbox.work().join("go"), "on\n").unwrap();
    }

    /// Follows until somebody says these words.
    fn until(&self, follow: &[&str], words: &str) {
        let mut follow = self.command(&[follow, &["--json"]].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines().map_while(Result::ok);
        let found = lines.any(|line| line.contains(words) && !line.contains("turn_started"));
        follow.kill().unwrap();
        follow.wait().unwrap();
        assert!(found, "{words:?} was never said");
    }

    /// All processes that were started for this team, whoever is their parent now.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("TEAMSTER_ROOT={}\0", self.sandbox.root().display());
        let bears_it = |pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(bears_it).collect()
    }

    /// The processes of agents among them.
    fn agents(&self) -> Vec<u32> {
        let is_agent = |pid: &u32| {
            // What is just ending has no program any more.
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            program.is_ok_and(|program| !program.ends_with("teamster") && !program.ends_with("teamster-worker"))
        };
        self.processes().into_iter().filter(is_agent).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir().logs_dir().join("leader.log")).unwrap()
    }

    fn nothing_is_left(&self) {
        let left = self.processes();
        assert_eq!(left, Vec::<u32>::new(), "of {left:?}:\n{}", self.log());
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

fn murder(pid: u32) {
    tell(pid, Signal::SIGKILL);
}

fn tell(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// Waits for the ends of processes that need not be children.
fn until_gone(pids: &[u32]) {
    let until = Instant::now() + LIMIT;
    pids.iter().for_each(|pid| until_ended(*pid, until.saturating_duration_since(Instant::now())));
}

#[test]
fn a_killed_leader_comes_back_and_its_workers_did_not_notice() {
    let team = Team::new("auto");
    let first = team.begin();
    let worker = team.worker();
    murder(first);
    let second = team.leader(Some(first));
    assert_eq!(team.worker(), worker, "the worker outlives the leader");
    assert!(team.log().contains("the leader was killed by SIGKILL; it is started again in 100 ms"), "{}", team.log());
    team.go();
    team.until(&["events", "-f"], "completed");
    let warden = process::parent(second).unwrap();
    team.json(&["down"]);
    until_gone(&[warden]);
    team.nothing_is_left();
}

/// What a new leader gives the workers that it finds to answer before it takes calls.
const LINK_WITHIN: Duration = Duration::from_secs(1);

#[test]
fn a_new_leader_takes_no_call_before_it_has_tried_to_reach_the_workers_that_it_found() {
    let team = Team::new("auto");
    let first = team.begin();
    let worker = team.worker();
    tell(worker, Signal::SIGSTOP);
    let begun = Instant::now();
    murder(first);
    team.leader(Some(first));
    assert!(begun.elapsed() >= LINK_WITHIN, "it answered after {:?}", begun.elapsed());
    tell(worker, Signal::SIGCONT);
}

#[test]
fn a_leader_that_is_killed_again_and_again_is_given_up_and_nothing_is_left() {
    let team = Team::new("auto");
    let mut leader = team.begin();
    let warden = process::parent(leader).unwrap();
    for _ in 0..5 {
        murder(leader);
        leader = team.leader(Some(leader));
    }
    murder(leader);
    until_gone(&[warden]);
    assert!(team.log().contains("for the 6th time within 60 s: it is given up"), "{}", team.log());
    team.nothing_is_left();
    // It gave back what it had.
    assert_eq!(team.json(&["task", "show", "1"])["status"], "pending");
}

#[test]
fn whatever_is_killed_in_whatever_order_no_process_stays_behind() {
    let in_cells = granted(Need::Cell);
    for isolation in ["auto", "subreaper"] {
        for order in ["wlka", "alkw", "klaw", "lwk", "kwl", "lkw"] {
            let team = Team::new(isolation);
            let leader = team.begin();
            let (warden, worker, agents) = (process::parent(leader).unwrap(), team.worker(), team.agents());
            assert_eq!(agents.len(), STUBBORN_PROCESSES, "{agents:?}");
            let victims: Vec<u32> = order
                .chars()
                .map(|who| match who {
                    'w' => warden,
                    'l' => leader,
                    'k' => worker,
                    'a' => agents[0],
                    _ => unreachable!("only these four"),
                })
                .collect();
            for pid in &victims {
                // It may have heard of an earlier death, and be gone.
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            }
            until_gone(&victims);
            // In a namespace they are gone by now; else the next leader finds them.
            if isolation == "subreaper" || !in_cells {
                team.run(&["up", "--detach"]);
            }
            until_gone(&agents);
            team.run(&["up", "--detach"]);
            let next = team.leader(Some(leader));
            // The old warden may have started one more in the moment before it died, which then has none.
            let mut leading = vec![next, process::parent(next).unwrap(), warden];
            leading.retain(|pid| team.processes().contains(pid));
            assert!(team.run(&["down"]).status.success());
            until_gone(&leading);
            team.nothing_is_left();
            println!("{isolation}, {order}: nothing is left");
        }
    }
}

#[test]
fn what_a_worker_left_that_was_no_child_of_this_leader_is_found_by_its_mark() {
    let team = Team::new("subreaper");
    let first = team.begin();
    let (worker, agents) = (team.worker(), team.agents());
    murder(first);
    let second = team.leader(Some(first));
    // It looked at its start, and left alone what has a worker.
    assert_eq!(team.agents(), agents);
    murder(worker);
    until_gone(&agents);
    assert!(team.log().contains("killed: it outlived its worker"), "{}", team.log());
    let warden = process::parent(second).unwrap();
    team.json(&["down"]);
    until_gone(&[warden]);
    team.nothing_is_left();
}

#[test]
fn a_killed_run_says_so_with_the_way_out_and_leaves_nothing() {
    let team = Team::new("auto");
    let plan = team.sandbox.work().join("plan.json");
    let task = serde_json::json!({ "task": [{ "run": STUBBORN }] });
    fs::write(&plan, task.to_string()).unwrap();
    let mut run = team.command(&["run", plan.to_str().unwrap(), "-w", "1"]);
    let run: Child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + LIMIT;
    while !team.run(&["status"]).status.success() {
        assert!(Instant::now() < until, "the run never began");
    }
    team.until(&["events", "-f"], "claimed");
    team.until(&["logs", "w1", "-f"], "begun");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", run.id())).unwrap();
    murder(children.trim().parse().unwrap());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(137), "{said}");
    assert!(said.contains("was killed by SIGKILL") && said.contains("teamster run --resume"), "{said}");
    assert_eq!(team.processes(), Vec::<u32>::new());
    assert_eq!(team.json(&["run", "--resume"])["counts"]["completed"], 1);
    assert_eq!(team.processes(), Vec::<u32>::new());
}

#[test]
fn a_leader_without_its_warden_says_so_and_goes_on() {
    let team = Team::new("auto");
    let leader = team.begin();
    murder(process::parent(leader).unwrap());
    team.go();
    team.until(&["events", "-f"], "completed");
    assert_eq!(team.leader(None), leader);
    team.json(&["down"]);
    until_gone(&[leader]);
    assert!(team.log().contains("the warden is gone"), "{}", team.log());
    team.nothing_is_left();
}

/// What a leader says that was started again, and is not needed.
const OVER: &str = "team app was ended, or led by another, since its leader died";

#[test]
fn a_team_that_was_ended_is_not_led_again_by_a_warden_that_comes_too_late() {
    // With and without a leader that another command started meanwhile.
    for meanwhile in [None, Some("bob")] {
        let team = Team::new("auto");
        team.json(&["up", "--detach"]);
        team.json(&["spawn", "alice"]);
        let leader = team.leader(None);
        let warden = process::parent(leader).unwrap();
        tell(warden, Signal::SIGSTOP);
        murder(leader);
        let mut wardens = vec![warden];
        if let Some(name) = meanwhile {
            team.json(&["spawn", name]);
            wardens.push(process::parent(team.leader(Some(leader))).unwrap());
        }
        let ended = team.json(&["down"])["members"].as_array().unwrap().len();
        assert_eq!(ended, 1 + usize::from(meanwhile.is_some()), "{meanwhile:?}");
        assert_eq!(team.json(&["status"])["leader"], Value::Null);
        tell(warden, Signal::SIGCONT);
        until_gone(&wardens);
        assert!(team.log().contains(OVER), "{}", team.log());
        assert_eq!(team.json(&["status"])["leader"], Value::Null);
        team.nothing_is_left();
        // That was about this end only.
        team.json(&["up", "--detach"]);
        let leader = team.leader(None);
        murder(leader);
        let warden = process::parent(team.leader(Some(leader))).unwrap();
        team.json(&["down"]);
        until_gone(&[warden]);
    }
}

#[test]
fn a_leader_that_dies_amid_its_end_does_not_come_back_for_good() {
    for point in ["led to the end", "socket removed", "lock signed off"] {
        let team = Team::new("auto");
        let mut up = team.command(&["up", "--detach", "--json"]);
        up.env("TEAMSTER_CRASH_AT", format!("leader:{point}:1"));
        assert!(up.env("TEAMSTER_CRASH_ONCE", team.sandbox.work().join("once")).status().unwrap().success());
        team.json(&["spawn", "alice"]);
        let warden = process::parent(team.leader(None)).unwrap();
        team.json(&["down"]);
        until_gone(&[warden]);
        assert!(team.log().contains(&format!("leader dies at {point}")), "{}", team.log());
        assert_eq!(team.json(&["status"])["leader"], Value::Null, "{point}");
        team.nothing_is_left();
    }
}

#[test]
fn a_leader_is_not_started_again_in_a_team_that_was_removed() {
    for words in [&["up", "--detach"][..], &["up"]] {
        let team = Team::new("auto");
        let mut up = team.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let leader = team.leader(None);
        let warden = process::parent(leader).unwrap();
        tell(warden, Signal::SIGSTOP);
        murder(leader);
        let aside = team.sandbox.work().join("aside");
        fs::rename(team.dir().path(), &aside).unwrap();
        tell(warden, Signal::SIGCONT);
        until_gone(&[warden]);
        let mut said = std::io::read_to_string(up.stderr.take().unwrap()).unwrap();
        up.wait().unwrap();
        said += &fs::read_to_string(aside.join("logs/leader.log")).unwrap_or_default();
        assert!(said.contains("no team app under"), "{words:?}: {said}");
        assert!(!team.dir().path().exists(), "{words:?}");
        assert_eq!(team.processes(), Vec::<u32>::new());
    }
}

#[test]
fn a_leader_is_not_started_again_while_its_team_is_being_removed() {
    let team = Team::new("auto");
    team.json(&["up", "--detach"]);
    let leader = team.leader(None);
    let warden = process::parent(leader).unwrap();
    tell(warden, Signal::SIGSTOP);
    murder(leader);
    // The first of all files to go, and the roster is still there.
    fs::remove_file(team.dir().leader_lock()).unwrap();
    tell(warden, Signal::SIGCONT);
    until_gone(&[warden]);
    assert!(team.log().contains(OVER), "{}", team.log());
    assert!(!team.dir().leader_lock().exists());
    team.nothing_is_left();
}
