//! Which commands get a warden, and what it says of them.

use super::is_above;
use super::policy::Charge;
use crate::front::cli::args::{Args, Command};
use crate::front::cli::print::{self, Failure};
use crate::front::cli::{Shape, json_failure};

/// What a warden knows of the command that it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    what: What,
    shape: Shape,
}

/// The commands that lead in their own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Leader { in_background: bool },
    Run,
    Demo,
}

impl Guard {
    /// The guard that a command needs; none if it leads nobody, or has one.
    pub fn of(args: &Args) -> Option<Guard> {
        let what = match &args.command {
            Command::Up(up) if up.detach => return None,
            Command::Up(up) => What::Leader { in_background: up.in_background },
            Command::Run(_) => What::Run,
            Command::Demo(_) => What::Demo,
            Command::Down(_)
            | Command::RestartLeader
            | Command::Id
            | Command::Config
            | Command::Env(_)
            | Command::Spawn(_)
            | Command::List(_)
            | Command::Status(_)
            | Command::Why(_)
            | Command::Doctor(_)
            | Command::Send(_)
            | Command::Steer(_)
            | Command::Dm(_)
            | Command::Broadcast(_)
            | Command::Inbox(_)
            | Command::Logs(_)
            | Command::Events(_)
            | Command::Stop(_)
            | Command::Shutdown(_)
            | Command::Kill(_)
            | Command::Task(_)
            | Command::Cleanup(_)
            | Command::Completions { .. }
            | Command::Manual { .. } => return None,
        };
        let shape = if args.everywhere.json { Shape::Json } else { Shape::Text };
        (!is_above()).then_some(Guard { what, shape })
    }

    pub(super) fn charge(self) -> Charge {
        match self.what {
            What::Leader { .. } => Charge::Leader,
            What::Run | What::Demo => Charge::Job,
        }
    }

    pub(super) fn is_in_background(self) -> bool {
        match self.what {
            What::Leader { in_background } => in_background,
            What::Run | What::Demo => false,
        }
    }

    /// Says of a command what it can not say itself any more: that it was killed, and the way out.
    pub(super) fn tell_of_death(self, how: &str, code: i32) {
        let (what, way_out) = match self.what {
            What::Leader { .. } => ("the leader", "start it again with teamster up"),
            What::Run => ("the process of this run", "go on with what is left: teamster run --resume"),
            What::Demo => ("the process of the demo", "its folder stays in the directory for temporary files"),
        };
        let message = format!("{what} {how}; its workers are told to end");
        match self.shape {
            Shape::Text => print::fail(&Failure::new(message).with_hint(way_out)),
            Shape::Json => eprintln!("{}", json_failure(&message, Some(way_out), code, "killed")),
        }
    }
}
