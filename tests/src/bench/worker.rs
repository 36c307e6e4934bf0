//! A real worker process, started and linked as the leader does it.

use std::fs::File;
use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jsonrpsee::Methods;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::store::file::Durability;
use teamster_protocol::wire::api::{ProtocolHello, WorkerApiClient, WorkerPhase};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::spare::{SPARE, order_line};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::Outcome;
use super::place::Place;

/// How long a step of a worker may take before the benchmark says that it broke.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(20);

/// The agent of the parts that are about none.
const SHELL: &str = "shell";

/// What a worker writes into its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// What it does by default.
    Warnings,
    /// When it did what, too.
    Steps,
}

/// How a worker is started.
pub(super) struct WorkerSetup {
    pub(super) durability: Durability,
    pub(super) tells: Tells,
    /// The agent, as `--agent` takes it.
    pub(super) agent: &'static str,
    /// More variables.
    pub(super) env: Vec<(&'static str, String)>,
}

impl Default for WorkerSetup {
    fn default() -> WorkerSetup {
        WorkerSetup { durability: Durability::Power, tells: Tells::Warnings, agent: SHELL, env: Vec::new() }
    }
}

/// A worker that answered `initialize`. It is killed when this is dropped.
pub(super) struct Worker {
    pub(super) peer: Peer,
    /// The process that it is.
    pub(super) pid: u32,
    /// The process that was started: where there are namespaces, another one.
    pub(super) outer_pid: u32,
    process: Child,
}

impl Worker {
    /// Starts a worker for a member on the roster; returns when it is ready.
    pub(super) async fn start(place: &Place, dir: &TeamDir, name: &MemberName) -> Outcome<Worker> {
        Worker::start_with(place, dir, name, &WorkerSetup::default()).await
    }

    /// The same with other settings than the usual ones.
    pub(super) async fn start_with(
        place: &Place,
        dir: &TeamDir,
        name: &MemberName,
        setup: &WorkerSetup,
    ) -> Outcome<Worker> {
        let mut command = command(place, setup)?;
        command
            .args(arguments(dir, name, setup.agent)?)
            .stderr(File::create(dir.log_of(&Address::Member(name.clone())))?);
        Worker::greet(command.spawn()?).await
    }

    async fn greet(mut process: Child) -> Outcome<Worker> {
        let (Some(stdin), Some(stdout), Some(outer_pid)) = (process.stdin.take(), process.stdout.take(), process.id())
        else {
            unreachable!("both streams are piped and the child was not waited for")
        };
        let peer = Peer::start(stdout, stdin, Methods::new());
        let welcome = within(peer.initialize(ProtocolHello { protocol: PROTOCOL_VERSION })).await??;
        Ok(Worker { peer, pid: welcome.pid, outer_pid, process })
    }

    /// Waits until it has nothing to do and says so.
    pub(super) async fn idle(&self) -> Outcome<()> {
        let until = Instant::now() + STEP_WITHIN;
        while self.peer.status().await?.phase != WorkerPhase::Idle {
            if Instant::now() > until {
                return Err("a worker does not become idle".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What it does after it said so.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    /// Ends it without asking.
    pub(super) async fn kill(mut self) -> Outcome<()> {
        kill(Pid::from_raw(self.pid.try_into()?), Signal::SIGKILL)?;
        self.process.wait().await?;
        Ok(())
    }
}

/// A worker that waits to be told whose it is. It is killed when this is dropped.
pub(super) struct Spare {
    process: Child,
}

impl Spare {
    /// Starts one, and gives it the time to wait.
    pub(super) async fn start(place: &Place, dir: &TeamDir) -> Outcome<Spare> {
        let mut command = command(place, &WorkerSetup::default())?;
        command.arg(SPARE).arg("--root").arg(dir.root()).args(["--team", dir.team().as_str()]).stderr(Stdio::inherit());
        let process = command.spawn()?;
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(Spare { process })
    }

    /// Makes it the worker of a member on the roster; returns when it is ready.
    pub(super) async fn become_worker(mut self, dir: &TeamDir, name: &MemberName) -> Outcome<Worker> {
        let line = order_line(&arguments(dir, name, SHELL)?);
        self.process.stdin.as_mut().ok_or("its input is piped")?.write_all(&line).await?;
        Worker::greet(self.process).await
    }
}

/// A worker program, as a leader starts it.
fn command(place: &Place, setup: &WorkerSetup) -> Outcome<Command> {
    let mut command = Command::new(place.worker()?);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
    // The figures are those of the defaults.
    for variable in ["TEAMSTER_LOG", "TEAMSTER_POLL_MS", "TEAMSTER_LEADER_GRACE_MS", "TEAMSTER_GENERATION_BYTES"] {
        command.env_remove(variable);
    }
    command.env(
        "TEAMSTER_DURABILITY",
        match setup.durability {
            Durability::Power => "power",
            Durability::Process => "process",
        },
    );
    match setup.tells {
        Tells::Warnings => {}
        Tells::Steps => drop(command.env("TEAMSTER_LOG", "debug")),
    }
    command.envs(setup.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// The arguments of a member's worker.
fn arguments(dir: &TeamDir, name: &MemberName, agent: &str) -> Outcome<Vec<String>> {
    let root = dir.root().to_str().ok_or("the root is not UTF-8")?;
    let args = ["--stdio", "--team", dir.team().as_str(), "--name", name.as_str(), "--agent", agent, "--root", root];
    Ok(args.map(str::to_owned).to_vec())
}

/// Runs one part that talks to workers. One thread, as in the leader.
pub(super) fn block_on<T>(part: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(part)
}

/// Gives up after [`STEP_WITHIN`].
pub(super) async fn within<T>(step: impl Future<Output = T>) -> Outcome<T> {
    Ok(tokio::time::timeout(STEP_WITHIN, step).await.map_err(|_| "a worker does not answer")?)
}
