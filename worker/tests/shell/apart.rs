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
use teamster_protocol::model::agent::{AgentExit, TurnEnd};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::{CommandInput, TaskWork};
use teamster_worker::driver::process::ProcessDriver;
use teamster_worker::driver::shell::{ShellSetup, start_shell};
use teamster_worker::driver::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError};
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
    pub(crate) shell: ProcessDriver,
    pub(crate) news: mpsc::Receiver<AgentNews>,
    pub(crate) said: String,
    /// How far each text has come, but for the prompts.
    pub(crate) receipts: Vec<ReceiptState>,
    steers: u32,
}

/// How a turn ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) end: TurnEnd,
    pub(crate) result: String,
}

/// A shell in the temporary directory that kills 50 ms after SIGTERM.
pub(crate) fn setup() -> ShellSetup {
    ShellSetup { term_grace: Duration::from_millis(50), ..ShellSetup::new(env::temp_dir()) }
}

/// A command that reads steers.
pub(crate) fn open(command: impl Into<String>) -> TaskWork {
    TaskWork::Run { command: command.into(), input: CommandInput::Open }
}

pub(crate) fn prompt(text: impl Into<String>) -> AgentPrompt {
    AgentPrompt { id: TextId::prompt_of(1), work: open(text), env: Vec::new() }
}

pub(crate) fn failed(reason: &str) -> TurnEnd {
    TurnEnd::failed(reason)
}

pub(crate) async fn agent() -> Agent {
    agent_with(setup()).await
}

pub(crate) async fn agent_with(setup: ShellSetup) -> Agent {
    let (shell, mut news) = start_shell(setup).unwrap();
    assert_eq!(news.recv().await, Some(AgentNews::Ready { session: None }));
    Agent { shell, news, said: String::new(), receipts: Vec::new(), steers: 0 }
}

impl Agent {
    /// Starts a turn.
    pub(crate) fn start(&mut self, text: impl Into<String>) {
        self.said.clear();
        self.receipts.clear();
        self.shell.prompt(prompt(text)).unwrap();
    }

    /// Steers the turn.
    pub(crate) fn steer(&mut self, text: &str) -> Result<ReceiptState, DriverError> {
        self.steers += 1;
        self.shell.steer(AgentSteer { id: TextId::InTurn { turn: 1, number: self.steers }, text: text.to_owned() })
    }

    /// Notes a receipt; gives back any other news.
    pub(crate) async fn next(&mut self) -> Option<AgentNews> {
        loop {
            match self.news.recv().await {
                Some(AgentNews::Receipt { text, state }) if text == TextId::prompt_of(1) => {
                    assert_eq!(state, ReceiptState::Delivered);
                }
                Some(AgentNews::Receipt { state, .. }) => self.receipts.push(state),
                news => return news,
            }
        }
    }

    /// A whole turn.
    pub(crate) async fn turn(&mut self, text: impl Into<String>) -> Ended {
        self.start(text);
        self.end().await
    }

    /// Takes news until the turn ends.
    pub(crate) async fn end(&mut self) -> Ended {
        loop {
            match self.next().await {
                Some(AgentNews::Text(text)) => self.said.push_str(&text),
                Some(AgentNews::TurnEnded { end, result }) => return Ended { end, result },
                other => panic!("{other:?}, after {:?}", self.said),
            }
        }
    }

    /// Takes news until `text` was said in this turn.
    pub(crate) async fn says(&mut self, text: &str) {
        while !self.said.contains(text) {
            match self.next().await {
                Some(AgentNews::Text(more)) => self.said.push_str(&more),
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
        assert_eq!(self.news.recv().await, Some(AgentNews::Exited(AgentExit::Closed)));
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
