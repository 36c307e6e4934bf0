//! The answers of a command that is carried out for several members, each told as it comes: one that fails does not hide the
//! others.

use serde::Serialize;
use teamster_protocol::model::id::MemberName;

use super::error::json_error;
use super::print::{self, PrintedFailure};
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::error::OpsError;

/// The members' answers so far.
pub(super) struct EachMember<'a> {
    context: &'a CliContext,
    /// Whether the command is for one member alone, whose failure is that of the command.
    is_one: bool,
    exit: ExitStatus,
    failed: Option<CliError>,
}

impl<'a> EachMember<'a> {
    /// No answer yet, of so many members.
    pub(super) fn of(context: &'a CliContext, members: usize) -> EachMember<'a> {
        EachMember { context, is_one: members == 1, exit: ExitStatus::Done, failed: None }
    }

    /// Prints what was done for a member.
    pub(super) fn done<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) {
        self.failed = self.context.show(value, text).err().or(self.failed.take());
    }

    /// Prints why nothing was done for a member, unless it is the only one.
    pub(super) fn refused(&mut self, name: &MemberName, error: OpsError) {
        if self.is_one {
            self.failed = Some(error.into());
        } else {
            tell_failure(self.context, name, error);
            self.exit = ExitStatus::Refused;
        }
    }

    /// The end of the command, when all have answered.
    pub(super) fn end(self) -> Result<ExitStatus, CliError> {
        self.failed.map_or(Ok(self.exit), Err)
    }
}

/// Prints why the command failed for one of several members.
fn tell_failure(context: &CliContext, name: &MemberName, error: OpsError) {
    let (message, hint) = error.told();
    let message = format!("{name}: {message}");
    match context.shape {
        OutputShape::Json => {
            print::remark(json_error(&message, hint.as_deref(), CliError::from(error).exit()));
        }
        OutputShape::Text => {
            let failure = PrintedFailure::new(message);
            print::fail(&hint.into_iter().fold(failure, PrintedFailure::with_hint));
        }
    }
}
