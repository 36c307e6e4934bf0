//! A member's place and its line on the roster. Both are made while its lock is held, so that nobody begins to
//! serve the name meanwhile and nothing of a worker that runs is overwritten.

use std::thread::sleep;
use std::time::{Duration, Instant};

use teamster_protocol::api::SpawnRequest;
use teamster_protocol::clock::now_ms;
use teamster_protocol::crash::point;
use teamster_protocol::id::MemberName;
use teamster_protocol::limits::MEMBER_LOCK_WITHIN;
use teamster_protocol::lock::{Lock, LockError};
use teamster_protocol::roster::{MemberSpec, Workspace};
use teamster_protocol::team_dir::TeamDir;

use super::workspace;
use crate::serve::Shared;

/// How often a lock is tried that somebody may hold who only gives back what a dead worker held.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Blocks for as long as a worktree takes. Refused, with a sentence for people, while a worker serves the name.
pub fn prepare(shared: &Shared, request: SpawnRequest) -> Result<Workspace, String> {
    let SpawnRequest { name, agent, role, auto, workspace, stall } = request;
    let _lock = reserve(&shared.dir, &name)?;
    let workspace = workspace::prepare(&shared.dir, &name, &workspace)?;
    point("place prepared");
    let spec = MemberSpec { agent, role, auto, workspace: workspace.clone(), stall };
    shared.team().add_member(name, spec).map_err(|error| error.to_string())?;
    Ok(workspace)
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
fn reserve(dir: &TeamDir, name: &MemberName) -> Result<Lock, String> {
    let until = Instant::now() + MEMBER_LOCK_WITHIN;
    loop {
        match Lock::take(&dir.member_lock(name), now_ms()) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { .. }) if Instant::now() < until => sleep(LOCK_RETRY),
            Err(LockError::Held { holder: Some(holder), .. }) => {
                return Err(format!("it runs already, as process {}", holder.process.pid));
            }
            Err(LockError::Held { holder: None, .. }) => return Err("it runs already".to_owned()),
            Err(error @ LockError::Io { .. }) => return Err(error.to_string()),
        }
    }
}
