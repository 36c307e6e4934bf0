//! The leader's decisions: who is being started, who runs, who is being ended and how far up the ladder that
//! is. Pure: it reads no clock, file, process or random source.
//!
//! The shell around it keeps one rule: it carries out the actions of a step in order and feeds each [`Event`]
//! that answers one of them back in before it takes the next event from the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{RESTART_DELAY_MAX, START_WITHIN};
use teamster_protocol::model::roster::{LeftHow, StartedBy, Workspace};
use teamster_protocol::model::shutdown::{Ladder, Step, WhenBusy};
use teamster_protocol::wire::api::{EndOutcome, Ended};

use teamster_protocol::model::restart::Deaths;

mod ending;
mod event;
mod pulse;
mod starting;

use pulse::Pulse;

pub use event::{Action, Answer, Ask, AskId, Down, Event, Fault, Signal};

/// Where one member's worker stands.
#[derive(Debug)]
enum Phase {
    /// Its place is being made. An end that is asked meanwhile waits for that.
    Preparing { ask: AskId, abandoned: Option<Abandoned> },
    /// Its process is starting, and may have begun to work before it is known to be ready.
    Starting { start: Start, until_ms: u64, abandoned: Option<Abandoned> },
    /// It runs.
    Running { started_by: StartedBy, pulse: Pulse },
    /// It died, and is started again at a time.
    Restarting { at_ms: u64, how: LeftHow, shortage: Shortage },
    /// It runs and is being ended. `when_busy` is what it was last asked to do. Its pulse is felt while nothing else
    /// hurries it.
    Ending { ladder: Ladder, when_busy: WhenBusy, started_by: StartedBy, pulse: Pulse },
}

/// Why a worker starts.
#[derive(Debug, Clone)]
enum Start {
    /// Somebody asked, and waits.
    Asked { ask: AskId, workspace: Workspace },
    /// The one before it died.
    Again { how: LeftHow, shortage: Shortage },
}

/// Whether the machine lacks what a start needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    NotKnown,
    /// That was said, once for however many starts.
    Told,
}

/// A start that somebody wants no more.
#[derive(Debug, Clone)]
struct Abandoned {
    why: String,
    /// What is done once it runs after all.
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// It is asked to end, as any other.
    Ask(WhenBusy),
    /// It is told to.
    Terminate,
}

/// A call that waits for members to end.
#[derive(Debug)]
struct Waiter {
    ask: AskId,
    left: BTreeSet<MemberName>,
    ended: Vec<Ended>,
    /// Why some could not even be asked.
    unasked: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Core {
    members: BTreeMap<MemberName, Phase>,
    waiters: Vec<Waiter>,
    /// Of those that died lately.
    deaths: BTreeMap<MemberName, Deaths>,
    /// How long a worker may take to answer.
    answer_within: Duration,
    /// Set once the leader is to end: it starts nobody any more.
    down: Option<Down>,
    actions: Vec<Action>,
}

impl Core {
    /// A leader that leads nobody yet, and gives a worker this long to answer.
    pub fn new(answer_within: Duration) -> Core {
        Core {
            members: BTreeMap::new(),
            waiters: Vec::new(),
            deaths: BTreeMap::new(),
            answer_within,
            down: None,
            actions: Vec::new(),
        }
    }

    /// When [`Event::Tick`] is due, in milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let due = |phase: &Phase| match phase {
            Phase::Starting { until_ms, .. } => Some(*until_ms),
            Phase::Ending { ladder, pulse, .. } => [ladder.until_ms(), pulse.until_ms()].into_iter().flatten().min(),
            Phase::Restarting { at_ms, .. } => Some(*at_ms),
            Phase::Running { pulse, .. } => pulse.until_ms(),
            Phase::Preparing { .. } => None,
        };
        self.members.values().filter_map(due).min()
    }

    /// Whether the core takes a member's worker to run, or to be on its way there.
    pub fn is_running(&self, name: &MemberName) -> bool {
        self.members.contains_key(name)
    }

    /// Whether the team is ended by force, which waits for nobody longer than it must.
    pub fn is_forced(&self) -> bool {
        self.down == Some(Down::ByForce)
    }

    /// Takes one event and says what is to be done, in order.
    pub fn step(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        match event {
            Event::Asked { ask, what } => self.asked(now_ms, ask, what),
            Event::Prepared { name, workspace } => self.prepared(now_ms, name, workspace),
            Event::NotPrepared { name, why } => {
                if let Some(Phase::Preparing { ask, .. }) = self.members.get(&name) {
                    let ask = *ask;
                    self.gone(&name, died(why.clone()));
                    self.answer(ask, Err(why));
                }
            }
            Event::Ready { name, pid } => self.ready(now_ms, name, pid),
            Event::NotReady { name, why, fault } => self.not_ready(now_ms, name, why, fault),
            Event::Found { name, started_by } => self.found(name, started_by),
            Event::FoundDead { name, how } => {
                if self.down.is_none() && !self.members.contains_key(&name) {
                    self.died(now_ms, name, how);
                }
            }
            Event::FoundRestarting { name, how, at_ms } => {
                if self.down.is_none() && !self.members.contains_key(&name) {
                    // By whatever clock that was written, it is not waited for longer than there is reason to.
                    let at_ms = at_ms.min(now_ms + ms(RESTART_DELAY_MAX));
                    self.members.insert(name, Phase::Restarting { at_ms, how, shortage: Shortage::NotKnown });
                }
            }
            Event::Recalled { name, deaths_ms } => {
                self.deaths.entry(name).or_insert_with(|| Deaths::recalled(now_ms, deaths_ms));
            }
            Event::FoundDismissed { name } => self.end_by_force(now_ms, &name),
            Event::Exited { name, how } => self.exited(now_ms, name, how),
            Event::ShutdownRequested { name, request } => {
                if let Some(Phase::Ending { ladder: Ladder::Asked { request: asked, .. }, .. }) =
                    self.members.get_mut(&name)
                {
                    *asked = request;
                }
            }
            Event::ShutdownNotRequested { name, why } => self.not_requested(now_ms, &name, &why),
            Event::Replied { from, reply } => self.replied(now_ms, from, reply),
            Event::Polled => self.polled(),
            Event::Pinged { name, then, overdue } => self.pinged(now_ms, name, then, overdue),
            Event::Answered { name } => self.answered(name),
            Event::NotAsked { name } => self.not_asked(&name),
            Event::Interrupted => {
                let how = if self.down.is_none() { Down::Gently } else { Down::ByForce };
                self.go_down(now_ms, how);
            }
            Event::ClockSet { by_ms } => self.clock_was_set(by_ms),
            Event::Tick => self.tick(now_ms),
        }
        // What not even SIGKILL ends would keep the leader for ever.
        if self.down.is_some() && self.members.values().all(is_stuck) {
            self.act(Action::Exit);
        }
        std::mem::take(&mut self.actions)
    }

    fn asked(&mut self, now_ms: u64, ask: AskId, what: Ask) {
        match what {
            Ask::Spawn(request) => self.spawn(ask, request),
            Ask::Shutdown { name, reason, when_busy } => {
                let names = match name {
                    Some(name) => vec![name],
                    None => self.members.keys().cloned().collect(),
                };
                for name in &names {
                    self.ask_to_end(now_ms, name, &reason, when_busy);
                }
                self.wait(ask, names);
            }
            Ask::Kill { name } => {
                self.end_by_force(now_ms, &name);
                self.wait(ask, vec![name]);
            }
            Ask::HandOver if self.down.is_some() => self.answer(ask, Err("the leader is ending".to_owned())),
            Ask::HandOver => {
                self.answer(ask, Ok(Answer::Ended(Vec::new())));
                self.act(Action::HandOver);
            }
            Ask::Down { how } => {
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
                // Nothing is waited for any more.
                Phase::Starting { until_ms: u64::MAX, .. } => {}
                Phase::Starting { until_ms: at_ms, .. } | Phase::Restarting { at_ms, .. } => {
                    *at_ms = at_ms.saturating_add_signed(by_ms);
                }
                Phase::Ending { ladder, pulse, .. } => {
                    ladder.clock_was_set(by_ms);
                    pulse.clock_was_set(by_ms);
                }
                Phase::Running { pulse, .. } => pulse.clock_was_set(by_ms),
                Phase::Preparing { .. } => {}
            }
        }
        self.deaths.values_mut().for_each(|deaths| deaths.clock_was_set(by_ms));
    }

    fn tick(&mut self, now_ms: u64) {
        let names: Vec<MemberName> = self.members.keys().cloned().collect();
        for name in names {
            match self.members.get_mut(&name) {
                Some(Phase::Starting { until_ms, abandoned, .. }) if now_ms >= *until_ms => {
                    // Said once; the end of the process answers the call.
                    *until_ms = u64::MAX;
                    abandoned.get_or_insert_with(|| Abandoned {
                        why: format!("it was not ready within {} s", START_WITHIN.as_secs()),
                        then: Then::Terminate,
                    });
                    self.act(Action::Signal { name, signal: Signal::Kill });
                }
                Some(Phase::Restarting { at_ms, how, shortage }) if now_ms >= *at_ms => {
                    let start = Start::Again { how: how.clone(), shortage: *shortage };
                    self.launch(now_ms, name, start);
                }
                Some(Phase::Running { pulse, .. }) if pulse.is_overdue(now_ms) => self.silent(now_ms, name),
                Some(Phase::Ending { ladder, pulse, .. }) => match ladder.overdue(now_ms) {
                    Step::Wait if pulse.is_overdue(now_ms) => self.silent(now_ms, name),
                    Step::Wait => {}
                    Step::Terminate => {
                        self.report(format!("{name} did not end in time: it gets SIGTERM"));
                        self.act(Action::Dismiss { name: name.clone() });
                        self.act(Action::Signal { name, signal: Signal::Terminate });
                    }
                    Step::Kill => {
                        self.report(format!("{name} did not end on SIGTERM: it gets SIGKILL"));
                        self.act(Action::Signal { name, signal: Signal::Kill });
                    }
                    Step::GiveUp => {
                        self.report(format!("{name} does not end, not even on SIGKILL"));
                        self.tell_waiters(&name, Ok(EndOutcome::Stuck));
                    }
                },
                Some(
                    Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Running { .. } | Phase::Restarting { .. },
                )
                | None => {}
            }
        }
    }

    fn answer(&mut self, ask: AskId, answer: Result<Answer, String>) {
        self.act(Action::Answer { ask, answer });
    }

    fn report(&mut self, text: String) {
        self.act(Action::Report { text });
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }
}

fn is_stuck(phase: &Phase) -> bool {
    matches!(phase, Phase::Ending { ladder: Ladder::Stuck, .. })
}

/// Whether a worker that left like this was to go on.
fn is_death(how: &LeftHow) -> bool {
    match how {
        LeftHow::Died { .. } | LeftHow::AgentGone { .. } => true,
        LeftHow::Shutdown | LeftHow::Terminated | LeftHow::LeaderGone | LeftHow::GivenUp { .. } => false,
    }
}

fn reason(how: &LeftHow) -> &str {
    match how {
        LeftHow::Died { reason } | LeftHow::AgentGone { reason } | LeftHow::GivenUp { reason } => reason,
        LeftHow::Shutdown => "it was asked to end",
        LeftHow::Terminated => "a signal told it to end",
        LeftHow::LeaderGone => "its leader was gone",
    }
}

fn died(reason: String) -> LeftHow {
    LeftHow::Died { reason }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests;
