//! Children that a process had before it became one of our programs: a shell starts them, and then replaces itself by
//! the program. They belong to somebody else, and are not ended with the program.

use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::unistd::{Pid, getpgid};

use super::children;

/// The children of this process that are not its own.
#[derive(Debug, Clone, Default)]
pub struct StrangerProcesses {
    processes: BTreeSet<Pid>,
    /// The process groups of those children, which hold nobody else: a shell gives each of its jobs one. Processes that
    /// the children started are in the groups too, and fall to this process when the children end.
    groups: BTreeSet<Pid>,
}

impl StrangerProcesses {
    /// All children that there are now. To be called before the first own child is started; `shared` is a group that
    /// own children will be in.
    pub fn present(shared: Option<Pid>) -> StrangerProcesses {
        let processes: BTreeSet<Pid> = children::list().into_iter().collect();
        let groups = processes.iter().filter_map(|process| getpgid(Some(*process)).ok());
        let groups = groups.filter(|group| Some(*group) != shared).collect();
        StrangerProcesses { processes, groups }
    }

    /// Whether none of the strangers is left: then every child is an own one.
    pub fn are_gone(&self) -> bool {
        self.processes.is_empty() && self.groups.is_empty()
    }

    /// The children of this process that are its own.
    pub fn own(&self) -> Vec<Pid> {
        children::list().into_iter().filter(|child| !self.have(*child)).collect()
    }

    /// Forgets a child that was reaped, for its number may pass to an own child. To be called for each that was waited for.
    pub fn reaped(&mut self, child: Pid) {
        self.processes.remove(&child);
        self.groups.retain(|group| killpg(*group, None) != Err(Errno::ESRCH));
    }

    fn have(&self, child: Pid) -> bool {
        self.processes.contains(&child) || getpgid(Some(child)).is_ok_and(|group| self.groups.contains(&group))
    }
}
