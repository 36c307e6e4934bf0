//! Which process a pid means. A pid alone is reused; with the time the process started and the boot it is one
//! process for ever (proc_pid_stat(5), field 22; /proc/sys/kernel/random/boot_id).

pub mod children;
pub mod exit;
pub mod life;
pub mod strangers;
pub mod told;

use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot in which both are valid.
    pub boot_id: String,
}

impl Identity {
    /// Whether this very process is there, a zombie included.
    pub fn exists(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot_id)
            && start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }

    /// Sends this very process a signal. That it is gone is no error: what was wanted has come. The process is held
    /// by a descriptor between the look and the signal, so the number can not pass to another meanwhile.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Err(io::ErrorKind::InvalidInput.into()) };
        let held = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(held) => held,
            Err(Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !self.exists() {
            return Ok(());
        }
        let number = rustix::process::Signal::from_named_raw(signal as i32).ok_or(io::ErrorKind::InvalidInput)?;
        match pidfd_send_signal(&held, number) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this very process is there and has not ended: a zombie has.
    pub fn runs(&self) -> bool {
        let state = stat_field::<char>(self.pid, 0);
        state.is_ok_and(|state| !matches!(state, 'Z' | 'X')) && self.exists()
    }
}

/// What can be told about a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFate {
    /// The process runs.
    Runs,
    /// The process has ended.
    Ended,
    /// This process cannot see others (it is in a PID namespace of its own), or `/proc` could not be read.
    OutOfSight,
}

impl Identity {
    /// Whether this very process runs, has ended, or cannot be seen from here. A zombie has ended.
    pub fn fate(&self) -> ProcessFate {
        match boot_id() {
            Ok(boot) if boot != self.boot_id => return ProcessFate::Ended,
            Ok(_) => {}
            Err(_) => return ProcessFate::OutOfSight,
        }
        if OWN.get().is_some_and(|own| own.pid != std::process::id()) {
            return ProcessFate::OutOfSight;
        }
        let missing = |error: &io::Error| {
            error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
        };
        match (stat_field::<char>(self.pid, 0), start_ticks(self.pid)) {
            (Ok('Z' | 'X'), _) => ProcessFate::Ended,
            (Ok(_), Ok(ticks)) if ticks == self.start_ticks => ProcessFate::Runs,
            (Ok(_), Ok(_)) => ProcessFate::Ended,
            (Err(error), _) | (_, Err(error)) if missing(&error) => ProcessFate::Ended,
            (Err(_), _) | (_, Err(_)) => ProcessFate::OutOfSight,
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
pub fn own_identity() -> io::Result<Identity> {
    if let Some(own) = OWN.get() {
        return Ok(own.clone());
    }
    let own = identity(std::process::id())?;
    Ok(OWN.get_or_init(|| own).clone())
}

/// Says how this process is seen from outside the PID namespace that it went into: there its own number is another
/// one, which means nothing to those outside. To be called before anybody asks for [`own_identity`].
pub fn be_seen_as(identity: Identity) {
    // There is one way into a namespace and none out of it.
    let _ = OWN.set(identity);
}

static OWN: OnceLock<Identity> = OnceLock::new();

/// The process that has this pid now.
pub fn identity(pid: u32) -> io::Result<Identity> {
    Ok(Identity { pid, start_ticks: start_ticks(pid)?, boot_id: boot_id()? })
}

/// The text of a file under `/proc`. Such a file does not tell its size, and the usual way to read one asks for it and
/// then begins with a few bytes; this is a third of the system calls.
pub fn kernel_text(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    File::open(path)?.take(KERNEL_TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// No file that is read for one process comes near it.
const KERNEL_TEXT_BYTES_MAX: u64 = 64 * 1024;

/// The parent of a process.
pub fn parent(pid: u32) -> io::Result<u32> {
    stat_field(pid, 1)
}

fn boot_id() -> io::Result<String> {
    Ok(kernel_text("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn start_ticks(pid: u32) -> io::Result<u64> {
    stat_field(pid, 19)
}

/// A number of `/proc/PID/stat`, counted from the state, which is field 3 of proc_pid_stat(5).
fn stat_field<T: FromStr>(pid: u32, nth: usize) -> io::Result<T> {
    let stat = kernel_text(&format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces and parentheses itself: fields are counted from the last one.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_ascii_whitespace().nth(nth));
    field.and_then(|field| field.parse().ok()).ok_or_else(|| io::Error::other("/proc/PID/stat is not as it should be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_pid_is_another_process() {
        let own = own_identity().unwrap();
        assert!(own.exists() && own.runs());
        assert_eq!(own.fate(), ProcessFate::Runs);
        let reused = Identity { start_ticks: own.start_ticks + 1, ..own.clone() };
        assert_eq!(reused.fate(), ProcessFate::Ended);
        assert_eq!(Identity { pid: u32::MAX, ..own.clone() }.fate(), ProcessFate::Ended);
        assert_eq!(Identity { boot_id: "another".to_owned(), ..own.clone() }.fate(), ProcessFate::Ended);
        assert_eq!(parent(own.pid).unwrap(), std::os::unix::process::parent_id());
        assert!(!Identity { start_ticks: own.start_ticks + 1, ..own.clone() }.exists());
        assert!(!Identity { boot_id: "another".to_owned(), ..own }.exists());
    }
}
