//! A program that runs: what it says is read as it comes, and nothing waits for it longer than the limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a test waits for one thing. Nothing takes that long, not on a machine with much else to do either.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What a program said until it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// A program that was started and is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    what: String,
    lines: Receiver<(Stream, String)>,
    out: String,
    err: String,
    root: PathBuf,
}

impl Running {
    /// Starts it. `root` holds the teams that a failure is explained from.
    pub(super) fn start(mut command: Command, input: Option<&str>, root: &Path) -> Running {
        let what = format!("{command:?}");
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // Who does not read says so by its exit code.
            let _ = stdin.write_all(input.as_bytes());
        }
        let (sender, lines) = channel();
        read(child.stdout.take().expect("it is piped"), Stream::Out, sender.clone());
        read(child.stderr.take().expect("it is piped"), Stream::Err, sender);
        Running { child, what, lines, out: String::new(), err: String::new(), root: root.to_owned() }
    }

    /// The process that does the work: below a warden, or in a cell, that is the child of the one that was started.
    pub fn pid(&self) -> u32 {
        let started = self.child.id();
        let program = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let children = std::fs::read_to_string(format!("/proc/{started}/task/{started}/children")).unwrap_or_default();
        let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.find(|pid| program(*pid) == program(started)).unwrap_or(started)
    }

    /// The process that was started.
    pub fn started(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("it was not waited for");
    }

    /// Waits for the next line with these words, on either stream, and returns it.
    ///
    /// # Panics
    ///
    /// If it ends before, or the limit is over; with what it said and the logs of the team.
    pub fn until(&mut self, words: &str) -> String {
        self.until_one(words, |_| true)
    }

    /// Waits for a line that has these words and is one of those meant.
    ///
    /// # Panics
    ///
    /// As [`Running::until`].
    pub fn until_one(&mut self, words: &str, meant: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let left = LIMIT.saturating_sub(begun.elapsed());
            match self.lines.recv_timeout(left) {
                Ok((stream, line)) => {
                    self.keep(stream, &line);
                    if line.contains(words) && meant(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("{words:?} was not said ({error})\n{}", self.story()),
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end within the limit, or leaves its output open to somebody who lives on.
    pub fn ends(mut self) -> Said {
        match self.wait() {
            Some(said) => said,
            None => panic!("it does not end\n{}", self.story()),
        }
    }

    /// As [`Running::ends`], for who has to go on without it.
    pub(super) fn ends_within_limit(mut self) -> Option<Said> {
        self.wait()
    }

    fn wait(&mut self) -> Option<Said> {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
                Ok((stream, line)) => self.keep(stream, &line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return None,
            }
        }
        let code = self.child.wait().expect("it is ours to wait for").code();
        Some(Said { code, out: std::mem::take(&mut self.out), err: std::mem::take(&mut self.err) })
    }

    fn keep(&mut self, stream: Stream, line: &str) {
        match stream {
            Stream::Out => self.out.push_str(line),
            Stream::Err => self.err.push_str(line),
        }
    }

    /// All that may tell why it went wrong.
    fn story(&self) -> String {
        let mut story = format!("{}\n--- standard output\n{}--- standard error\n{}", self.what, self.out, self.err);
        let mut todo = vec![self.root.clone()];
        while let Some(dir) = todo.pop() {
            for path in std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
                let within = |name: &str| path.ancestors().any(|above| above.ends_with(name));
                if path.is_dir() && !within("worktrees") {
                    todo.push(path);
                } else if path.extension().is_some_and(|it| it == "log") || path.ends_with("board.jsonl") {
                    let text = std::fs::read(&path).unwrap_or_default();
                    story.push_str(&format!("--- {}\n{}", path.display(), String::from_utf8_lossy(&text)));
                }
            }
        }
        story
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes what comes on a stream on, line by line, the last one also without a newline.
fn read(stream: impl Read + Send + 'static, which: Stream, to: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if to.send((which, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}
