//! The children that a process had before it became what it is: a shell starts them, and then replaces itself by one of our
//! programs. They are somebody else's, and nothing that is ended with it.

use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::unistd::{Pid, getpgid};

use super::children;

/// Children that are not ours.
#[derive(Debug, Clone, Default)]
pub struct StrangerProcesses {
    processes: BTreeSet<Pid>,
    /// The groups that they were in, and nobody else: a shell gives each of its jobs one. What they started is in it too, and
    /// falls to this process when they end.
    groups: BTreeSet<Pid>,
}

impl StrangerProcesses {
    /// All children that there are. To be called before the first own one is started; `shared` is a group that such will be in.
    pub fn present(shared: Option<Pid>) -> StrangerProcesses {
        let processes: BTreeSet<Pid> = children::list().into_iter().collect();
        let groups = processes.iter().filter_map(|process| getpgid(Some(*process)).ok());
        let groups = groups.filter(|group| Some(*group) != shared).collect();
        StrangerProcesses { processes, groups }
    }

    /// Whether nobody is left of them: then every child is an own one.
    pub fn are_gone(&self) -> bool {
        self.processes.is_empty() && self.groups.is_empty()
    }

    /// The children of this process that are its own.
    pub fn own(&self) -> Vec<Pid> {
        children::list().into_iter().filter(|child| !self.have(*child)).collect()
    }

    /// To be told of each child that was waited for: its number is free for one that is no stranger.
    pub fn reaped(&mut self, child: Pid) {
        self.processes.remove(&child);
        self.groups.retain(|group| killpg(*group, None) != Err(Errno::ESRCH));
    }

    fn have(&self, child: Pid) -> bool {
        self.processes.contains(&child) || getpgid(Some(child)).is_ok_and(|group| self.groups.contains(&group))
    }
}
