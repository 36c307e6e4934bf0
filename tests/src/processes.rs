//! The end of processes that need not be children of the test that waits for it.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Waits until the process of that number has ended, whoever is to wait for it. Returns at once if there is none, and panics if
/// it takes longer.
pub fn until_ended(pid: u32, within: Duration) {
    let until = Instant::now() + within;
    let number = Pid::from_raw(pid.cast_signed()).expect("it is the number of a process");
    let Ok(held) = pidfd_open(number, PidfdFlags::empty()) else { return };
    loop {
        let left = PollTimeout::try_from(until.saturating_duration_since(Instant::now())).expect("it is no long time");
        match poll(&mut [PollFd::new(held.as_fd(), PollFlags::POLLIN)], left) {
            Ok(1) => return,
            // All tests are one program, which gets a signal for each child of any of them that has ended.
            Err(Errno::EINTR) => {}
            other => {
                let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                panic!("process {pid} does not end ({other:?}): {}", String::from_utf8_lossy(&command));
            }
        }
    }
}
