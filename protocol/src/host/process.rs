//! The identity of a process. A pid alone is reused; with the time the process started and the boot it is one process
//! for ever (proc_pid_stat(5), field 22; /proc/sys/kernel/random/boot_id).

pub mod ancestry;
pub mod beneath;
pub mod children;
pub mod command_line;
pub mod exit;
pub mod ladder;
pub mod life;
pub mod marked;
pub mod strangers;
pub mod told;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use crate::model::kill_ladder::KillSignal;
pub use crate::model::process::ProcessIdentity;

impl KillSignal {
    /// The signals that the system is asked to send, in this order.
    pub fn as_signals(self) -> &'static [Signal] {
        match self {
            KillSignal::Terminate => &[Signal::SIGTERM, Signal::SIGCONT],
            KillSignal::Kill => &[Signal::SIGKILL],
        }
    }
}

impl ProcessIdentity {
    /// Its process id as the system calls take it.
    pub fn to_pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.pid.try_into().expect("process ids fit pid_t, they come from it"))
    }

    /// Whether this very process is there, a zombie included.
    pub fn exists(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot_id)
            && start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }

    /// Sends this very process a signal. A process that is gone already is no error: the wish has come true. The
    /// process is held by a descriptor between the look and the signal, so the number can not pass to another
    /// meanwhile.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if is_in_cell() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a process in a cell reaches nobody outside"));
        }
        let pid = i32::try_from(self.pid).map_err(|_| io::ErrorKind::InvalidInput)?;
        signal_if(pid, signal, || self.exists())
    }

    /// Sends this very process a signal of the kill ladder; see [`ProcessIdentity::signal`].
    pub fn send(&self, wanted: KillSignal) -> io::Result<()> {
        wanted.as_signals().iter().try_for_each(|signal| self.signal(*signal))
    }

    /// Whether this very process is seen to run; see [`ProcessIdentity::fate`].
    pub fn runs(&self) -> bool {
        self.fate() == ProcessFate::Runs
    }
}

/// Sends a signal to the process of that number, if it is the one that is meant by then: it is held by a descriptor between
/// the look and the signal. One that is gone already is no error.
fn signal_if(pid: i32, signal: Signal, is_meant: impl FnOnce() -> bool) -> io::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    let held = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(held) => held,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !is_meant() {
        return Ok(());
    }
    let number = rustix::process::Signal::from_named_raw(signal as i32).ok_or(io::ErrorKind::InvalidInput)?;
    match pidfd_send_signal(&held, number) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The knowledge about a process that can be had from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFate {
    /// The process runs.
    Runs,
    /// The process has ended.
    Ended,
    /// This process cannot see others (it is in a PID namespace of its own, and the `/proc` outside hides them), or `/proc`
    /// could not be read.
    OutOfSight,
}

impl ProcessIdentity {
    /// Whether this very process runs, has ended, or cannot be seen from here. A zombie has ended, once all its threads
    /// have. The first process of a PID namespace runs until nobody else is left in it, and all that it had open is closed
    /// before that.
    pub fn fate(&self) -> ProcessFate {
        match boot_id() {
            Ok(boot) if boot != self.boot_id => return ProcessFate::Ended,
            Ok(_) => {}
            Err(_) => return ProcessFate::OutOfSight,
        }
        if OUTSIDE.get().is_some_and(|view| view.proc_dir.is_none()) {
            return ProcessFate::OutOfSight;
        }
        let stat = match stat_of(self.pid) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return ProcessFate::Ended,
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => return ProcessFate::Ended,
            Err(_) => return ProcessFate::OutOfSight,
        };
        match (nth_field::<char>(&stat, STATE), nth_field::<u64>(&stat, START_TICKS)) {
            (Err(_), _) | (_, Err(_)) => ProcessFate::OutOfSight,
            (Ok(_), Ok(ticks)) if ticks != self.start_ticks => ProcessFate::Ended,
            (Ok('X'), Ok(_)) => ProcessFate::Ended,
            // The first thread waits for the others as a zombie.
            (Ok('Z'), Ok(_)) if nth_field::<u32>(&stat, THREADS).is_ok_and(|threads| threads <= 1) => {
                ProcessFate::Ended
            }
            (Ok(_), Ok(_)) => ProcessFate::Runs,
        }
    }
}

/// The length in bytes beyond which a process may not write a file; `None` if it has no such limit (proc_pid_limits(5)).
pub fn file_size_limit(pid: u32) -> io::Result<Option<u64>> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max file size")?.split_whitespace().next());
    match soft {
        Some("unlimited") => Ok(None),
        soft => match soft.and_then(|soft| soft.parse().ok()) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not tell a size of files")),
        },
    }
}

/// This process, as those outside see it.
pub fn own_identity() -> io::Result<ProcessIdentity> {
    if let Some(own) = OWN.get() {
        return Ok(own.clone());
    }
    let own = identity(std::process::id())?;
    Ok(OWN.get_or_init(|| own).clone())
}

/// The view that a process in a PID namespace of its own keeps of the namespace that it came from. Inside, its number is
/// another one, which means nothing to processes outside.
#[derive(Debug)]
pub struct OutsideView {
    /// This process, as processes outside see it.
    pub own: ProcessIdentity,
    /// The outer half of the cell: the parent of this process, and the one that was started.
    pub outer_half: ProcessIdentity,
    /// The number of the namespace that this process is the first one of.
    pub cell: u64,
    /// The directory `/proc` of that namespace, by which this process still sees who runs there. Nothing where that hides
    /// them (`hidepid`).
    pub proc_dir: Option<OwnedFd>,
}

/// Keeps the view of the outside. From then on every [`ProcessIdentity`] is looked for there, and [`own_identity`] is the one that
/// others see. To be called before anybody asks for it.
pub fn keep_outside_view(mut view: OutsideView) {
    // The parent of this process is there: a directory that does not show it says nothing about others either.
    let stat = view.proc_dir.as_ref().map(|dir| stat_within(dir, view.outer_half.pid));
    if stat.is_none_or(|stat| stat.is_err()) {
        view.proc_dir = None;
    }
    // There is one way into a namespace and none out of it.
    let _ = OWN.set(view.own.clone());
    let _ = OUTSIDE.set(view);
}

/// The outer half of the cell that this process is in, if it is in one.
pub fn own_outer_half() -> Option<ProcessIdentity> {
    OUTSIDE.get().map(|view| view.outer_half.clone())
}

/// The number of the PID namespace of the cell that this process is in, if it is in one.
pub fn own_cell() -> Option<u64> {
    OUTSIDE.get().map(|view| view.cell)
}

/// Whether this process is in a PID namespace that it went into by itself: then the numbers of processes outside mean
/// nothing to its system calls.
pub fn is_in_cell() -> bool {
    OUTSIDE.get().is_some()
}

static OWN: OnceLock<ProcessIdentity> = OnceLock::new();
static OUTSIDE: OnceLock<OutsideView> = OnceLock::new();

/// The process that has this pid now.
pub fn identity(pid: u32) -> io::Result<ProcessIdentity> {
    Ok(ProcessIdentity { pid, start_ticks: start_ticks(pid)?, boot_id: boot_id()? })
}

/// The text of a file under `/proc`. Such a file does not tell its size, and the usual way to read one asks for it and
/// then begins with a few bytes; this is a third of the system calls.
pub fn kernel_text(path: &str) -> io::Result<String> {
    read_kernel_text(File::open(path)?)
}

fn read_kernel_text(file: File) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    file.take(KERNEL_TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The environment that a process was started with, as `/proc/PID/environ` has it. Read as [`kernel_text`] is.
pub(crate) fn environ_of(pid: u32) -> io::Result<Vec<u8>> {
    let mut environ = Vec::with_capacity(8192);
    // Environments may be larger than texts of the kernel: as large as a program may be given.
    File::open(format!("/proc/{pid}/environ"))?.read_to_end(&mut environ)?;
    Ok(environ)
}

/// No file that is read for one process comes near it.
const KERNEL_TEXT_BYTES_MAX: u64 = 64 * 1024;

/// The parent of a process.
pub fn parent(pid: u32) -> io::Result<u32> {
    stat_field(pid, PARENT)
}

fn boot_id() -> io::Result<String> {
    Ok(kernel_text("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn start_ticks(pid: u32) -> io::Result<u64> {
    stat_field(pid, START_TICKS)
}

/// Fields of `/proc/PID/stat`, counted from the state, which is field 3 of proc_pid_stat(5).
const STATE: usize = 0;
const PARENT: usize = 1;
const THREADS: usize = 17;
const START_TICKS: usize = 19;
const ARGUMENTS_BEGIN: usize = 45;
const ARGUMENTS_END: usize = 46;

fn stat_field<T: FromStr>(pid: u32, nth: usize) -> io::Result<T> {
    nth_field(&stat_of(pid)?, nth)
}

fn nth_field<T: FromStr>(stat: &str, nth: usize) -> io::Result<T> {
    // The name in parentheses may hold spaces and parentheses itself: fields are counted from the last one.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_ascii_whitespace().nth(nth));
    field.and_then(|field| field.parse().ok()).ok_or_else(|| io::Error::other("/proc/PID/stat is not as it should be"))
}

fn stat_of(pid: u32) -> io::Result<String> {
    match OUTSIDE.get().and_then(|view| view.proc_dir.as_ref()) {
        Some(dir) => stat_within(dir, pid),
        None => kernel_text(&format!("/proc/{pid}/stat")),
    }
}

fn stat_within(proc_dir: &OwnedFd, pid: u32) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    read_kernel_text(rustix::fs::openat(proc_dir, format!("{pid}/stat"), flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_pid_is_another_process() {
        let own = own_identity().unwrap();
        assert!(own.exists() && own.runs());
        assert_eq!(own.fate(), ProcessFate::Runs);
        let reused = ProcessIdentity { start_ticks: own.start_ticks + 1, ..own.clone() };
        assert_eq!(reused.fate(), ProcessFate::Ended);
        assert_eq!(ProcessIdentity { pid: u32::MAX, ..own.clone() }.fate(), ProcessFate::Ended);
        assert_eq!(ProcessIdentity { boot_id: "another".to_owned(), ..own.clone() }.fate(), ProcessFate::Ended);
        assert_eq!(parent(own.pid).unwrap(), std::os::unix::process::parent_id());
        assert!(!ProcessIdentity { start_ticks: own.start_ticks + 1, ..own.clone() }.exists());
        assert!(!ProcessIdentity { boot_id: "another".to_owned(), ..own }.exists());
    }
}
