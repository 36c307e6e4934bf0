//! Orphans: processes that a killed worker left behind. The leader is a *child subreaper*: when a worker dies without
//! having ended its agent, the agent becomes a child of the leader, and is ended here.
//!
//! Only children of ours that were not waited for are signalled, so no number can have passed to a stranger;
//! and of those only such as are in another process group: `git`, which the leader runs itself, is in its own.

use std::collections::BTreeSet;
use std::io;

use nix::sys::prctl;
use nix::sys::signal::{kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpgid, getpgrp};
use teamster_protocol::host::crash::point;
use teamster_protocol::host::process::children;
use teamster_protocol::model::kill_ladder::{EndingRound, GroupEnding, KillLadder, KillSignal};
use teamster_protocol::model::limits::DEATH_LOOK;
use tokio::time::{Instant, sleep};

/// Makes this process the one that orphans below it fall to.
pub(super) fn adopt() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// The children of this process that are orphans. `workers` are those that are none.
pub(super) fn list(workers: &BTreeSet<Pid>) -> Vec<Pid> {
    let in_another_group = |pid: Pid| getpgid(Some(pid)).is_ok_and(|group| group != getpgrp());
    children::list().into_iter().filter(|pid| !workers.contains(pid) && in_another_group(*pid)).collect()
}

/// Kills all orphans that `list` tells of, and those of theirs, until none is left. Returns what outlived SIGKILL, for
/// people.
pub(super) async fn end(list: impl Fn() -> Vec<Pid>) -> Vec<String> {
    let began = Instant::now();
    let mut ending = GroupEnding::new(KillLadder::kill(0));
    loop {
        let orphans = list();
        if orphans.is_empty() {
            return Vec::new();
        }
        match ending.next_round(began.elapsed().as_millis() as u64, orphans.iter().copied()) {
            EndingRound::Send { signal, to, .. } => {
                point("about to end orphans");
                to.into_iter().for_each(|orphan| end_one(orphan, signal));
            }
            EndingRound::GiveUp => return orphans.into_iter().map(children::describe).collect(),
        }
        // An orphan's own children become ours when it dies.
        sleep(DEATH_LOOK).await;
    }
}

/// Signals an orphan, with its group if it leads one, and reaps it if it is dead. An orphan that is gone already is as
/// good.
fn end_one(orphan: Pid, signal: KillSignal) {
    for signal in signal.as_signals() {
        let _ = if getpgid(Some(orphan)) == Ok(orphan) { killpg(orphan, *signal) } else { kill(orphan, *signal) };
    }
    let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
}
