//! The children of this process, dead ones that were not reaped included.

use std::fs;
use std::process;

use nix::unistd::Pid;

/// The children as the kernel lists them. May miss one while others come and go, and never names a
/// process that is not a child.
pub fn list() -> Vec<Pid> {
    by_thread().unwrap_or_else(by_parent)
}

/// `process 4242 (sudo)`, for people.
pub fn describe(process: Pid) -> String {
    match fs::read_to_string(format!("/proc/{process}/comm")) {
        Ok(name) => format!("process {process} ({})", name.trim_end()),
        Err(_) => format!("process {process}"),
    }
}

/// From the lists that the kernel keeps per thread; `None` where it was built without them.
fn by_thread() -> Option<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(listed) => children.extend(listed.split_ascii_whitespace().filter_map(parse)),
            // A thread that ended has handed its children to another.
            Err(_) if !thread.path().exists() => {}
            Err(_) => return None,
        }
    }
    Some(children)
}

/// By asking every process there is for its parent.
fn by_parent() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let us = process::id().to_string();
    let is_child = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; the state and the parent follow the last one.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1));
        parent == Some(us.as_str())
    };
    processes.flatten().filter_map(|entry| parse(entry.file_name().to_str()?)).filter(is_child).collect()
}

fn parse(pid: &str) -> Option<Pid> {
    pid.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn both_ways_find_a_child_and_no_grandchild() {
        let mut child = Command::new("sh")
            .args(["-c", "cat & echo $!; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let grandchild = parse(line.trim()).expect("a pid");
        let pid = parse(&child.id().to_string()).expect("a pid");
        for found in [by_thread().expect("/proc/self/task/*/children"), by_parent()] {
            assert!(found.contains(&pid), "{pid} in {found:?}");
            assert!(!found.contains(&grandchild), "{grandchild} in {found:?}");
        }
        assert_eq!(describe(pid), format!("process {pid} (sh)"));
        drop(child.stdin.take());
        child.wait().expect("reaped here");
    }
}
