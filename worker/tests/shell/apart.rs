//! Each test in a process of its own, and a driver in it that is talked to as a worker would.
//!
//! A keeper makes its process a child subreaper and reaps whatever dies in it. Two tests in one process
//! would reap each other's commands and count each other's descriptors, so each runs itself again alone.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;
use teamster_worker::driver::shell::{Setup, Shell};
use teamster_worker::driver::{Driver, Exited, News, Prompt, StopReason};
use tokio::sync::mpsc;

/// How long a test may take before it counts as hung.
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

const ALONE: &str = "TEAMSTER_TEST_ALONE";

/// Runs the body of the test called `name` in a process of its own.
pub(crate) fn apart(name: &str, body: impl Future<Output = ()>) {
    if env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let in_time = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, body).await });
        in_time.expect("the test hangs");
        return;
    }
    let itself = env::current_exe().unwrap();
    let args = [name, "--exact", "--nocapture", "--test-threads=1"];
    let output = Command::new(itself).args(args).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complaint}");
}

/// A driver and all that it has said so far.
pub(crate) struct Agent {
    pub(crate) shell: Shell,
    pub(crate) news: mpsc::Receiver<News>,
    pub(crate) said: String,
}

/// How a turn ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) stop: StopReason,
    pub(crate) result: String,
}

/// A shell in the temporary directory that kills 50 ms after SIGTERM.
pub(crate) fn setup() -> Setup {
    Setup { term_grace: Duration::from_millis(50), ..Setup::new(env::temp_dir()) }
}

pub(crate) fn prompt(text: impl Into<String>) -> Prompt {
    Prompt { text: text.into(), env: Vec::new() }
}

pub(crate) fn failed(reason: &str) -> StopReason {
    StopReason::Failed { reason: reason.into() }
}

pub(crate) async fn agent() -> Agent {
    agent_with(setup()).await
}

pub(crate) async fn agent_with(setup: Setup) -> Agent {
    let (shell, mut news) = Shell::start(setup).unwrap();
    assert_eq!(news.recv().await, Some(News::Ready));
    Agent { shell, news, said: String::new() }
}

impl Agent {
    /// Starts a turn.
    pub(crate) fn start(&mut self, text: impl Into<String>) {
        self.said.clear();
        self.shell.prompt(prompt(text)).unwrap();
    }

    /// A whole turn.
    pub(crate) async fn turn(&mut self, text: impl Into<String>) -> Ended {
        self.start(text);
        self.end().await
    }

    /// Takes news until the turn ends.
    pub(crate) async fn end(&mut self) -> Ended {
        loop {
            match self.news.recv().await {
                Some(News::Text(text)) => self.said.push_str(&text),
                Some(News::TurnEnded { stop, result }) => return Ended { stop, result },
                other => panic!("{other:?}, after {:?}", self.said),
            }
        }
    }

    /// Takes news until `text` was said in this turn.
    pub(crate) async fn says(&mut self, text: &str) {
        while !self.said.contains(text) {
            match self.news.recv().await {
                Some(News::Text(more)) => self.said.push_str(&more),
                other => panic!("{other:?} instead of {text:?}, after {:?}", self.said),
            }
        }
    }

    /// The process ids in what was said, one after each `pid `.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        let words: Vec<_> = self.said.split_whitespace().collect();
        let named = words.windows(2).filter(|pair| pair[0] == "pid");
        named.map(|pair| Pid::from_raw(pair[1].parse().unwrap())).collect()
    }

    /// Takes the last news.
    pub(crate) async fn exits(&mut self) {
        assert_eq!(self.news.recv().await, Some(News::Exited(Exited::Closed)));
        assert_eq!(self.news.recv().await, None);
    }
}

/// Fails if one of `pids` is there, be it as a zombie.
pub(crate) fn assert_gone(pids: &[Pid]) {
    for &pid in pids {
        assert_eq!(signal::kill(pid, None), Err(Errno::ESRCH), "process {pid} is still there");
    }
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The most memory this process ever had.
pub(crate) fn memory_kib_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
