//! A command at a terminal of 80 columns and 24 rows: what it asks, and what stands on the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use nix::pty::{Winsize, openpty};

use super::Team;
use super::running::LIMIT;

/// What was seen at the terminal until the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// All that was written there, what was typed included.
    pub text: String,
}

impl Team {
    /// Runs a command of this team at a terminal, where `typed` is typed. The words of the line are separated by blanks.
    pub fn at_terminal(&self, line: &str, typed: &str) -> Screen {
        self.command_at_terminal(self.command(line), typed)
    }

    /// The same for a command that was changed.
    pub fn command_at_terminal(&self, mut command: Command, typed: &str) -> Screen {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(Some(&size), None).expect("a terminal");
        let end = || Stdio::from(terminal.slave.try_clone().expect("a descriptor"));
        command.env_remove("COLUMNS").stdin(end()).stdout(end()).stderr(end());
        let what = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        // What is kept of it here would keep the terminal open after the command's end.
        drop((command, terminal.slave));
        let mut master = File::from(terminal.master);
        master.write_all(typed.as_bytes()).expect("a terminal takes what is typed");
        let (sender, seen) = channel();
        thread::spawn(move || {
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            // The end of a terminal is an error, not an end.
            while let Ok(got @ 1..) = master.read(&mut piece) {
                text.extend_from_slice(&piece[..got]);
            }
            // Nobody waits any more if the limit is over.
            let _ = sender.send(text);
        });
        let Ok(text) = seen.recv_timeout(LIMIT) else {
            let _ = child.kill();
            panic!("{what} did not end at its terminal");
        };
        let code = child.wait().expect("it was started here").code();
        Screen { code, text: String::from_utf8_lossy(&text).replace("\r\n", "\n") }
    }
}
