//! The programs that are started, whether they are there, and whether they speak the same language.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::limits::pace::PROGRAM_ANSWER_WITHIN;

use super::report::DoctorFindings;
use super::{CheckGroup, DoctorSubject};

/// The version of this program, with the commit where that was known: `0.1.0 (1a2b3c4)`.
const OWN_VERSION: &str = env!("TEAMSTER_VERSION");

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    found.ok(CheckGroup::Programs, format!("teamster {OWN_VERSION}, protocol {PROTOCOL_VERSION}"));
    leader(subject, found);
    worker(&subject.worker_program, found);
    match ask(Path::new("git"), "--version") {
        Ok(said) => {
            found.ok(CheckGroup::Programs, said);
        }
        Err(why) => {
            let what = format!("git: {why}; most repositories are served without it");
            found
                .note(CheckGroup::Programs, what)
                .hint("install git for LFS, sparse checkouts, partial clones and the like");
        }
    }
}

fn leader(subject: &DoctorSubject, found: &mut DoctorFindings) {
    match &subject.leader {
        None => {}
        Some(Ok(leader)) if leader.version == OWN_VERSION => {
            found.ok(CheckGroup::Programs, format!("the leader (process {}) is of this version", leader.pid));
        }
        Some(Ok(leader)) => {
            let what = format!("the leader (process {}) is version {}", leader.pid, leader.version);
            found
                .note(CheckGroup::Programs, what)
                .hint("end it with teamster down; the next command starts this version");
        }
        Some(Err(why)) => {
            found.wrong(CheckGroup::Programs, format!("a leader runs and does not answer: {why}"));
        }
    }
}

fn worker(program: &Path, found: &mut DoctorFindings) {
    let said = match ask(program, "--version") {
        Ok(said) => said,
        Err(why) => {
            let hint = "install it beside teamster, or name it with TEAMSTER_WORKER";
            found.wrong(CheckGroup::Programs, format!("teamster-worker: {why}")).at(program).hint(hint);
            return;
        }
    };
    let version = worker_version(&said);
    let protocol = said.split_once("protocol ").map(|(_, rest)| rest.trim_end_matches(')').trim());
    match (version, protocol.and_then(|protocol| protocol.parse::<u32>().ok())) {
        (_, Some(protocol)) if protocol != PROTOCOL_VERSION => {
            let what = format!("{said}: the leader speaks protocol {PROTOCOL_VERSION}, so no worker could join");
            found.wrong(CheckGroup::Programs, what).at(program).hint("install both of one version");
        }
        (Some(version), Some(_)) if version != OWN_VERSION => {
            found.note(CheckGroup::Programs, format!("{said}: of another version than teamster")).at(program);
        }
        (Some(_), Some(_)) => {
            found.ok(CheckGroup::Programs, said);
        }
        (_, None) | (None, Some(_)) => {
            found.note(CheckGroup::Programs, format!("{said:?}: it does not say which protocol it speaks")).at(program);
        }
    }
}

/// The version that a worker tells with its protocol, as [`OWN_VERSION`] is written: `0.1.0 (1a2b3c4)` of
/// `teamster-worker 0.1.0 (1a2b3c4, protocol 1)`.
fn worker_version(said: &str) -> Option<String> {
    let (_, version) = said.split_once(' ')?;
    match version.split_once(", protocol ") {
        Some((with_commit, _)) => Some(format!("{with_commit})")),
        None => version.split_ascii_whitespace().next().map(str::to_owned),
    }
}

/// The output of a program that is called with one argument, on one line; the reason if it gives none in time.
pub(super) fn ask(program: &Path, what: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg(what).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start it: {error}"))?;
    let mut output = child.stdout.take().expect("it was asked for as a pipe");
    let (sender, said) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text).map(|_| text);
        // Nobody waits for it any more if it comes too late.
        let _ = sender.send(read);
    });
    let said = said.recv_timeout(PROGRAM_ANSWER_WITHIN);
    // The program has closed its output, or is too slow.
    let _ = child.kill();
    let _ = child.wait();
    match said {
        Ok(Ok(text)) if !text.trim().is_empty() => Ok(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
        Ok(Ok(_)) => Err(format!("it says nothing to {what}")),
        Ok(Err(error)) => Err(format!("it cannot be understood: {error}")),
        Err(_) => Err(format!("it did not answer to {what} within {}s", PROGRAM_ANSWER_WITHIN.as_secs())),
    }
}
