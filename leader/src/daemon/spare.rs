//! The spare worker: one process that is started before anybody asks for it, so that the next member is there in a third of
//! the time. It is kept once a worker of this very version has been ready, is let go with the leader, and ends by itself if
//! the leader dies, as its standard input ends then.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{self, Pid};
use teamster_protocol::host::crash::point;
use teamster_protocol::model::kill_ladder::KillLadder;
use teamster_protocol::wire::spare::order_line;
use tokio::process::{Child, Command};

use super::outer_half::{end_child, pid_of};

/// A worker that waits to be told whose it is.
#[derive(Debug)]
pub(super) struct SpareWorker {
    child: Child,
    program: ProgramFile,
}

/// The file of a program: another one stands in its place after an update.
#[derive(Debug, PartialEq, Eq)]
struct ProgramFile {
    device: u64,
    number: u64,
    changed: (i64, i64),
}

impl ProgramFile {
    fn at(path: &Path) -> io::Result<ProgramFile> {
        let file = fs::metadata(path)?;
        Ok(ProgramFile { device: file.dev(), number: file.ino(), changed: (file.ctime(), file.ctime_nsec()) })
    }
}

impl SpareWorker {
    /// Starts one by a command that does, of this program, with pipes. Refuses a program that is named without
    /// its place: that the file stays the same could not be told.
    pub(super) fn start(mut command: Command, program: &Path) -> io::Result<SpareWorker> {
        if program.components().count() < 2 {
            return Err(io::Error::other(format!("{} is named without its place", program.display())));
        }
        let program = ProgramFile::at(program)?;
        point("about to start a spare worker");
        let child = command.spawn()?;
        point("spare worker started");
        Ok(SpareWorker { child, program })
    }

    /// The process that it is; nothing if it was waited for.
    pub(super) fn pid(&self) -> Option<Pid> {
        Some(pid_of(self.child.id()?))
    }

    /// Gives it its order, the arguments that it would have been started with. Returns nothing if it is of no use: it has died,
    /// or the program is another by now. Then it is killed.
    pub(super) fn take_up(mut self, args: &[String], program: &Path) -> Option<Child> {
        let is_same = ProgramFile::at(program).is_ok_and(|now| now == self.program);
        if is_same && self.order(args) {
            return Some(self.child);
        }
        // Once it is dropped, the runtime waits for it.
        let _ = self.child.start_kill();
        None
    }

    fn order(&mut self, args: &[String]) -> bool {
        let (Ok(None), Some(input)) = (self.child.try_wait(), &self.child.stdin) else { return false };
        let line = order_line(args);
        point("about to give a spare worker its order");
        // Nothing was written into that pipe before, so there is room for all of it.
        unistd::write(input, &line) == Ok(line.len())
    }

    /// Ends it, and waits for that.
    pub(super) async fn end(mut self) {
        if let Err(error) = end_child(&mut self.child, KillLadder::kill).await {
            tracing::error!(pid = self.child.id(), "the spare worker is left: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_named_without_its_place_has_no_spare_worker_whatever_lies_here_by_that_name() {
        let here = Path::new("Cargo.toml");
        assert!(here.exists());
        let refused = SpareWorker::start(Command::new("true"), here).expect_err("it is looked for on the PATH");
        assert!(refused.to_string().contains("without its place"), "{refused}");
    }
}
