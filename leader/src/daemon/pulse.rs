//! Asking workers whether they are well, and what the core has to know for that.

use std::sync::Arc;

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::pace::PULSE_ANSWER_WAIT;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::WorkerApiClient;

use super::LeaderDaemon;
use super::shared::LeaderInput;
use crate::core::{LeaderEvent, TimedTask, WorkSeen};

impl LeaderDaemon<'_> {
    /// Looks what a member has to do. Whether it is in a turn the core knows.
    pub(super) fn look_at_work(&self, name: MemberName, is_silent: bool) -> Option<LeaderEvent> {
        let team = self.shared.team();
        let spec = &team.roster().member(&name).ok()?.spec;
        let (board, then) = (team.board(), spec.stall.then);
        let has_task = board.owned_by(&name).next().is_some() || board.next_for(&spec.claimant(&name)).is_some();
        let owned = board.owned_by(&name).take_while(|_| is_silent);
        let timed = owned.filter_map(|id| timed_task(&team, id)).collect();
        Some(LeaderEvent::WorkSeen { name, work: WorkSeen { has_task, timed, then } })
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

/// The time of a task, if it has one and somebody is on it. One that can not be read is taken to have none.
fn timed_task(team: &Team, id: TaskId) -> Option<TimedTask> {
    let TaskStatus::InProgress { since_ms, .. } = team.board().task(id).ok()?.status else { return None };
    Some(TimedTask { id, since_ms, timeout_ms: team.new_task(id).ok()?.timeout_ms? })
}
