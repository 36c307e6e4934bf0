//! The facts that the core decides on about members: what the roster says of each, and what its lock tells.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::pace::LINK_WITHIN;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::{LocksSeen, TeamError};
use tokio::time::{Instant, timeout_at};

use super::{LeaderDaemon, escaped};
use crate::core::{LeaderEvent, LockSeen, MemberSeen, RosterLook, how_it_left};

/// The subject of complaints about members' locks.
const LOCKS: &str = "locks";

impl LeaderDaemon<'_> {
    /// Takes over what an earlier leader left: tasks of the dead go back, and members that it had started and that
    /// died meanwhile are started again if this leader is to.
    pub(super) fn take_over(&mut self) -> Result<(), TeamError> {
        self.sweep()?;
        let dir = self.shared.dir.clone();
        tokio::spawn(async move { escaped::end(&dir).await });
        self.look_at_roster(RosterLook::First)?;
        let unread = self.inbox.unread()?;
        self.act_on_mail(unread);
        Ok(())
    }

    /// Waits until the workers that were found are linked, or known not to answer: who calls a leader that is ready
    /// reaches them as he did before. Not for long: one that hangs keeps nobody waiting.
    pub(super) async fn link_to_found(&mut self) {
        let until = Instant::now() + LINK_WITHIN;
        while self.core.is_linking() {
            match timeout_at(until, self.queue.recv()).await {
                Ok(Some(input)) => self.take_input(input),
                Ok(None) => return,
                Err(_) => {
                    tracing::warn!("not every worker answers at its socket; the others are led meanwhile");
                    return;
                }
            }
        }
    }

    /// Tells the core what the roster and the locks say.
    pub(super) fn look_at_roster(&mut self, look: RosterLook) -> Result<(), TeamError> {
        if self.is_displaced() {
            return Ok(());
        }
        let members = self.members_seen()?;
        self.feed(LeaderEvent::RosterSeen { look, members });
        Ok(())
    }

    /// As [`LeaderDaemon::look_at_roster`], for an action of the core. What is wrong with the files is said once.
    pub(super) fn roster_seen(&mut self) -> Option<LeaderEvent> {
        if self.is_displaced() {
            return None;
        }
        match self.members_seen() {
            Ok(members) => Some(LeaderEvent::RosterSeen { look: RosterLook::Later, members }),
            Err(error) => {
                if self.complaints.is_news("roster", &error.to_string()) {
                    tracing::error!("{error}");
                }
                None
            }
        }
    }

    /// The members about which the roster can tell news. A member whose lock can not be looked at is left out, and does
    /// not hide the others.
    fn members_seen(&mut self) -> Result<Vec<MemberSeen>, TeamError> {
        let mut team = self.shared.team();
        team.refresh(|_| ())?;
        let locks = LocksSeen::look(&self.shared.dir, team.roster(), |name| !self.core.is_child(name));
        team.refresh(|_| ())?;
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        // A member that is left out has joined or left meanwhile: that change of the roster leads to another look.
        for (name, life) in locks.confirm(team.roster()) {
            let Ok(member) = team.roster().member(&name) else { continue };
            let lock = match life {
                // A worker that lives takes its lock anew where that was tidied away, and one that is ending is looked at
                // again.
                Ok(WorkerLife::Locked | WorkerLife::LockLost | WorkerLife::Dying) => LockSeen::Held,
                Ok(WorkerLife::Dead) => LockSeen::Free,
                Err(error) => {
                    unseen.push(error.to_string());
                    continue;
                }
            };
            seen.push(MemberSeen::new(name, member, lock));
        }
        drop(team);
        let unseen = unseen.join("; ");
        if unseen.is_empty() {
            self.complaints.over(LOCKS);
        } else if self.complaints.is_news(LOCKS, &unseen) {
            tracing::error!("not all members can be looked at: {unseen}");
        }
        Ok(seen)
    }

    /// Gives back what dead workers held. How those died that this leader launched it is about to hear, and that is to stay
    /// with their tasks.
    pub(super) fn sweep(&mut self) -> Result<(), TeamError> {
        for name in self.shared.team().sweep(|name| self.core.is_child(name))? {
            tracing::warn!(%name, "its worker had died; its tasks are open again");
        }
        Ok(())
    }

    /// How a worker left whose process ended like this.
    pub(super) fn how_it_left(&self, name: &MemberName, ended: WorkerEnd) -> WorkerEnd {
        let mut team = self.shared.team();
        if let Err(error) = team.refresh(|_| ()) {
            tracing::error!("{error}");
        }
        how_it_left(name, team.roster(), ended)
    }
}
