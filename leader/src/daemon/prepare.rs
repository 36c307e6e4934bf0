//! A member's place and its line on the roster. Both are made while its lock is held, so that nobody begins to
//! serve the name meanwhile and nothing of a worker that runs is overwritten.

use teamster_protocol::host::crash::point;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::MEMBER_LOCK_WITHIN;
use teamster_protocol::model::roster::{MemberSpec, TeamFact};
use teamster_protocol::store::presence::{LockError, PresenceLock};
use teamster_protocol::team::{TeamError, wait_for_lock};
use teamster_protocol::wire::api::{SessionKept, SpawnRequest};

use super::shared::LeaderShared;
use super::workspace;
use crate::core::PreparedPlace;

/// Blocks for as long as a worktree takes. Refused, with a sentence for people, while a worker serves the name.
pub(super) fn prepare(shared: &LeaderShared, request: SpawnRequest) -> Result<PreparedPlace, String> {
    let SpawnRequest { name, agent, options, session, role, auto, workspace, stall, rules, budget } = request;
    let _lock = reserve(shared, &name)?;
    let place = workspace::prepare(&shared.dir, &name, &workspace)?;
    point("place prepared");
    let spec = MemberSpec { agent, options, role, auto, workspace: place.workspace.clone(), stall, rules, budget };
    match session {
        SessionKept::Kept => {}
        SessionKept::GivenUp => {
            let given_up = TeamFact::Session { name: name.clone(), session: None };
            shared.team().enroll(given_up).map_err(|error| error.to_string())?;
        }
    }
    shared.team().add_member(name, spec).map_err(|error| error.to_string())?;
    Ok(place)
}

fn reserve(shared: &LeaderShared, name: &MemberName) -> Result<PresenceLock, String> {
    let taken = wait_for_lock(MEMBER_LOCK_WITHIN, || shared.team().take_lock_of_dead(name));
    taken.map_err(|error| match error {
        TeamError::Lock(LockError::Held { holder: Some(holder), .. }) => {
            format!("it runs already, as process {}", holder.process.pid)
        }
        TeamError::Lock(LockError::Held { holder: None, .. }) => "it runs already".to_owned(),
        error => error.to_string(),
    })
}
