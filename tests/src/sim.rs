//! A team in virtual time: the real worker cores, the real leader core and the real board and mailboxes, under
//! a scheduler that lets any process act between any two actions of another, and an adversary that adds work,
//! writes mail, calls, ends, kills, fills the disk and loses rings. One seed is one story, the same every time.

use std::fmt;
use std::num::NonZeroU64;

use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::board::{AutoClaim, WaitingClaimant};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{AgentName, Role};
use teamster_protocol::model::limits::SLOW_POLL;
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, OnStall};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::wire::api::WorkerPhase;

use crate::chance::Chance;

use lead::Lead;
use member::Member;
use oracle::Oracle;
use run::SimRun;
use world::{Due, Weather, World};

mod adversary;
mod agent;
mod lead;
mod member;
mod oracle;
mod questions;
mod run;
mod transcripts;
mod uses;
mod world;

/// How often the adversary acts in one story.
const ACTS: u64 = 60;
/// Lines of the story that are shown before a broken rule.
const TRACE_LINES_MAX: usize = 120;
/// Things done and heard in one story; beyond, somebody turns in a circle.
const STEPS_MAX: u64 = 200_000;
/// Virtual time in which a team must come to rest once it is left alone.
const REST_WITHIN_MS: u64 = 3_600_000;
/// How long a worker may hang that a leader leads and whose task has a time that is over: the polls until it is asked,
/// twice the time to answer, and the steps of an end that was asked for meanwhile.
const HUNG_MS_MAX: u64 = 45_000;
/// What a worker may stay idle beside a task it could take, if a ring was lost.
const IDLE_MS_MAX: u64 = SLOW_POLL.as_millis() as u64 + 100;

/// What happened under a seed in which every rule held.
#[derive(Debug, Clone, Copy, Default)]
pub struct Story {
    /// Things done and heard by all processes.
    pub steps: u64,
    /// Tasks completed.
    pub completions: u64,
    /// Workers that were rung for work.
    pub rings: u64,
    /// How often an agent that slept was woken.
    pub wakes: u64,
    /// How many turns were interrupted and gone on with.
    pub interruptions: u64,
    /// Workers that were killed because they hung and the time for a task of them was over.
    pub killed_late: u64,
    /// How many conversations were renewed because they were full.
    pub renewals: u64,
    /// How many questions for permission were answered or taken back.
    pub questions: u64,
    /// How often a text started a member again that had left.
    pub woken: u64,
    /// How many runs were ended because their budget was used up.
    pub runs_ended: u64,
    /// Virtual time that passed.
    pub took_ms: u64,
}

/// A rule that did not hold, and the story up to there.
#[derive(Debug)]
pub struct Broken {
    /// Which seed tells it again.
    pub seed: u64,
    /// The rule.
    pub rule: String,
    /// The last lines of the story.
    pub trace: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.rule)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Tells the story of a seed. A broken rule is told again with its trace.
pub fn tell(seed: u64) -> Result<Story, Box<Broken>> {
    Sim::new(seed, Trace::Off).run().map_err(|_| match Sim::new(seed, Trace::On).run() {
        Err(broken) => broken,
        Ok(_) => panic!("seed {seed} broke a rule once and not again: the simulation itself is not deterministic"),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    Off,
    On,
}

#[derive(Debug)]
struct Sim {
    seed: u64,
    world: World,
    members: Vec<Member>,
    lead: Lead,
    roles: Vec<Role>,
    /// Since when each member is idle beside a task it could take.
    beside: Vec<Option<u64>>,
    acts_left: u64,
    calls: u64,
    /// The run that the tasks are of, while it has not ended.
    run: Option<SimRun>,
    steps: u64,
    calm_since_ms: Option<u64>,
}

/// One of two agents, by which tasks choose among the members.
fn any_agent(chance: &mut Chance) -> AgentName {
    chance.pick(&["shell", "pi"]).parse().expect("it is a name")
}

impl Sim {
    fn new(seed: u64, trace: Trace) -> Sim {
        let mut chance = Chance::new(seed);
        let weather = Weather {
            ring_lost_one_in: if chance.one_in(3) { 4 } else { 0 },
            crash_one_in: if chance.one_in(2) { 60 } else { 0 },
            disk_fills: chance.one_in(3),
            freezes: chance.one_in(3),
            is_tight: chance.one_in(4),
        };
        let roles: Vec<Role> = ["reviewer", "tester"].iter().map(|role| role.parse().expect("it is a name")).collect();
        let member = |index: usize, chance: &mut Chance| Member {
            index,
            who: WaitingClaimant {
                name: format!("worker-{index}").parse().expect("it is a name"),
                role: chance.one_in(2).then(|| chance.pick(&roles).clone()),
                agent: Some(any_agent(chance)),
                auto: if chance.one_in(6) { AutoClaim::Off } else { AutoClaim::On },
                prompts: if chance.one_in(2) { PromptKind::Conversation } else { PromptKind::Program },
            },
            on_limit: if chance.one_in(5) { OnLimit::End } else { OnLimit::Park },
            approval: *chance.pick(&[
                ApprovalPolicy::Ask,
                ApprovalPolicy::Ask,
                ApprovalPolicy::Auto,
                ApprovalPolicy::Deny,
            ]),
            on_stall: if chance.one_in(2) { OnStall::Restart } else { OnStall::Show },
            budget: UsageBudget {
                max_tokens: if chance.one_in(8) { NonZeroU64::new(100 + chance.below(400)) } else { None },
                max_turns: if chance.one_in(8) { NonZeroU64::new(1 + chance.below(12)) } else { None },
                ..UsageBudget::default()
            },
            lives: 0,
            worker: None,
        };
        let members: Vec<Member> = (0..2 + chance.index(4)).map(|index| member(index, &mut chance)).collect();
        let run = chance.one_in(2).then(|| {
            let max_tokens = NonZeroU64::new(50 + chance.below(300));
            SimRun::new(UsageBudget { max_tokens, ..UsageBudget::default() })
        });
        let mut world = World::new(chance, weather, trace == Trace::On);
        world.later(0, Due::Adversary);
        world.later(SLOW_POLL.as_millis() as u64, Due::LeadPoll(world.leaders));
        let beside = vec![None; members.len()];
        let mut sim = Sim {
            seed,
            world,
            members,
            lead: Lead::new(),
            roles,
            beside,
            acts_left: ACTS,
            calls: 0,
            run,
            steps: 0,
            calm_since_ms: None,
        };
        for _ in 0..sim.members.len() {
            sim.starts_somebody();
        }
        sim
    }

    fn run(mut self) -> Result<Story, Box<Broken>> {
        loop {
            self.run_until_nobody_can();
            self.check_idle();
            if self.world.oracle.broken.is_some() {
                break;
            }
            if self.is_at_rest() {
                self.check_end();
                break;
            }
            self.pass_time();
        }
        let World { oracle, now_ms, trace, questions, .. } = self.world;
        match oracle.broken {
            None => {
                let took_ms = now_ms;
                let questions = questions.answered;
                let Oracle { completions, rings, wakes, interruptions, killed_late, .. } = oracle;
                let Oracle { renewals, woken, runs_ended, .. } = oracle;
                let steps = self.steps;
                Ok(Story {
                    steps,
                    completions,
                    rings,
                    wakes,
                    interruptions,
                    killed_late,
                    renewals,
                    questions,
                    woken,
                    runs_ended,
                    took_ms,
                })
            }
            Some(rule) => {
                let mut trace = trace.unwrap_or_default();
                trace.drain(..trace.len().saturating_sub(TRACE_LINES_MAX));
                Err(Box::new(Broken { seed: self.seed, rule, trace }))
            }
        }
    }

    /// Lets processes act, one thing at a time and in random order, while any can.
    fn run_until_nobody_can(&mut self) {
        while self.world.oracle.broken.is_none() {
            for event in std::mem::take(&mut self.world.to_lead) {
                self.lead.hears(event);
            }
            let mut can: Vec<usize> =
                (0..self.members.len()).filter(|i| self.members[*i].is_runnable(&self.world)).collect();
            let lead = self.members.len();
            can.extend(self.lead.is_runnable(&self.world).then_some(lead));
            if can.is_empty() {
                return;
            }
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return self.world.oracle.broke("the processes are busy for ever");
            }
            let next = *self.world.chance.pick(&can);
            if next == lead {
                self.lead.run(&mut self.world, &mut self.members);
                continue;
            }
            self.members[next].run(&mut self.world);
            let one_in = self.world.weather.crash_one_in;
            if one_in > 0 && self.world.chance.one_in(one_in) {
                self.members[next].die(&mut self.world);
            }
            if self.world.weather.freezes {
                self.hangs_in_time(next);
            }
        }
    }

    /// Goes to the next thing that is due.
    fn pass_time(&mut self) {
        let ticks =
            self.members.iter().filter_map(|member| member.worker.as_ref().filter(|worker| !worker.is_frozen()));
        let ticks = ticks.filter_map(|worker| worker.core.next_tick_ms());
        let tick = ticks.chain(self.lead.core.next_tick_ms().filter(|_| self.lead.is_up));
        // One that is past belongs to a process that can not act until something else happens.
        let tick = tick.filter(|at| *at > self.world.now_ms).min();
        let first = self.world.due.first_key_value().map(|(key, _)| *key);
        match (first, tick) {
            (Some((at_ms, _)), Some(tick_ms)) if tick_ms < at_ms => self.world.now_ms = tick_ms.max(self.world.now_ms),
            (Some(key), _) => {
                self.world.now_ms = key.0.max(self.world.now_ms);
                let due = self.world.due.remove(&key).expect("it was the first a moment ago");
                self.due(due);
            }
            (None, Some(tick_ms)) => self.world.now_ms = tick_ms.max(self.world.now_ms),
            // Nobody lives: only the clock goes on.
            (None, None) => self.world.now_ms += IDLE_MS_MAX,
        }
        if self.calm_since_ms.is_some_and(|since| self.world.now_ms > since + REST_WITHIN_MS) {
            self.world.oracle.broke("the team is left alone and does not come to rest");
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Adversary if self.acts_left > 0 => {
                self.acts_left -= 1;
                self.adversary_acts();
            }
            Due::Adversary => self.calm(),
            Due::AgentReady(index, life)
            | Due::AgentEnded(index, life)
            | Due::AgentAwake(index, life)
            | Due::TurnEnds(index, life, _)
            | Due::Poll(index, life)
            | Due::Thaw(index, life) => {
                if self.members[index].lives == life {
                    self.members[index].due(&mut self.world, &due);
                }
            }
            Due::DeathSeen(index, leader, unready) if leader == self.world.leaders => {
                let name = self.members[index].who.name.clone();
                self.lead.saw_death(&self.world, name, !unready);
            }
            Due::LinkTried(index, life, leader) if leader == self.world.leaders => {
                self.lead.tried_link(&mut self.world, &mut self.members[index], life);
            }
            Due::LinkLost(index, life, leader) if leader == self.world.leaders => {
                self.lead.lost_link(&self.members[index], life);
            }
            Due::LeadPoll(leader) if leader == self.world.leaders => self.lead.poll(&mut self.world),
            // The leader that it was for is gone.
            Due::DeathSeen(..) | Due::LinkTried(..) | Due::LinkLost(..) | Due::LeadPoll(_) => {}
            Due::Prepared(index) => {
                let name = self.members[index].who.name.clone();
                let added = self.members[index].added();
                self.lead.prepared(&mut self.world, name, added);
            }
            Due::LeadStarts => self.lead.start(&mut self.world),
            Due::DiskFree => self.world.disk_full = false,
        }
    }

    /// The adversary is done: nothing fails any more, and most of the dead come back.
    fn calm(&mut self) {
        self.world.say(|| "from here on the team is left alone".to_owned());
        self.calm_since_ms = Some(self.world.now_ms);
        self.world.weather =
            Weather { ring_lost_one_in: 0, crash_one_in: 0, disk_fills: false, freezes: false, is_tight: false };
        self.world.disk_full = false;
        for index in 0..self.members.len() {
            if self.members[index].worker.is_some() {
                self.members[index].thaw(&mut self.world);
            } else if !self.world.chance.one_in(3) {
                self.starts_by_hand(index);
            }
        }
    }

    /// Nobody can act now. Whoever is idle must not be so beside a task that it could take.
    fn check_idle(&mut self) {
        let strict = self.calm_since_ms.is_none()
            && self.world.weather.ring_lost_one_in == 0
            && !self.world.weather.disk_fills
            && self.members.iter().all(|member| member.worker.as_ref().is_none_or(|worker| !worker.is_frozen()))
            && self.world.board.waiting().all(|who| self.world.alive.contains(&who.name));
        for (member, beside) in self.members.iter().zip(&mut self.beside) {
            let idle = member.worker.as_ref().filter(|worker| !worker.is_frozen() && !self.world.disk_full);
            let idle = idle.is_some_and(|worker| matches!(worker.core.status(0).phase, WorkerPhase::Idle));
            let Some(task) = self.world.board.next_for(&member.who).filter(|_| idle) else {
                *beside = None;
                continue;
            };
            let since = *beside.get_or_insert(self.world.now_ms);
            if strict || self.world.now_ms - since > IDLE_MS_MAX {
                self.world.oracle.broke(format!("{} is idle beside task {task}, since {since} ms", member.who.name));
            }
        }
    }

    /// Left alone for long enough that every slow poll has come round, and nothing in hand anywhere.
    fn is_at_rest(&self) -> bool {
        let quiet_ms = self.world.now_ms.saturating_sub(self.world.changed_ms);
        let at_rest = |member: &Member| match &member.worker {
            None => true,
            Some(worker) => matches!(worker.core.status(0).phase, WorkerPhase::Idle),
        };
        let polls_only = |due: &Due| matches!(due, Due::Poll(..) | Due::Thaw(..) | Due::LeadPoll(_));
        let ladders = self.lead.core.next_tick_ms().is_some();
        self.calm_since_ms.is_some_and(|since| self.world.now_ms > since + 2 * IDLE_MS_MAX)
            && quiet_ms > 2 * IDLE_MS_MAX
            && !ladders
            && self.members.iter().all(at_rest)
            && self.world.due.values().all(polls_only)
    }

    fn check_end(&mut self) {
        // Whoever lives is idle.
        for member in self.members.iter().filter(|member| member.worker.is_some()) {
            self.world.judge_texts(&member.who.name);
        }
        let World { board, oracle, alive, .. } = &mut self.world;
        for (id, task) in board.tasks() {
            let open = board.open_dependencies(&task).len();
            if open != task.open_dependencies as usize {
                oracle.broke(format!("task {id} waits for {open} tasks and counts {}", task.open_dependencies));
            }
            if let TaskStatus::InProgress { owner, .. } = &task.status {
                oracle.broke(format!("task {id} is in progress for ever by {owner}, alive: {}", alive.contains(owner)));
            }
        }
        for member in self.members.iter().filter(|member| member.worker.is_some()) {
            if self.world.board.next_for(&member.who).is_some() {
                self.world.oracle.broke(format!("a task is left that {} could do", member.who.name));
            }
            let life = member.life();
            for message in self.world.unread(&member.address()) {
                if !self.world.oracle.left_over.contains(&(life.clone(), message.id)) {
                    self.world.oracle.broke(format!("message {} is unread by {life:?} for ever", message.id));
                }
            }
        }
        for member in self.members.iter().filter(|member| member.worker.is_some() && self.lead.is_up) {
            if let Some(open) = self.lead.core.open_turn(&member.who.name) {
                let name = &member.who.name;
                self.world.oracle.broke(format!("the leader takes {name} to be in turn {} for ever", open.turn));
            }
            if !self.lead.core.is_running(&member.who.name) {
                self.world.oracle.broke(format!("{} runs, and the leader does not know", member.who.name));
            }
        }
        for (name, member) in self.world.roster.members().filter(|_| self.lead.is_up) {
            if let MemberPresence::Left { then: AfterLeaving::Again { .. } | AfterLeaving::Undecided { .. }, .. } =
                &member.presence
            {
                self.world.oracle.broke(format!("{name} is to be started again, and nobody does"));
            }
        }
        for name in self.members.iter().filter(|member| member.worker.is_none()).map(|member| &member.who.name) {
            if self.lead.is_up && self.lead.core.is_running(name) {
                self.world.oracle.broke(format!("{name} is dead, and the leader takes it to run"));
            }
        }
        let unanswered: Vec<String> = self.world.oracle.unanswered().map(|ask| format!("{ask:?}")).collect();
        if !unanswered.is_empty() {
            self.world.oracle.broke(format!("calls are not answered: {unanswered:?}"));
        }
        if !self.lead.open.is_empty() {
            self.world.oracle.broke(format!("the leader owes answers to {:?}", self.lead.open));
        }
        if self.lead.ending {
            self.world.oracle.broke("the leader was told to end and does not");
        }
        let (rings, made) = (self.world.oracle.rings, self.world.oracle.work_made);
        if rings > 3 * made + 20 {
            self.world.oracle.broke(format!("{rings} rings for {made} pieces of work"));
        }
    }
}
