//! Watching the roster: workers that run, leave or die without this leader having launched them. Those started by
//! hand, and those of a leader before this one, which are linked to anew.

use std::time::Duration;

use futures_util::future::join_all;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::SLOW_POLL;
use teamster_protocol::model::roster::{LeftHow, Member, Presence, Process, StartedBy, Then};
use teamster_protocol::store::presence::{self, WorkerLife};
use teamster_protocol::team::{TeamError, worker_life};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{Instant, timeout};

use super::Leader;
use super::burial::Leaving;
use crate::core::Event;
use crate::daemon::adopt;
use crate::daemon::escaped;

/// From a worker's goodbye, or the end of its link, to the next look whether it has ended.
pub(super) const GOODBYE: Duration = Duration::from_millis(20);

/// How long a new leader waits for the workers it found before it takes calls.
const LINK_WITHIN: Duration = Duration::from_secs(1);

/// A worker that this leader did not launch.
#[derive(Debug)]
pub(super) struct Found {
    /// As it wrote itself down when it was found.
    pub(super) process: Process,
    pub(super) link: FoundLink,
}

/// The way to a worker that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundLink {
    /// It is called over its socket, or a call is being tried.
    Adopted,
    /// It did not answer there, or no longer: it is reached by mail until it does.
    Lost,
}

/// A worker that is dead and that this leader did not know of.
#[derive(Debug)]
enum Dead {
    /// Nobody starts it again by himself: it was started by hand, or was to end for good.
    ForGood(LeftHow),
    /// A leader had started it, and did not come to say what follows.
    OfOurs(LeftHow),
    /// A leader was to start it again at a time.
    Restarting { how: LeftHow, at_ms: u64 },
}

impl Leader<'_> {
    /// Takes over what an earlier leader left: tasks of the dead go back, and members that it had started and that
    /// died meanwhile are started again if this leader is to.
    pub(super) fn take_over(&mut self) -> Result<(), TeamError> {
        self.sweep()?;
        let dir = self.shared.dir.clone();
        tokio::spawn(async move { escaped::end(&dir).await });
        self.withdraw_half_started()?;
        self.recall_deaths();
        self.look_at_roster()?;
        let unread = self.inbox.unread()?;
        self.mail(unread);
        Ok(())
    }

    /// Waits until the workers that were found are linked, or known not to answer: who calls a leader that is ready
    /// reaches them as he did before. Not for long: one that hangs keeps nobody waiting.
    pub(super) async fn linked(&mut self) {
        if timeout(LINK_WITHIN, join_all(self.adopting.drain(..))).await.is_err() {
            tracing::warn!("not every worker answers at its socket; the others are led meanwhile");
        }
    }

    /// Notices workers that joined, and such as left or died, without this leader having launched them.
    pub(super) fn look_at_roster(&mut self) -> Result<(), TeamError> {
        if self.is_displaced() {
            return Ok(());
        }
        let mut events = Vec::new();
        let mut dead = Vec::new();
        let mut adopt = Vec::new();
        let mut uncertain = false;
        let mut failed = None;
        {
            let mut team = self.shared.team();
            team.refresh(|_| ())?;
            for (name, member) in team.roster().members().filter(|(name, _)| !self.launched.contains(*name)) {
                let known = self.core.is_running(name);
                let running = match worker_life(&self.shared.dir, name, &member.presence) {
                    // A worker that lives takes its lock anew where that was tidied away.
                    Ok(life) => life != WorkerLife::Dead,
                    // What stands in the way of one keeps none of the others waiting.
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                };
                let exited = |how| Event::Exited { name: name.clone(), how };
                match (&member.presence, running) {
                    (Presence::Joined { process, .. }, true) => match self.found.get_mut(name) {
                        Some(found) if found.process == *process && known => {
                            if found.link == FoundLink::Lost {
                                // It dies, or its socket does not answer; both are to be looked at again.
                                uncertain = true;
                                found.link = FoundLink::Adopted;
                                adopt.push((name.clone(), process.identity.clone()));
                            }
                        }
                        found => {
                            if found.is_some() && known {
                                // Ended and begun anew between two looks: what was asked of the one is over.
                                events.push(exited(gone()));
                            }
                            events.push(Event::Found { name: name.clone(), started_by: process.started_by });
                            if member.dismissed_ms.is_some() {
                                events.push(Event::FoundDismissed { name: name.clone() });
                            }
                            adopt.push((name.clone(), process.identity.clone()));
                            let found = Found { process: process.clone(), link: FoundLink::Adopted };
                            self.found.insert(name.clone(), found);
                        }
                    },
                    (Presence::Left { .. }, true) => uncertain |= self.found.contains_key(name),
                    (Presence::Left { how, then, .. }, false) => {
                        if self.found.remove(name).is_some() && known {
                            events.push(exited(how.clone()));
                        } else if !known && !self.unburied.contains_key(name) {
                            let how = how.clone();
                            match then {
                                Then::Stays => {}
                                Then::Undecided { .. } => dead.push((name.clone(), Dead::OfOurs(how))),
                                Then::Again { at_ms } => {
                                    dead.push((name.clone(), Dead::Restarting { how, at_ms: *at_ms }));
                                }
                            }
                        }
                    }
                    (Presence::Joined { process, .. }, false) => {
                        if self.found.remove(name).is_some() && known {
                            events.push(exited(gone()));
                        } else if !known {
                            dead.push((
                                name.clone(),
                                match process.started_by {
                                    StartedBy::Leader if member.dismissed_ms.is_none() => Dead::OfOurs(gone()),
                                    StartedBy::Leader | StartedBy::Hand => Dead::ForGood(gone()),
                                },
                            ));
                        }
                    }
                    (Presence::Expected { .. }, false) => {
                        if self.found.remove(name).is_some() && known {
                            events.push(exited(gone()));
                        }
                    }
                    // It is about to join.
                    (Presence::Expected { .. }, true) => {}
                }
            }
        }
        self.adopting.retain_mut(|trying| trying.try_recv() == Err(TryRecvError::Empty));
        self.look_again = uncertain.then(|| Instant::now() + self.goodbye);
        self.goodbye = if uncertain { (self.goodbye * 2).min(SLOW_POLL) } else { GOODBYE };
        for (name, identity) in adopt {
            let (tried, trying) = oneshot::channel();
            tokio::spawn(adopt::run(self.shared.clone(), name, identity, tried));
            self.adopting.push(trying);
        }
        for (name, dead) in dead {
            self.found_dead(name, dead);
        }
        events.into_iter().for_each(|event| self.feed(event));
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The link to a worker that was found is gone: most often with the worker.
    pub(super) fn unlinked(&mut self, name: &MemberName) {
        if let Some(found) = self.found.get_mut(name) {
            found.link = FoundLink::Lost;
        }
        self.feed(Event::NotAsked { name: name.clone() });
        // Not at once, or a socket that nobody serves would be tried without end.
        self.look_again.get_or_insert_with(|| Instant::now() + self.goodbye);
    }

    /// Gives back what dead workers held. How those died that this leader launched it is about to hear, and that is to stay
    /// with their tasks.
    pub(super) fn sweep(&mut self) -> Result<(), TeamError> {
        for name in self.shared.team().sweep(|name| self.launched.contains(name))? {
            tracing::warn!(%name, "its worker had died; its tasks are open again");
        }
        Ok(())
    }

    /// How a worker says that it left, if it does.
    pub(super) fn how_it_left(&self, name: &MemberName) -> Option<LeftHow> {
        let mut team = self.shared.team();
        if let Err(error) = team.refresh(|_| ()) {
            tracing::error!("{error}");
        }
        match &team.roster().member(name).ok()?.presence {
            Presence::Left { how, .. } => Some(how.clone()),
            Presence::Expected { .. } | Presence::Joined { .. } => None,
        }
    }

    fn found_dead(&mut self, name: MemberName, dead: Dead) {
        match (dead, self.dead_before) {
            (Dead::ForGood(how), _) | (Dead::OfOurs(how) | Dead::Restarting { how, .. }, super::DeadBefore::Bury) => {
                self.bury(&name, Leaving::for_good(how));
            }
            (Dead::OfOurs(how), super::DeadBefore::StartAgain) => self.feed(Event::FoundDead { name, how }),
            (Dead::Restarting { how, at_ms }, super::DeadBefore::StartAgain) => {
                self.feed(Event::FoundRestarting { name, how, at_ms });
            }
        }
    }

    /// The deaths that leaders before this one counted: a member is not to die for ever because its leaders die too.
    fn recall_deaths(&mut self) {
        let died = |(name, member): (&MemberName, &Member)| {
            let deaths_ms: Vec<u64> = member.deaths.iter().map(|death| death.died_ms).collect();
            (!deaths_ms.is_empty()).then(|| (name.clone(), deaths_ms))
        };
        let deaths: Vec<(MemberName, Vec<u64>)> = self.shared.team().roster().members().filter_map(died).collect();
        for (name, deaths_ms) in deaths {
            self.feed(Event::Recalled { name, deaths_ms });
        }
    }

    /// A leader that died in the middle of a spawn left the member expected for ever. Whoever asked for it was told
    /// that the leader is gone.
    fn withdraw_half_started(&mut self) -> Result<(), TeamError> {
        let expected: Vec<MemberName> = {
            let mut team = self.shared.team();
            team.refresh(|_| ())?;
            let expected = |presence: &Presence| matches!(presence, Presence::Expected { .. });
            let members = team.roster().members().filter(|(_, member)| expected(&member.presence));
            members.map(|(name, _)| name.clone()).collect()
        };
        for name in expected {
            if !presence::is_held(&self.shared.dir.member_lock(&name))? {
                let reason = "its leader died while it was being started".to_owned();
                self.bury(&name, Leaving::for_good(LeftHow::Died { reason }));
            }
        }
        Ok(())
    }
}

/// All that is known of a worker that this leader did not launch.
fn gone() -> LeftHow {
    LeftHow::Died { reason: "its worker is gone".to_owned() }
}
