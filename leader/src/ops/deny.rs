//! `deny`: refuses what an agent asks permission for, with a reason that reaches the agent.

use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::limits::RESULT_BYTES_MAX;

use super::approvals::{GivenAnswers, WantedAnswer, answer_all};
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// What the agent is told where the lead gives no reason.
const NO_REASON: &str = "the lead denied it";

/// Denies it. Refused with what became of the question if it does not wait.
pub async fn deny(session: &Session, question: QuestionName, reason: String) -> Result<GivenAnswers, OpsError> {
    session.authorize(Verb::Deny)?;
    let reason = if reason.trim().is_empty() { NO_REASON.to_owned() } else { reason };
    if reason.len() > RESULT_BYTES_MAX {
        let what = format!("the reason is {} bytes long, and {RESULT_BYTES_MAX} are allowed", reason.len());
        return Err(OpsError::refused(what, "say it in fewer words"));
    }
    answer_all(session, WantedAnswer { questions: vec![question], answer: Permission::Never { reason } }).await
}
