//! The leader's view of the roster: which workers run that it did not launch, which of them died or left, and which of
//! the dead are started again. The facts come from the shell, which read the roster and looked at the members' locks.

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::pace::GOODBYE_LOOK;
use teamster_protocol::model::limits::{RESTART_DELAY_MAX, SLOW_POLL};
use teamster_protocol::model::restart::RecentDeaths;
use teamster_protocol::model::roster::{AfterLeaving, Member, MemberPresence, StartedBy, WorkerEnd, WorkerProcess};

use super::leaving::MemberLeaving;
use super::member::{FoundLink, MemberPhase, MemberWorker, ShortageKnown, TurnOpen, WorkerOrigin};
use super::{DeadBefore, LeaderAction, LeaderCore, death_by, ms};

/// One member by the roster and by its worker's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSeen {
    /// The member.
    pub name: MemberName,
    /// The last written state of its worker.
    pub presence: MemberPresence,
    /// Whether its worker was told to end for good.
    pub is_dismissed: bool,
    /// The times of its workers' deaths that count towards giving up, in milliseconds.
    pub deaths_ms: Vec<u64>,
    /// Whether any process holds the member's lock.
    pub lock: LockSeen,
}

/// The state of a member's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockSeen {
    /// Nobody holds it: no worker serves the member.
    Free,
    /// A process holds it, or it was tidied away under a worker that lives.
    Held,
}

/// When the roster is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterLook {
    /// At the beginning, to take over what an earlier leader left.
    First,
    /// A later look, while the leader leads.
    Later,
}

impl MemberSeen {
    /// From the roster's member and a look at its lock.
    pub fn new(name: MemberName, member: &Member, lock: LockSeen) -> MemberSeen {
        MemberSeen {
            name,
            presence: member.presence.clone(),
            is_dismissed: member.dismissed_ms.is_some(),
            deaths_ms: member.deaths.iter().map(|death| death.died_ms).collect(),
            lock,
        }
    }
}

/// Whether another look has to tell what comes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberSighting {
    Settled,
    Unsettled,
}

/// The core's earlier knowledge of a member that is seen.
enum KnownAs {
    Nobody,
    /// Its worker is a child of this leader, or about to be one: nothing on the roster is news.
    Own,
    Restarting,
    Found(WorkerProcess, FoundLink),
}

impl LeaderCore {
    pub(super) fn roster_seen(&mut self, now_ms: u64, look: RosterLook, members: Vec<MemberSeen>) {
        let mut unsettled = false;
        for seen in members {
            if look == RosterLook::First {
                self.recall_deaths(now_ms, &seen);
                self.withdraw_half_started(&seen);
            }
            unsettled |= self.member_seen(now_ms, seen) == MemberSighting::Unsettled;
        }
        if unsettled {
            self.look_at_ms = Some(now_ms + ms(self.look_after));
            self.look_after = (self.look_after * 2).min(SLOW_POLL);
        } else {
            (self.look_at_ms, self.look_after) = (None, GOODBYE_LOOK);
        }
    }

    /// A member is not to die for ever because its leaders die too.
    fn recall_deaths(&mut self, now_ms: u64, seen: &MemberSeen) {
        if !seen.deaths_ms.is_empty() {
            let recalled = || RecentDeaths::recalled(now_ms, seen.deaths_ms.clone());
            self.deaths.entry(seen.name.clone()).or_insert_with(recalled);
        }
    }

    /// A leader that died in the middle of a spawn left the member expected for ever. The asker was told that the leader
    /// is gone.
    fn withdraw_half_started(&mut self, seen: &MemberSeen) {
        if let (MemberPresence::Expected { .. }, LockSeen::Free) = (&seen.presence, seen.lock) {
            self.bury_for_good(&seen.name, death_by("its leader died while it was being started".to_owned()));
        }
    }

    fn member_seen(&mut self, now_ms: u64, seen: MemberSeen) -> MemberSighting {
        let MemberSeen { name, presence, is_dismissed, lock, deaths_ms: _ } = seen;
        match (self.known_as(&name), presence, lock) {
            (KnownAs::Own, _, _) => {}
            (KnownAs::Found(known, link), MemberPresence::Joined { process, .. }, LockSeen::Held) if known == process => {
                if link == FoundLink::Lost {
                    // The worker is dying, or its socket does not answer; both are to be looked at again.
                    self.adopt(name, process.identity);
                    return MemberSighting::Unsettled;
                }
            }
            (known, MemberPresence::Joined { process, .. }, LockSeen::Held) => {
                if let KnownAs::Found(former, _) = known {
                    // One ended and another began between two looks: what was asked of the first is over.
                    self.see_off(former);
                    self.exited(now_ms, name.clone(), vanished());
                }
                self.find_worker(now_ms, name, process, is_dismissed);
            }
            (KnownAs::Found(..), MemberPresence::Left { .. }, LockSeen::Held) => return MemberSighting::Unsettled,
            (KnownAs::Found(former, _), MemberPresence::Left { how, .. }, LockSeen::Free) => {
                self.see_off(former);
                self.exited(now_ms, name, how);
            }
            (
                KnownAs::Found(former, _),
                MemberPresence::Joined { .. } | MemberPresence::Expected { .. },
                LockSeen::Free,
            ) => {
                self.see_off(former);
                self.exited(now_ms, name, vanished());
            }
            // How it left is being written down.
            (KnownAs::Nobody, _, LockSeen::Free) if self.unburied.contains_key(&name) => {}
            (KnownAs::Nobody, MemberPresence::Left { how, then, .. }, LockSeen::Free) => match then {
                AfterLeaving::Stays => {}
                AfterLeaving::Undecided { .. } => self.find_dead(now_ms, name, how),
                AfterLeaving::Again { at_ms } => self.find_restarting(now_ms, name, how, at_ms),
            },
            (KnownAs::Nobody, MemberPresence::Joined { process, .. }, LockSeen::Free) => {
                let started_by = process.started_by;
                self.see_off(process);
                match started_by {
                    StartedBy::Leader if !is_dismissed => self.find_dead(now_ms, name, vanished()),
                    // No leader starts it again: it was started by hand, or dismissed.
                    StartedBy::Leader | StartedBy::Hand => self.bury_for_good(&name, vanished()),
                }
            }
            (KnownAs::Restarting, MemberPresence::Left { .. } | MemberPresence::Joined { .. }, LockSeen::Free)
            // A process is about to join, or gives back what a dead worker held.
            | (KnownAs::Nobody | KnownAs::Restarting, MemberPresence::Left { .. }, LockSeen::Held)
            | (KnownAs::Nobody | KnownAs::Restarting | KnownAs::Found(..), MemberPresence::Expected { .. }, _) => {}
        }
        MemberSighting::Settled
    }

    fn known_as(&self, name: &MemberName) -> KnownAs {
        match self.members.get(name) {
            None => KnownAs::Nobody,
            Some(MemberPhase::Preparing { .. } | MemberPhase::Starting { .. }) => KnownAs::Own,
            Some(MemberPhase::Restarting { .. }) => KnownAs::Restarting,
            Some(MemberPhase::Running(worker) | MemberPhase::Ending { worker, .. }) => match &worker.process {
                WorkerOrigin::Child => KnownAs::Own,
                WorkerOrigin::Found { process, link } => KnownAs::Found(process.clone(), *link),
            },
        }
    }

    /// A worker runs that this leader did not launch: started by hand, or by a leader before this one.
    fn find_worker(&mut self, now_ms: u64, name: MemberName, process: WorkerProcess, is_dismissed: bool) {
        if self.down.is_some() {
            return;
        }
        let identity = process.identity.clone();
        self.members.insert(name.clone(), MemberPhase::Running(MemberWorker::found(process)));
        self.adopt(name.clone(), identity);
        if is_dismissed {
            // A leader before this one had told it to end for good, and did not come to the end of that.
            self.end_by_force(now_ms, &name);
        }
    }

    /// A worker that a leader had started died, and nobody has said what follows.
    fn find_dead(&mut self, now_ms: u64, name: MemberName, how: WorkerEnd) {
        match self.dead_before {
            DeadBefore::Bury => self.bury_for_good(&name, how),
            DeadBefore::StartAgain if self.down.is_none() => self.member_died(now_ms, name, how),
            DeadBefore::StartAgain => {}
        }
    }

    /// A worker died that a leader was to start again at a time.
    fn find_restarting(&mut self, now_ms: u64, name: MemberName, how: WorkerEnd, at_ms: u64) {
        match self.dead_before {
            DeadBefore::Bury => self.bury_for_good(&name, how),
            DeadBefore::StartAgain if self.down.is_none() => {
                // By whatever clock that was written, it is not waited for longer than there is reason to.
                let at_ms = at_ms.min(now_ms + ms(RESTART_DELAY_MAX));
                let shortage = ShortageKnown::NotYet;
                self.members.insert(name, MemberPhase::Restarting { at_ms, how, shortage });
            }
            DeadBefore::StartAgain => {}
        }
    }

    fn adopt(&mut self, name: MemberName, process: ProcessIdentity) {
        if let Some(link) = self.link_mut(&name, &process) {
            *link = FoundLink::Trying;
        }
        self.act(LeaderAction::Adopt { name, process });
    }

    /// A worker that was found answers at its socket.
    pub(super) fn linked(&mut self, name: MemberName, process: &ProcessIdentity, turn: Option<TurnOpen>) {
        let Some(worker) = self.members.get_mut(&name).and_then(MemberPhase::worker_mut) else { return };
        let Some(link) = worker.link_to(process) else { return };
        *link = FoundLink::Linked;
        worker.turn = turn;
        self.answered(name);
    }

    /// The link to a worker that was found is gone: most often with the worker.
    pub(super) fn link_lost(&mut self, now_ms: u64, name: &MemberName, process: &ProcessIdentity) {
        let Some(link) = self.link_mut(name, process) else { return };
        *link = FoundLink::Lost;
        self.not_asked(name);
        // Not at once, or a socket that nobody serves would be tried without end.
        self.look_at_ms.get_or_insert(now_ms + ms(self.look_after));
    }

    fn link_mut(&mut self, name: &MemberName, process: &ProcessIdentity) -> Option<&mut FoundLink> {
        self.members.get_mut(name)?.worker_mut()?.link_to(process)
    }

    /// A worker is dead that this leader did not launch. The outer half of its cell ends by itself, unless it is stopped.
    fn see_off(&mut self, dead: WorkerProcess) {
        if let Some(outer_half) = dead.outer_half {
            self.act(LeaderAction::SeeOff { outer_half });
        }
    }

    /// The member is dead, and no successor follows by itself.
    fn bury_for_good(&mut self, name: &MemberName, how: WorkerEnd) {
        self.bury(name, MemberLeaving::for_good(how));
    }
}

/// All that is known of a worker that this leader did not launch.
fn vanished() -> WorkerEnd {
    death_by("its worker is gone".to_owned())
}
