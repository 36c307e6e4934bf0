//! The leader's decisions: which member is being started, runs, is dead, adopted or hung, and how far up the ladder
//! each is that is being ended. Pure: it reads no clock, file, process or random source. The one table of members is
//! here.
//!
//! The shell around it gathers facts, carries out the actions of a step in order, and feeds each [`LeaderEvent`] that
//! answers one of them back in before it takes the next event from the world.

use std::collections::BTreeMap;
use std::time::Duration;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::START_WITHIN;
use teamster_protocol::model::limits::pace::{END_WITHOUT_TEAM_WITHIN, GOODBYE_LOOK};
use teamster_protocol::model::restart::RecentDeaths;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shutdown::{LadderStep, ShutdownLadder};
use teamster_protocol::wire::api::{EndOutcome, TeamEnding};

mod ending;
mod event;
mod leaving;
mod member;
mod pulse;
mod roster;
mod starting;
mod turns;

use member::{AbandonedStart, AbandonedThen, EndWaiter, MemberPhase, StartReason, TurnWaiter, WorkerOrigin};

pub use event::{
    AskId, LeaderAction, LeaderAnswer, LeaderAsk, LeaderEvent, PreparedPlace, Signal, StartFault, TimedTask, WorkSeen,
};
pub use leaving::{BurialLock, BurialStep, MemberLeaving, fact_if_news, how_it_left};
pub use member::TurnOpen;
pub use roster::{LockSeen, MemberSeen, RosterLook};

/// The fate of members that an earlier leader had started and that died while nobody led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadBefore {
    /// The members are started again.
    StartAgain,
    /// The members are buried: their tasks are given back, and nothing more happens.
    Bury,
}

/// Whether the team's files are in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TeamFiles {
    There,
    /// The files were missing once: somebody may only have put them aside.
    MissedOnce,
    /// The files are gone, and the leader ends by this time, whoever still runs.
    Gone {
        end_by_ms: u64,
    },
}

/// The leader's core; see the module.
#[derive(Debug)]
pub struct LeaderCore {
    members: BTreeMap<MemberName, MemberPhase>,
    /// The members whose leaving is not written down yet.
    unburied: BTreeMap<MemberName, MemberLeaving>,
    waiters: Vec<EndWaiter>,
    turn_waiters: Vec<TurnWaiter>,
    /// The deaths of each member that count.
    deaths: BTreeMap<MemberName, RecentDeaths>,
    /// How long a worker may take to answer.
    answer_within: Duration,
    dead_before: DeadBefore,
    /// When the roster is looked at again although nothing was written: a worker that was found is about to end.
    look_at_ms: Option<u64>,
    /// From one such look to the next.
    look_after: Duration,
    /// Set once the leader is to end: it starts nobody any more.
    down: Option<TeamEnding>,
    team_files: TeamFiles,
    /// Set once the shell was told to end.
    is_over: bool,
    actions: Vec<LeaderAction>,
}

impl LeaderCore {
    /// A leader that leads nobody yet, and gives a worker this long to answer.
    pub fn new(answer_within: Duration, dead_before: DeadBefore) -> LeaderCore {
        LeaderCore {
            members: BTreeMap::new(),
            unburied: BTreeMap::new(),
            waiters: Vec::new(),
            turn_waiters: Vec::new(),
            deaths: BTreeMap::new(),
            answer_within,
            dead_before,
            look_at_ms: None,
            look_after: GOODBYE_LOOK,
            down: None,
            team_files: TeamFiles::There,
            is_over: false,
            actions: Vec::new(),
        }
    }

    /// When [`LeaderEvent::Tick`] is due, in milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let end_by_ms = match self.team_files {
            TeamFiles::Gone { end_by_ms } => Some(end_by_ms),
            TeamFiles::There | TeamFiles::MissedOnce => None,
        };
        let due = |phase: &MemberPhase| match phase {
            // The end of this start is not waited for any more.
            MemberPhase::Starting { until_ms: u64::MAX, .. } => None,
            MemberPhase::Starting { until_ms, .. } => Some(*until_ms),
            MemberPhase::Ending { ladder, worker, .. } => {
                [ladder.until_ms(), worker.pulse.until_ms()].into_iter().flatten().min()
            }
            MemberPhase::Restarting { at_ms, .. } => Some(*at_ms),
            MemberPhase::Running(worker) => worker.pulse.until_ms(),
            MemberPhase::Preparing { .. } => None,
        };
        self.members.values().filter_map(due).chain(self.look_at_ms).chain(end_by_ms).min()
    }

    /// Whether the core takes a member's worker to run, or to be on its way there.
    pub fn is_running(&self, name: &MemberName) -> bool {
        self.members.contains_key(name)
    }

    /// Whether this leader launched the member's worker, and will hear of its end: neither roster nor lock tell more.
    pub fn is_child(&self, name: &MemberName) -> bool {
        match self.members.get(name) {
            Some(MemberPhase::Starting { .. }) => true,
            Some(MemberPhase::Running(worker) | MemberPhase::Ending { worker, .. }) => {
                worker.process == WorkerOrigin::Child
            }
            Some(MemberPhase::Preparing { .. } | MemberPhase::Restarting { .. }) | None => false,
        }
    }

    /// The process of a worker that runs and that this leader did not launch.
    pub fn found_process(&self, name: &MemberName) -> Option<&ProcessIdentity> {
        match &self.members.get(name)?.worker()?.process {
            WorkerOrigin::Found { process, .. } => Some(&process.identity),
            WorkerOrigin::Child => None,
        }
    }

    /// The outer half of such a worker, if it is in a cell.
    pub fn found_outer_half(&self, name: &MemberName) -> Option<&ProcessIdentity> {
        match &self.members.get(name)?.worker()?.process {
            WorkerOrigin::Found { process, .. } => process.outer_half.as_ref(),
            WorkerOrigin::Child => None,
        }
    }

    /// Whether links to workers that were found are being tried.
    pub fn is_linking(&self) -> bool {
        let mut workers = self.members.values().filter_map(MemberPhase::worker);
        workers.any(|worker| worker.link() == member::FoundLink::Trying)
    }

    /// Whether the team is ended by force, which waits for nobody longer than it must.
    pub fn is_forced(&self) -> bool {
        self.down == Some(TeamEnding::ByForce)
    }

    /// How the team is being ended, if it is.
    pub fn ending(&self) -> Option<TeamEnding> {
        self.down
    }

    /// Takes one event and says what is to be done, in order.
    pub fn step(&mut self, now_ms: u64, event: LeaderEvent) -> Vec<LeaderAction> {
        match event {
            LeaderEvent::Asked { ask, what } => self.asked(now_ms, ask, what),
            LeaderEvent::Prepared { name, place } => self.prepared(now_ms, name, place),
            LeaderEvent::NotPrepared { name, why } => {
                if let Some(MemberPhase::Preparing { ask, .. }) = self.members.get(&name) {
                    let ask = *ask;
                    self.forget_member(&name, death_by(why.clone()));
                    self.answer(ask, Err(why));
                }
            }
            LeaderEvent::Ready { name, pid } => self.ready(now_ms, name, pid),
            LeaderEvent::NotReady { name, why, fault } => self.not_ready(now_ms, name, why, fault),
            LeaderEvent::RosterSeen { look, members } => self.roster_seen(now_ms, look, members),
            LeaderEvent::Buried { name } => drop(self.unburied.remove(&name)),
            LeaderEvent::Linked { name, process, turn } => self.linked(name, &process, turn),
            LeaderEvent::LinkLost { name, process } => self.link_lost(now_ms, &name, &process),
            LeaderEvent::TurnStarted { name, turn } => self.turn_started(&name, turn),
            LeaderEvent::TurnEnded { name, turn, stop } => self.turn_ended(&name, turn, stop),
            LeaderEvent::Exited { name, how } => self.exited(now_ms, name, how),
            LeaderEvent::ShutdownRequested { name, request } => {
                if let Some(MemberPhase::Ending {
                    ladder: ShutdownLadder::Asked { request: open, .. }, asked, ..
                }) = self.members.get_mut(&name)
                {
                    *open = request;
                    asked.insert(request);
                }
            }
            LeaderEvent::ShutdownNotRequested { name, why } => self.not_requested(now_ms, &name, &why),
            LeaderEvent::Replied { from, reply } => self.replied(now_ms, from, reply),
            LeaderEvent::Polled => self.polled(),
            LeaderEvent::TeamMissing => self.team_missing(now_ms),
            LeaderEvent::WorkSeen { name, work } => self.work_seen(now_ms, name, &work),
            LeaderEvent::Answered { name } => self.answered(name),
            LeaderEvent::NotAsked { name } => self.not_asked(&name),
            LeaderEvent::Interrupted => {
                let how = if self.down.is_none() { TeamEnding::Gently } else { TeamEnding::ByForce };
                self.go_down(now_ms, how);
            }
            LeaderEvent::ClockSet { by_ms } => self.clock_was_set(by_ms),
            LeaderEvent::Tick => self.tick(now_ms),
        }
        self.answer_turn_waiters();
        // Workers that not even SIGKILL ends would keep the leader for ever, so it does not wait for them.
        if self.down.is_some() && self.members.values().all(MemberPhase::is_stuck) {
            self.exit();
        }
        std::mem::take(&mut self.actions)
    }

    fn asked(&mut self, now_ms: u64, ask: AskId, what: LeaderAsk) {
        match what {
            LeaderAsk::Spawn(request) => self.spawn(ask, *request),
            LeaderAsk::Shutdown { name, reason, when_busy } => {
                let names = match name {
                    Some(name) => vec![name],
                    None => self.members.keys().cloned().collect(),
                };
                for name in &names {
                    self.ask_to_end(now_ms, name, &reason, when_busy);
                }
                self.wait(ask, names);
            }
            LeaderAsk::Kill { name } => {
                self.end_by_force(now_ms, &name);
                self.wait(ask, vec![name]);
            }
            LeaderAsk::AwaitEnd { name } => {
                let has_worker = self.members.get(&name).is_some_and(|phase| phase.worker().is_some());
                // One that is being started is not about to end.
                self.wait(ask, if has_worker { vec![name] } else { Vec::new() });
            }
            LeaderAsk::AwaitTurnEnd { name, turn } => self.await_turn_end(ask, name, turn),
            LeaderAsk::HandOver if self.down.is_some() => self.answer(ask, Err("the leader is ending".to_owned())),
            LeaderAsk::HandOver => {
                self.answer(ask, Ok(LeaderAnswer::Ended(Vec::new())));
                self.act(LeaderAction::HandOver);
            }
            LeaderAsk::Down { how } => {
                let names = self.members.keys().cloned().collect();
                self.go_down(now_ms, how);
                self.wait(ask, names);
            }
        }
    }

    /// A start, a restart and each step of an end take as long as they do, whatever the clock of the day says.
    fn clock_was_set(&mut self, by_ms: i64) {
        for phase in self.members.values_mut() {
            match phase {
                // The end of this start is not waited for any more.
                MemberPhase::Starting { until_ms: u64::MAX, .. } => {}
                MemberPhase::Starting { until_ms: at_ms, .. } | MemberPhase::Restarting { at_ms, .. } => {
                    *at_ms = at_ms.saturating_add_signed(by_ms);
                }
                MemberPhase::Ending { ladder, worker, .. } => {
                    ladder.clock_was_set(by_ms);
                    worker.pulse.clock_was_set(by_ms);
                }
                MemberPhase::Running(worker) => worker.pulse.clock_was_set(by_ms),
                MemberPhase::Preparing { .. } => {}
            }
        }
        if let Some(at_ms) = &mut self.look_at_ms {
            *at_ms = at_ms.saturating_add_signed(by_ms);
        }
        if let TeamFiles::Gone { end_by_ms } = &mut self.team_files {
            *end_by_ms = end_by_ms.saturating_add_signed(by_ms);
        }
        self.deaths.values_mut().for_each(|deaths| deaths.clock_was_set(by_ms));
    }

    /// The files of the team are not in their place. No command finds a leader whose team was removed, and what is made in
    /// its place gets a leader of its own: at the second time the leader ends its workers, and then itself.
    fn team_missing(&mut self, now_ms: u64) {
        self.team_files = match self.team_files {
            TeamFiles::There => TeamFiles::MissedOnce,
            gone @ TeamFiles::Gone { .. } => gone,
            TeamFiles::MissedOnce => {
                self.report("the team was removed or replaced: its workers are ended, and so is the leader".to_owned());
                self.go_down(now_ms, TeamEnding::ByForce);
                TeamFiles::Gone { end_by_ms: now_ms + ms(END_WITHOUT_TEAM_WITHIN) }
            }
        };
    }

    fn tick(&mut self, now_ms: u64) {
        if self.look_at_ms.is_some_and(|at_ms| now_ms >= at_ms) {
            self.look_at_ms = None;
            self.act(LeaderAction::LookAtRoster);
        }
        if let TeamFiles::Gone { end_by_ms } = self.team_files
            && now_ms >= end_by_ms
        {
            self.report("the leader ends, although not all of its workers did".to_owned());
            self.team_files = TeamFiles::Gone { end_by_ms: u64::MAX };
            self.exit();
        }
        let names: Vec<MemberName> = self.members.keys().cloned().collect();
        for name in names {
            self.tick_of(now_ms, name);
        }
    }

    /// Does what is due for one member.
    fn tick_of(&mut self, now_ms: u64, name: MemberName) {
        match self.members.get_mut(&name) {
            Some(MemberPhase::Starting { until_ms, abandoned, .. }) if now_ms >= *until_ms => {
                // Said once; the end of the process answers the call.
                *until_ms = u64::MAX;
                abandoned.get_or_insert_with(|| AbandonedStart {
                    why: format!("it was not ready within {} s", START_WITHIN.as_secs()),
                    then: AbandonedThen::Terminate,
                });
                self.act(LeaderAction::Signal { name, signal: Signal::Kill });
            }
            Some(MemberPhase::Restarting { at_ms, how, shortage }) if now_ms >= *at_ms => {
                let start = StartReason::Again { how: how.clone(), shortage: *shortage };
                self.launch(now_ms, name, start);
            }
            Some(MemberPhase::Running(worker)) if worker.pulse.is_overdue(now_ms) => self.silent(now_ms, name),
            Some(MemberPhase::Ending { ladder, worker, .. }) => match ladder.overdue(now_ms) {
                LadderStep::Wait if worker.pulse.is_overdue(now_ms) => self.silent(now_ms, name),
                LadderStep::Wait => {}
                LadderStep::Terminate => {
                    self.report(format!("{name} did not end in time: it gets SIGTERM"));
                    self.dismiss(&name);
                    self.act(LeaderAction::Signal { name, signal: Signal::Terminate });
                }
                LadderStep::Kill => {
                    self.report(format!("{name} did not end on SIGTERM: it gets SIGKILL"));
                    self.act(LeaderAction::Signal { name, signal: Signal::Kill });
                }
                LadderStep::GiveUp => {
                    self.report(format!("{name} does not end, not even on SIGKILL"));
                    self.tell_waiters(&name, Ok(EndOutcome::Stuck));
                }
            },
            Some(
                MemberPhase::Preparing { .. }
                | MemberPhase::Starting { .. }
                | MemberPhase::Running(_)
                | MemberPhase::Restarting { .. },
            )
            | None => {}
        }
    }

    /// Orders the leader to exit, once.
    fn exit(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.act(LeaderAction::Exit);
        }
    }

    fn answer(&mut self, ask: AskId, answer: Result<LeaderAnswer, String>) {
        self.act(LeaderAction::Answer { ask, answer });
    }

    fn report(&mut self, text: String) {
        self.act(LeaderAction::Report { text });
    }

    fn act(&mut self, action: LeaderAction) {
        self.actions.push(action);
    }
}

/// Whether a worker that left like this was to go on.
fn is_death(how: &WorkerEnd) -> bool {
    match how {
        WorkerEnd::Died { .. } | WorkerEnd::AgentGone { .. } => true,
        WorkerEnd::Shutdown
        | WorkerEnd::Terminated
        | WorkerEnd::Killed
        | WorkerEnd::LeaderGone
        | WorkerEnd::ProviderRefused { .. }
        | WorkerEnd::BudgetSpent { .. }
        | WorkerEnd::NotStarted { .. }
        | WorkerEnd::GivenUp { .. } => false,
    }
}

fn reason(how: &WorkerEnd) -> &str {
    match how {
        WorkerEnd::Died { reason }
        | WorkerEnd::AgentGone { reason }
        | WorkerEnd::ProviderRefused { reason }
        | WorkerEnd::NotStarted { reason }
        | WorkerEnd::GivenUp { reason } => reason,
        WorkerEnd::Shutdown => "it was asked to end",
        WorkerEnd::Terminated => "a signal told it to end",
        WorkerEnd::Killed => "the lead killed it",
        WorkerEnd::LeaderGone => "its leader was gone",
        WorkerEnd::BudgetSpent { .. } => "its budget was used up",
    }
}

fn death_by(reason: String) -> WorkerEnd {
    WorkerEnd::Died { reason }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests;
