//! Asking workers whether they are well, and what the core has to know for that.

use std::sync::Arc;

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::TERM_GRACE;
use teamster_protocol::model::limits::pace::PULSE_ANSWER_WAIT;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::{Team, TeamError};
use teamster_protocol::wire::api::WorkerApiClient;

use super::LeaderDaemon;
use super::shared::LeaderInput;
use crate::core::{LeaderEvent, WorkSeen};

impl LeaderDaemon<'_> {
    /// Looks what a member has to do. Whether it is in a turn the core knows.
    pub(super) fn look_at_work(&self, name: MemberName, is_silent: bool) -> Option<LeaderEvent> {
        let team = self.shared.team();
        let spec = &team.roster().member(&name).ok()?.spec;
        let (board, then) = (team.board(), spec.stall.then);
        let has_task = board.owned_by(&name).next().is_some() || board.next_for(&spec.claimant(&name)).is_some();
        let is_late = |id: &TaskId| is_overdue(&team, *id, now_ms()).unwrap_or(false);
        let overdue = if is_silent { board.owned_by(&name).find(is_late) } else { None };
        Some(LeaderEvent::WorkSeen { name, work: WorkSeen { has_task, overdue, then } })
    }

    pub(super) fn ping(&self, name: MemberName) -> Option<LeaderEvent> {
        let Some(peer) = self.shared.links.peer(&name) else { return Some(LeaderEvent::NotAsked { name }) };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let event = match peer.with_request_timeout(PULSE_ANSWER_WAIT).ping(0).await {
                // A refusal is an answer too.
                Ok(_) | Err(RpcError::Call(_)) => LeaderEvent::Answered { name },
                Err(_) => LeaderEvent::NotAsked { name },
            };
            shared.report(LeaderInput::Event(event)).await;
        });
        None
    }
}

/// Whether the time for a task has been over for longer than its worker needs to end it.
fn is_overdue(team: &Team, id: TaskId, now_ms: u64) -> Result<bool, TeamError> {
    let TaskStatus::InProgress { since_ms, .. } = team.board().task(id)?.status else { return Ok(false) };
    let Some(timeout_ms) = team.new_task(id)?.timeout_ms else { return Ok(false) };
    Ok(now_ms >= since_ms.saturating_add(timeout_ms).saturating_add(TERM_GRACE.as_millis() as u64))
}
