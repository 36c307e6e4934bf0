//! `teamster deny`.

use teamster_protocol::model::approval::QuestionName;

use super::approve::show_answers;
use super::interrupt::unless_interrupted;
use super::words::{EndsWithText, TypedText};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::deny::deny as deny_question;
use crate::ops::error::OpsError;

/// `teamster deny`.
#[derive(Debug, clap::Args)]
pub struct DenyArgs {
    /// The question, as teamster approvals names it
    #[arg(value_name = "ID")]
    pub id: QuestionName,
    /// Why; the agent is told
    #[arg(value_name = "REASON", trailing_var_arg = true)]
    pub reason: Vec<String>,
}

impl EndsWithText for DenyArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.reason, work: None }
    }
}

pub(super) async fn deny(context: &CliContext, DenyArgs { id, reason }: DenyArgs) -> Result<ExitStatus, CliError> {
    // Several were meant to be denied, and one would be.
    if !reason.is_empty() && reason.iter().all(|word| word.parse::<QuestionName>().is_ok()) {
        let what = format!("teamster deny takes one question, and {} would be the reason to tell", reason.join(" "));
        let each = reason.iter().map(|word| format!("; teamster deny {word}")).collect::<String>();
        return Err(OpsError::refused(what, format!("one after the other: teamster deny {id}{each}")).into());
    }
    let given = unless_interrupted(deny_question(&context.session, id, reason.join(" "))).await?;
    show_answers(context, &given, "denied")
}
