//! The signals that tell a process to end, as one stream: the leader, workers and commands that wait all listen to this one.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::process::kernel_text;

/// A signal that tells a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

impl EndSignal {
    /// The exit code by which a shell knows a process that ended of it.
    pub fn exit_code(self) -> i32 {
        128 + self.kind().as_raw_value()
    }

    fn kind(self) -> SignalKind {
        match self {
            EndSignal::Interrupt => SignalKind::interrupt(),
            EndSignal::Terminate => SignalKind::terminate(),
            EndSignal::Hangup => SignalKind::hangup(),
        }
    }
}

/// The signals that were caught, in the order in which they come.
#[derive(Debug)]
pub struct EndSignals {
    caught: Vec<(EndSignal, Signal)>,
}

impl EndSignals {
    /// Catches these from now on, for the rest of the process's life: none of them ends it by itself any more. SIGHUP is
    /// left alone where it is ignored, as by `nohup`: the process is to survive its terminal. Must be called within a runtime.
    pub fn catch(signals: &[EndSignal]) -> io::Result<EndSignals> {
        let left_alone = |which: &EndSignal| *which == EndSignal::Hangup && hangup_is_ignored();
        let caught = signals.iter().filter(|which| !left_alone(which));
        let caught = caught.map(|which| Ok((*which, signal(which.kind())?))).collect::<io::Result<_>>()?;
        Ok(EndSignals { caught })
    }

    /// Catches nothing, and never hears of any.
    pub fn none() -> EndSignals {
        EndSignals { caught: Vec::new() }
    }

    /// Waits for the next one. May be dropped while it waits.
    pub async fn next(&mut self) -> EndSignal {
        poll_fn(|context| {
            for (which, signal) in &mut self.caught {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*which);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether this process was started so that it survives its terminal. By `SigIgn` of proc_pid_status(5), whose lowest bit is
/// signal 1.
pub fn hangup_is_ignored() -> bool {
    let status = kernel_text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;

    #[tokio::test]
    async fn each_is_heard_by_everybody_who_caught_it() {
        let mut all = EndSignals::catch(&[EndSignal::Interrupt, EndSignal::Terminate]).unwrap();
        let mut some = EndSignals::catch(&[EndSignal::Interrupt]).unwrap();
        raise(Signal::SIGINT).unwrap();
        assert_eq!((all.next().await, some.next().await), (EndSignal::Interrupt, EndSignal::Interrupt));
        raise(Signal::SIGTERM).unwrap();
        assert_eq!(all.next().await, EndSignal::Terminate);
        assert_eq!([EndSignal::Hangup, EndSignal::Terminate].map(EndSignal::exit_code), [129, 143]);
    }
}
