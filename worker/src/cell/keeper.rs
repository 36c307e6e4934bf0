//! The keeper of processes: every process that a worker starts, directly or through another, ends with the worker.
//!
//! A process group reaches most of them. A process that left its group or forked twice falls to the worker, which is a
//! *child subreaper*: an orphan among its descendants becomes its child. So nothing beneath a worker can get away, and
//! the kernel itself gives the proof that nothing is left: `waitpid` says `ECHILD`.
//!
//! Only two things are ever signalled by their number: a child of ours that has not been reaped, and a group that such
//! a child leads or that we made and such a child is in. Neither number can have passed to a stranger.
//! Grandchildren need no signal: when their parent dies they are children of ours. Those of an agent that lives on are
//! signalled each by a descriptor that holds it.
//!
//! Children that this process had before it became a worker belong to somebody else: a shell starts jobs, and then
//! replaces itself by this program. Those are reaped, and neither signalled nor waited for.
//!
//! There are two kinds of groups. The processes of a turn are ended with the turn. A *resident* is the group of an
//! agent that outlives its turns: the end of a turn neither waits for it nor ends it, and its starter hears of its
//! exit. Processes that an agent leaves outside of its own group are the turn's, and are ended with it.
//!
//! The price is that one place reaps: a process that uses a [`CellKeeper`] starts children in no other way
//! (`tokio::process`, `Command::output`), and has one keeper at work at a time, beside those that wait for residents.

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
use teamster_protocol::host::process::beneath::{BeneathProcess, StartTicks, in_groups_since};
use teamster_protocol::host::process::children;
use teamster_protocol::host::process::strangers::StrangerProcesses;
use teamster_protocol::model::kill_ladder::{EndingRound, GroupEnding, KillLadder};
use teamster_protocol::model::limits::{CHILDREN_LOOK, KILL_GRACE};
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep, sleep_until};

mod residents;

/// Starts process groups, hears of deaths, reaps, and ends everything beneath this process.
#[derive(Debug)]
pub struct CellKeeper {
    deaths: unix::Signal,
}

/// A process group and the child that leads it. Dropping it ends nothing.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Child,
    stay: GroupStay,
}

/// How long a group stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupStay {
    /// The group is ended with the turn that started it.
    Turn,
    /// The group outlives turns.
    Resident,
}

/// Proof that this process has no descendants of its own but residents, at the moment when it was given. While there
/// are residents it is as good as the kernel's list of children; without them the kernel itself says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NothingLeft(());

/// Processes that outlived SIGKILL: those of another user, or stuck in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot end {}: still there {} s after SIGKILL", .processes.join(", "), KILL_GRACE.as_secs())]
pub struct LeftBehind {
    /// The processes, each as `process 4242 (sudo)`.
    pub processes: Vec<String>,
}

impl LeftBehind {
    fn of(processes: Vec<Pid>) -> LeftBehind {
        LeftBehind { processes: processes.into_iter().map(children::describe).collect() }
    }
}

/// Known from when the first [`CellKeeper`] was made on, for all of them. What a keeper starts is in a group of its own.
static STRANGERS: LazyLock<Mutex<StrangerProcesses>> = LazyLock::new(|| Mutex::new(StrangerProcesses::present(None)));

fn strangers() -> MutexGuard<'static, StrangerProcesses> {
    STRANGERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CellKeeper {
    /// Makes this process a child subreaper and listens for deaths from now on. Needs a tokio runtime
    /// with signals enabled. To be called before this process starts a child of its own.
    pub fn new() -> io::Result<CellKeeper> {
        drop(strangers());
        prctl::set_child_subreaper(true)?;
        Ok(CellKeeper { deaths: unix::signal(SignalKind::child())? })
    }

    /// Starts `command` as the leader of a process group of its own. Blocks until it runs (about half a
    /// millisecond) or could not be started.
    pub fn spawn(&mut self, command: &mut Command) -> io::Result<ProcessGroup> {
        point("about to start a process");
        let leader = command.process_group(0).spawn()?;
        point("process started");
        Ok(ProcessGroup { leader, stay: GroupStay::Turn })
    }

    /// The same for a group that outlives the turns of its agent: a resident.
    pub fn spawn_resident(&mut self, command: &mut Command) -> io::Result<ProcessGroup> {
        let mut group = self.spawn(command)?;
        group.stay = GroupStay::Resident;
        residents::settle(group.id());
        Ok(group)
    }

    /// Waits until the leader of `group` exits, and reaps orphans meanwhile if that is a turn's. May be dropped at any
    /// point and called again, also after the exit.
    pub async fn exited(&mut self, group: &mut ProcessGroup) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = group.leader.try_wait()? {
                point("process waited for");
                return Ok(status);
            }
            self.death().await;
            match group.stay {
                GroupStay::Turn => reap_all_but(group.id()),
                GroupStay::Resident => {}
            }
        }
    }

    /// Ends one group and nothing else: SIGTERM, after `grace` SIGKILL. A resident is none any more.
    pub async fn end_group(&mut self, group: &mut ProcessGroup, grace: Duration) -> Result<(), LeftBehind> {
        residents::unsettle(group.id());
        let mut climb = LadderClimb::begin(grace);
        loop {
            let members = group.members();
            if members.is_empty() {
                return Ok(());
            }
            match self.next_round(&mut climb, [KeeperTarget::Group(group.id())]).await {
                AfterRound::LookAgain => {}
                AfterRound::GaveUp => return Err(LeftBehind::of(members)),
            }
        }
    }

    /// Ends what was started beneath the leader of `group` since this time, in groups of its own: SIGTERM, after `grace` SIGKILL.
    /// What is in `group` itself stays.
    pub async fn end_beneath(
        &mut self,
        group: &ProcessGroup,
        since: StartTicks,
        grace: Duration,
    ) -> Result<(), LeftBehind> {
        let mut climb = LadderClimb::begin(grace);
        loop {
            let present = in_groups_since(group.id(), since);
            if present.is_empty() {
                return Ok(());
            }
            match self.next_round(&mut climb, present.iter().copied().map(KeeperTarget::Beneath)).await {
                AfterRound::LookAgain => {}
                AfterRound::GaveUp => {
                    return Err(LeftBehind::of(present.into_iter().map(BeneathProcess::pid).collect()));
                }
            }
        }
    }

    /// As [`end_descendants`](CellKeeper::end_descendants), residents and all.
    pub async fn end_all(&mut self, grace: Duration) -> Result<NothingLeft, LeftBehind> {
        residents::unsettle_all();
        self.end_descendants(None, grace).await
    }

    /// Waits up to `limit` for everything beneath this process but residents to end by itself. To be called when the
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

    /// Ends everything beneath this process but residents: SIGTERM, after `grace` SIGKILL, each to `group` and to
    /// whatever else falls to us on the way. Returns as soon as nothing is left, at once if nothing
    /// was there, and after `grace` and [`KILL_GRACE`] at the latest.
    pub async fn end_descendants(&mut self, group: Option<Pid>, grace: Duration) -> Result<NothingLeft, LeftBehind> {
        let mut climb = LadderClimb::begin(grace);
        loop {
            if let Some(proof) = reap_all() {
                return Ok(proof);
            }
            match self.next_round(&mut climb, targets(group)).await {
                AfterRound::LookAgain => {}
                AfterRound::GaveUp => return Err(LeftBehind::of(own_children())),
            }
        }
    }

    /// One round of the kill ladder: signals the processes that are due, and waits until it is time to look again.
    async fn next_round(
        &mut self,
        climb: &mut LadderClimb,
        present: impl IntoIterator<Item = KeeperTarget>,
    ) -> AfterRound {
        let now_ms = climb.began.elapsed().as_millis() as u64;
        match climb.ending.next_round(now_ms, present) {
            EndingRound::Send { signal, to, until_ms } => {
                for target in to {
                    signal.as_signals().iter().for_each(|signal| send(*signal, target));
                }
                tokio::select! {
                    biased;
                    () = self.death() => {}
                    () = sleep_until(climb.began + Duration::from_millis(until_ms)) => {}
                    () = sleep(CHILDREN_LOOK) => {}
                }
                AfterRound::LookAgain
            }
            EndingRound::GiveUp => AfterRound::GaveUp,
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

impl ProcessGroup {
    /// The number of the group, which is also the process id of its leader.
    pub fn id(&self) -> Pid {
        Pid::from_raw(self.leader.id().try_into().expect("process ids fit pid_t, they come from it"))
    }

    /// The children of ours that are in the group; those that have died are reaped.
    fn members(&mut self) -> Vec<Pid> {
        let id = self.id();
        // By its own handle, which keeps the exit for whoever asks later.
        let leads = matches!(self.leader.try_wait(), Ok(None));
        let in_group = |child: &Pid| *child != id && getpgid(Some(*child)) == Ok(id);
        let mut members: Vec<Pid> = children::list().into_iter().filter(in_group).collect();
        members.retain(|child| !reap(*child));
        members.extend(leads.then_some(id));
        members
    }

    /// The leader as it was spawned, for its pipes.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }
}

/// Whom a signal is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum KeeperTarget {
    Group(Pid),
    Process(Pid),
    /// No child of ours.
    Beneath(BeneathProcess),
}

/// Where every child is reached: by its group where the group is ours.
fn targets(group: Option<Pid>) -> BTreeSet<KeeperTarget> {
    let children = own_children();
    let target = |child: &Pid| match getpgid(Some(*child)) {
        Ok(of_child) if Some(of_child) == group || children.contains(&of_child) => KeeperTarget::Group(of_child),
        Ok(_) | Err(_) => KeeperTarget::Process(*child),
    };
    children.iter().map(target).collect()
}

/// How far an ending is.
struct LadderClimb {
    began: Instant,
    ending: GroupEnding<KeeperTarget>,
}

impl LadderClimb {
    fn begin(grace: Duration) -> LadderClimb {
        LadderClimb { began: Instant::now(), ending: GroupEnding::new(KillLadder::terminate_within(0, grace)) }
    }
}

/// The step after a round of an ending.
enum AfterRound {
    /// Some process may have ended: look again.
    LookAgain,
    /// Not even SIGKILL has ended them.
    GaveUp,
}

fn send(signal: Signal, target: KeeperTarget) {
    let sent = match target {
        KeeperTarget::Group(group) => signal::killpg(group, signal),
        KeeperTarget::Process(process) => signal::kill(process, signal),
        KeeperTarget::Beneath(process) => {
            if let Err(error) = process.signal(signal) {
                tracing::warn!(%signal, ?target, %error, "cannot signal");
            }
            return;
        }
    };
    match sent {
        // ESRCH: a group of which only the zombie in our hands was left. Nothing is lost by it.
        Ok(()) | Err(Errno::ESRCH) => {}
        // A process that may not be signalled stays, and is named when the ladder ends.
        Err(error) => tracing::warn!(%signal, ?target, %error, "cannot signal"),
    }
}

/// The children of this process that are neither strangers nor residents.
fn own_children() -> Vec<Pid> {
    let mut own = strangers().own();
    own.retain(|child| !residents::have(*child));
    own
}

/// Reaps every dead child but the leaders of residents. With the proof if none of its own, dead or alive, is left: the
/// kernel says so, or its list where there are strangers or residents.
fn reap_all() -> Option<NothingLeft> {
    if !residents::are_none() {
        for child in children::list() {
            if !residents::are_led_by(child) {
                reap(child);
            }
        }
        return own_children().is_empty().then_some(NothingLeft(()));
    }
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

/// Reaps every dead child but `leader` and the leaders of residents, whose exit is still to be told.
fn reap_all_but(leader: Pid) {
    for child in children::list() {
        if child != leader && !residents::are_led_by(child) {
            reap(child);
        }
    }
}

/// Reaps a child if it is dead. Returns whether it is gone.
fn reap(child: Pid) -> bool {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => false,
        // Reaped in an earlier round.
        Err(Errno::ECHILD) => true,
        // EINVAL: reaped, but the signal that killed it is one that nix has no name for.
        Ok(_) | Err(_) => {
            strangers().reaped(child);
            true
        }
    }
}
