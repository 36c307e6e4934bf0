//! Which commands get a warden, and what is said of one that was killed.

use super::print::{self, Failure};
use super::{CommandLine, Shape, TypedCommand, json_failure};
use crate::ops::verb::{Verb, VerbProcess};
use crate::warden::policy::Charge;
use crate::warden::{self, Guard};

/// The guard of a command that leads in its own process; none if it has a warden already.
pub fn guard(line: &CommandLine) -> Option<Guard> {
    let verb = line.command.verb();
    let (charge, in_background) = match &line.command {
        TypedCommand::Up(up) if up.detach => return None,
        TypedCommand::Up(up) => (Charge::Leader, up.in_background),
        _ => (Charge::Job, false),
    };
    if verb.row().process != VerbProcess::Leader || warden::is_above() {
        return None;
    }
    let shape = line.shape();
    let tell_of_death = Box::new(move |how: &str, code: i32| tell_of_death(verb, shape, how, code));
    Some(Guard { charge, in_background, tell_of_death })
}

/// Says of a command what it can not say itself any more: that it was killed, and the way out.
fn tell_of_death(verb: Verb, shape: Shape, how: &str, code: i32) {
    let (what, way_out) = match verb {
        Verb::Up => ("the leader".to_owned(), "start it again with teamster up"),
        Verb::Run => ("the process of this run".to_owned(), "go on with what is left: teamster run --resume"),
        Verb::Demo => ("the process of the demo".to_owned(), "its folder stays in the directory for temporary files"),
        other => (format!("the process of this {}", other.row().path), "see teamster status"),
    };
    let message = format!("{what} {how}; its workers are told to end");
    match shape {
        Shape::Text => print::fail(&Failure::new(message).with_hint(way_out)),
        Shape::Json => print::remark(json_failure(&message, Some(way_out), code, "killed")),
    }
}
