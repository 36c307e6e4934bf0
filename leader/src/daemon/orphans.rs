//! What a worker that was killed left behind. The leader is a *child subreaper*: when a worker dies without
//! having ended its agent, the agent becomes a child of the leader, and is ended here.
//!
//! Only children of ours that were not waited for are signalled, so no number can have passed to a stranger;
//! and of those only such as are in another process group: `git`, which the leader runs itself, is in its own.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpgid, getpgrp};
use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::children;
use teamster_protocol::model::limits::KILL_GRACE;
use tokio::time::{Instant, sleep};

/// How long a round of kills is given before the next look: an orphan's own children become ours when it dies.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Makes this process the one that orphans below it fall to.
pub(super) fn adopt() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// The children of this process that are orphans. `workers` are those that are none.
pub(super) fn list(workers: &BTreeSet<Pid>) -> Vec<Pid> {
    let in_another_group = |pid: Pid| getpgid(Some(pid)).is_ok_and(|group| group != getpgrp());
    children::list().into_iter().filter(|pid| !workers.contains(pid) && in_another_group(*pid)).collect()
}

/// Kills all orphans, as `list` tells of them, and those of theirs, until none is left. Returns what outlived
/// SIGKILL, for people.
pub(super) async fn end(list: impl Fn() -> Vec<Pid>) -> Vec<String> {
    let until = Instant::now() + KILL_GRACE;
    loop {
        let orphans = list();
        if orphans.is_empty() {
            return Vec::new();
        }
        if Instant::now() >= until {
            return orphans.into_iter().map(children::describe).collect();
        }
        point("about to end orphans");
        for &pid in &orphans {
            // Gone already is as good.
            let _ =
                if getpgid(Some(pid)) == Ok(pid) { killpg(pid, Signal::SIGKILL) } else { kill(pid, Signal::SIGKILL) };
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
        sleep(LOOK_AGAIN).await;
    }
}
