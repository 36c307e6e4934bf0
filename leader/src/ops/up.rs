//! `up`: leads the team in this process, or starts one that does.

use serde::Serialize;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::stderr_log;
use teamster_protocol::model::id::Address;
use teamster_protocol::wire::api::LeaderInfo;

use super::connect;
use super::error::OpsError;
use super::leader_log::note_leader;
use super::session::Session;
use super::team_name::founding_dir;
use crate::api;
use crate::core::DeadBefore;
pub use crate::daemon::LeaderEnd;
use crate::daemon::{ServeOptions, SignalHandling};
use crate::verb::Verb;
use crate::warden;

/// The leader that is ready.
#[derive(Debug, Serialize)]
pub struct ReadyLeader {
    /// The leader as it introduces itself.
    pub leader: LeaderInfo,
}

/// How a process comes to lead.
#[derive(Debug)]
pub enum LeaderStart {
    /// Somebody asked for it: the team is made if it is not there.
    Asked,
    /// Another command started it, which has made the team.
    InBackground,
    /// Its warden started it after the one that died or handed over.
    After(ProcessIdentity),
}

impl LeaderStart {
    /// The same start, unless a warden started this process after one that ended.
    pub fn or_after_death(self) -> LeaderStart {
        warden::after().map_or(self, LeaderStart::After)
    }
}

/// Leads in this process until it is told to end, by a call or by a signal. Calls `ready` once, when the socket takes calls.
pub async fn lead(
    session: &Session,
    start: LeaderStart,
    ready: impl FnOnce(ReadyLeader) + Send + 'static,
) -> Result<LeaderEnd, OpsError> {
    session.authorize(Verb::Up)?;
    let after = match start {
        LeaderStart::Asked => None,
        LeaderStart::InBackground => {
            session.must_exist()?;
            None
        }
        // If the team is gone, nobody is left to lead.
        LeaderStart::After(died) => {
            session.must_exist()?;
            Some(died)
        }
    };
    stderr_log::is_mine(session.dir.log_of(&Address::Lead));
    note_leader(&session.dir);
    let options = ServeOptions {
        dir: session.dir.clone(),
        founded_for: founding_dir(&session.here)?,
        settings: session.settings,
        signals: SignalHandling::End,
        dead_before: DeadBefore::StartAgain,
        after,
        let_go: None,
        on_ready: Box::new(|leader| ready(ReadyLeader { leader: leader.clone() })),
    };
    Ok(api::lead(options).await?)
}

/// Starts a leader in the background, and returns when it is ready. Refused if one runs.
pub async fn start_leader(session: &Session) -> Result<ReadyLeader, OpsError> {
    session.authorize(Verb::Up)?;
    match connect::connect(session).await {
        Err(OpsError::NoLeader { .. }) => {}
        Err(error) => return Err(error),
        Ok((_, leader)) => {
            return Err(OpsError::refused(
                format!("team {} has a leader already (process {})", leader.team, leader.pid),
                "see teamster status; end it with teamster down",
            ));
        }
    }
    Ok(ReadyLeader { leader: connect::start(session).await?.1 })
}
