//! Asking workers whether they are well, and writing down who is not.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::TERM_GRACE;
use teamster_protocol::model::roster::{MemberSpec, TeamFact};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::transcript;
use teamster_protocol::team::{Team, TeamError};
use teamster_protocol::wire::api::WorkerApiClient;

use super::roster::FoundLink;
use super::{Input, Leader};
use crate::core::Event;

/// An answer that is owed is waited for as long as there is a link: it says that the worker is well again.
const ANSWER_WAIT: Duration = Duration::from_secs(u32::MAX as u64);

impl Leader<'_> {
    /// Asks a worker that is at work, or that could be: those that have nothing to do sleep on. One to which the link is
    /// still being tried is asked by that.
    pub(super) fn ping(&mut self, name: MemberName) -> Option<Event> {
        let spec = self.shared.team().roster().member(&name).ok()?.spec.clone();
        let link = self.shared.peer(&name);
        let trying = self.found.get(&name).is_some_and(|found| found.link == FoundLink::Adopted);
        let owes = self.pinged.contains(&name) || (link.is_none() && trying);
        if !owes {
            let peer = link.filter(|_| self.has_work(&name, &spec))?.with_request_timeout(ANSWER_WAIT);
            let (shared, asked) = (Arc::clone(&self.shared), name.clone());
            tokio::spawn(async move {
                let input = match peer.ping(0).await {
                    // A refusal is an answer too.
                    Ok(_) | Err(RpcError::Call(_)) => Input::Answered { name: asked },
                    Err(_) => Input::PingLost { name: asked },
                };
                shared.report(input).await;
            });
            self.pinged.insert(name.clone());
        }
        let overdue = if owes { self.overdue(&name) } else { None };
        Some(Event::Pinged { name, then: spec.stall.then, overdue })
    }

    /// Whether it has a task or a turn, or there is a task that it should have taken.
    fn has_work(&self, name: &MemberName, spec: &MemberSpec) -> bool {
        let in_turn = || matches!(transcript::open_turn(&self.shared.dir.turns(name)), Ok(Some(_)));
        let team = self.shared.team();
        let board = team.board();
        board.owned_by(name).next().is_some() || board.next_for(&spec.claimant(name)).is_some() || in_turn()
    }

    /// A task of it that its worker should have ended by now.
    fn overdue(&self, name: &MemberName) -> Option<TaskId> {
        let team = self.shared.team();
        team.board().owned_by(name).find(|id| is_overdue(&team, *id, now_ms()).unwrap_or(false))
    }

    /// Writes down what is news of a member that runs.
    pub(super) fn show(&self, fact: TeamFact) {
        if self.is_displaced() {
            return;
        }
        let mut team = self.shared.team();
        let is_news = match &fact {
            TeamFact::Hung { name } => team.roster().member(name).is_ok_and(|member| member.hung_ms.is_none()),
            TeamFact::Answering { name } => team.roster().member(name).is_ok_and(|member| member.hung_ms.is_some()),
            TeamFact::Founded { .. }
            | TeamFact::Moved { .. }
            | TeamFact::Added { .. }
            | TeamFact::Joined { .. }
            | TeamFact::Left { .. }
            | TeamFact::Restarting { .. }
            | TeamFact::Dismissed { .. }
            | TeamFact::Removed { .. } => true,
        };
        if is_news && let Err(error) = team.enroll(fact) {
            tracing::error!("{error}");
        }
    }
}

/// Whether the time for a task has been over for longer than its worker needs to end it.
fn is_overdue(team: &Team, id: TaskId, now_ms: u64) -> Result<bool, TeamError> {
    let TaskStatus::InProgress { since_ms, .. } = team.board().task(id)?.status else { return Ok(false) };
    let Some(timeout_ms) = team.new_task(id)?.timeout_ms else { return Ok(false) };
    Ok(now_ms >= since_ms.saturating_add(timeout_ms).saturating_add(TERM_GRACE.as_millis() as u64))
}
