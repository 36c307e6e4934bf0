//! The keeper of processes: whatever a worker starts, and whatever that starts in turn, ends with it.
//!
//! A process group reaches most of it. What left its group or forked twice falls to the worker, which
//! is a *child subreaper*: an orphan among its descendants becomes its child. So nothing beneath a
//! worker can get away, and the kernel itself gives the proof that nothing is left: `waitpid` says
//! `ECHILD`.
//!
//! Only two things are ever signalled: a child of ours that has not been reaped, and a group that such
//! a child leads or that we made and such a child is in. Neither number can have passed to a stranger.
//! Grandchildren need no signal: when their parent dies they are children of ours.
//!
//! What this process had as children before it became a worker is somebody else's: a shell starts jobs, and then replaces
//! itself by this program. Those are reaped, and not signalled or waited for.
//!
//! The price is that one place reaps: a process that uses a [`Keeper`] starts children in no other way
//! (`tokio::process`, `Command::output`), and has one keeper at work at a time.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid};
use rustix::process::{WaitOptions, wait};
use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::children;
use teamster_protocol::host::process::strangers::Strangers;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep, sleep_until};

/// How long SIGKILL may take to empty the house: only the kernel can delay it.
pub const KILL_WAIT: Duration = Duration::from_secs(5);

/// How often the ladder looks again without having heard of a death. The kernel's list of children may
/// miss one while others come and go.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Starts process groups, hears of deaths, reaps, and ends everything beneath this process.
#[derive(Debug)]
pub struct Keeper {
    deaths: unix::Signal,
}

/// A process group and the child that leads it. Dropping it ends nothing.
#[derive(Debug)]
pub struct Group {
    leader: Child,
}

/// Proof that this process has no descendants of its own, at the moment when it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NothingLeft(());

/// Processes that outlived SIGKILL: those of another user, or stuck in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot end {}: still there {} s after SIGKILL", .processes.join(", "), KILL_WAIT.as_secs())]
pub struct LeftBehind {
    /// Each as `process 4242 (sudo)`.
    pub processes: Vec<String>,
}

/// Known from when the first [`Keeper`] was made on, for all of them. What a keeper starts is in a group of its own.
static STRANGERS: LazyLock<Mutex<Strangers>> = LazyLock::new(|| Mutex::new(Strangers::present(None)));

fn strangers() -> MutexGuard<'static, Strangers> {
    STRANGERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Makes this process a child subreaper and listens for deaths from now on. Needs a tokio runtime
    /// with signals enabled. To be called before this process starts a child of its own.
    pub fn new() -> io::Result<Keeper> {
        drop(strangers());
        prctl::set_child_subreaper(true)?;
        Ok(Keeper { deaths: unix::signal(SignalKind::child())? })
    }

    /// Starts `command` as the leader of a process group of its own. Blocks until it runs (about half a
    /// millisecond) or could not be started.
    pub fn spawn(&mut self, command: &mut Command) -> io::Result<Group> {
        point("about to start a process");
        let leader = command.process_group(0).spawn()?;
        point("process started");
        Ok(Group { leader })
    }

    /// Waits until the leader of `group` exits, and reaps orphans meanwhile. May be dropped at any
    /// point and called again, also after the exit.
    pub async fn exited(&mut self, group: &mut Group) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = group.leader.try_wait()? {
                point("process waited for");
                return Ok(status);
            }
            self.death().await;
            reap_all_but(group.id());
        }
    }

    /// Waits up to `limit` for everything beneath this process to end by itself. To be called when the
    /// exit of every group that matters is known: it reaps them all.
    pub async fn left_alone(&mut self, limit: Duration) -> Option<NothingLeft> {
        let until = Instant::now() + limit;
        loop {
            if let Some(proof) = reap_all() {
                return Some(proof);
            }
            tokio::select! {
                biased;
                () = self.death() => {}
                () = sleep_until(until) => return reap_all(),
            }
        }
    }

    /// Ends everything beneath this process: SIGTERM, after `grace` SIGKILL, each to `group` and to
    /// whatever else falls to us on the way. Returns as soon as nothing is left, at once if nothing
    /// was there, and after `grace` and [`KILL_WAIT`] at the latest.
    pub async fn end_descendants(&mut self, group: Option<Pid>, grace: Duration) -> Result<NothingLeft, LeftBehind> {
        for (signal, limit) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, KILL_WAIT)] {
            if let Some(proof) = self.climb(signal, group, limit).await {
                return Ok(proof);
            }
        }
        Err(LeftBehind { processes: strangers().own().into_iter().map(children::describe).collect() })
    }

    /// One rung of the ladder: `signal` to all, and to those who appear, until `limit`.
    async fn climb(&mut self, signal: Signal, group: Option<Pid>, limit: Duration) -> Option<NothingLeft> {
        let until = Instant::now() + limit;
        let mut told = BTreeSet::new();
        loop {
            if let Some(proof) = reap_all() {
                return Some(proof);
            }
            if signal == Signal::SIGKILL {
                // Once is enough for SIGTERM, and many programs take a second one for "hurry".
                told.clear();
            }
            tell(signal, group, &mut told);
            tokio::select! {
                biased;
                () = self.death() => {}
                () = sleep_until(until) => return reap_all(),
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// The next death of a child since the last time this was asked; several may be told as one.
    async fn death(&mut self) {
        if self.deaths.recv().await.is_none() {
            // The runtime is going down and takes this task with it.
            std::future::pending::<()>().await;
        }
    }
}

impl Group {
    /// The number of the group, which is also the process id of its leader.
    pub fn id(&self) -> Pid {
        Pid::from_raw(self.leader.id().try_into().expect("process ids fit pid_t, they come from it"))
    }

    /// The leader as it was spawned, for its pipes.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }
}

/// Whom a signal is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Group(Pid),
    Process(Pid),
}

/// Signals every child, by its group where the group is ours, and passes over those in `told`.
fn tell(signal: Signal, group: Option<Pid>, told: &mut BTreeSet<Target>) {
    let children = strangers().own();
    for &child in &children {
        let target = match getpgid(Some(child)) {
            Ok(of_child) if Some(of_child) == group || children.contains(&of_child) => Target::Group(of_child),
            Ok(_) | Err(_) => Target::Process(child),
        };
        if told.insert(target) {
            send(signal, target);
            if signal == Signal::SIGTERM {
                // A stopped process would not notice.
                send(Signal::SIGCONT, target);
            }
        }
    }
}

fn send(signal: Signal, target: Target) {
    let sent = match target {
        Target::Group(group) => signal::killpg(group, signal),
        Target::Process(process) => signal::kill(process, signal),
    };
    match sent {
        // ESRCH: a group of which only the zombie in our hands was left. Nothing is lost by it.
        Ok(()) | Err(Errno::ESRCH) => {}
        // Who may not be signalled stays, and is named when the ladder ends.
        Err(error) => tracing::warn!(%signal, ?target, %error, "cannot signal"),
    }
}

/// Reaps every dead child. With the proof if none of its own, dead or alive, is left: the kernel says so, or its list
/// where there are strangers.
fn reap_all() -> Option<NothingLeft> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, _))) => strangers().reaped(Pid::from_raw(child.as_raw_nonzero().get())),
            Err(rustix::io::Errno::CHILD) => return Some(NothingLeft(())),
            Ok(None) | Err(_) => break,
        }
    }
    let strangers = strangers();
    (!strangers.are_gone() && strangers.own().is_empty()).then_some(NothingLeft(()))
}

/// Reaps every dead child but `leader`, whose exit is still to be told.
fn reap_all_but(leader: Pid) {
    for child in children::list() {
        if child == leader {
            continue;
        }
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            // It lives, or was reaped in an earlier round.
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => {}
            // EINVAL: reaped, but the signal that killed it is one that nix has no name for.
            Ok(_) | Err(_) => strangers().reaped(child),
        }
    }
}
