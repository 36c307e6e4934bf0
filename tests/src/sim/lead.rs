//! The leader of the simulation: the real core, and a shell around it that does one thing at a time.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use teamster_leader::core::{
    AskId, BurialLock, BurialStep, DeadBefore, LeaderAction, LeaderAsk, LeaderCore, LeaderEvent, LockSeen,
    MemberLeaving, MemberSeen, RosterLook, Signal, StartFault, WorkSeen, fact_if_news, how_it_left,
};
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::{ANSWER_WITHIN, SLOW_POLL};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::roster::{StartedBy, TeamFact, WorkerEnd, Workspace};
use teamster_protocol::model::shutdown::ShutdownRequest;

use super::member::{self, Member};
use super::world::{Due, World};

#[derive(Debug)]
pub(super) struct Lead {
    pub(super) core: LeaderCore,
    actions: VecDeque<LeaderAction>,
    answers: VecDeque<LeaderEvent>,
    news: VecDeque<LeaderEvent>,
    /// The calls it has not answered.
    pub(super) open: BTreeSet<AskId>,
    pub(super) is_up: bool,
    /// Whether it was told to end.
    pub(super) ending: bool,
    calls: u64,
    /// The members that had a task whose time was over when the leader looked at their work last, and one such task.
    late: Vec<(MemberName, TaskId)>,
}

/// What the leader can take next from the world.
#[derive(Debug, Clone, Copy)]
enum Source {
    News,
    Mailbox,
    Roster,
    Tick,
}

impl Lead {
    pub(super) fn new() -> Lead {
        Lead {
            core: LeaderCore::new(ANSWER_WITHIN, DeadBefore::StartAgain),
            actions: VecDeque::new(),
            answers: VecDeque::new(),
            news: VecDeque::new(),
            open: BTreeSet::new(),
            is_up: true,
            ending: false,
            calls: 0,
            late: Vec::new(),
        }
    }

    /// It is gone; the links to its workers break.
    pub(super) fn die(&mut self, world: &mut World, members: &mut [Member]) {
        world.say(|| "the leader is gone".to_owned());
        let calls = self.calls;
        *self = Lead { is_up: false, calls, ..Lead::new() };
        for worker in members.iter_mut().filter_map(|member| member.worker.as_mut()) {
            worker.link_lost = worker.launched_by == Some(world.leaders);
            worker.owes_answer = false;
        }
        world.lead_is_up = false;
        world.leaders += 1;
        let back_in = world.chance.below(40_000);
        world.later(back_in, Due::LeadStarts);
    }

    /// A new leader finds those that live, and buries the rest.
    pub(super) fn start(&mut self, world: &mut World) {
        if self.is_up {
            return;
        }
        world.say(|| "a new leader starts".to_owned());
        self.is_up = true;
        world.lead_is_up = true;
        world.rung.insert(Address::Lead);
        member::sweep(world, |_| false, "lead");
        let seen = self.members_seen(world, RosterLook::First);
        self.news.push_back(seen);
        world.later(SLOW_POLL.as_millis() as u64, Due::LeadPoll(world.leaders));
    }

    /// The facts that the core decides on, as the daemon gathers them.
    fn members_seen(&self, world: &mut World, look: RosterLook) -> LeaderEvent {
        world.roster_rang = false;
        let others = world.roster.members().filter(|(name, _)| !self.core.is_child(name));
        let lock = |name: &MemberName| if world.alive.contains(name) { LockSeen::Held } else { LockSeen::Free };
        let members = others.map(|(name, member)| MemberSeen::new(name.clone(), member, lock(name))).collect();
        LeaderEvent::RosterSeen { look, members }
    }

    /// The slow poll.
    pub(super) fn poll(&mut self, world: &mut World) {
        if self.is_up {
            world.roster_rang = true;
            world.rung.insert(Address::Lead);
            member::sweep(world, |name| self.core.is_child(name), "lead");
            self.news.push_back(LeaderEvent::Polled);
            world.later(SLOW_POLL.as_millis() as u64, Due::LeadPoll(world.leaders));
        }
    }

    pub(super) fn ask(&mut self, world: &mut World, what: LeaderAsk) {
        if self.is_up {
            self.calls += 1;
            self.ending |= matches!(what, LeaderAsk::Down { .. });
            world.say(|| format!("somebody asks the leader: {what:?}"));
            self.open.insert(AskId(self.calls));
            self.news.push_back(LeaderEvent::Asked { ask: AskId(self.calls), what });
        }
    }

    pub(super) fn interrupt(&mut self) {
        if self.is_up {
            self.ending = true;
            self.news.push_back(LeaderEvent::Interrupted);
        }
    }

    pub(super) fn hears(&mut self, event: LeaderEvent) {
        if self.is_up {
            self.news.push_back(event);
        }
    }

    pub(super) fn is_runnable(&self, world: &World) -> bool {
        let waits = !self.actions.is_empty() || !self.answers.is_empty();
        self.is_up && (waits || !self.sources(world).is_empty())
    }

    fn sources(&self, world: &World) -> Vec<Source> {
        let tick = self.core.next_tick_ms().is_some_and(|at| at <= world.now_ms);
        [
            (!self.news.is_empty(), Source::News),
            (self.has_mail(world), Source::Mailbox),
            (world.roster_rang, Source::Roster),
            (tick, Source::Tick),
        ]
        .into_iter()
        .filter_map(|(there, source)| there.then_some(source))
        .collect()
    }

    /// Does one thing: an action, or else takes one event.
    pub(super) fn run(&mut self, world: &mut World, members: &mut [Member]) {
        if let Some(action) = self.actions.pop_front() {
            world.say(|| format!("lead does {action:?}"));
            return self.act(world, members, action);
        }
        let event = match self.answers.pop_front() {
            Some(event) => Some(event),
            None => {
                let sources = self.sources(world);
                match *world.chance.pick(&sources) {
                    Source::News => self.news.pop_front(),
                    Source::Mailbox => {
                        self.read_mail(world);
                        None
                    }
                    Source::Roster => Some(self.members_seen(world, RosterLook::Later)),
                    Source::Tick => Some(LeaderEvent::Tick),
                }
            }
        };
        if let Some(event) = event {
            world.say(|| format!("lead hears {event:?}"));
            self.actions.extend(self.core.step(world.now_ms, event));
        }
    }

    /// While it could not acknowledge what it reads, it does not read.
    fn has_mail(&self, world: &World) -> bool {
        !world.disk_full && world.rung.contains(&Address::Lead)
    }

    fn read_mail(&mut self, world: &mut World) {
        world.rung.remove(&Address::Lead);
        for message in world.unread(&Address::Lead) {
            if let (MessageBody::ShutdownReply(reply), Some(from)) = (&message.body, message.from.member()) {
                self.news.push_back(LeaderEvent::Replied { from: from.clone(), reply: reply.clone() });
            }
            if world.acknowledge(&Address::Lead, &[message.id]).is_err() {
                world.oracle.broke("the disk filled in the middle of a step");
            }
        }
    }

    fn act(&mut self, world: &mut World, members: &mut [Member], action: LeaderAction) {
        match action {
            LeaderAction::Prepare { request } => {
                let in_ms = world.chance.below(100);
                let index = find(members, &request.name).index;
                world.later(in_ms, Due::Prepared(index));
            }
            LeaderAction::Launch { name } => {
                let member = find(members, &name);
                if world.chance.one_in(20) || !member.start(world, StartedBy::Leader) {
                    let fault = if world.chance.one_in(2) { StartFault::Machine } else { StartFault::Worker };
                    self.news.push_back(LeaderEvent::NotReady {
                        name,
                        why: "it could not be started".to_owned(),
                        fault,
                    });
                }
            }
            LeaderAction::RequestShutdown { name, reason, deadline_ms, when_busy } => {
                let life = find(members, &name).life();
                let request = world.new_id();
                let body = MessageBody::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
                let message = world.post(Address::Lead, &Address::Member(name.clone()), Urgency::Now, body);
                self.answers.push_back(match message {
                    Some(message) => {
                        world.oracle.shutdown_asked(request, message, &life);
                        LeaderEvent::ShutdownRequested { name, request }
                    }
                    None => LeaderEvent::ShutdownNotRequested { name, why: "the disk is full".to_owned() },
                });
            }
            LeaderAction::WriteFact { fact } => {
                if let Some(fact) = fact_if_news(fact, &world.roster) {
                    // On a full disk it is not written, and nobody waits for it.
                    let _ = world.enroll("lead", fact);
                }
            }
            LeaderAction::Signal { name, signal } => {
                let member = find(members, &name);
                let Some(worker) = &mut member.worker else { return };
                let is_meant = match self.core.found_process(&name) {
                    Some(found) => worker.process.identity == *found,
                    None => worker.launched_by == Some(world.leaders),
                };
                match signal {
                    Signal::Terminate if is_meant => worker.terminated = true,
                    Signal::Kill if is_meant => member.die(world),
                    Signal::Terminate | Signal::Kill => {}
                }
            }
            LeaderAction::Bury { name, leaving } => {
                if bury(world, find(members, &name), &leaving) {
                    self.answers.push_back(LeaderEvent::Buried { name });
                }
            }
            LeaderAction::Adopt { name, process } => {
                let member = find(members, &name);
                if let Some(worker) = member.worker.as_mut().filter(|worker| worker.process.identity == process) {
                    worker.heard_by = Some(world.leaders);
                    let tried_in = world.chance.below(50);
                    world.later(tried_in, Due::LinkTried(member.index, member.lives, world.leaders));
                } else {
                    self.news.push_back(LeaderEvent::LinkLost { name, process });
                }
            }
            LeaderAction::LookAtRoster => world.roster_rang = true,
            LeaderAction::LookAtWork { name, is_silent } => {
                let (member, board) = (find(members, &name), &world.board);
                let owned = board.owned_by(&name).take_while(|_| is_silent);
                let timed = owned.filter_map(|id| world.timed_task(id)).collect();
                let over = board.owned_by(&name).find(|id| world.is_time_over(*id, world.now_ms));
                self.late.retain(|(late, _)| *late != name);
                self.late.extend(over.map(|task| (name.clone(), task)));
                let has_task = board.owned_by(&name).next().is_some() || board.next_for(&member.who).is_some();
                let work = WorkSeen { has_task, timed, then: member.on_stall };
                self.answers.push_back(LeaderEvent::WorkSeen { name, work });
            }
            LeaderAction::Ping { name } => match &mut find(members, &name).worker {
                Some(worker) if worker.heard_by == Some(world.leaders) && worker.is_frozen() => {
                    worker.owes_answer = true
                }
                Some(worker) if worker.heard_by == Some(world.leaders) => {
                    self.news.push_back(LeaderEvent::Answered { name })
                }
                Some(_) | None => self.news.push_back(LeaderEvent::NotAsked { name }),
            },
            LeaderAction::Answer { ask, .. } => {
                if !self.open.remove(&ask) {
                    world.oracle.broke(format!("the leader answered call {} twice", ask.0));
                }
            }
            LeaderAction::Report { text } => self.judge_report(world, &text),
            // The calls that are still open are lost with it, as they are with a leader that dies.
            LeaderAction::HandOver => self.die(world, members),
            LeaderAction::SeeOff { outer_half } => {
                let lives = |member: &Member| {
                    member.worker.as_ref().is_some_and(|worker| worker.process.outer_half.as_ref() == Some(&outer_half))
                };
                if members.iter().any(lives) {
                    world.oracle.broke(format!("the outer half {} of a worker that lives is seen off", outer_half.pid));
                }
            }
            LeaderAction::Exit => {
                if !self.open.is_empty() {
                    world.oracle.broke(format!("the leader ends and owes answers to {:?}", self.open));
                }
                self.die(world, members);
            }
        }
    }

    /// Who is killed because the time for a task is over had such a task when the leader looked.
    fn judge_report(&self, world: &mut World, text: &str) {
        if !text.contains("gets SIGKILL") || !text.contains("the time for task") {
            return;
        }
        world.oracle.killed_late += 1;
        let is_late = |(name, task): &(MemberName, TaskId)| {
            text.starts_with(&format!("{name} ")) && text.ends_with(&format!("the time for task {task} is over"))
        };
        if !self.late.iter().any(is_late) {
            world.oracle.broke(format!("the leader says {text:?}, and it is not over"));
        }
    }

    /// A member's place is made and it is on the roster, or that can not be.
    pub(super) fn prepared(&mut self, world: &mut World, name: MemberName, added: TeamFact) {
        if !self.is_up {
            return;
        }
        let refused = world.alive.contains(&name) || world.chance.one_in(20);
        let event = if refused || world.enroll("lead", added).is_err() {
            LeaderEvent::NotPrepared { name, why: "there is no room".to_owned() }
        } else {
            LeaderEvent::Prepared { name, place: Workspace::Shared { dir: PathBuf::from("/") }.into() }
        };
        self.hears(event);
    }

    /// A worker that it launched is gone, and the kernel told.
    pub(super) fn saw_death(&mut self, world: &World, name: MemberName, was_ready: bool) {
        let reason = "killed".to_owned();
        self.hears(match was_ready {
            true => {
                let how = how_it_left(&name, &world.roster, WorkerEnd::Died { reason });
                LeaderEvent::Exited { name, how }
            }
            false => LeaderEvent::NotReady { name, why: reason, fault: StartFault::Worker },
        });
    }

    /// The worker answers at its socket, or not; one that hangs does so when it goes on.
    pub(super) fn tried_link(&mut self, world: &mut World, member: &mut Member, life: u32) {
        let name = member.who.name.clone();
        match &member.worker {
            Some(worker) if member.lives == life && worker.is_frozen() => {
                world.later(1_000, Due::LinkTried(member.index, life, world.leaders));
            }
            Some(worker) if member.lives == life => {
                let (process, turn) = (worker.process.identity.clone(), worker.open_turn);
                self.hears(LeaderEvent::Linked { name, process, turn });
            }
            // The loss of the link tells it.
            Some(_) | None => {}
        }
    }

    /// A worker that it did not launch is gone, and so is the link to it.
    pub(super) fn lost_link(&mut self, member: &Member, life: u32) {
        if member.lives == life
            && let Some(process) = self.core.found_process(&member.who.name).cloned()
        {
            self.hears(LeaderEvent::LinkLost { name: member.who.name.clone(), process });
        }
    }
}

/// Takes the step of a burial that the core decides on. Whether the burial is done.
fn bury(world: &mut World, member: &Member, leaving: &MemberLeaving) -> bool {
    let name = &member.who.name;
    let holder = member.worker.as_ref().map(|worker| &worker.process.identity);
    let lock = match holder {
        Some(holder) => BurialLock::Held { by: Some(holder) },
        None => BurialLock::Taken,
    };
    let step = leaving.burial_step(&lock, world.roster.member(name).ok().map(|member| &member.presence));
    match step {
        BurialStep::Leave => true,
        BurialStep::Wait => false,
        BurialStep::WriteLeaving => {
            let has_ended = |process: &ProcessIdentity| Some(process) != holder;
            if let Some(fact) = leaving.fact_of_the_dead(name, &world.roster, has_ended) {
                let _ = world.enroll("lead", fact);
            }
            false
        }
        BurialStep::Bury if world.bury(name, "lead").is_err() => false,
        BurialStep::Bury => match leaving.fact_if_news(name, &world.roster) {
            Some(fact) => world.enroll("lead", fact).is_ok(),
            None => true,
        },
    }
}

fn find<'a>(members: &'a mut [Member], name: &MemberName) -> &'a mut Member {
    members.iter_mut().find(|member| member.who.name == *name).expect("the leader knows only these")
}
