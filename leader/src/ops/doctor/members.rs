//! The roster against the truth: members that are written down as running and do not, and mail and tasks that wait in
//! vain.

use std::collections::BTreeSet;
use std::time::Duration;

use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::pace::EXPECTED_WITHIN;
use teamster_protocol::model::mail::Mailbox;
use teamster_protocol::model::roster::{MemberPresence, WorkerEnd};
use teamster_protocol::store::file::LogReader;
use teamster_protocol::store::presence;
use teamster_protocol::team::TeamView;

use super::report::{DoctorFindings, REPAIR};
use super::{CheckGroup, DoctorSubject, logs};
use crate::ops::file_limit::members_over_file_limit;
use crate::ops::text::humane;
use crate::ops::why::raise_file_limit;

pub(super) fn check(subject: &DoctorSubject, view: &TeamView, found: &mut DoctorFindings) {
    let before = found.troubles();
    let dir = view.dir();
    for (name, member) in view.roster().members() {
        let running = match presence::is_held(&dir.member_lock(name)) {
            Ok(running) => running,
            Err(error) => {
                found.wrong(CheckGroup::Members, format!("whether {name} runs is not known: {error}"));
                continue;
            }
        };
        match &member.presence {
            MemberPresence::Joined { process, .. } if !running => {
                let tasks: Vec<String> = view.board().owned_by(name).map(|id| id.to_string()).collect();
                let still = match tasks.as_slice() {
                    [] => String::new(),
                    [one] => format!("; task {one} is still written down as in progress by it"),
                    _ => format!("; tasks {} are still written down as in progress by it", tasks.join(", ")),
                };
                let what = format!("the worker of {name} (process {}) died{still}", process.identity.pid);
                found.wrong(CheckGroup::Members, what).hint(format!("{}, or teamster spawn {name}", REPAIR));
            }
            MemberPresence::Expected { since_ms } if !running && is_stale(*since_ms, subject.now_ms) => {
                let since = humane(Duration::from_millis(subject.now_ms.saturating_sub(*since_ms)));
                let what = format!("{name} has been expected for {since}, and nobody starts it");
                found.wrong(CheckGroup::Members, what).hint(format!("{}, or teamster spawn {name}", REPAIR));
            }
            MemberPresence::Left { how: WorkerEnd::GivenUp { reason }, .. } => {
                found
                    .note(CheckGroup::Members, format!("{name} was given up: {reason}"))
                    .hint(format!("teamster spawn {name}, or teamster forget {name}"));
            }
            MemberPresence::Joined { .. } | MemberPresence::Expected { .. } | MemberPresence::Left { .. } => {}
        }
        mail(view, name, running, found);
    }
    for (name, bytes) in members_over_file_limit(view) {
        let what = format!(
            "the worker of {name} can write nothing down: it may write files of {bytes} bytes only, and the team's logs are \
             as long"
        );
        found.wrong(CheckGroup::Members, what).hint(raise_file_limit(&name));
    }
    strangers(view, found);
    if found.troubles() == before {
        let count = view.roster().members().count();
        found.ok(CheckGroup::Members, format!("{count} on the roster, each as it is written there"));
    }
}

/// Whether a member has been expected for so long that its leader must have died while it started it.
pub(super) fn is_stale(since_ms: u64, now_ms: u64) -> bool {
    Duration::from_millis(now_ms.saturating_sub(since_ms)) > EXPECTED_WITHIN
}

fn mail(view: &TeamView, name: &MemberName, running: bool, found: &mut DoctorFindings) {
    let path = view.dir().mailbox(&Address::Member(name.clone()));
    if !path.exists() {
        found.wrong(CheckGroup::Members, format!("{name} has no mailbox")).at(&path).hint(REPAIR);
        return;
    }
    // A mailbox that can not be read is a finding of the logs, not of this check.
    let unread = LogReader::<Mailbox>::open(&path).map_or(0, |mailbox| mailbox.state().unread_len());
    if unread > 0 && !running {
        let messages =
            if unread == 1 { "1 unread message waits".to_owned() } else { format!("{unread} unread messages wait") };
        let what = format!("{messages} for {name}, who does not run");
        found.note(CheckGroup::Members, what).hint(format!("teamster spawn {name}"));
    }
}

/// Names that are used and that nobody has.
fn strangers(view: &TeamView, found: &mut DoctorFindings) {
    let is_stranger = |name: &MemberName| view.roster().member(name).is_err();
    for path in logs::mailboxes(view.dir()).unwrap_or_default() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<MemberName>().ok());
        if let Some(name) = name.filter(is_stranger) {
            // What a member that was forgotten leaves stays until the team is cleaned up: nothing is to be mended there.
            found.ok(CheckGroup::Members, format!("the mailbox of {name}, who is not on the roster, is kept"));
        }
    }
    let waiting = view.board().waiting().map(|who| &who.name);
    let named: BTreeSet<&MemberName> = view.board().owners().chain(waiting).collect();
    for name in named.into_iter().filter(|name| is_stranger(name)) {
        let what = format!("{name} has tasks or waits for some, and is not on the roster");
        found.wrong(CheckGroup::Members, what).hint(REPAIR);
    }
}
