//! Why a step on a team was not made.

use crate::host::team_dir::TeamDirError;
use crate::model::board::ViewError;
use crate::model::mail::MailRefusal;
use crate::model::roster::RosterRefusal;
use crate::model::task::BoardRefusal;
use crate::store::file::{LogError, TransactError};
use crate::store::presence::LockError;
use crate::store::transcript::TranscriptError;

/// Why a step on the team was not made.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// The board refuses it.
    #[error(transparent)]
    Refused(#[from] BoardRefusal),
    /// The roster refuses it.
    #[error(transparent)]
    Roster(#[from] RosterRefusal),
    /// The message is refused.
    #[error(transparent)]
    Mail(#[from] MailRefusal),
    /// A log could not be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The facts are written, but may not survive a loss of power: they could not be synced.
    #[error("{0}")]
    NotDurable(String),
    /// A directory of the team could not be made.
    #[error(transparent)]
    Dir(#[from] TeamDirError),
    /// A lock could not be looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A transcript could not be read.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
}

impl<E: Into<TeamError> + std::fmt::Debug + std::fmt::Display> From<TransactError<E>> for TeamError {
    fn from(error: TransactError<E>) -> TeamError {
        match error {
            TransactError::Refused(refusal) => refusal.into(),
            TransactError::Log(error) => TeamError::Log(error),
            TransactError::NotDurable { .. } => TeamError::NotDurable(error.to_string()),
        }
    }
}

impl From<ViewError<LogError>> for TeamError {
    fn from(error: ViewError<LogError>) -> TeamError {
        match error {
            ViewError::Refused(refusal) => refusal.into(),
            ViewError::Unreadable(error) => error.into(),
        }
    }
}
