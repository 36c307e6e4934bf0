//! How a script of any length reaches a shell.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// The longest argument that `execve(2)` takes, without its NUL (`MAX_ARG_STRLEN`, 32 pages).
const ARGUMENT_BYTES_MAX: usize = 32 * 4096 - 1;

/// What follows `sh -c`.
pub(super) enum Script {
    /// The text itself. Lines, quotes and here-documents in it are the shell's to read, as in a file.
    Argument(String),
    /// A file in memory, for what is too long for an argument. Has to live until the shell has ended.
    InMemory(File),
}

impl Script {
    pub(super) fn new(text: String) -> io::Result<Script> {
        if text.len() <= ARGUMENT_BYTES_MAX {
            return Ok(Script::Argument(text));
        }
        let mut file = File::from(memfd_create("prompt", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        Ok(Script::InMemory(file))
    }

    pub(super) fn argument(&self) -> String {
        match self {
            Script::Argument(text) => text.clone(),
            // By way of this process, as the descriptor is not for the command to inherit.
            Script::InMemory(file) => format!(". /proc/{}/fd/{}", process::id(), file.as_raw_fd()),
        }
    }
}
