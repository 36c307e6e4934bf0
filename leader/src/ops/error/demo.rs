//! The failures of a demo.

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::model::task::BoardRefusal;
use teamster_protocol::store::file::LogError;
use teamster_protocol::store::transcript::TranscriptError;
use teamster_protocol::team::TeamError;

use crate::git::GitError;
use crate::ops::leadership::LeadershipError;

/// The reason why a demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A step did not show what it should.
    #[error("the demo went wrong: {0}")]
    Wrong(String),
    /// The tasks of the story commit with the git program.
    #[error("the demo needs the git program, which can not be run: {0}\ninstall git, or put it on the PATH")]
    NoGit(std::io::Error),
    /// The repository could not be made.
    #[error("cannot make the demo's repository: {0}")]
    Git(#[from] git2::Error),
    /// A branch could not be looked at.
    #[error(transparent)]
    Branch(#[from] GitError),
    /// The demo's own leader could not be started, or did not answer.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// The leader refused.
    #[error("the leader refused: {0}")]
    Call(#[from] RpcError),
    /// The team's files.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// A log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A transcript.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The board.
    #[error(transparent)]
    Board(#[from] BoardRefusal),
    /// The temporary folder.
    #[error("cannot use the demo's folder: {0}")]
    Folder(#[from] std::io::Error),
}
