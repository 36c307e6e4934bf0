//! The commands that get a warden, and the words about one that was killed.

use super::print::{self, PrintedFailure};
use super::{CommandLine, OutputShape, TypedCommand, json_failure};
use crate::ops::guarding::{LeadingPlace, WardenGuard, guard_of};
use crate::verb::Verb;

/// The guard of a command that leads in its own process; none if it has a warden already.
pub fn guard(line: &CommandLine) -> Option<WardenGuard> {
    let verb = line.command.verb();
    let place = match &line.command {
        TypedCommand::Up(up) if up.detach => return None,
        TypedCommand::Run(run) if run.dry_run => return None,
        TypedCommand::Up(up) if up.in_background => LeadingPlace::Background,
        _ => LeadingPlace::Foreground,
    };
    let shape = line.shape();
    guard_of(verb, place, move |how, code| tell_of_death(verb, shape, how, code))
}

/// Says of a command what it can not say itself any more: that it was killed, and the way out.
fn tell_of_death(verb: Verb, shape: OutputShape, how: &str, code: i32) {
    let (what, way_out) = match verb {
        Verb::Up => ("the leader".to_owned(), "start it again with teamster up"),
        Verb::Run => ("the process of this run".to_owned(), "go on with what is left: teamster run --resume"),
        Verb::Demo => ("the process of the demo".to_owned(), "its folder stays in the directory for temporary files"),
        other => (format!("the process of this {}", other.row().path), "see teamster status"),
    };
    let message = format!("{what} {how}; its workers are told to end");
    match shape {
        OutputShape::Text => print::fail(&PrintedFailure::new(message).with_hint(way_out)),
        OutputShape::Json => print::remark(json_failure(&message, Some(way_out), code, "killed")),
    }
}
