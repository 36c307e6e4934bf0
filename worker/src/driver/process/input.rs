//! The standard input of a running command: a pipe that steers are written to, and that tells at the end of the turn
//! which of them the command has read.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;
use rustix::io::ioctl_fionread;
use teamster_protocol::model::limits::sizes::COMMAND_STEER_BYTES_MAX;
use teamster_protocol::model::receipt::{ReceiptState, TextId};

use crate::driver::AgentSteer;

/// Our end of the pipe, which never blocks.
#[derive(Debug)]
pub(super) struct SteerPipe {
    /// The writing end of the pipe; nothing once the turn has ended.
    write: Option<OwnedFd>,
    /// Each steer, and how many bytes were written when it was.
    written: Vec<(TextId, u64)>,
    bytes: u64,
}

/// Why a steer was not written, not even in part.
#[derive(Debug)]
pub(super) enum SteerRefusal {
    /// The text is longer than the pipe takes whole.
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// Earlier ones fill the pipe.
    Full,
    /// Nobody reads standard input any more.
    Closed,
    /// The system refused.
    System(io::Error),
}

impl SteerPipe {
    /// The command's end first, then ours.
    pub(super) fn open() -> io::Result<(OwnedFd, SteerPipe)> {
        let (read, write) = io::pipe()?;
        fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((read.into(), SteerPipe { write: Some(write.into()), written: Vec::new(), bytes: 0 }))
    }

    /// Writes one steer as a line.
    pub(super) fn write(&mut self, steer: &AgentSteer) -> Result<(), SteerRefusal> {
        let Some(write) = &self.write else { return Err(SteerRefusal::Closed) };
        let mut line = steer.text.strip_suffix('\n').unwrap_or(&steer.text).as_bytes().to_vec();
        line.push(b'\n');
        if line.len() > COMMAND_STEER_BYTES_MAX {
            return Err(SteerRefusal::TooLong { bytes: line.len() });
        }
        match unistd::write(write, &line) {
            Ok(_) => {
                self.bytes += line.len() as u64;
                self.written.push((steer.id, self.bytes));
                Ok(())
            }
            Err(Errno::EAGAIN) => Err(SteerRefusal::Full),
            Err(Errno::EPIPE) => Err(SteerRefusal::Closed),
            Err(errno) => Err(SteerRefusal::System(errno.into())),
        }
    }

    /// Takes no more, and tells of each steer whether the command has read it to its end.
    pub(super) fn close(&mut self) -> Vec<(TextId, ReceiptState)> {
        let Some(write) = self.write.take() else { return Vec::new() };
        let unread = ioctl_fionread(&write);
        let steers = std::mem::take(&mut self.written).into_iter();
        steers
            .map(|(text, end)| match &unread {
                Ok(unread) if end + unread <= self.bytes => (text, ReceiptState::Delivered),
                Ok(_) => (text, lost("the command ended without reading it".to_owned())),
                Err(error) => (text, lost(format!("cannot tell whether the command has read it: {error}"))),
            })
            .collect()
    }
}

fn lost(reason: String) -> ReceiptState {
    ReceiptState::Lost { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steer(number: u32, text: &str) -> AgentSteer {
        AgentSteer { id: TextId::InTurn { turn: 1, number }, text: text.to_owned() }
    }

    #[test]
    fn what_was_read_is_delivered_and_what_was_not_is_lost() {
        let (read, mut pipe) = SteerPipe::open().unwrap();
        for (number, text) in [(1, "one"), (2, "two\n"), (3, "three")] {
            pipe.write(&steer(number, text)).unwrap();
        }
        // The first line, and half of the second.
        assert_eq!(unistd::read(&read, &mut [0; 6]).unwrap(), 6);
        let told = pipe.close();
        assert_eq!(told[0], (TextId::InTurn { turn: 1, number: 1 }, ReceiptState::Delivered));
        assert!(told[1..].iter().all(|(_, state)| matches!(state, ReceiptState::Lost { .. })), "{told:?}");
        assert!(matches!(pipe.write(&steer(4, "four")), Err(SteerRefusal::Closed)));
        assert_eq!(pipe.close(), []);
    }

    #[test]
    fn what_was_read_is_known_after_the_reader_is_gone() {
        let (read, mut pipe) = SteerPipe::open().unwrap();
        pipe.write(&steer(1, "one")).unwrap();
        pipe.write(&steer(2, "two")).unwrap();
        assert_eq!(unistd::read(&read, &mut [0; 4]).unwrap(), 4);
        drop(read);
        let told: Vec<ReceiptState> = pipe.close().into_iter().map(|(_, state)| state).collect();
        assert!(matches!(told[..], [ReceiptState::Delivered, ReceiptState::Lost { .. }]), "{told:?}");
    }
}
