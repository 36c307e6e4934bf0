//! What is said of members that were to end.

use teamster_protocol::wire::api::{EndOutcome, EndedMember};

use super::ExitStatus;
use super::list;
use super::print::{TextTone, paint};
use crate::ops::shutdown::MemberEndings;

/// Whether all that were to end did.
pub(super) fn exit_of(endings: &MemberEndings) -> ExitStatus {
    if endings.are_complete() { ExitStatus::Done } else { ExitStatus::Refused }
}

pub(super) fn endings_text(endings: &MemberEndings) -> String {
    let line = |ended: &EndedMember| {
        let name = paint(TextTone::Name, ended.name.as_str());
        match &ended.outcome {
            EndOutcome::Left { how } => format!("{name} {}", paint(TextTone::Plain, &list::left(how))),
            EndOutcome::Refused { task } => {
                let with = task.map(|task| format!(" with task {task}")).unwrap_or_default();
                let finish = format!("teamster shutdown {} --finish lets it finish first", ended.name);
                format!("{name} {}{with}; {finish}", paint(TextTone::Warn, "goes on, it is busy"))
            }
            EndOutcome::Stuck => format!("{name} {}", paint(TextTone::Error, "does not end, not even by SIGKILL")),
        }
    };
    endings.members.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::roster::WorkerEnd;

    use super::*;

    #[test]
    fn what_came_of_each_member_is_said_with_the_way_on() {
        let ended = |name: &str, outcome| EndedMember { name: name.parse().expect("a name"), outcome };
        let endings = MemberEndings {
            members: vec![
                ended("alice", EndOutcome::Left { how: WorkerEnd::Shutdown }),
                ended("bob", EndOutcome::Refused { task: Some(TaskId(3)) }),
                ended("carol", EndOutcome::Left { how: WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() } }),
                ended("dave", EndOutcome::Stuck),
            ],
        };
        assert_eq!(exit_of(&endings), ExitStatus::Refused);
        insta::assert_snapshot!(anstream::adapter::strip_str(&endings_text(&endings)), @"
        alice shut down
        bob goes on, it is busy with task 3; teamster shutdown bob --finish lets it finish first
        carol died: killed by SIGKILL
        dave does not end, not even by SIGKILL
        ");
    }
}
