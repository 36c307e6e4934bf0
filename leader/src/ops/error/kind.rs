//! The kind of every failure, by its type. One that has another inside is of the kind of that, so that the same refusal has
//! the same kind, by whichever way it came.

use jsonrpsee::core::ClientError;
use jsonrpsee::types::error::{INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE};
use teamster_protocol::model::mail::MailRefusal;
use teamster_protocol::model::task::BoardRefusal;
use teamster_protocol::store::file::LogError;
use teamster_protocol::team::TeamError;
use teamster_protocol::wire::api::code;

use super::OpsError;
use super::cleanup::CleanupError;
use super::demo::DemoError;
use super::run::RunError;
use crate::daemon::ServeError;
use crate::ops::config_files::ConfigFileError;
use crate::ops::leadership::LeadershipError;
use crate::ops::link::LinkError;
use crate::ops::moved::{FollowError, MovedError};

/// The kind of a failure. A front has one exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpsErrorKind {
    /// The work was refused, or the system did not let us.
    Refused,
    /// The request makes no sense as it was made.
    Usage,
    /// There is no leader, or it does not answer.
    NoLeader,
    /// The files on disk can not be read as they are.
    Corrupt,
}

/// A failure that has a kind.
pub(super) trait FailureOfKind {
    /// The kind of the failure.
    fn kind(&self) -> OpsErrorKind;
}

impl OpsError {
    /// The kind of the failure.
    pub fn kind(&self) -> OpsErrorKind {
        match self {
            OpsError::Team(error) => error.kind(),
            OpsError::Serve(error) => error.kind(),
            OpsError::Call(error) => error.kind(),
            OpsError::LeaderHangs(error) => error.kind(),
            OpsError::Run(error) => error.kind(),
            OpsError::Cleanup(error) => error.kind(),
            OpsError::Demo(error) => error.kind(),
            OpsError::ConfigFile(error) => error.kind(),
            OpsError::Moved(error) => error.kind(),
            OpsError::NoLeader { .. }
            | OpsError::LeaderDied { .. }
            | OpsError::Hanging(_)
            | OpsError::Leading(_)
            | OpsError::Socket(_) => OpsErrorKind::NoLeader,
            OpsError::NoRoot
            | OpsError::BadTeam(_)
            | OpsError::NotText(_)
            | OpsError::Setting(_)
            | OpsError::BaseWithoutWorktree
            | OpsError::Repository(_)
            | OpsError::Misused { .. }
            | OpsError::Plan(_) => OpsErrorKind::Usage,
            OpsError::NoTeam { .. }
            | OpsError::NoMember { .. }
            | OpsError::NotRunning(_)
            | OpsError::Refused { .. }
            | OpsError::Path { .. }
            | OpsError::Process { .. } => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for TeamError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            TeamError::Log(error) => error.kind(),
            TeamError::Refused(BoardRefusal::EmptyTask | BoardRefusal::NothingToChange)
            | TeamError::Mail(MailRefusal::Empty) => OpsErrorKind::Usage,
            TeamError::Refused(_)
            | TeamError::Roster(_)
            | TeamError::Mail(_)
            | TeamError::NotDurable(_)
            | TeamError::Dir(_)
            | TeamError::Lock(_)
            | TeamError::Transcript(_) => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for LogError {
    fn kind(&self) -> OpsErrorKind {
        if self.is_of_the_file() { OpsErrorKind::Corrupt } else { OpsErrorKind::Refused }
    }
}

impl FailureOfKind for ClientError {
    /// Whatever the leader answers is of the kind that it is here; a call without an answer means that there is none.
    fn kind(&self) -> OpsErrorKind {
        match self {
            ClientError::Call(error) => match error.code() {
                code::OTHER_VERSION | code::ENDED | METHOD_NOT_FOUND_CODE | INVALID_PARAMS_CODE => {
                    OpsErrorKind::NoLeader
                }
                code::CORRUPT => OpsErrorKind::Corrupt,
                _ => OpsErrorKind::Refused,
            },
            _ => OpsErrorKind::NoLeader,
        }
    }
}

impl FailureOfKind for ServeError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            ServeError::Team(error) => error.kind(),
            ServeError::Led { .. }
            | ServeError::Over { .. }
            | ServeError::Lock(_)
            | ServeError::Socket(_)
            | ServeError::Io { .. } => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for LinkError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            LinkError::Call(error) => error.kind(),
            LinkError::NoLeader(_) | LinkError::Socket(_) | LinkError::Hangs { .. } => OpsErrorKind::NoLeader,
        }
    }
}

impl FailureOfKind for LeadershipError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            LeadershipError::Serve(error) => error.kind(),
            LeadershipError::Link(error) => error.kind(),
            LeadershipError::Call(error) => error.kind(),
            LeadershipError::Broke(_) => OpsErrorKind::NoLeader,
        }
    }
}

impl FailureOfKind for RunError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            RunError::Leadership(error) => error.kind(),
            RunError::Team(error) => error.kind(),
            RunError::Spawn(error) => error.kind(),
            RunError::TooFewWorkers { .. } => OpsErrorKind::Usage,
            // As where the words are sent, or put on the board.
            RunError::PromptForShell { .. }
            | RunError::Unfinished { .. }
            | RunError::Nothing
            | RunError::Place { .. }
            | RunError::Agent { .. }
            | RunError::TwoAgents { .. } => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for CleanupError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            CleanupError::Team(error) => error.kind(),
            CleanupError::NoTeam { .. }
            | CleanupError::Refused { .. }
            | CleanupError::Git(_)
            | CleanupError::Lock(_)
            | CleanupError::NotOurs { .. }
            | CleanupError::Io { .. } => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for DemoError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            DemoError::Leadership(error) => error.kind(),
            DemoError::Call(error) => error.kind(),
            DemoError::Team(error) => error.kind(),
            DemoError::Log(error) => error.kind(),
            DemoError::Wrong(_)
            | DemoError::NoGit(_)
            | DemoError::Git(_)
            | DemoError::Branch(_)
            | DemoError::Transcript(_)
            | DemoError::Board(_)
            | DemoError::Folder(_) => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for ConfigFileError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            ConfigFileError::Wrong(_) | ConfigFileError::RootInDoubt(_) => OpsErrorKind::Usage,
            ConfigFileError::Unreadable { .. } | ConfigFileError::NotAFile { .. } => OpsErrorKind::Refused,
        }
    }
}

impl FailureOfKind for MovedError {
    fn kind(&self) -> OpsErrorKind {
        match self {
            MovedError::NotFollowed { why, .. } => match &**why {
                FollowError::Team(error) => error.kind(),
                FollowError::Git(_) => OpsErrorKind::Refused,
            },
            MovedError::BelongsElsewhere { .. } => OpsErrorKind::Usage,
        }
    }
}
