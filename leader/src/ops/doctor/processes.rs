//! Processes that dead workers have left running, known by the mark that the workers gave them.

use nix::unistd::Pid;
use teamster_protocol::host::process::children::describe;
use teamster_protocol::host::process::marked;

use super::report::DoctorFindings;
use super::{CheckGroup, DoctorSubject};
use crate::daemon::escaped;

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    let marked = match marked::of_team(subject.dir.path()) {
        Ok(marked) => marked,
        Err(error) => {
            found.note(CheckGroup::Processes, format!("processes cannot be looked at: {error}"));
            return;
        }
    };
    // By its life, not by its name: whoever runs under that name now may be another.
    let (left, run): (Vec<_>, Vec<_>) =
        marked.into_iter().partition(|marked| escaped::is_dead(&subject.dir, &marked.life));
    for marked in &left {
        let (pid, name) = (marked.process.pid, &marked.life.member);
        let process = describe(Pid::from_raw(pid.cast_signed()));
        let what = format!("{process} is left of a life of {name} that is over");
        found.wrong(CheckGroup::Processes, what).hint(format!("the next leader ends it, or kill {pid}"));
    }
    if left.is_empty() {
        found.ok(CheckGroup::Processes, format!("none is left of a dead worker; {} run below living ones", run.len()));
    }
}
