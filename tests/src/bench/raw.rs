//! The limits: the bare thing that a part of Teamster is made of, done between this process and a child.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::Outcome;
use super::child::{Child, Role};
use super::samples::Samples;

/// Bytes back and forth over two pipes, both ends blocking.
pub(super) struct Pipe {
    child: Child,
    message: Vec<u8>,
}

impl Pipe {
    /// Starts the child that gives each message back.
    pub(super) fn new(message_bytes: usize) -> Outcome<Pipe> {
        Ok(Pipe { child: Child::start(Role::Echo, &[])?, message: vec![b'x'; message_bytes] })
    }

    /// The process at the other end.
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// There and back.
    pub(super) fn round_trip(&mut self, into: &mut Samples) -> Outcome<()> {
        let Pipe { child, message } = self;
        let mut back = vec![0; message.len()];
        into.time(|| child.stdin.write_all(message).and_then(|()| child.stdout.read_exact(&mut back)))?;
        Ok(())
    }
}

/// From an append to the return of a blocking read of inotify in another process, which does nothing else.
pub(super) struct Wake {
    child: Child,
    file: File,
}

impl Wake {
    /// Starts the child that watches `file`.
    pub(super) fn new(file: &Path) -> Outcome<Wake> {
        let appending = OpenOptions::new().append(true).create(true).open(file)?;
        let mut child = Child::start(Role::Wake, &[file.as_os_str()])?;
        child.wait_ready()?;
        Ok(Wake { child, file: appending })
    }

    /// Appends a line and learns when the child woke.
    pub(super) fn wake(&mut self, line: &[u8], into: &mut Samples) -> Outcome<()> {
        let begin = monotonic()?;
        self.file.write_all(line)?;
        let mut woke = [0; 8];
        self.child.stdout.read_exact(&mut woke)?;
        into.push(Duration::from_nanos(u64::from_le_bytes(woke)).saturating_sub(begin));
        Ok(())
    }
}

/// Appends to a file of its own, and syncs it.
pub(super) struct SyncedAppend(File);

impl SyncedAppend {
    /// On the file system of `file`.
    pub(super) fn new(file: &Path) -> io::Result<SyncedAppend> {
        OpenOptions::new().append(true).create(true).open(file).map(SyncedAppend)
    }

    /// One append and one `fdatasync`.
    pub(super) fn append(&mut self, line: &[u8], into: &mut Samples) -> io::Result<()> {
        into.time(|| self.0.write_all(line).and_then(|()| self.0.sync_data()))
    }
}

/// Starts `true` and waits for its end.
pub(super) fn spawn_true(into: &mut Samples) -> Outcome<()> {
    let quiet = || Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).status();
    succeeded("true", into.time(quiet)?)
}

/// `sh -c true` so many times, eight at a time.
pub(super) fn xargs(count: u32, into: &mut Samples) -> Outcome<()> {
    let numbers: String = (0..count).map(|number| format!("{number}\n")).collect();
    let run = || -> io::Result<ExitStatus> {
        let mut child = Command::new("xargs").args(["-n1", "-P8", "sh", "-c", "true"]).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(numbers.as_bytes())?;
        }
        child.wait()
    };
    succeeded("xargs", into.time(run)?)
}

/// A clock that all processes share.
pub(super) fn monotonic() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

fn succeeded(what: &str, status: ExitStatus) -> Outcome<()> {
    if status.success() { Ok(()) } else { Err(format!("{what} ended with {status}").into()) }
}
