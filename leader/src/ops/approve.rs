//! `approve`: allows what agents ask permission for.

use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::MemberName;

use super::approvals::{GivenAnswers, WantedAnswer, answer_all, waiting_of};
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// The questions to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedApprovals {
    /// The questions of these names, each of which must be waiting.
    Named(Vec<QuestionName>),
    /// All that wait.
    All {
        /// Only those of this member.
        member: Option<MemberName>,
        /// Only those about this tool; upper and lower case are the same.
        tool: Option<String>,
    },
}

/// For how long an agent is allowed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalSpan {
    /// This time.
    Once,
    /// Also every like use for as long as the agent runs, where it can be told that.
    Always,
}

/// Allows them. Of a single one that was named and does not wait, the error says what became of it; of several, each result
/// does. Where all are wanted and none waits, nothing is done.
pub async fn approve(session: &Session, wanted: WantedApprovals, span: ApprovalSpan) -> Result<GivenAnswers, OpsError> {
    session.authorize(Verb::Approve)?;
    let questions = match wanted {
        WantedApprovals::Named(questions) => questions,
        WantedApprovals::All { member, tool } => {
            let view = session.view()?;
            if let Some(member) = &member {
                session.must_be_member(&view, member)?;
            }
            let mut rows = waiting_of(&view, &view.members()?)?;
            rows.retain(|row| member.as_ref().is_none_or(|member| row.member == *member));
            rows.retain(|row| tool.as_ref().is_none_or(|tool| row.tool.to_lowercase() == tool.to_lowercase()));
            rows.into_iter().map(|row| row.id).collect()
        }
    };
    let answer = match span {
        ApprovalSpan::Once => Permission::Once,
        ApprovalSpan::Always => Permission::Always,
    };
    answer_all(session, WantedAnswer { questions, answer }).await
}
