//! A command at a terminal of 24 rows, and 80 columns if nothing else is said: what it asks, and what stands on the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// A command that runs at a terminal. Killed when it is dropped.
#[derive(Debug)]
pub struct AtTerminal {
    what: String,
    child: Child,
    terminal: File,
    pieces: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Team {
    /// Runs a command of this team at a terminal, where `typed` is typed. The words of the line are separated by blanks.
    pub fn at_terminal(&self, line: &str, typed: &str) -> Screen {
        self.command_at_terminal(self.command(line), typed)
    }

    /// The same for a command that was changed.
    pub fn command_at_terminal(&self, command: Command, typed: &str) -> Screen {
        let mut running = self.start_at_terminal(command);
        running.terminal.write_all(typed.as_bytes()).expect("a terminal takes what is typed");
        running.ends()
    }

    /// Starts a command at a terminal.
    pub fn start_at_terminal(&self, command: Command) -> AtTerminal {
        self.start_at_terminal_of(80, command)
    }

    /// Starts a command at a terminal of so many columns.
    pub fn start_at_terminal_of(&self, columns: u16, mut command: Command) -> AtTerminal {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(Some(&size), None).expect("a terminal");
        let end = || Stdio::from(terminal.slave.try_clone().expect("a descriptor"));
        command.env_remove("COLUMNS").stdin(end()).stdout(end()).stderr(end());
        let what = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        // What is kept of it here would keep the terminal open after the command's end.
        drop((command, terminal.slave));
        let terminal = File::from(terminal.master);
        let mut read = terminal.try_clone().expect("a descriptor");
        let (sender, pieces) = channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end of a terminal is an error, not an end. Nobody waits any more if the limit is over.
            while let Ok(got @ 1..) = read.read(&mut piece) {
                if sender.send(piece[..got].to_vec()).is_err() {
                    return;
                }
            }
        });
        AtTerminal { what, child, terminal, pieces, seen: Vec::new() }
    }
}

impl AtTerminal {
    /// Waits until one update of the terminal (mode 2026) has all of these words.
    pub fn until_drawn(&mut self, words: &[&str]) {
        let until = Instant::now() + LIMIT;
        let is_drawn = |text: &str| {
            let mut drawn = text.split("\u{1b}[?2026h").skip(1);
            drawn.any(|drawing| words.iter().all(|word| drawing.contains(word)))
        };
        while !is_drawn(&self.text()) {
            let left = until.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.seen.extend(piece),
                Err(error) => panic!("{} did not draw {words:?}: {error}: {}", self.what, self.text()),
            }
        }
    }

    /// Waits until these words were written there.
    pub fn until(&mut self, words: &str) {
        let until = Instant::now() + LIMIT;
        while !self.text().contains(words) {
            match self.pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.seen.extend(piece),
                Err(error) => panic!("{} did not say {words:?}: {error}: {}", self.what, self.text()),
            }
        }
    }

    /// Types Ctrl-C: the terminal shows it, and then the command is interrupted.
    pub fn interrupt(&mut self) {
        self.terminal.write_all(b"\x03").expect("a terminal takes what is typed");
        self.until("^C");
        // The terminal controls no session, so it interrupts nobody by itself.
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).expect("it was started here");
    }

    /// Waits until the command has ended.
    pub fn ends(mut self) -> Screen {
        let until = Instant::now() + LIMIT;
        // The channel ends with the terminal.
        while let Ok(piece) = self.pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.seen.extend(piece);
        }
        assert!(Instant::now() < until, "{} did not end at its terminal: {}", self.what, self.text());
        let code = self.child.wait().expect("it was started here").code();
        Screen { code, text: self.text() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).replace("\r\n", "\n")
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
