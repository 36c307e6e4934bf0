//! `id`: which team is meant.

use std::path::PathBuf;

use serde::Serialize;
use teamster_protocol::model::id::TeamName;

use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// The team that a command is about, the place where it is kept, and whether it was made yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TeamId {
    /// The name of the team.
    pub team: TeamName,
    /// The root directory in which teams are kept.
    pub root: PathBuf,
    /// The directory of this team's files.
    pub dir: PathBuf,
    /// Whether that directory is there.
    pub exists: bool,
}

/// Names the team. It need not exist.
pub fn identify(session: &Session) -> Result<TeamId, OpsError> {
    session.authorize(Verb::Id)?;
    let dir = &session.dir;
    Ok(TeamId {
        team: dir.team().clone(),
        root: dir.root().to_owned(),
        dir: dir.path().to_owned(),
        exists: dir.exists(),
    })
}
