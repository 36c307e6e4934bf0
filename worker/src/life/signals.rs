//! The signals that tell a worker to end. The first is obeyed in order, the second at once.

use std::io;

use teamster_protocol::host::process::kernel_text;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cell;

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndSignal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// Its terminal is gone.
    Hangup,
}

impl EndSignal {
    /// The exit code by which a shell knows it.
    pub(super) fn exit_code(self) -> i32 {
        128 + match self {
            EndSignal::Hangup => 1,
            EndSignal::Interrupt => 2,
            EndSignal::Terminate => 15,
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Nothing if whoever started the worker wants it to survive its terminal (`nohup`).
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn new() -> io::Result<Signals> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        cell::hear();
        Ok(Signals { interrupt, terminate, hangup })
    }

    /// The next one. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> EndSignal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => EndSignal::Interrupt,
            _ = self.terminate.recv() => EndSignal::Terminate,
            _ = hangup => EndSignal::Hangup,
        }
    }
}

/// By `SigIgn` of proc_pid_status(5); signal 1 is its lowest bit.
fn hangup_is_ignored() -> bool {
    let status = kernel_text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
