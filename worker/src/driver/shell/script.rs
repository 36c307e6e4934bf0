//! How a script of any length reaches a shell, and nobody else: what stands in the arguments of a process is for every
//! user of the machine to read, its environment and its descriptors are not.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::{self, Command};

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Holds the script until the shell has begun with it; what the script starts does not get it.
const VARIABLE: &str = "TEAMSTER_SCRIPT";

/// The longest script that `execve(2)` takes in a variable, with its name and its NUL (`MAX_ARG_STRLEN`, 32 pages).
const VARIABLE_BYTES_MAX: usize = 32 * 4096 - VARIABLE.len() - "=\0".len();

/// A script on its way to a shell.
pub(super) enum ShellScript {
    /// Lines, quotes and here-documents in it are the shell's to read, as in a file.
    Variable(String),
    /// A file in memory, for what is too long for a variable.
    InMemory(File),
}

impl ShellScript {
    pub(super) fn new(text: String) -> io::Result<ShellScript> {
        if text.len() <= VARIABLE_BYTES_MAX {
            return Ok(ShellScript::Variable(text));
        }
        let mut file = File::from(memfd_create("prompt", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        Ok(ShellScript::InMemory(file))
    }

    /// Sets up `shell` so that it runs the script. The file that is returned has to stay open until the shell has ended.
    pub(super) fn give(self, shell: &mut Command) -> Option<File> {
        shell.args(["-eu", "-c"]);
        match self {
            // In one line, so that the shell counts the lines of the script from 1.
            ShellScript::Variable(text) => {
                shell.arg(format!("eval \"unset {VARIABLE}; ${VARIABLE}\"")).env(VARIABLE, text);
                None
            }
            // By way of this process, as the descriptor is not for the command to inherit.
            ShellScript::InMemory(file) => {
                shell.arg(format!(". /proc/{}/fd/{}", process::id(), file.as_raw_fd()));
                Some(file)
            }
        }
    }
}
