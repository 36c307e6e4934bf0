//! The outer half of a cell: the process that whoever started the worker knows. It passes on what it is told, and ends
//! as the worker did. It holds nothing of what is the worker's: no stream, no file.

use std::env;
use std::fs::OpenOptions;
use std::process::exit;

use nix::sys::prctl;
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{self, Pid};
use teamster_protocol::host::process::command_line::show_command_line;
use teamster_protocol::host::process::told::{SignalTarget, meant_for};
use teamster_protocol::wire::spare::SPARE;

/// Waits for the inner half and ends as it did.
pub(super) fn stay(inner: Pid) -> ! {
    let _ = prctl::set_name(c"teamster-cell");
    if env::args_os().nth(1).is_some_and(|first| first == SPARE) {
        // Only the inner half hears whose worker it becomes, and shows that; a spare one is what this is no longer then.
        let _ = show_command_line(&["teamster-cell"]);
    }
    let heard = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];
    let heard = SigSet::from_iter(heard);
    heard.thread_block().expect("a set of signals that exist can be blocked");
    let ears = SignalFd::with_flags(&heard, SfdFlags::SFD_CLOEXEC);
    let_go_of_streams();
    loop {
        match waitpid(inner, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => exit(code),
            Ok(WaitStatus::Signaled(_, by, _)) => die_by(by),
            Ok(_) => {}
            // The inner half died by a signal that has no name here.
            Err(_) => exit(1),
        }
        let Ok(ears) = &ears else {
            // Without ears it only waits: no descriptor was left for them.
            let _ = waitpid(inner, Some(WaitPidFlag::__WALL));
            exit(1);
        };
        let Ok(Some(told)) = ears.read_signal() else { continue };
        let Some(what) = i32::try_from(told.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) else {
            continue;
        };
        match what {
            Signal::SIGCHLD => {}
            // To die at once, and nothing else, is what it means.
            Signal::SIGQUIT => tell(inner, Signal::SIGKILL),
            Signal::SIGTSTP => pause(inner),
            // The inner half is in the group.
            what if meant_for(what, told.ssi_code) == SignalTarget::Us => tell(inner, what),
            _ => {}
        }
    }
}

/// The inner half is a child that was not waited for, so its number is its own.
fn tell(inner: Pid, what: Signal) {
    let _ = signal::kill(inner, what);
}

/// Ctrl-Z: the first process of a namespace does not stop by itself. Returns once this one is continued.
fn pause(inner: Pid) {
    tell(inner, Signal::SIGSTOP);
    let _ = signal::raise(Signal::SIGSTOP);
    tell(inner, Signal::SIGCONT);
}

/// A copy of a pipe would keep it open after the worker closed it.
fn let_go_of_streams() {
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    let _ = unistd::dup2_stdin(&null);
    let _ = unistd::dup2_stdout(&null);
    let _ = unistd::dup2_stderr(&null);
}

/// Ends this process by the signal that ended the inner half, so that whoever waits sees the same.
fn die_by(by: Signal) -> ! {
    // One core file is enough.
    let _ = prctl::set_dumpable(false);
    // Twice: the first of some is caught, and the handler that is there gives up its place.
    for _ in 0..2 {
        let _ = signal::kill(unistd::getpid(), by);
        let _ = SigSet::from_iter([by]).thread_unblock();
    }
    exit(128 + by as i32)
}
