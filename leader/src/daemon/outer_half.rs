//! The outer half of a worker's cell: the process that was started for the worker, and that ends as the worker did, unless it
//! is stopped. A worker without a cell is that process itself.

use std::io;
use std::process::ExitStatus;

use nix::sys::signal;
use nix::unistd::Pid;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::process::ladder::climb_ladder;
use teamster_protocol::model::kill_ladder::{KillLadder, KillSignal};
use teamster_protocol::model::limits::{DEATH_LOOK, KILL_GRACE, TERM_GRACE};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

/// Ends the outer half of a dead worker that this leader did not launch, if it does not end by itself. It is no child of this
/// leader, so nothing tells of that end.
pub(super) async fn see_off_outer_half(outer: ProcessIdentity) {
    if !outer.runs() {
        return;
    }
    let send = |wanted| outer.send(wanted);
    if let Err(error) = climb_ladder(KillLadder::terminate, send, until_gone(&outer)).await {
        tracing::error!(pid = outer.pid, "the outer half of a dead worker is left: {error}");
    }
}

/// Waits for the process that was started for a worker whose link has ended, and ends it if the worker is dead and it does not
/// follow.
pub(super) async fn wait_for_outer_half(child: &mut Child, worker: Option<&ProcessIdentity>) -> io::Result<ExitStatus> {
    loop {
        if let Ok(status) = timeout(TERM_GRACE, child.wait()).await {
            return status;
        }
        // A worker that lives may take its time; the ladder is the core's.
        if !worker.is_some_and(ProcessIdentity::runs) {
            return end_child(child, KillLadder::terminate).await;
        }
    }
}

/// The number of a child, as signals take it.
pub(super) fn pid_of(child: u32) -> Pid {
    Pid::from_raw(child.try_into().expect("process ids fit pid_t, they come from it"))
}

/// Ends a child by the ladder that begins so, and waits for it.
pub(super) async fn end_child(child: &mut Child, begin: impl FnOnce(u64) -> KillLadder) -> io::Result<ExitStatus> {
    // One that was waited for already answers at once.
    let Some(pid) = child.id() else { return child.wait().await };
    let pid = pid_of(pid);
    // The child is not waited for yet, so its number is its own.
    let send = |wanted: KillSignal| {
        wanted.as_signals().iter().try_for_each(|signal| signal::kill(pid, *signal)).map_err(io::Error::from)
    };
    climb_ladder(begin, send, child.wait()).await.map_err(io::Error::other)?
}

/// Waits until nothing of a worker is left. In a cell the kernel ends all that it had started before the worker itself is
/// gone, and an agent with much memory takes a while.
pub(super) async fn wait_for_empty_cell(worker: &ProcessIdentity) {
    // What is left after that time is not this leader's to end, and the member's lock tells of it.
    let _ = timeout(KILL_GRACE, until_gone(worker)).await;
}

async fn until_gone(process: &ProcessIdentity) {
    while process.runs() {
        sleep(DEATH_LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;

    use nix::sys::signal::Signal;
    use teamster_protocol::host::process;
    use tokio::process::Command;

    use super::*;

    /// A process that is stopped, and would go on for ever.
    fn stopped_process() -> (Child, ProcessIdentity) {
        let child = Command::new("cat").stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("cat starts");
        let cat = process::identity(child.id().expect("it runs")).expect("it runs");
        cat.signal(Signal::SIGSTOP).expect("it runs");
        (child, cat)
    }

    #[tokio::test]
    async fn a_stopped_process_whose_worker_is_dead_is_asked_and_goes_on_to_obey() {
        let (mut child, _) = stopped_process();
        let status = wait_for_outer_half(&mut child, None).await.expect("it ends");
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    }

    #[tokio::test]
    async fn a_stopped_process_that_is_no_child_to_wait_for_is_ended_too() {
        let (mut child, cat) = stopped_process();
        see_off_outer_half(cat).await;
        assert_eq!(child.wait().await.expect("it ends").signal(), Some(Signal::SIGTERM as i32));
    }

    #[tokio::test]
    async fn a_process_that_is_refused_is_killed_at_once() {
        let (mut child, _) = stopped_process();
        let status = end_child(&mut child, KillLadder::kill).await.expect("it ends");
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }
}
