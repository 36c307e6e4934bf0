//! One worker process of the simulation: the real core, and a shell around it that does one thing at a time,
//! so that every other process can act, and this one die, between any two.

use std::collections::VecDeque;

use teamster_leader::core as leader;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::board::{WaitingClaimant, WorkerDeath};
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::SLOW_POLL;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::{
    MemberSpec, OnStall, StallPolicy, StartedBy, TeamFact, WorkerProcess, Workspace,
};
use teamster_protocol::model::task::{CommandInput, TaskWork};
use teamster_worker::core::{
    AttemptEnd, CallId, ClaimedTask, SteerOf, WorkerAction, WorkerAnswer, WorkerAsk, WorkerCore, WorkerEvent,
    WorkerSettings,
};

use super::agent::{AgentStanding, AgentTurnEnd, SimAgent, abilities, leave_over};
use super::oracle::Life;
use super::world::{Due, NotWritten, World};

/// A name of the team, and the worker that serves it, if one lives.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) who: WaitingClaimant,
    /// What is done when its worker does not answer.
    pub(super) on_stall: OnStall,
    pub(super) lives: u32,
    pub(super) worker: Option<Worker>,
}

/// A living worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) core: WorkerCore,
    life: Life,
    /// The leader that launched it, if one did.
    pub(super) launched_by: Option<u32>,
    /// The leader that hears of its turns, if one does.
    pub(super) heard_by: Option<u32>,
    pub(super) process: WorkerProcess,
    pub(super) open_turn: Option<leader::TurnOpen>,
    /// Whether it owes its leader the answer to a ping.
    pub(super) owes_answer: bool,
    is_ready: bool,
    actions: VecDeque<WorkerAction>,
    answers: VecDeque<WorkerEvent>,
    /// What its agent said, in order.
    news: VecDeque<WorkerEvent>,
    calls: VecDeque<(CallId, WorkerAsk)>,
    rang: bool,
    polled: bool,
    pub(super) terminated: bool,
    pub(super) link_lost: bool,
    pub(super) frozen: bool,
    agent: SimAgent,
    /// What its agent was given last.
    work: Option<TaskWork>,
    /// The task and attempt that was claimed last.
    claimed: Option<(TaskId, u32)>,
    last_turn: u64,
    /// Whether its last look at the board found nothing to claim, and no turn has begun since.
    found_nothing: bool,
}

/// What a worker can take next from the world.
#[derive(Debug, Clone, Copy)]
enum Source {
    News,
    Ask,
    Mailbox,
    Ring,
    Poll,
    Tick,
    Signal,
    Link,
}

impl Member {
    /// Starts a worker under this name: it takes the lock, and with it gives back what an earlier life held.
    /// Refused while another serves it, and while nothing can be written.
    pub(super) fn start(&mut self, world: &mut World, started_by: StartedBy) -> bool {
        if self.worker.is_some() || world.bury(&self.who.name, self.who.name.as_str()).is_err() {
            return false;
        }
        if world.roster.member(&self.who.name).is_err() && world.enroll(self.who.name.as_str(), self.added()).is_err() {
            return false;
        }
        self.lives += 1;
        world.now_ms += 1;
        let life = (self.who.name.clone(), self.lives);
        world.say(|| format!("{} starts, life {}", life.0, life.1));
        world.alive.insert(self.who.name.clone());
        world.rung.insert(self.address());
        let ready_in = world.chance.below(200);
        world.later(ready_in, Due::AgentReady(self.index, self.lives));
        let poll_in = world.chance.below(SLOW_POLL.as_millis() as u64);
        world.later(poll_in, Due::Poll(self.index, self.lives));
        let launched_by = (started_by == StartedBy::Leader).then_some(world.leaders);
        let pid = 1_000 * (1 + self.index as u32) + self.lives;
        let identity = ProcessIdentity { pid, start_ticks: world.now_ms, boot_id: "sim".to_owned() };
        self.worker = Some(Worker {
            core: WorkerCore::new(WorkerSettings::new(self.who.clone(), abilities(self.who.prompts), started_by), 0),
            life,
            launched_by,
            heard_by: launched_by,
            process: WorkerProcess { identity, started_by, isolation: None, outer_half: None },
            open_turn: None,
            owes_answer: false,
            is_ready: false,
            actions: VecDeque::new(),
            answers: VecDeque::new(),
            news: VecDeque::new(),
            calls: VecDeque::new(),
            rang: false,
            polled: false,
            terminated: false,
            link_lost: false,
            frozen: false,
            agent: SimAgent::new(self.who.prompts),
            work: None,
            claimed: None,
            last_turn: 0,
            found_nothing: false,
        });
        true
    }

    /// The worker is gone from one moment to the next, and its agent with it.
    pub(super) fn die(&mut self, world: &mut World) {
        let Some(worker) = self.worker.take() else { return };
        world.say(|| format!("{} is dead, life {}", worker.life.0, worker.life.1));
        world.alive.remove(&self.who.name);
        world.oracle.gone(&worker.life);
        // A child's end is told by the kernel; of others only the lock tells, and the end of the link.
        let (leader, seen_in) = (world.leaders, world.chance.below(50));
        if worker.owes_answer {
            world.to_lead.push(leader::LeaderEvent::NotAsked { name: self.who.name.clone() });
        }
        world.later(
            seen_in,
            match worker.launched_by {
                Some(by) if by == leader => Due::DeathSeen(self.index, leader, !worker.is_ready),
                Some(_) | None => Due::LinkLost(self.index, self.lives, leader),
            },
        );
    }

    /// That it is on the roster.
    pub(super) fn added(&self) -> TeamFact {
        let spec = MemberSpec {
            agent: "shell".parse().expect("it is a name"),
            options: Default::default(),
            role: self.who.role.clone(),
            auto: self.who.auto,
            workspace: Workspace::Shared { dir: "/".into() },
            stall: StallPolicy { then: self.on_stall, ..StallPolicy::default() },
        };
        TeamFact::Added { name: self.who.name.clone(), spec }
    }

    pub(super) fn address(&self) -> Address {
        Address::Member(self.who.name.clone())
    }

    pub(super) fn life(&self) -> Life {
        (self.who.name.clone(), self.lives)
    }

    pub(super) fn ask(&mut self, world: &mut World, ask: CallId, what: WorkerAsk) {
        if let Some(worker) = &mut self.worker {
            world.say(|| format!("lead asks {}: {what:?}", worker.life.0));
            world.oracle.asked(ask, &worker.life);
            worker.calls.push_back((ask, what));
        }
    }

    /// Something that was due for a life of this member.
    pub(super) fn due(&mut self, world: &mut World, due: &Due) {
        let Some(worker) = &mut self.worker else { return };
        match *due {
            Due::AgentReady(..) => {
                let joined = TeamFact::Joined { name: self.who.name.clone(), process: worker.process.clone() };
                if world.enroll(self.who.name.as_str(), joined).is_err() {
                    // It could not begin.
                    return self.die(world);
                }
                if let AgentStanding::Starting = worker.agent.standing {
                    worker.agent.standing = AgentStanding::Idle;
                }
                worker.news.push_back(WorkerEvent::AgentReady { session: None });
            }
            Due::TurnEnds(_, _, number) => worker.turn_ends(world, number),
            Due::Poll(..) => {
                worker.polled = true;
                world.later(SLOW_POLL.as_millis() as u64, due.clone());
            }
            Due::Thaw(..) => self.thaw(world),
            Due::DeathSeen(..)
            | Due::LinkTried(..)
            | Due::LinkLost(..)
            | Due::LeadPoll(_)
            | Due::Prepared(_)
            | Due::LeadStarts
            | Due::Adversary
            | Due::DiskFree => {}
        }
    }

    /// It goes on, and first answers its leader.
    pub(super) fn thaw(&mut self, world: &mut World) {
        let Some(worker) = &mut self.worker else { return };
        worker.frozen = false;
        if std::mem::take(&mut worker.owes_answer) {
            world.to_lead.push(leader::LeaderEvent::Answered { name: self.who.name.clone() });
        }
    }

    /// Whether it could do something now.
    pub(super) fn is_runnable(&self, world: &World) -> bool {
        let Some(worker) = &self.worker else { return false };
        if worker.frozen {
            return false;
        }
        match worker.actions.front() {
            Some(WorkerAction::Away | WorkerAction::Reply(_)) => !world.disk_full,
            Some(_) => true,
            None => !worker.answers.is_empty() || !self.sources(world).is_empty(),
        }
    }

    fn sources(&self, world: &World) -> Vec<Source> {
        let Some(worker) = &self.worker else { return Vec::new() };
        let tick = worker.core.next_tick_ms().is_some_and(|at| at <= world.now_ms);
        [
            (!worker.news.is_empty(), Source::News),
            (!worker.calls.is_empty(), Source::Ask),
            (world.rung.contains(&self.address()), Source::Mailbox),
            (worker.rang, Source::Ring),
            (worker.polled, Source::Poll),
            (tick, Source::Tick),
            (worker.terminated, Source::Signal),
            (worker.link_lost, Source::Link),
        ]
        .into_iter()
        .filter_map(|(there, source)| there.then_some(source))
        .collect()
    }

    /// Does one thing: an action, or else takes one event.
    pub(super) fn run(&mut self, world: &mut World) {
        let (address, sources) = (self.address(), self.sources(world));
        let Some(worker) = &mut self.worker else { return };
        if let Some(action) = worker.actions.pop_front() {
            world.say(|| format!("{} does {action:?}", worker.life.0));
            if let WorkerAction::Leave { how } = &action {
                world.oracle.left(&worker.life, how);
                // It holds its lock while it writes its leaving down; a full disk leaves that to others.
                let _ = world.bury(&self.who.name, self.who.name.as_str());
                let left = TeamFact::Left { name: self.who.name.clone(), how: how.clone() };
                let _ = world.enroll(self.who.name.as_str(), left);
                return self.die(world);
            }
            return worker.act(world, &self.who, &address, self.index, self.lives, action);
        }
        let event = match worker.answers.pop_front() {
            Some(event) => event,
            None => {
                let source = *world.chance.pick(&sources);
                match worker.take(world, &address, source) {
                    Some(event) => event,
                    None => return,
                }
            }
        };
        world.say(|| format!("{} hears {event:?}", worker.life.0));
        worker.actions.extend(worker.core.step(world.now_ms, event));
    }
}

impl Worker {
    fn take(&mut self, world: &mut World, address: &Address, source: Source) -> Option<WorkerEvent> {
        match source {
            Source::News => self.news.pop_front(),
            Source::Ask => self.calls.pop_front().map(|(call, what)| WorkerEvent::Called { call, what }),
            Source::Mailbox => {
                world.rung.remove(address);
                self.rang = true;
                let unread = world.unread(address);
                (!unread.is_empty()).then_some(WorkerEvent::MailArrived(unread))
            }
            Source::Ring => std::mem::take(&mut self.rang).then_some(WorkerEvent::Rang),
            Source::Poll => {
                self.polled = false;
                let unread = world.unread(address);
                if unread.is_empty() {
                    return Some(WorkerEvent::Polled);
                }
                self.answers.push_back(WorkerEvent::Polled);
                Some(WorkerEvent::MailArrived(unread))
            }
            Source::Tick => Some(WorkerEvent::Tick),
            Source::Signal => std::mem::take(&mut self.terminated).then_some(WorkerEvent::Terminated),
            Source::Link => std::mem::take(&mut self.link_lost).then_some(WorkerEvent::LeaderLost),
        }
    }

    fn act(
        &mut self,
        world: &mut World,
        who: &WaitingClaimant,
        me: &Address,
        index: usize,
        life: u32,
        action: WorkerAction,
    ) {
        match action {
            WorkerAction::ClaimNext => self.claim(world, who),
            WorkerAction::Away => {
                let _ = world.decide(me.as_str(), |board| Ok((board.away(&who.name), ())));
            }
            WorkerAction::StartTurn { turn, task, work } => {
                self.tell_of_turns(
                    world,
                    who,
                    &TranscriptText::TurnStarted { turn, task, prompt: work.text().to_owned() },
                );
                self.start_turn(world, (index, life), turn, task, &work);
            }
            WorkerAction::Steer { of, text } => {
                if let (SteerOf::Mail, TextId::Message(id)) = (&of, text.id)
                    && world.message(id).1.urgency != Urgency::Now
                {
                    world.oracle.broke(format!("message {id} is not urgent and steers"));
                }
                match (&self.work, &of) {
                    (Some(TaskWork::Run { input: CommandInput::Open, .. }), SteerOf::Call(_))
                    | (Some(TaskWork::Prompt(_)), _) => {}
                    (Some(TaskWork::Run { .. }), _) | (None, _) => {
                        world.oracle.broke(format!("{:?} is steered by {of:?} in {:?}", self.life, self.work));
                    }
                }
                let outcome = self.agent.steer(world, text.id);
                self.answers.push_back(WorkerEvent::Steered { of, text, outcome });
            }
            WorkerAction::Permit { question, .. } => world.oracle.broke(format!("nobody asked {question}")),
            WorkerAction::KeepSession { session } => world.oracle.broke(format!("nobody told of session {session}")),
            WorkerAction::AbortTurn => {
                if let AgentStanding::Turn(turn) = &mut self.agent.standing {
                    turn.is_aborted = true;
                    // It may finish in the same moment.
                    if !world.chance.one_in(8) {
                        turn.ends = AgentTurnEnd::Plain(TurnEnd::Aborted);
                    }
                    let (in_ms, number) = (world.chance.below(20), turn.number);
                    world.later(in_ms, Due::TurnEnds(index, life, number));
                }
            }
            WorkerAction::Record(attempt) => self.record(world, me, attempt),
            WorkerAction::Acknowledge { ids } => {
                for id in &ids {
                    let is_text = matches!(world.message(*id).1.body, MessageBody::Text { .. });
                    let talks = self.agent.prompts == PromptKind::Conversation;
                    world.oracle.acknowledging(&self.life, *id, is_text, talks);
                }
                match world.acknowledge(me, &ids) {
                    Ok(()) => self.core.acknowledged(&ids),
                    Err(_) => self.answers.push_back(WorkerEvent::NotAcknowledged { ids }),
                }
            }
            WorkerAction::Reply(reply) => {
                world.oracle.replied(&self.life, &reply);
                world.post(me.clone(), &Address::Lead, Urgency::Now, MessageBody::ShutdownReply(reply));
            }
            WorkerAction::Say(said) => {
                if said == TranscriptText::Ready {
                    self.is_ready = true;
                    if self.launched_by == Some(world.leaders) {
                        world.to_lead.push(leader::LeaderEvent::Ready { name: who.name.clone(), pid: 1 });
                    }
                }
                self.tell_of_turns(world, who, &said);
                if let TranscriptText::Mail { id, .. } = said {
                    let (order, message) = world.message(id);
                    world.oracle.shown(&self.life, &message, order);
                    if message.urgency == Urgency::Idle && !self.found_nothing {
                        world.oracle.broke(format!("message {id} can wait, and was shown before a look at the board"));
                    }
                }
            }
            WorkerAction::Answer { call, answer } => {
                if let Ok(WorkerAnswer::Aborting(aborting)) = &answer
                    && let Some(task) = aborting.task
                {
                    world.oracle.abort_accepted(&self.life, task);
                }
                world.oracle.answered(call);
            }
            WorkerAction::Sweep => sweep(world, |name| *name == who.name, me.as_str()),
            WorkerAction::LookForLeader => {
                let seen = world.lead_is_up;
                self.answers.push_back(if seen { WorkerEvent::LeaderSeen } else { WorkerEvent::LeaderAbsent });
            }
            WorkerAction::Leave { .. } => unreachable!("the member takes its leave"),
        }
    }

    /// Its leader, if it has one, hears of its turns.
    fn tell_of_turns(&mut self, world: &mut World, who: &WaitingClaimant, said: &TranscriptText) {
        let name = who.name.clone();
        let event = if let TranscriptText::TurnStarted { turn, task, .. } = said {
            let turn = leader::TurnOpen { turn: *turn, task: *task };
            self.open_turn = Some(turn);
            leader::LeaderEvent::TurnStarted { name, turn }
        } else if let TranscriptText::TurnEnded { turn, end, .. } = said {
            self.open_turn = None;
            leader::LeaderEvent::TurnEnded { name, turn: *turn, stop: end.clone() }
        } else {
            return;
        };
        if self.heard_by == Some(world.leaders) {
            world.to_lead.push(event);
        }
    }

    fn claim(&mut self, world: &mut World, who: &WaitingClaimant) {
        let claim = world.claim_next(who);
        self.found_nothing = matches!(claim, Ok(None));
        let event = match claim {
            Ok(claim) => WorkerEvent::Claimed(claim.map(|claim| {
                self.claimed = Some((claim.id, claim.attempt));
                let task = &world.asked_for[&claim.id];
                ClaimedTask { work: task.work.clone(), timeout_ms: task.timeout_ms, claim }
            })),
            Err(_) => WorkerEvent::NotRecorded { error: "the disk is full".to_owned() },
        };
        self.answers.push_back(event);
    }

    fn start_turn(
        &mut self,
        world: &mut World,
        (index, life): (usize, u32),
        number: u64,
        task: Option<TaskId>,
        work: &TaskWork,
    ) {
        let mail = world.messages_in(work.text());
        if let AgentStanding::Gone = self.agent.standing {
            leave_over(world, &self.life, mail);
            let (reason, fault) = ("it is closed".to_owned(), AgentFault::Place);
            self.answers.push_back(WorkerEvent::PromptRefused { reason, fault });
            return;
        }
        if !matches!(self.agent.standing, AgentStanding::Idle) || number <= self.last_turn {
            world.oracle.broke(format!("{:?} begins turn {number} while its agent is {:?}", self.life, self.agent));
        }
        if !self.agent.prompts.takes(work.kind()) {
            world.oracle.broke(format!("{:?} only runs commands, and is given {work:?}", self.life));
        }
        self.work = Some(work.clone());
        self.last_turn = number;
        self.found_nothing = false;
        if world.chance.one_in(30) {
            leave_over(world, &self.life, mail);
            let fault = match world.weather.crash_one_in {
                0 => AgentFault::Prompt,
                _ => *world.chance.pick(&[AgentFault::Prompt, AgentFault::Place, AgentFault::Agent]),
            };
            self.answers.push_back(WorkerEvent::PromptRefused { reason: "it has no wish to".to_owned(), fault });
            return;
        }
        let task = task.and(self.claimed);
        if let Some((id, attempt)) = task {
            world.oracle.turn_began(&self.life, id, attempt);
        }
        let takes_ms = match world.chance.below(4) {
            0 => world.chance.below(5),
            1 | 2 => world.chance.below(2_000),
            _ => world.chance.below(20_000),
        };
        self.news.extend(self.agent.begin(world, number, task, mail));
        world.later(takes_ms, Due::TurnEnds(index, life, number));
        self.answers.push_back(WorkerEvent::PromptTaken);
    }

    fn turn_ends(&mut self, world: &mut World, ended: u64) {
        let AgentStanding::Turn(turn) = &self.agent.standing else { return };
        if turn.number != ended {
            return;
        }
        let news = self.agent.end(world, &self.life);
        world.say(|| format!("the agent of {} ends turn {ended}: {news:?}", self.life.0));
        self.news.extend(news);
    }

    fn record(&mut self, world: &mut World, me: &Address, attempt: AttemptEnd) {
        world.oracle.recording(&self.life, &attempt);
        let written = world.decide(me.as_str(), |board| {
            let fact = match attempt {
                AttemptEnd::Complete { claim, result } => board.complete(&claim, result)?,
                AttemptEnd::Fail { claim, reason, result } => board.fail(&claim, reason, result)?,
                AttemptEnd::Release { claim, why, partial } => board.release(&claim, why, partial)?,
                AttemptEnd::Die { claim, cause, partial } => {
                    board.die(&claim, WorkerDeath { cause: Some(&cause), last_words: &partial })?
                }
            };
            Ok((vec![fact], ()))
        });
        self.answers.push_back(match written {
            Ok(()) => WorkerEvent::Recorded,
            Err(NotWritten::DiskFull) => WorkerEvent::NotRecorded { error: "the disk is full".to_owned() },
            Err(NotWritten::Refused(refusal)) => {
                // Nobody but the living worker can end its attempt.
                world.oracle.broke(format!("the outcome of {:?} was refused: {refusal}", self.life));
                WorkerEvent::RecordRefused { why: refusal.to_string() }
            }
        });
    }
}

/// Buries whoever is dead and still on the board.
pub(super) fn sweep(world: &mut World, spare: impl Fn(&MemberName) -> bool, by: &str) {
    let waiting = world.board.waiting().map(|who| &who.name);
    let names: Vec<_> = world.board.owners().chain(waiting).cloned().collect();
    for name in names {
        if !spare(&name) && !world.alive.contains(&name) {
            let _ = world.bury(&name, by);
        }
    }
}
