//! The warden: the parent of every process that leads. It starts a leader again that died, and it is where all orphans
//! below it fall, so that at the end nothing is left of what was started there. It does nothing else: one thread, no
//! files of the team, nothing that could go wrong.

use std::cell::RefCell;
use std::env;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::PathBuf;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{self, Pid};
use rustix::process::{WaitOptions, wait};
use teamster_protocol::host::crash::{self, point};
use teamster_protocol::host::process::exit;
use teamster_protocol::host::process::life;
use teamster_protocol::host::process::strangers::StrangerProcesses;
use teamster_protocol::host::process::told::{SignalTarget, meant_for};
use teamster_protocol::host::process::{self, ProcessIdentity, children};
use teamster_protocol::host::signals::hangup_is_ignored;
use teamster_protocol::model::kill_ladder::{EndingRound, GroupEnding, KillLadder};
use teamster_protocol::model::limits::{CHILDREN_LOOK, RESTARTS_MAX, RESTARTS_WITHIN};

mod guard;
mod mind;
pub mod policy;

pub use guard::WardenGuard;
pub use mind::mind;

use policy::{ChargeEnd, LeftProcesses, WardenEndCause, WardenPolicy, WardenVerdict};

/// Names the warden to the process that it starts, which passes it on to nobody.
pub const VARIABLE: &str = "TEAMSTER_WARDEN";

/// Tells a process that was started again which one it comes after, as JSON; passed on to nobody either.
pub const AFTER: &str = "TEAMSTER_AFTER";

/// Whether this process was started by a warden that is still there.
pub fn is_above() -> bool {
    env::var(VARIABLE).is_ok_and(|warden| warden == parent_id().to_string())
}

/// The process whose death this one was started for; nothing if it is the first that its warden started.
pub fn after() -> Option<ProcessIdentity> {
    let before = env::var(AFTER).ok().filter(|_| is_above())?;
    serde_json::from_str(&before).ok()
}

/// Lets this process hear the signals that its warden has blocked for itself, and with that for its child. Signals that
/// came meanwhile come now. To be called before there is a second thread; does nothing where there is no warden.
pub fn unblock() {
    if is_above() {
        heeded_signals().thread_unblock().expect("a set of signals that exist can be unblocked");
    }
}

/// Becomes the warden of a process that does what this one was told to. Returns the exit code once that has ended and
/// nothing is left below. To be called before there is a second thread.
pub fn stand(guard: WardenGuard) -> i32 {
    crash::begin("warden");
    match Warden::begin(guard) {
        Ok(warden) => warden.stand(),
        Err((doing, error)) => {
            tracing::error!("cannot {doing}: {error}");
            1
        }
    }
}

struct Warden {
    guard: WardenGuard,
    policy: WardenPolicy,
    began: Instant,
    program: PathBuf,
    ears: SignalFd,
    group: ChildGroup,
    /// The children that this process had before it became the warden.
    strangers: RefCell<StrangerProcesses>,
}

/// The process group of the watched process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChildGroup {
    /// The warden's group, so that the terminal's Ctrl-C reaches the process and it may read from the terminal.
    Shared,
    /// A group of its own, so that a signal to the warden's group reaches the process once and not twice.
    Own,
}

/// A signal, or none, as the warden took it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WardenHeard {
    /// Nothing, or the death of some child.
    Nothing,
    /// A signal for it.
    Told(Signal),
    /// A signal that everything at the terminal got.
    AtTerminal(Signal),
}

impl Warden {
    fn begin(guard: WardenGuard) -> Result<Warden, (&'static str, io::Error)> {
        let failed = |doing| move |error: Errno| (doing, error.into());
        if guard.in_background {
            // The terminal's Ctrl-C and its end are none of the leader's business from here on. This leads no group
            // yet, so it can only fail if a person typed the hidden option, and then nothing is lost.
            if let Err(errno) = unistd::setsid() {
                tracing::warn!("cannot leave the terminal: {errno}");
            }
        }
        prctl::set_child_subreaper(true).map_err(failed("adopt orphans"))?;
        heeded_signals().thread_block().map_err(failed("block signals"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let ears = SignalFd::with_flags(&heeded_signals(), flags).map_err(failed("listen to signals"))?;
        // By its name, not by what runs: a program that was replaced meanwhile is the one to start next.
        let program = env::current_exe().map_err(|error| ("find out the own program", error))?;
        let group = if File::open("/dev/tty").is_ok() { ChildGroup::Shared } else { ChildGroup::Own };
        let policy = WardenPolicy::new(guard.charge);
        let strangers = RefCell::new(StrangerProcesses::present(match group {
            ChildGroup::Shared => Some(unistd::getpgrp()),
            ChildGroup::Own => None,
        }));
        Ok(Warden { guard, policy, began: Instant::now(), program, ears, group, strangers })
    }

    fn stand(mut self) -> i32 {
        let mut before = None;
        loop {
            point("about to start a leader");
            let how = match self.start(before.as_ref()) {
                Ok(child) => {
                    // The child was not waited for, so its process id is still its own, even if it has ended.
                    before = process::identity(child.as_raw().cast_unsigned()).ok();
                    self.follow(child)
                }
                Err(error) => {
                    tracing::error!("cannot start {}: {error}", self.program.display());
                    ChargeEnd::NotStarted
                }
            };
            point("leader ended");
            match self.policy.ended(self.began.elapsed(), how) {
                WardenVerdict::HandOver => tracing::info!("the leader handed over; the next one is started"),
                WardenVerdict::Restart { after } => {
                    tracing::error!("the leader {}; it is started again in {} ms", words(how), after.as_millis());
                    point("about to wait for the next leader");
                    if let Some(signal) = self.pause(after) {
                        self.end_the_rest(LeftProcesses::Terminate);
                        return 128 + signal as i32;
                    }
                }
                WardenVerdict::End { left, code, why } => {
                    match why {
                        WardenEndCause::Ended => {}
                        WardenEndCause::Killed => (self.guard.tell_of_death)(&words(how), code),
                        WardenEndCause::GivenUp => tracing::error!(
                            "the leader {}, for the {}th time within {} s: it is given up, and its members are told to end. \
                             What it said last is above; teamster up starts it again",
                            words(how),
                            RESTARTS_MAX + 1,
                            RESTARTS_WITHIN.as_secs()
                        ),
                    }
                    point("about to end the rest");
                    self.end_the_rest(left);
                    point("rest ended");
                    return code;
                }
            }
        }
    }

    fn start(&self, before: Option<&ProcessIdentity>) -> io::Result<Pid> {
        let mut words = env::args_os();
        let mut program = Program::new(&self.program);
        program.arg0(words.next().unwrap_or_else(|| "teamster".into())).args(words);
        // Whatever this was started in, what it starts is no agent.
        program.env(VARIABLE, std::process::id().to_string()).env_remove(life::VARIABLE);
        match before.and_then(|before| serde_json::to_string(before).ok()) {
            Some(before) => program.env(AFTER, before),
            None => program.env_remove(AFTER),
        };
        match self.group {
            ChildGroup::Shared => {}
            ChildGroup::Own => {
                program.process_group(0);
            }
        }
        // Before it: what fails after it would leave a leader that nobody follows.
        let null = OpenOptions::new().write(true).open("/dev/null")?;
        let child = program.spawn()?;
        point("leader started");
        if self.guard.in_background {
            // The starter of the warden reads this output to its end, and only the leader may make that end.
            let _ = unistd::dup2_stdout(&null);
        }
        Ok(Pid::from_raw(child.id().try_into().expect("process ids fit pid_t, they come from it")))
    }

    /// Waits until the child has ended. Reaps whoever else does, and passes on what this is told.
    fn follow(&self, child: Pid) -> ChargeEnd {
        loop {
            while let Some((pid, how)) = self.reap() {
                if pid == child {
                    return how;
                }
            }
            match (self.hear(None), self.group) {
                (WardenHeard::Nothing, _) | (WardenHeard::AtTerminal(_), ChildGroup::Shared) => {}
                (WardenHeard::Told(signal), _) | (WardenHeard::AtTerminal(signal), ChildGroup::Own) => {
                    // The child was not waited for, so its process id is still its own.
                    let _ = kill(child, signal);
                    point("signal passed on");
                }
            }
        }
    }

    /// Waits; returns the signal that ended the wait before its time.
    fn pause(&self, how_long: Duration) -> Option<Signal> {
        let until = Instant::now() + how_long;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            match self.hear(Some(left)) {
                WardenHeard::Nothing => {}
                WardenHeard::Told(signal) | WardenHeard::AtTerminal(signal) => return Some(signal),
            }
        }
    }

    fn end_the_rest(&self, left: LeftProcesses) {
        let began = Instant::now();
        let now_ms = || began.elapsed().as_millis() as u64;
        let mut ending = GroupEnding::new(match left {
            LeftProcesses::Wait => return self.see_off(),
            LeftProcesses::Kill => KillLadder::kill(now_ms()),
            LeftProcesses::Terminate => KillLadder::terminate(now_ms()),
        });
        while !self.nothing_left() {
            match ending.next_round(now_ms(), self.to_be_ended()) {
                EndingRound::Send { signal, to, until_ms } => {
                    for process in to {
                        // A child that was not waited for, so the number is its own.
                        for signal in signal.as_signals() {
                            let _ = kill(process, *signal);
                        }
                    }
                    let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
                    match self.hear(Some(left.min(CHILDREN_LOOK))) {
                        WardenHeard::Told(_) | WardenHeard::AtTerminal(_) => ending.hurry(now_ms()),
                        WardenHeard::Nothing => {}
                    }
                }
                EndingRound::GiveUp => {
                    for process in self.to_be_ended() {
                        tracing::error!("{} does not end, not even on SIGKILL", children::describe(process));
                    }
                    return;
                }
            }
        }
    }

    /// Reaps until nothing is left, or this is told to end.
    fn see_off(&self) {
        while !self.nothing_left() {
            match self.hear(None) {
                WardenHeard::Nothing => {}
                WardenHeard::Told(_) | WardenHeard::AtTerminal(_) => return,
            }
        }
    }

    /// The children that are to be gone at the end.
    fn to_be_ended(&self) -> Vec<Pid> {
        self.strangers.borrow().own()
    }

    /// The next child that has ended.
    fn reap(&self) -> Option<(Pid, ChargeEnd)> {
        let (pid, how) = reap()?;
        self.strangers.borrow_mut().reaped(pid);
        Some((pid, how))
    }

    /// Reaps all that has ended. Whether that was all: the kernel says so, or its list where there are strangers.
    fn nothing_left(&self) -> bool {
        while self.reap().is_some() {}
        if self.strangers.borrow().are_gone() {
            return matches!(wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD));
        }
        self.to_be_ended().is_empty()
    }

    fn hear(&self, limit: Option<Duration>) -> WardenHeard {
        let limit = limit.map_or(PollTimeout::NONE, |limit| {
            // Up to the next millisecond, or the last one would be spent in a loop.
            PollTimeout::try_from(limit + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let _ = poll(&mut [PollFd::new(self.ears.as_fd(), PollFlags::POLLIN)], limit);
        let Ok(Some(told)) = self.ears.read_signal() else { return WardenHeard::Nothing };
        let number = i32::try_from(told.ssi_signo).ok();
        match number.and_then(|number| Signal::try_from(number).ok()) {
            None | Some(Signal::SIGCHLD) => WardenHeard::Nothing,
            Some(signal) => match meant_for(signal, told.ssi_code) {
                SignalTarget::Us => WardenHeard::Told(signal),
                SignalTarget::Group => WardenHeard::AtTerminal(signal),
            },
        }
    }
}

/// The signals that a warden takes from its ears.
fn heeded_signals() -> SigSet {
    let mut heard = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
    // A warden that was started so as to survive its terminal (`nohup`) does not listen for the terminal's end: a
    // blocked signal would arrive although it is ignored.
    if !hangup_is_ignored() {
        heard.add(Signal::SIGHUP);
    }
    heard
}

fn reap() -> Option<(Pid, ChargeEnd)> {
    let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
    let how = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ChargeEnd::Exited { code },
        (None, signal) => ChargeEnd::Killed { signal: signal.unwrap_or_default() },
    };
    Some((Pid::from_raw(pid.as_raw_nonzero().get()), how))
}

/// The end of a process in words, such as `was killed by SIGKILL`.
fn words(how: ChargeEnd) -> String {
    match how {
        ChargeEnd::NotStarted => "could not be started".to_owned(),
        ChargeEnd::Exited { code } => format!("ended with {}", exit::exited(code)),
        ChargeEnd::Killed { signal } => format!("was {}", exit::killed(signal)),
    }
}
