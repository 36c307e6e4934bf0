//! The leader of the simulation: the real core, and a shell around it that does one thing at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use teamster_leader::core::{Action, Ask, AskId, Core, Event, Fault, Signal};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::ANSWER_WITHIN;
use teamster_protocol::model::mail::{Body, Urgency};
use teamster_protocol::model::roster::{LeftHow, StartedBy, Workspace};
use teamster_protocol::model::shutdown::ShutdownRequest;

use super::member::{self, Member};
use super::world::{Due, World};

#[derive(Debug)]
pub(super) struct Lead {
    pub(super) core: Core,
    actions: VecDeque<Action>,
    answers: VecDeque<Event>,
    news: VecDeque<Event>,
    /// The calls it has not answered.
    pub(super) open: BTreeSet<AskId>,
    pub(super) is_up: bool,
    /// Whether it was told to end.
    pub(super) ending: bool,
    calls: u64,
    /// What the roster says of those that died and are started again; it outlives the leader.
    restarting: BTreeMap<MemberName, (LeftHow, u64)>,
    /// Which life of a member is to end for good, as the roster says.
    dismissed: BTreeMap<MemberName, u32>,
}

impl Lead {
    pub(super) fn new() -> Lead {
        Lead {
            core: Core::new(ANSWER_WITHIN),
            actions: VecDeque::new(),
            answers: VecDeque::new(),
            news: VecDeque::new(),
            open: BTreeSet::new(),
            is_up: true,
            ending: false,
            calls: 0,
            restarting: BTreeMap::new(),
            dismissed: BTreeMap::new(),
        }
    }

    /// It is gone; the links to its workers break.
    pub(super) fn die(&mut self, world: &mut World, members: &mut [Member]) {
        world.say(|| "the leader is gone".to_owned());
        let calls = self.calls;
        let (restarting, dismissed) = (std::mem::take(&mut self.restarting), std::mem::take(&mut self.dismissed));
        *self = Lead { is_up: false, calls, restarting, dismissed, ..Lead::new() };
        for worker in members.iter_mut().filter_map(|member| member.worker.as_mut()) {
            worker.link_lost = worker.launched_by == Some(world.leaders);
        }
        world.lead_is_up = false;
        world.leaders += 1;
        let back_in = world.chance.below(40_000);
        world.later(back_in, Due::LeadStarts);
    }

    /// A new leader finds those that live, and buries the rest.
    pub(super) fn start(&mut self, world: &mut World, members: &[Member]) {
        if self.is_up {
            return;
        }
        world.say(|| "a new leader starts".to_owned());
        self.is_up = true;
        world.lead_is_up = true;
        world.rung.insert(Address::Lead);
        for member in members {
            let name = member.who.name.clone();
            match &member.worker {
                Some(worker) => {
                    let started_by = if worker.launched_by.is_some() { StartedBy::Leader } else { StartedBy::Hand };
                    self.news.push_back(Event::Found { name: name.clone(), started_by });
                    if self.dismissed.get(&name) == Some(&member.lives) {
                        self.news.push_back(Event::FoundDismissed { name });
                    }
                }
                None if self.dismissed.get(&name) == Some(&member.lives) => {}
                None if let Some((how, at_ms)) = self.restarting.get(&name) => {
                    let (how, at_ms) = (how.clone(), *at_ms);
                    self.news.push_back(Event::FoundRestarting { name, how, at_ms });
                }
                None if member.lives > 0 && world.chance.one_in(2) => {
                    let how = LeftHow::Died { reason: "its worker is gone".to_owned() };
                    self.news.push_back(Event::FoundDead { name, how });
                }
                None => {}
            }
        }
        member::sweep(world, None, "lead");
    }

    pub(super) fn ask(&mut self, world: &mut World, what: Ask) {
        if self.is_up {
            self.calls += 1;
            self.ending |= matches!(what, Ask::Down { .. });
            world.say(|| format!("somebody asks the leader: {what:?}"));
            self.open.insert(AskId(self.calls));
            self.news.push_back(Event::Asked { ask: AskId(self.calls), what });
        }
    }

    pub(super) fn interrupt(&mut self) {
        if self.is_up {
            self.ending = true;
            self.news.push_back(Event::Interrupted);
        }
    }

    pub(super) fn hears(&mut self, event: Event) {
        if self.is_up {
            self.news.push_back(event);
        }
    }

    pub(super) fn is_runnable(&self, world: &World) -> bool {
        let tick = self.core.next_tick_ms().is_some_and(|at| at <= world.now_ms);
        let waits = !self.actions.is_empty() || !self.answers.is_empty() || !self.news.is_empty();
        self.is_up && (waits || tick || self.has_mail(world))
    }

    /// Does one thing: an action, or else takes one event.
    pub(super) fn run(&mut self, world: &mut World, members: &mut [Member]) {
        if let Some(action) = self.actions.pop_front() {
            world.say(|| format!("lead does {action:?}"));
            return self.act(world, members, action);
        }
        let event = match self.answers.pop_front() {
            Some(event) => event,
            None if self.has_mail(world) => return self.read_mail(world),
            None => self.news.pop_front().unwrap_or(Event::Tick),
        };
        world.say(|| format!("lead hears {event:?}"));
        self.actions.extend(self.core.step(world.now_ms, event));
    }

    /// While it could not acknowledge what it reads, it does not read.
    fn has_mail(&self, world: &World) -> bool {
        !world.disk_full && world.rung.contains(&Address::Lead)
    }

    fn read_mail(&mut self, world: &mut World) {
        world.rung.remove(&Address::Lead);
        for message in world.unread(&Address::Lead) {
            if let (Body::ShutdownReply(reply), Some(from)) = (&message.body, message.from.member()) {
                self.news.push_back(Event::Replied { from: from.clone(), reply: reply.clone() });
            }
            if world.acknowledge(&Address::Lead, &[message.id]).is_err() {
                world.oracle.broke("the disk filled in the middle of a step");
            }
        }
    }

    fn act(&mut self, world: &mut World, members: &mut [Member], action: Action) {
        match action {
            Action::Prepare { request } => {
                let in_ms = world.chance.below(100);
                let index = find(members, &request.name).index;
                world.later(in_ms, Due::Prepared(index));
            }
            Action::Launch { name } => {
                self.restarting.remove(&name);
                let member = find(members, &name);
                if world.chance.one_in(20) || !member.start(world, StartedBy::Leader) {
                    let fault = if world.chance.one_in(2) { Fault::Machine } else { Fault::Worker };
                    self.news.push_back(Event::NotReady { name, why: "it could not be started".to_owned(), fault });
                }
            }
            Action::RequestShutdown { name, reason, deadline_ms, when_busy } => {
                let life = find(members, &name).life();
                let request = world.new_id();
                let body = Body::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
                let message = world.post(Address::Lead, &Address::Member(name.clone()), Urgency::Now, body);
                self.answers.push_back(match message {
                    Some(message) => {
                        world.oracle.shutdown_asked(request, message, &life);
                        Event::ShutdownRequested { name, request }
                    }
                    None => Event::ShutdownNotRequested { name, why: "the disk is full".to_owned() },
                });
            }
            Action::Dismiss { name } => {
                if !world.disk_full {
                    let lives = find(members, &name).lives;
                    self.restarting.remove(&name);
                    self.dismissed.insert(name, lives);
                }
            }
            Action::Signal { name, signal } => {
                let member = find(members, &name);
                match (signal, &mut member.worker) {
                    (Signal::Terminate, Some(worker)) => worker.terminated = true,
                    (Signal::Kill, Some(_)) => member.die(world),
                    (Signal::Terminate | Signal::Kill, None) => {}
                }
            }
            Action::Bury { name, how, again_ms } => {
                match again_ms {
                    Some(at_ms) => drop(self.restarting.insert(name.clone(), (how, at_ms))),
                    None => drop(self.restarting.remove(&name)),
                }
                if !world.alive.contains(&name) {
                    let _ = world.bury(&name, "lead");
                }
            }
            Action::Answer { ask, .. } => {
                if !self.open.remove(&ask) {
                    world.oracle.broke(format!("the leader answered call {} twice", ask.0));
                }
            }
            Action::Report { .. } => {}
            Action::Ping { .. } | Action::ShowHung { .. } | Action::ShowAnswering { .. } => {
                unreachable!("nobody tells it to ask")
            }
            Action::HandOver => unreachable!("nobody asks for it"),
            Action::Exit => {
                if !self.open.is_empty() {
                    world.oracle.broke(format!("the leader ends and owes answers to {:?}", self.open));
                }
                self.die(world, members);
            }
        }
    }

    /// A member's place is made, or can not be.
    pub(super) fn prepared(&mut self, world: &mut World, name: MemberName) {
        let event = if world.chance.one_in(20) {
            Event::NotPrepared { name, why: "there is no room".to_owned() }
        } else {
            Event::Prepared { name, workspace: Workspace::Shared { dir: PathBuf::from("/") } }
        };
        self.hears(event);
    }

    /// A worker is gone, and its leader knows.
    pub(super) fn saw_death(&mut self, name: MemberName, was_ready: bool) {
        let reason = "killed".to_owned();
        self.hears(match was_ready {
            true => Event::Exited { name, how: LeftHow::Died { reason } },
            false => Event::NotReady { name, why: reason, fault: Fault::Worker },
        });
    }
}

fn find<'a>(members: &'a mut [Member], name: &MemberName) -> &'a mut Member {
    members.iter_mut().find(|member| member.who.name == *name).expect("the leader knows only these")
}
