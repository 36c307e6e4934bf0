//! Whoever uses the team, and whatever befalls it: random commands, mail, calls, ends and failures.

use std::num::NonZeroU64;
use std::path::PathBuf;

use teamster_leader::core::LeaderAsk as LeadAsk;
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::board::ClearedTasks;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, StartedBy, TeamFact};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{CommandInput, FieldChange, NewTask, TaskChanges, TaskWork};
use teamster_protocol::wire::api::TeamEnding;
use teamster_protocol::wire::api::{SessionKept, SpawnRequest, SteerHaste, WorkspaceRequest};
use teamster_worker::core::{CallId, WorkerAsk};

use super::member::Member;
use super::questions::SeenQuestion;
use super::world::Due;
use super::{Sim, any_agent};
use crate::chance::Chance;

/// A text, or a command of either kind.
fn any_work(chance: &mut Chance, text: &str) -> TaskWork {
    let command = text.to_owned();
    match chance.below(4) {
        0 | 1 => TaskWork::Prompt(command),
        2 => TaskWork::Run { command, input: CommandInput::Closed },
        _ => TaskWork::Run { command, input: CommandInput::Open },
    }
}

/// A budget of a task, which mostly limits nothing.
fn any_budget(chance: &mut Chance) -> UsageBudget {
    UsageBudget {
        max_tokens: if chance.one_in(6) { NonZeroU64::new(1 + chance.below(120)) } else { None },
        max_turns: if chance.one_in(10) { NonZeroU64::new(1 + chance.below(2)) } else { None },
        max_time_ms: if chance.one_in(10) { NonZeroU64::new(1 + chance.below(9_000)) } else { None },
        ..UsageBudget::default()
    }
}

/// At one of so many steps of a worker on a task with a time it hangs.
const HANG_ONE_IN: u64 = 15;

impl Sim {
    /// One random act, and when the next follows.
    pub(super) fn adversary_acts(&mut self) {
        let pause_ms = match self.world.chance.below(3) {
            0 => 0,
            1 => self.world.chance.below(300),
            _ => self.world.chance.below(4_000),
        };
        self.world.later(pause_ms, Due::Adversary);
        self.looks_at_run();
        match self.world.chance.below(28) {
            20..=25 => self.interrupts_somebody(),
            26 | 27 => self.answers_a_question(),
            0..=4 => self.adds_tasks(),
            5..=7 => self.edits_the_board(),
            8..=10 => self.writes_mail(),
            11..=13 => self.calls_a_worker(),
            14 => self.ends_somebody(),
            15 | 16 => self.starts_somebody(),
            17 => match self.world.chance.one_in(2) {
                true => self.starts_somebody(),
                false => self.lifts_a_limit(),
            },
            18 => self.makes_trouble(),
            _ => {
                let task = TaskId(1 + self.world.chance.below(20) as u32);
                self.send_member(Urgency::Next, MessageBody::TaskAssigned { task });
            }
        }
    }

    fn adds_tasks(&mut self) {
        let count = 1 + self.world.chance.below(5);
        let first = self.world.board.next_id().0;
        let mut tasks = Vec::new();
        let is_tight = self.world.weather.is_tight;
        for _ in 0..count {
            let chance = &mut self.world.chance;
            let mut task = NewTask::new(any_work(chance, "do it"));
            task.priority = if chance.one_in(4) { chance.below(3) as i32 - 1 } else { 0 };
            task.role = chance.one_in(4).then(|| self.roles[chance.index(self.roles.len())].clone());
            task.agent = chance.one_in(5).then(|| any_agent(chance));
            task.to = chance.one_in(6).then(|| self.members[chance.index(self.members.len())].who.name.clone());
            task.timeout_ms = chance.one_in(5).then(|| 1 + chance.below(3_000));
            task.budget = any_budget(chance);
            if is_tight && chance.one_in(2) {
                task.budget.max_time_ms = NonZeroU64::new(1 + chance.below(2_000));
            }
            task.max_attempts = 1 + chance.below(3) as u32;
            while chance.one_in(3) {
                task.after.push(TaskId(1 + chance.below(u64::from(first) + count) as u32));
            }
            tasks.push(task);
        }
        let _ = self.world.decide("lead", |board| Ok((board.add(tasks)?, ())));
    }

    fn edits_the_board(&mut self) {
        let last = u64::from(self.world.board.next_id().0);
        let id = TaskId(1 + self.world.chance.below(last) as u32);
        let on = TaskId(1 + self.world.chance.below(last) as u32);
        let to = self.members[self.world.chance.index(self.members.len())].who.name.clone();
        let what = self.world.chance.below(20);
        let changes = self.any_changes(on);
        let scopes = [ClearedTasks::Completed, ClearedTasks::Completed, ClearedTasks::Failed, ClearedTasks::All];
        let scope = *self.world.chance.pick(&scopes);
        let _ = self.world.decide("lead", |board| {
            let fact = match what {
                0 | 1 => board.assign(id, to)?,
                2..=4 => board.unassign(id)?,
                5 => board.add_dependency(id, on)?,
                6 | 7 => board.remove_dependency(id, on)?,
                8..=11 => board.retry(id)?,
                12 | 13 => board.cancel(id)?,
                14..=16 => board.edit_task(id, changes)?,
                17 => board.restore()?,
                _ => return Ok((board.clear(scope)?, ())),
            };
            Ok((vec![fact], ()))
        });
    }

    /// Other work, another role, agent, priority or time, another dependency; sometimes nothing, which is refused.
    fn any_changes(&mut self, on: TaskId) -> TaskChanges {
        let (chance, roles) = (&mut self.world.chance, &self.roles);
        TaskChanges {
            work: chance.one_in(3).then(|| any_work(chance, "do it otherwise")),
            title: None,
            after: chance.one_in(4).then(|| vec![on]),
            role: chance.one_in(4).then(|| match chance.one_in(2) {
                true => FieldChange::Set(chance.pick(roles).clone()),
                false => FieldChange::Removed,
            }),
            agent: chance.one_in(5).then(|| match chance.one_in(2) {
                true => FieldChange::Set(any_agent(chance)),
                false => FieldChange::Removed,
            }),
            priority: chance.one_in(3).then(|| chance.below(3) as i32 - 1),
            timeout_ms: chance.one_in(4).then(|| match chance.one_in(2) {
                true => FieldChange::Set(1 + chance.below(3_000)),
                false => FieldChange::Removed,
            }),
            budget: chance.one_in(4).then(|| any_budget(chance)),
        }
    }

    fn writes_mail(&mut self) {
        let urgency = *self.world.chance.pick(&[Urgency::Now, Urgency::Next, Urgency::Next, Urgency::Idle]);
        for _ in 0..1 + self.world.chance.below(3) {
            self.calls += 1;
            let text = format!("hello, for the {}th time", self.calls);
            self.send_member(urgency, MessageBody::Text { text });
        }
    }

    fn send_member(&mut self, urgency: Urgency, body: MessageBody) {
        let (from, to) = (self.world.chance.index(self.members.len()), self.world.chance.index(self.members.len()));
        let from = if self.world.chance.one_in(2) { Address::Lead } else { self.members[from].address() };
        let is_text = matches!(body, MessageBody::Text { .. });
        if self.world.post(from.clone(), &self.members[to].address(), urgency, body).is_some() && is_text {
            self.wakes_if_left(to, &from);
        }
    }

    /// A text starts a member again that has left and may be woken by its writer.
    fn wakes_if_left(&mut self, index: usize, writer: &Address) {
        let name = &self.members[index].who.name;
        let Ok(member) = self.world.roster.member(name) else { return };
        let MemberPresence::Left { how, then: AfterLeaving::Stays | AfterLeaving::Undecided { .. }, .. } =
            &member.presence
        else {
            return;
        };
        if self.lead.is_up && how.may_be_woken_by(writer) {
            self.world.oracle.woken += 1;
            self.spawns(index);
        }
    }

    fn calls_a_worker(&mut self) {
        let index = self.world.chance.index(self.members.len());
        self.calls += 1;
        let what = match self.world.chance.below(5) {
            0 if self.world.chance.one_in(2) => return self.waits_for_a_turn(index),
            0 => WorkerAsk::Prompt { work: any_work(&mut self.world.chance, "and now?") },
            1 => WorkerAsk::Steer { text: "more to the left".to_owned(), haste: SteerHaste::Patient },
            2 => WorkerAsk::Steer { text: "to the left, now".to_owned(), haste: SteerHaste::Now },
            3 => WorkerAsk::Abort { reason: "enough".to_owned() },
            _ => {
                let body = MessageBody::AbortRequest { reason: "enough".to_owned() };
                self.world.post(Address::Lead, &self.members[index].address(), Urgency::Now, body);
                return;
            }
        };
        self.members[index].ask(&mut self.world, CallId(self.calls), what);
    }

    /// Somebody who is at a turn of words is told something at once, at times twice, or with something that can wait.
    fn interrupts_somebody(&mut self) {
        let is_reading = |member: &&Member| {
            member.worker.as_ref().is_some_and(|worker| worker.open_turn.is_some() && worker.has_prompt())
        };
        let reading: Vec<usize> = self.members.iter().filter(is_reading).map(|member| member.index).collect();
        if reading.is_empty() {
            return self.adds_tasks();
        }
        let index = *self.world.chance.pick(&reading);
        for _ in 0..1 + self.world.chance.below(3) {
            self.calls += 1;
            let haste = if self.world.chance.one_in(4) { SteerHaste::Patient } else { SteerHaste::Now };
            let what = WorkerAsk::Steer { text: format!("to the left, for the {}th time", self.calls), haste };
            self.members[index].ask(&mut self.world, CallId(self.calls), what);
        }
    }

    /// The lead answers a question for permission, by a call or by mail; it may be open no more.
    fn answers_a_question(&mut self) {
        let seen = &self.world.questions.seen;
        if seen.is_empty() {
            return self.adds_tasks();
        }
        // One of the last: the others have been answered, or their time is over.
        let of_last = self.world.chance.below(3.min(seen.len() as u64)) as usize;
        let SeenQuestion { member, number } = seen[seen.len() - 1 - of_last].clone();
        let never = Permission::Never { reason: "not here".to_owned() };
        let answer = self.world.chance.pick(&[Permission::Once, Permission::Always, never]).clone();
        if self.world.chance.one_in(2) {
            let body = MessageBody::PermissionReply { question: number, answer };
            self.world.post(Address::Lead, &self.members[member].address(), Urgency::Now, body);
        } else {
            self.calls += 1;
            let what = WorkerAsk::Permit { question: number, answer };
            self.members[member].ask(&mut self.world, CallId(self.calls), what);
        }
    }

    fn waits_for_a_turn(&mut self, index: usize) {
        let member = &self.members[index];
        if let Some(open) = member.worker.as_ref().and_then(|worker| worker.open_turn) {
            let name = member.who.name.clone();
            self.lead.ask(&mut self.world, LeadAsk::AwaitTurnEnd { name, turn: open.turn });
        }
    }

    fn ends_somebody(&mut self) {
        let name = self.members[self.world.chance.index(self.members.len())].who.name.clone();
        let when_busy = *self.world.chance.pick(&[WhenBusy::Refuse, WhenBusy::Finish]);
        let reason = "it is late".to_owned();
        match self.world.chance.below(13) {
            0..=6 => self.lead.ask(&mut self.world, LeadAsk::Shutdown { name: Some(name), reason, when_busy }),
            7 | 8 => self.lead.ask(&mut self.world, LeadAsk::Shutdown { name: None, reason, when_busy }),
            9 => self.lead.ask(&mut self.world, LeadAsk::Kill { name }),
            10 => self.lead.ask(&mut self.world, LeadAsk::Down { how: TeamEnding::Gently }),
            11 => self.lead.ask(&mut self.world, LeadAsk::HandOver),
            _ => self.lead.interrupt(),
        }
    }

    pub(super) fn starts_somebody(&mut self) {
        let index = self.world.chance.index(self.members.len());
        if self.world.chance.one_in(3) {
            self.starts_by_hand(index);
        } else {
            self.spawns(index);
        }
    }

    /// Somebody asks the leader to start a member.
    fn spawns(&mut self, index: usize) {
        let request = SpawnRequest {
            name: self.members[index].who.name.clone(),
            agent: "shell".parse().expect("it is a name"),
            options: Default::default(),
            session: SessionKept::Kept,
            role: None,
            auto: self.members[index].who.auto,
            workspace: WorkspaceRequest::Shared { dir: PathBuf::from("/") },
            stall: Default::default(),
            rules: Vec::new(),
            budget: UsageBudget::default(),
        };
        self.lead.ask(&mut self.world, LeadAsk::Spawn(Box::new(request)));
    }

    pub(super) fn starts_by_hand(&mut self, index: usize) {
        self.members[index].start(&mut self.world, StartedBy::Hand);
    }

    /// Somebody says that a provider takes more again.
    fn lifts_a_limit(&mut self) {
        let name = self.members[self.world.chance.index(self.members.len())].who.name.clone();
        if self.world.roster.limit_of(&name, self.world.now_ms).is_some()
            && self.world.enroll("lead", TeamFact::Unlimited { name: name.clone() }).is_ok()
        {
            self.world.ring_account(&name);
        }
    }

    /// A worker hangs, at times for long enough to be taken for one that does so for ever.
    fn hang(&mut self, index: usize) {
        let for_ms = self.world.chance.below(80_000);
        let member = &mut self.members[index];
        if let Some(worker) = &mut member.worker {
            self.world.say(|| format!("{} hangs for {for_ms} ms", member.who.name));
            worker.freeze(&self.world);
            self.world.later(for_ms, Due::Thaw(index, member.lives));
        }
    }

    /// A worker that is on a task with a time hangs now and then, after any of its steps.
    pub(super) fn hangs_in_time(&mut self, index: usize) {
        let (member, world) = (&self.members[index], &mut self.world);
        let is_timed = world.board.owned_by(&member.who.name).any(|id| world.timed_task(id).is_some());
        if is_timed && world.chance.one_in(HANG_ONE_IN) {
            self.hang(index);
        }
    }

    fn makes_trouble(&mut self) {
        let weather = self.world.weather;
        let index = self.world.chance.index(self.members.len());
        let for_ms = self.world.chance.below(20_000);
        match self.world.chance.below(6) {
            0 | 1 if weather.disk_fills => {
                self.world.say(|| "the disk is full".to_owned());
                self.world.disk_full = true;
                self.world.later(for_ms / 6, Due::DiskFree);
            }
            2 if weather.crash_one_in > 0 => self.members[index].die(&mut self.world),
            3 if weather.crash_one_in > 0 => self.lead.die(&mut self.world, &mut self.members),
            4 if weather.freezes => self.hang(index),
            _ => {
                let member = &mut self.members[index];
                if let Some(worker) = &mut member.worker {
                    self.world.say(|| format!("SIGTERM for {}", member.who.name));
                    worker.terminated = true;
                }
            }
        }
    }
}
