//! The processes beneath another one, as this process sees them: in a cell by the numbers that they have there. An agent's
//! commands are such processes, which are no children of whoever started the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{PARENT, START_TICKS, STATE, kernel_text, nth_field, signal_if};

/// A process that is no child of ours. The number alone is reused; with the time of the start it is one process for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BeneathProcess {
    pid: Pid,
    started: StartTicks,
}

/// The time of a start, in the kernel's clock ticks since the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartTicks(u64);

/// Of `/proc/PID/stat`, after the parent.
const GROUP: usize = 2;

/// Of `/proc/uptime`, which has hundredths of a second, as the ticks that the kernel shows are everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

impl StartTicks {
    /// The time now.
    pub fn now() -> io::Result<StartTicks> {
        let text = kernel_text("/proc/uptime")?;
        let seconds = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        let seconds = seconds.ok_or_else(|| io::Error::other("/proc/uptime is not as it should be"))?;
        Ok(StartTicks((seconds * TICKS_PER_SECOND) as u64))
    }
}

/// What `/proc` says of a process.
struct ProcessRow {
    parent: i32,
    group: i32,
    started: StartTicks,
}

impl BeneathProcess {
    /// The process id, as it was when the process was seen.
    pub fn pid(self) -> Pid {
        self.pid
    }

    /// Sends this very process a signal. One that is gone already is no error.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        let pid = self.pid.as_raw();
        signal_if(pid, signal, || row(pid).is_some_and(|row| row.started == self.started))
    }
}

/// The processes beneath `top` that were started at this time or later, and in groups that were begun since then as well: what
/// is in `top`'s own group, or in one that was there before, is not among them.
pub fn in_groups_since(top: Pid, since: StartTicks) -> BTreeSet<BeneathProcess> {
    let rows = all_rows();
    let mut beneath: BTreeSet<i32> = BTreeSet::from([top.as_raw()]);
    loop {
        let more: Vec<i32> = rows
            .iter()
            .filter(|(pid, row)| beneath.contains(&row.parent) && !beneath.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        beneath.extend(more);
    }
    let is_new_group = |group: i32| group != top.as_raw() && rows.get(&group).is_none_or(|row| row.started >= since);
    let found = rows.iter().filter(|(pid, row)| {
        **pid != top.as_raw() && beneath.contains(pid) && row.started >= since && is_new_group(row.group)
    });
    found.map(|(pid, row)| BeneathProcess { pid: Pid::from_raw(*pid), started: row.started }).collect()
}

fn all_rows() -> BTreeMap<i32, ProcessRow> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, row(pid)?))).collect()
}

/// Nothing of one that is gone, or has died and waits for its parent.
fn row(pid: i32) -> Option<ProcessRow> {
    let stat = kernel_text(&format!("/proc/{pid}/stat")).ok()?;
    if nth_field::<char>(&stat, STATE).ok()? == 'Z' {
        return None;
    }
    let parent = nth_field(&stat, PARENT).ok()?;
    let group = nth_field(&stat, GROUP).ok()?;
    Some(ProcessRow { parent, group, started: StartTicks(nth_field(&stat, START_TICKS).ok()?) })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that starts what is in the script, and tells the numbers; it ends with its input.
    fn started(script: &str, lines: usize) -> (Child, Vec<i32>) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{script}; read -r _")]).process_group(0);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
        let mut read = BufReader::new(shell.stdout.as_mut().expect("piped")).lines();
        let pids = (0..lines).map(|_| read.next().expect("a line").expect("text").parse().expect("a number")).collect();
        (shell, pids)
    }

    #[test]
    fn a_command_in_a_group_of_its_own_is_found_and_ended_and_nothing_else_is() {
        let since = StartTicks::now().expect("/proc");
        // One in the shell's group, and one that began a group of its own, with a child in it.
        let own = "setsid sh -c 'tail -f /dev/null & echo $!; echo $$; wait' &";
        let (mut shell, pids) = started(&format!("tail -f /dev/null & echo $!; {own} wait"), 3);
        let top = Pid::from_raw(shell.id() as i32);
        let found = in_groups_since(top, since);
        let mut seen: Vec<i32> = found.iter().map(|process| process.pid().as_raw()).collect();
        seen.sort_unstable();
        let mut wanted = pids[1..].to_vec();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "{pids:?}");
        let later = StartTicks(since.0 + 1_000_000);
        assert_eq!(in_groups_since(top, later), BTreeSet::new(), "all of it was there before");
        for process in &found {
            process.signal(Signal::SIGKILL).expect("it may be signalled");
        }
        let other = BeneathProcess { started: StartTicks(1), pid: Pid::from_raw(pids[0]) };
        other.signal(Signal::SIGKILL).expect("it is gone, which is no error");
        assert!(row(pids[0]).is_some(), "another process had the number");
        nix::sys::signal::killpg(top, Signal::SIGKILL).expect("its group");
        shell.wait().expect("reaped");
        let mut rest = String::new();
        shell.stdout.take().expect("piped").read_to_string(&mut rest).expect("its writers are gone");
    }
}
