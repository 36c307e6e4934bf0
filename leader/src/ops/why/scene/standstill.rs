//! Whether a task or a member goes on by itself, or stays as it is until somebody does something about it. Pure.

use super::{MemberAbsence, MemberHindrance, WaitCause};

impl WaitCause {
    /// Whether nothing changes as long as nobody does anything.
    pub(crate) fn stands_still(&self) -> bool {
        match self {
            WaitCause::WaitsFor { because, .. } => because.stands_still(),
            WaitCause::AssigneeAbsent { presence, .. } | WaitCause::Absent { presence, .. } => match presence {
                MemberAbsence::Starting { .. } | MemberAbsence::Restarting { .. } => false,
                MemberAbsence::Died { .. } | MemberAbsence::Left { .. } => true,
            },
            WaitCause::OwnerHindered { by, .. }
            | WaitCause::AssigneeHindered { by, .. }
            | WaitCause::NextHindered { by, .. }
            | WaitCause::Hindered { by, .. } => {
                match by {
                    // A question that nobody answers ends after a time too, but as a refusal.
                    MemberHindrance::Asking { .. }
                    | MemberHindrance::Hung { .. }
                    | MemberHindrance::FileLimit { .. }
                    | MemberHindrance::Ending { .. } => true,
                    // A worker takes its lock anew, an agent may speak again, and a provider has told when it goes on.
                    MemberHindrance::LockLost | MemberHindrance::Stalled | MemberHindrance::Parked { .. } => false,
                }
            }
            WaitCause::Failed { .. }
            | WaitCause::Cancelled
            | WaitCause::OwnerDead { .. }
            | WaitCause::Stopped { .. }
            | WaitCause::AssigneeUnknown { .. }
            | WaitCause::RoleMissing { .. }
            | WaitCause::RoleAbsent { .. }
            | WaitCause::AgentMissing { .. }
            | WaitCause::AgentAbsent { .. }
            | WaitCause::AssigneeOtherAgent { .. }
            | WaitCause::AssigneeCommandsOnly { .. }
            | WaitCause::CommandsOnly { .. }
            | WaitCause::ReadersAbsent { .. }
            | WaitCause::NoWorker
            | WaitCause::NoneClaims { .. } => true,
            WaitCause::Completed { .. }
            | WaitCause::InProgress { .. }
            | WaitCause::AssigneeBusy { .. }
            | WaitCause::AssigneeInTurn { .. }
            | WaitCause::AllBusy { .. }
            | WaitCause::Next { .. }
            | WaitCause::Busy { .. }
            | WaitCause::InTurn { .. }
            | WaitCause::PromptLost { .. }
            | WaitCause::Takes { .. }
            | WaitCause::NothingToDo
            | WaitCause::AgentAsleep { .. }
            | WaitCause::Blocked { .. }
            | WaitCause::ForOthers { .. }
            | WaitCause::OtherRole { .. }
            | WaitCause::OtherAgent { .. }
            | WaitCause::Unreadable { .. }
            | WaitCause::Held { .. }
            | WaitCause::ClaimsNothing { .. } => false,
        }
    }
}
