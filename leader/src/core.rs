//! The leader's decisions: who is being started, who runs, who is being ended and how far up the ladder that
//! is. Pure: it reads no clock, file, process or random source.
//!
//! The shell around it keeps one rule: it carries out the actions of a step in order and feeds each [`Event`]
//! that answers one of them back in before it takes the next event from the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use teamster_protocol::api::{EndOutcome, Ended, SpawnRequest, Spawned};
use teamster_protocol::id::{MemberName, MessageId};
use teamster_protocol::limits::{SHUTDOWN_WITHIN, START_WITHIN};
use teamster_protocol::roster::{LeftHow, Workspace};
use teamster_protocol::shutdown::{Ladder, ShutdownReply, Step, Verdict, WhenBusy};

/// Names a call in the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What the core decides on when a front asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Start a member.
    Spawn(SpawnRequest),
    /// Ask members to end.
    Shutdown {
        /// One; all that run if not given.
        name: Option<MemberName>,
        /// Why, for people.
        reason: String,
        /// What a busy one is to do.
        when_busy: WhenBusy,
    },
    /// End a member's worker without asking.
    Kill {
        /// Which.
        name: MemberName,
    },
    /// End all workers, then the leader.
    Down {
        /// Whether they are asked.
        how: Down,
    },
}

/// How the whole team is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Down {
    /// Each finishes its turn.
    Gently,
    /// Each is told to end at once.
    ByForce,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Event {
    /// A front asked.
    Asked { ask: AskId, what: Ask },
    /// Answers [`Action::Prepare`]: the member has its place and is on the roster.
    Prepared { name: MemberName, workspace: Workspace },
    /// Answers [`Action::Prepare`]: it can not have one.
    NotPrepared { name: MemberName, why: String },
    /// The worker that was launched is ready.
    Ready { name: MemberName, pid: u32 },
    /// The worker that was launched will not be ready; its process, if there was one, has ended.
    NotReady { name: MemberName, why: String },
    /// A worker that this leader did not launch runs: started by hand, or by a leader before this one.
    Found { name: MemberName },
    /// A worker's process has ended.
    Exited { name: MemberName, how: LeftHow },
    /// Answers [`Action::RequestShutdown`]: it is in the member's mailbox.
    ShutdownRequested { name: MemberName, request: MessageId },
    /// Answers [`Action::RequestShutdown`]: it could not be put there.
    ShutdownNotRequested { name: MemberName, why: String },
    /// A member answered a shutdown request.
    Replied { from: MemberName, reply: ShutdownReply },
    /// Somebody told the leader's process to end.
    Interrupted,
    /// The time of [`Core::next_tick_ms`] is reached.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Action {
    /// Make the member's place and put it on the roster; answered by [`Event::Prepared`] or
    /// [`Event::NotPrepared`], later.
    Prepare { request: SpawnRequest },
    /// Start its worker; [`Event::Ready`] or [`Event::NotReady`] follows.
    Launch { name: MemberName },
    /// Mail it a shutdown request; answered by [`Event::ShutdownRequested`] or [`Event::ShutdownNotRequested`].
    RequestShutdown { name: MemberName, reason: String, deadline_ms: u64, when_busy: WhenBusy },
    /// Send its worker a signal, if it is there.
    Signal { name: MemberName, signal: Signal },
    /// Give back what it held and write its leaving down, unless it did that itself.
    Bury { name: MemberName, how: LeftHow },
    /// Answer a call.
    Answer { ask: AskId, answer: Result<Answer, String> },
    /// Write it into the leader's log.
    Report { text: String },
    /// End the leader: no worker is left.
    Exit,
}

/// A signal of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// What a call is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a spawn.
    Spawned(Spawned),
    /// To a shutdown, a kill, a down: what came of each member.
    Ended(Vec<Ended>),
}

/// Where one member's worker stands.
#[derive(Debug)]
enum Phase {
    /// Its place is being made. An end that is asked meanwhile waits for that.
    Preparing { ask: AskId, abandoned: Option<String> },
    /// Its process is starting.
    Starting { ask: AskId, workspace: Workspace, until_ms: u64, abandoned: Option<String> },
    /// It runs.
    Running,
    /// It runs and is being ended. `when_busy` is what it was last asked to do.
    Ending { ladder: Ladder, when_busy: WhenBusy },
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
#[derive(Debug, Default)]
pub struct Core {
    members: BTreeMap<MemberName, Phase>,
    waiters: Vec<Waiter>,
    /// Set once the leader is to end: it starts nobody any more.
    down: Option<Down>,
    actions: Vec<Action>,
}

impl Core {
    /// A leader that leads nobody yet.
    pub fn new() -> Core {
        Core::default()
    }

    /// When [`Event::Tick`] is due, in milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let due = |phase: &Phase| match phase {
            Phase::Starting { until_ms, .. } => Some(*until_ms),
            Phase::Ending { ladder, .. } => ladder.until_ms(),
            Phase::Preparing { .. } | Phase::Running => None,
        };
        self.members.values().filter_map(due).min()
    }

    /// Whether the core takes a member's worker to run, or to be on its way there.
    pub fn is_running(&self, name: &MemberName) -> bool {
        self.members.contains_key(name)
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
            Event::NotReady { name, why } => self.not_ready(name, why),
            Event::Found { name } => {
                if self.down.is_none() {
                    self.members.entry(name).or_insert(Phase::Running);
                }
            }
            Event::Exited { name, how } => match self.members.get(&name) {
                Some(Phase::Running | Phase::Ending { .. }) => {
                    self.act(Action::Bury { name: name.clone(), how: how.clone() });
                    self.gone(&name, how);
                }
                // Its start is still being waited for: `NotReady` says the rest.
                Some(Phase::Preparing { .. } | Phase::Starting { .. }) | None => {}
            },
            Event::ShutdownRequested { name, request } => {
                if let Some(Phase::Ending { ladder: Ladder::Asked { request: asked, .. }, .. }) =
                    self.members.get_mut(&name)
                {
                    *asked = request;
                }
            }
            Event::ShutdownNotRequested { name, why } => self.not_requested(now_ms, &name, &why),
            Event::Replied { from, reply } => self.replied(now_ms, from, reply),
            Event::Interrupted => {
                let how = if self.down.is_none() { Down::Gently } else { Down::ByForce };
                self.go_down(now_ms, how);
            }
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
            Ask::Down { how } => {
                let names = self.members.keys().cloned().collect();
                self.go_down(now_ms, how);
                self.wait(ask, names);
            }
        }
    }

    fn spawn(&mut self, ask: AskId, request: SpawnRequest) {
        let name = &request.name;
        if self.down.is_some() {
            return self.answer(ask, Err(format!("cannot spawn {name}: the leader is ending")));
        }
        let refused = match self.members.get(name) {
            None => None,
            Some(Phase::Preparing { .. } | Phase::Starting { .. }) => Some("it is being started"),
            Some(Phase::Running) => Some("it runs already"),
            Some(Phase::Ending { .. }) => Some("the one before it is still ending"),
        };
        if let Some(why) = refused {
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        self.members.insert(name.clone(), Phase::Preparing { ask, abandoned: None });
        self.act(Action::Prepare { request });
    }

    fn prepared(&mut self, now_ms: u64, name: MemberName, workspace: Workspace) {
        let Some(Phase::Preparing { ask, abandoned }) = self.members.get_mut(&name) else { return };
        let ask = *ask;
        if let Some(why) = abandoned.take() {
            self.act(Action::Bury { name: name.clone(), how: died(why.clone()) });
            self.gone(&name, died(why.clone()));
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        let until_ms = now_ms + ms(START_WITHIN);
        self.members.insert(name.clone(), Phase::Starting { ask, workspace, until_ms, abandoned: None });
        self.act(Action::Launch { name });
    }

    fn ready(&mut self, now_ms: u64, name: MemberName, pid: u32) {
        let Some(Phase::Starting { ask, workspace, abandoned, .. }) = self.members.get(&name) else { return };
        let (ask, workspace, abandoned) = (*ask, workspace.clone(), abandoned.clone());
        self.members.insert(name.clone(), Phase::Running);
        match abandoned {
            // It got ready in the moment in which it was given up.
            Some(why) => {
                self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
                self.terminate(now_ms, &name);
            }
            None => self.answer(ask, Ok(Answer::Spawned(Spawned { name, pid, workspace }))),
        }
    }

    fn not_ready(&mut self, name: MemberName, why: String) {
        let Some(Phase::Starting { ask, abandoned, .. }) = self.members.get(&name) else { return };
        let (ask, why) = (*ask, abandoned.clone().unwrap_or(why));
        self.act(Action::Bury { name: name.clone(), how: died(why.clone()) });
        self.gone(&name, died(why.clone()));
        self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
    }

    fn replied(&mut self, now_ms: u64, from: MemberName, reply: ShutdownReply) {
        let Some(Phase::Ending { ladder, when_busy }) = self.members.get(&from) else {
            return self.report(format!("{from} answered a shutdown request, but none is open"));
        };
        let when_busy = *when_busy;
        match ladder.reply(&from, &reply, now_ms) {
            Ok(Some(ladder)) => {
                self.members.insert(from, Phase::Ending { ladder, when_busy });
            }
            Ok(None) => {
                let task = match reply.verdict {
                    Verdict::Refused { task } => task,
                    Verdict::Approved | Verdict::Finishing { .. } => None,
                };
                if self.down.is_some() {
                    // It was asked to finish, which can not be refused; who has no patience uses force.
                    self.report(format!("{from} refused to end; the leader waits for it"));
                    let ladder = Ladder::Agreed { request: reply.request, until_ms: None };
                    self.members.insert(from, Phase::Ending { ladder, when_busy });
                    return;
                }
                self.members.insert(from.clone(), Phase::Running);
                self.tell_waiters(&from, Ok(EndOutcome::Refused { task }));
            }
            Err(refusal) => self.report(refusal.to_string()),
        }
    }

    /// Nobody is killed because a disk is full: the askers are told. Only a leader that ends can not leave it at that.
    fn not_requested(&mut self, now_ms: u64, name: &MemberName, why: &str) {
        let Some(Phase::Ending { ladder: Ladder::Asked { .. }, .. }) = self.members.get(name) else { return };
        if self.down.is_some() {
            self.report(format!("cannot ask {name} to end, so it is told by a signal: {why}"));
            return self.terminate(now_ms, name);
        }
        self.members.insert(name.clone(), Phase::Running);
        self.tell_waiters(name, Err(format!("cannot ask {name} to end: {why}")));
    }

    fn go_down(&mut self, now_ms: u64, how: Down) {
        self.down = self.down.max(Some(how));
        let names: Vec<MemberName> = self.members.keys().cloned().collect();
        for name in names {
            match how {
                Down::Gently => self.ask_to_end(now_ms, &name, "the leader is ending", WhenBusy::Finish),
                Down::ByForce => self.end_by_force(now_ms, &name),
            }
        }
    }

    fn ask_to_end(&mut self, now_ms: u64, name: &MemberName, reason: &str, when_busy: WhenBusy) {
        match self.members.get_mut(name) {
            Some(Phase::Preparing { abandoned, .. } | Phase::Starting { abandoned, .. }) => {
                abandoned.get_or_insert_with(|| format!("it was asked to end before it was ready: {reason}"));
                self.kill_if_starting(name);
            }
            Some(Phase::Running) => self.request_shutdown(now_ms, name, reason, when_busy),
            Some(Phase::Ending { ladder: Ladder::Asked { .. }, when_busy: asked }) => match (asked, when_busy) {
                // It may still refuse that one; an answer to it no longer counts.
                (WhenBusy::Refuse, WhenBusy::Finish) => self.request_shutdown(now_ms, name, reason, when_busy),
                (WhenBusy::Refuse, WhenBusy::Refuse) | (WhenBusy::Finish, _) => {}
            },
            // It ends already: who asks now waits for that.
            Some(Phase::Ending { .. }) | None => {}
        }
    }

    fn request_shutdown(&mut self, now_ms: u64, name: &MemberName, reason: &str, when_busy: WhenBusy) {
        let deadline_ms = now_ms + ms(SHUTDOWN_WITHIN);
        // The true id comes with the answer to the action.
        let ladder = Ladder::ask(MessageId::from_parts(0, 0), deadline_ms);
        self.members.insert(name.clone(), Phase::Ending { ladder, when_busy });
        let (name, reason) = (name.clone(), reason.to_owned());
        self.act(Action::RequestShutdown { name, reason, deadline_ms, when_busy });
    }

    fn end_by_force(&mut self, now_ms: u64, name: &MemberName) {
        match self.members.get_mut(name) {
            Some(Phase::Preparing { abandoned, .. } | Phase::Starting { abandoned, .. }) => {
                abandoned.get_or_insert_with(|| "it was killed before it was ready".to_owned());
                self.kill_if_starting(name);
            }
            Some(Phase::Running | Phase::Ending { ladder: Ladder::Asked { .. } | Ladder::Agreed { .. }, .. }) => {
                self.terminate(now_ms, name);
            }
            // It has got a signal; a second one would only start the time anew.
            Some(Phase::Ending {
                ladder: Ladder::Terminated { .. } | Ladder::Killed { .. } | Ladder::Stuck, ..
            })
            | None => {}
        }
    }

    fn kill_if_starting(&mut self, name: &MemberName) {
        if let Some(Phase::Starting { .. }) = self.members.get(name) {
            self.act(Action::Signal { name: name.clone(), signal: Signal::Kill });
        }
    }

    fn terminate(&mut self, now_ms: u64, name: &MemberName) {
        if let Some(phase) = self.members.get_mut(name) {
            *phase = Phase::Ending { ladder: Ladder::terminate(now_ms), when_busy: WhenBusy::Finish };
            self.act(Action::Signal { name: name.clone(), signal: Signal::Terminate });
        }
    }

    fn tick(&mut self, now_ms: u64) {
        let names: Vec<MemberName> = self.members.keys().cloned().collect();
        for name in names {
            match self.members.get_mut(&name) {
                Some(Phase::Starting { until_ms, abandoned, .. }) if now_ms >= *until_ms => {
                    // Said once; the end of the process answers the call.
                    *until_ms = u64::MAX;
                    abandoned.get_or_insert_with(|| format!("it was not ready within {} s", START_WITHIN.as_secs()));
                    self.act(Action::Signal { name, signal: Signal::Kill });
                }
                Some(Phase::Ending { ladder, .. }) => match ladder.overdue(now_ms) {
                    Step::Wait => {}
                    Step::Terminate => {
                        self.report(format!("{name} did not end in time: it gets SIGTERM"));
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
                Some(Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Running) | None => {}
            }
        }
    }

    /// A call waits until each of these is gone or refuses. Those that do not run are not waited for, nor those that
    /// nothing ends.
    fn wait(&mut self, ask: AskId, names: Vec<MemberName>) {
        let mut waiter = Waiter { ask, left: BTreeSet::new(), ended: Vec::new(), unasked: Vec::new() };
        for name in names {
            match self.members.get(&name) {
                Some(phase) if is_stuck(phase) => waiter.ended.push(Ended { name, outcome: EndOutcome::Stuck }),
                Some(_) => {
                    waiter.left.insert(name);
                }
                None => {}
            }
        }
        self.waiters.push(waiter);
        self.answer_waiters();
    }

    fn gone(&mut self, name: &MemberName, how: LeftHow) {
        self.members.remove(name);
        self.tell_waiters(name, Ok(EndOutcome::Left { how }));
    }

    fn tell_waiters(&mut self, name: &MemberName, outcome: Result<EndOutcome, String>) {
        for waiter in &mut self.waiters {
            if waiter.left.remove(name) {
                match &outcome {
                    Ok(outcome) => waiter.ended.push(Ended { name: name.clone(), outcome: outcome.clone() }),
                    Err(why) => waiter.unasked.push(why.clone()),
                }
            }
        }
        self.answer_waiters();
    }

    fn answer_waiters(&mut self) {
        for waiter in self.waiters.extract_if(.., |waiter| waiter.left.is_empty()) {
            let Waiter { ask, ended, unasked, .. } = waiter;
            let answer = if unasked.is_empty() { Ok(Answer::Ended(ended)) } else { Err(unasked.join("; ")) };
            self.actions.push(Action::Answer { ask, answer });
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

fn died(reason: String) -> LeftHow {
    LeftHow::Died { reason }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests;
