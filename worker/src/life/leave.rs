//! The end of a worker: the agent first, then the books, then the link. Each step has a limit, so it ends.

use std::time::Duration;

use teamster_protocol::host::crash::point;
use teamster_protocol::host::signals::EndSignal;
use teamster_protocol::model::limits::pace::FAREWELL;
use teamster_protocol::model::limits::{KILL_GRACE, TERM_GRACE};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{TeamFact, WorkerEnd};
use tokio::time::timeout;

use super::{LifeEnd, StartedWorker};

impl StartedWorker {
    /// Leaves, in order unless a second signal hurries it. Returns the exit code.
    pub(super) async fn leave(mut self, end: LifeEnd) -> i32 {
        let code = match end {
            LifeEnd::Now(told) => told.exit_code(),
            LifeEnd::Displaced => {
                tracing::error!("the team of {} was removed or replaced: its worker ends", self.hands.me.name);
                1
            }
            LifeEnd::Leave(how) => {
                let hurried = tokio::select! {
                    () = leave_in_order(&mut self.hands, &mut self.keeper, &how) => None,
                    told = self.signals.next() => Some(told),
                };
                match hurried {
                    Some(told) => told.exit_code(),
                    None => {
                        self.farewell().await;
                        return self.exit_code(&how);
                    }
                }
            }
        };
        // The board stays as it is: whoever takes this member's lock gives its task back.
        self.hands.agent.abort();
        if let Err(left) = self.keeper.end_all(Duration::ZERO).await {
            tracing::error!("{left}");
        }
        code
    }

    /// Answers who still waits for an answer, and lets the last words reach the leader.
    async fn farewell(&mut self) {
        point("left, calls unanswered");
        self.calls.close();
        while let Ok(call) = self.calls.try_recv() {
            let event = self.hands.take_call(call);
            self.happened(event).await;
        }
        self.status.send_replace(self.core.status(self.hands.journal.seq()));
        let followers = self.hands.journal.followers();
        if timeout(FAREWELL, followers.finish()).await.is_err() {
            tracing::warn!("a follower did not read the last notices");
        }
        if timeout(FAREWELL, self.links.close()).await.is_err() {
            tracing::warn!("a leader did not read the last answers");
        }
        point("links closed");
    }

    fn exit_code(&self, how: &WorkerEnd) -> i32 {
        match how {
            WorkerEnd::Shutdown | WorkerEnd::LeaderGone | WorkerEnd::BudgetSpent { .. } => 0,
            WorkerEnd::Terminated | WorkerEnd::Killed => self.told.map_or(1, EndSignal::exit_code),
            WorkerEnd::AgentGone { .. }
            | WorkerEnd::ProviderRefused { .. }
            | WorkerEnd::Died { .. }
            | WorkerEnd::NotStarted { .. }
            | WorkerEnd::GivenUp { .. } => 1,
        }
    }
}

/// How this worker ends, with what the roster says of it: by a signal alone nobody can tell who sent it. Where the roster can not
/// be read, what it said before counts.
fn as_the_roster_knows(hands: &mut crate::hands::WorkerHands, how: &WorkerEnd) -> WorkerEnd {
    if let Err(error) = hands.team.refresh_roster() {
        tracing::warn!("cannot look who ended {}: {error}", hands.me.name);
    }
    match hands.team.roster().member(&hands.me.name) {
        Ok(member) => member.end_of_worker(how.clone()),
        Err(_) => how.clone(),
    }
}

async fn leave_in_order(
    hands: &mut crate::hands::WorkerHands,
    keeper: &mut crate::cell::keeper::CellKeeper,
    how: &WorkerEnd,
) {
    let how = &as_the_roster_knows(hands, how);
    hands.say(TranscriptText::Leaving { reason: how.sentence() });
    // The longest an agent may take: it was told to stop, was killed, and the kernel was slow.
    if timeout(TERM_GRACE + KILL_GRACE + FAREWELL, hands.agent.close()).await.is_err() {
        tracing::warn!("the agent did not close");
    }
    point("agent closed");
    if let Err(left) = keeper.end_all(TERM_GRACE).await {
        tracing::error!("{left}");
    }
    point("nothing beneath the worker");
    hands.away();
    // Before the leaving: until then the roster says whether the lead wanted it.
    if let Err(error) = hands.team.tell_of_loss(&hands.me.name) {
        tracing::error!("cannot tell the lead what is lost with {}: {error}", hands.me.name);
    }
    point("loss told, leaving not written");
    let left = TeamFact::Left { name: hands.me.name.clone(), how: how.clone() };
    if let Err(error) = hands.team.enroll(left) {
        tracing::error!("cannot write down that {} left: {error}", hands.me.name);
    }
}
