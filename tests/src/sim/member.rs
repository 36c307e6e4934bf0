//! One worker process of the simulation: the real core, and a shell around it that does one thing at a time,
//! so that every other process can act, and this one die, between any two.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use teamster_leader::core as leader;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::limits::SLOW_POLL;
use teamster_protocol::model::limits::sizes::PROMPT_JOINED_BYTES_MAX;
use teamster_protocol::model::roster::{
    MemberSpec, OnStall, StallPolicy, StartedBy, TeamFact, WorkerProcess, Workspace,
};
use teamster_protocol::model::sweep::ring_after;
use teamster_protocol::model::task::TaskWork;
use teamster_worker::core::{CallId, HeededLimit, WorkerAction, WorkerAsk, WorkerCore, WorkerEvent, WorkerSettings};

use super::HUNG_MS_MAX;
use super::agent::{AgentStanding, SimAgent, abilities};
use super::oracle::Life;
use super::world::{Due, World};

mod acts;

/// How long an agent may have nothing to do: short, so that many fall asleep.
const IDLE_AFTER: Duration = Duration::from_millis(400);

/// How long a question may stay open: short, so that many do for too long.
const PERMISSION_WITHIN: Duration = Duration::from_secs(20);

/// The number of a worker's outer half above that of the worker.
const OUTER_HALF_PIDS: u32 = 1_000_000;

/// A name of the team, and the worker that serves it, if one lives.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) who: WaitingClaimant,
    /// What is done when its worker does not answer.
    pub(super) on_stall: OnStall,
    /// What is done once its provider takes no more for now.
    pub(super) on_limit: OnLimit,
    /// The answer to its agent's questions.
    pub(super) approval: ApprovalPolicy,
    /// How much it may use, in all its lives.
    pub(super) budget: UsageBudget,
    pub(super) lives: u32,
    pub(super) worker: Option<Worker>,
}

/// A living worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) core: WorkerCore,
    life: Life,
    on_limit: OnLimit,
    prompt_bytes_max: usize,
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
    /// Since when it hangs, and under which leader.
    hung: Option<(u64, u32)>,
    agent: SimAgent,
    /// What its agent was given last.
    work: Option<TaskWork>,
    /// The task and attempt that was claimed last.
    claimed: Option<(TaskId, u32)>,
    last_turn: u64,
    /// Whether its agent has said in the turn that its context is full.
    is_full: bool,
    /// The mail of a turn whose prompt waits until the agent is awake.
    held_mail: Vec<MessageId>,
    /// Whether its last look at the board found nothing to claim, and no turn has begun since.
    found_nothing: bool,
    limit: HeededLimit,
    /// Until when its provider takes no more, as it was told last.
    told_until_ms: Option<u64>,
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
        let outer_half = Some(ProcessIdentity { pid: pid + OUTER_HALF_PIDS, ..identity.clone() });
        let settings = WorkerSettings {
            idle_after: Some(IDLE_AFTER),
            permission_within: PERMISSION_WITHIN,
            prompt_bytes_max: self.prompt_bytes_max(),
            approval: self.approval,
            on_limit: self.on_limit,
            budget: self.budget,
            ..WorkerSettings::new(self.who.clone(), abilities(self.who.prompts), started_by)
        };
        self.worker = Some(Worker {
            core: WorkerCore::new(settings, 0).with_usage(world.transcripts.used_by(&self.who.name)),
            life,
            on_limit: self.on_limit,
            prompt_bytes_max: self.prompt_bytes_max(),
            launched_by,
            heard_by: launched_by,
            process: WorkerProcess { identity, started_by, isolation: None, outer_half },
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
            hung: None,
            agent: SimAgent::new(self.who.prompts),
            work: None,
            claimed: None,
            last_turn: 0,
            is_full: false,
            held_mail: Vec::new(),
            found_nothing: false,
            limit: HeededLimit::default(),
            told_until_ms: None,
        });
        true
    }

    /// The worker is gone from one moment to the next, and its agent with it.
    pub(super) fn die(&mut self, world: &mut World) {
        let Some(worker) = self.worker.take() else { return };
        world.say(|| format!("{} is dead, life {}", worker.life.0, worker.life.1));
        world.alive.remove(&self.who.name);
        world.oracle.gone(&worker.life);
        world.questions.gone(&worker.life);
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
            agent: self.who.agent.clone().expect("each member of a simulation has one"),
            options: Default::default(),
            role: self.who.role.clone(),
            auto: self.who.auto,
            workspace: Workspace::Shared { dir: "/".into() },
            stall: StallPolicy { then: self.on_stall, ..StallPolicy::default() },
            rules: Vec::new(),
            budget: self.budget,
        };
        TeamFact::Added { name: self.who.name.clone(), spec: Box::new(spec) }
    }

    /// The longest prompt that its agent is given of several texts: for some members so short that not all have room.
    fn prompt_bytes_max(&self) -> usize {
        if self.index % 3 == 1 { 260 } else { PROMPT_JOINED_BYTES_MAX }
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
                worker.news.push_back(worker.agent.joined(world));
            }
            Due::AgentEnded(..) => worker.news.push_back(worker.agent.nodded_off(world)),
            Due::AgentAwake(..) => worker.news.push_back(worker.agent.awake(world)),
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
        worker.judge_hang(world);
        worker.hung = None;
        if std::mem::take(&mut worker.owes_answer) {
            world.to_lead.push(leader::LeaderEvent::Answered { name: self.who.name.clone() });
        }
    }

    /// Whether it could do something now.
    pub(super) fn is_runnable(&self, world: &World) -> bool {
        let Some(worker) = &self.worker else { return false };
        if worker.is_frozen() {
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
        worker.heed(world, &event);
        worker.actions.extend(worker.core.step(world.now_ms, event));
    }
}

impl Worker {
    /// Whether it hangs.
    pub(super) fn is_frozen(&self) -> bool {
        self.hung.is_some()
    }

    /// Whether its agent was given words last, and no command.
    pub(super) fn has_prompt(&self) -> bool {
        matches!(self.work, Some(TaskWork::Prompt(_)))
    }

    /// From here on it does nothing until it is thawed.
    pub(super) fn freeze(&mut self, world: &World) {
        self.hung.get_or_insert((world.now_ms, world.leaders));
    }

    /// It is about to go on. That its leader let it hang so long is a mistake if the time for a task of it was over.
    fn judge_hang(&self, world: &mut World) {
        let Some((since_ms, leader)) = self.hung else { return };
        let is_led = self.process.started_by == StartedBy::Leader && self.heard_by == Some(leader);
        if !is_led || world.leaders != leader || world.now_ms < since_ms + HUNG_MS_MAX {
            return;
        }
        let poll_ms = SLOW_POLL.as_millis() as u64;
        let late = world.board.owned_by(&self.life.0).find(|id| world.is_time_over(*id, world.now_ms - poll_ms));
        if let Some(task) = late {
            let (name, for_ms) = (&self.life.0, world.now_ms - since_ms);
            world.oracle.broke(format!("{name} hung for {for_ms} ms, the time for task {task} is over, and it lives"));
        }
    }
}

/// Buries whoever is dead and still on the board.
pub(super) fn sweep(world: &mut World, spare: impl Fn(&MemberName) -> bool, by: &str) {
    for name in members_on_the_board(world) {
        if !spare(&name) && !world.alive.contains(&name) {
            let _ = world.bury(&name, by);
        }
    }
}

/// Buries those who are dead between a member and the next one that lives.
pub(super) fn sweep_ring(world: &mut World, own: &MemberName, by: &str) {
    for name in ring_after(&members_on_the_board(world), own) {
        if world.alive.contains(name) {
            break;
        }
        let _ = world.bury(name, by);
    }
}

fn members_on_the_board(world: &World) -> BTreeSet<MemberName> {
    let waiting = world.board.waiting().map(|who| &who.name);
    world.board.owners().chain(waiting).cloned().collect()
}
