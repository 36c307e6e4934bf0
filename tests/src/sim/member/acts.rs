//! What a worker of the simulation takes from the world, and how it carries out what its core decides.

use teamster_leader::core as leader;
use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::agent::{AgentFault, PermissionQuestion, TurnEnd};
use teamster_protocol::model::board::{WaitingClaimant, WorkerDeath};
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::model::sweep::SweepReach;
use teamster_protocol::model::task::{CommandInput, TaskWork, WorkKind};
use teamster_protocol::model::usage::UsageSum;
use teamster_worker::core::{AttemptEnd, ClaimedTask, SteerOf, TaskAllowance, WorkerAction, WorkerAnswer, WorkerEvent};

use super::super::agent::{AgentPresence, AgentStanding, AgentTurnEnd, leave_over};
use super::super::world::{Due, NotWritten, World};
use super::{Source, Worker, sweep, sweep_ring};

impl Worker {
    pub(super) fn take(&mut self, world: &mut World, address: &Address, source: Source) -> Option<WorkerEvent> {
        match source {
            Source::News => self.news.pop_front(),
            Source::Ask => self.calls.pop_front().map(|(call, what)| WorkerEvent::Called { call, what }),
            Source::Mailbox => {
                world.rung.remove(address);
                self.rang = true;
                let unread = world.unread(address);
                (!unread.is_empty()).then_some(WorkerEvent::MailArrived(unread))
            }
            Source::Ring => {
                let rang = std::mem::take(&mut self.rang).then_some(WorkerEvent::Rang)?;
                let Some(limit) = self.heed_limit(world) else { return Some(rang) };
                self.answers.push_back(rang);
                Some(limit)
            }
            Source::Poll => {
                // The mail is read once that is taken.
                if let Some(limit) = self.heed_limit(world) {
                    return Some(limit);
                }
                self.polled = false;
                let unread = world.unread(address);
                let mail = (!unread.is_empty()).then_some(WorkerEvent::MailArrived(unread));
                let mut seen = mail.into_iter().chain([WorkerEvent::Polled]);
                let first = seen.next();
                self.answers.extend(seen);
                first
            }
            Source::Tick => Some(WorkerEvent::Tick),
            Source::Signal => std::mem::take(&mut self.terminated).then_some(WorkerEvent::Terminated),
            Source::Link => std::mem::take(&mut self.link_lost).then_some(WorkerEvent::LeaderLost),
        }
    }

    /// Keeps in mind until when the worker knows that its provider takes no more, and what it hears of its agent.
    pub(super) fn heed(&mut self, world: &mut World, event: &WorkerEvent) {
        match event {
            WorkerEvent::Used(usage) => world.uses.used(&self.life.0, *usage),
            WorkerEvent::TurnEnded { result, .. } => world.uses.ended(&self.life.0, result),
            WorkerEvent::ContextFull => self.is_full = true,
            WorkerEvent::Claimed(Some(_)) => world.uses.claimed(&self.life.0),
            WorkerEvent::Limited(limit) | WorkerEvent::AccountLimited(limit) => {
                self.told_until_ms = self.told_until_ms.max(limit.until_ms).filter(|until| *until > world.now_ms);
            }
            WorkerEvent::LimitLifted => self.told_until_ms = None,
            _ => {}
        }
    }

    pub(super) fn act(
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
            WorkerAction::StartTurn { turn, task, before: _, work, texts, used } => {
                if work.kind() == WorkKind::Text
                    && let Some(until_ms) = self.told_until_ms.filter(|until| *until > world.now_ms)
                {
                    world
                        .oracle
                        .broke(format!("{:?} asks its provider, which takes no more until {until_ms}", self.life));
                }
                let budget = world.roster.member(&who.name).map(|member| member.spec.budget).unwrap_or_default();
                if let Some(limit) = budget.spent(&used) {
                    world.oracle.broke(format!("{:?} begins a turn, and has used {limit}", self.life));
                }
                let started = TranscriptText::TurnStarted { turn, task, work: work.clone(), texts, used_before: used };
                self.tell_of_turns(world, who, &started);
                world.wrote(&self.life, started);
                self.start_turn(world, (index, life), turn, task, &work);
            }
            WorkerAction::PromptAgent { turn, task, before: _, work } => {
                self.held_mail.clear();
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
            WorkerAction::AskLead { asked, until_ms, .. } => self.ask_lead(world, index, asked, until_ms),
            WorkerAction::Permit { question, .. } => {
                if let Some(number) = self.agent.permit(&question) {
                    let in_ms = world.chance.below(2_000);
                    world.later(in_ms, Due::TurnEnds(index, life, number));
                }
            }
            WorkerAction::KeepSession { session } => world.oracle.broke(format!("nobody told of session {session}")),
            WorkerAction::TellBudget { task, used } => {
                let _ = world.enroll(me.as_str(), TeamFact::BudgetNearly { name: who.name.clone(), task, used });
            }
            WorkerAction::WriteLead { text } => {
                world.post(me.clone(), &Address::Lead, Urgency::Next, MessageBody::Text { text });
            }
            WorkerAction::TellLimit { until_ms, reason } => {
                let limited = TeamFact::Limited { name: who.name.clone(), until_ms, reason };
                if world.enroll(me.as_str(), limited).is_ok() {
                    world.ring_account(&who.name);
                    self.answers.extend(self.limit.look(&world.roster, &who.name, world.now_ms));
                }
            }
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
            WorkerAction::RenewConversation => {
                world.oracle.renewals += 1;
                let why = "its context is full".to_owned();
                self.answers.push_back(WorkerEvent::SessionLost { why, recap: None });
            }
            WorkerAction::EndLeftovers => {}
            WorkerAction::PutAgentToSleep => self.agent.nod_off(world, index, life),
            WorkerAction::WakeAgent => self.agent.wake(world, index, life),
            WorkerAction::Record { attempt, used } => self.record(world, me, attempt, used),
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
                match &said {
                    TranscriptText::TurnStarted { work, .. } => self.held_mail = world.messages_in(work.text()),
                    TranscriptText::Receipt { text, state: ReceiptState::Answered } if self.is_full => {
                        world.oracle.broke(format!("{:?} says that {text} is answered by a full context", self.life));
                    }
                    // The agent was not even prompted.
                    TranscriptText::TurnEnded { .. } => {
                        self.is_full = false;
                        leave_over(world, &self.life, std::mem::take(&mut self.held_mail));
                    }
                    // The same turn goes on with another prompt.
                    TranscriptText::Interrupted { turn, prompt } => self.interrupted(world, *turn, prompt),
                    _ => {}
                }
                if self.on_limit == OnLimit::End && matches!(said, TranscriptText::Parked { .. }) {
                    world.oracle.broke(format!("{:?} is parked, and was to end instead", self.life));
                }
                self.tell_of_turns(world, who, &said);
                world.wrote(&self.life, said.clone());
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
                if let Ok(WorkerAnswer::Prompted(prompted)) = &answer {
                    world.transcripts.prompt_taken(&who.name, prompted.text);
                }
                world.oracle.answered(call);
            }
            WorkerAction::Sweep { reach: SweepReach::Ring } => sweep_ring(world, &who.name, me.as_str()),
            WorkerAction::Sweep { reach: SweepReach::Whole } => sweep(world, |name| *name == who.name, me.as_str()),
            WorkerAction::LookForLeader => {
                let seen = world.lead_is_up;
                self.answers.push_back(if seen { WorkerEvent::LeaderSeen } else { WorkerEvent::LeaderAbsent });
            }
            WorkerAction::Leave { .. } => unreachable!("the member takes its leave"),
        }
    }

    /// Puts a question where the lead sees it.
    fn ask_lead(&mut self, world: &mut World, index: usize, asked: PermissionQuestion, until_ms: u64) {
        let question = asked.question.clone();
        if world.disk_full {
            let why = "the disk is full".to_owned();
            return self.answers.push_back(WorkerEvent::LeadNotAsked { question, why });
        }
        world.wrote(&self.life, TranscriptText::PermissionAsked { asked, until_ms: Some(until_ms) });
        let number = world.questions.show(index);
        self.answers.push_back(WorkerEvent::LeadAsked { question, number });
    }

    /// The agent has ended its turn for an interruption, and is prompted again.
    fn interrupted(&mut self, world: &mut World, turn: u64, prompt: &str) {
        world.oracle.interruptions += 1;
        if prompt.len() > self.prompt_bytes_max {
            world.oracle.broke(format!("{:?} goes on with a prompt of {} bytes", self.life, prompt.len()));
        }
        if prompt.matches("You had begun with this").count() > 1 {
            world.oracle.broke(format!("{:?} quotes a prompt in the prompt that takes its place", self.life));
        }
        self.last_turn = turn - 1;
        if let Some(id) = self.open_turn.and_then(|open| open.task) {
            let used = world.used.get(&id).copied().unwrap_or_default().plus(world.uses.of_attempt(&self.life.0));
            if let Some(limit) = world.asked_for[&id].budget.exceeded(&used) {
                world.oracle.broke(format!("a turn on task {id} goes on, which has used {limit}"));
            }
        }
        if let Some((id, attempt)) = self.open_turn.and_then(|open| open.task).and(self.claimed) {
            world.oracle.attempt_goes_on(id, attempt);
        }
        for id in world.messages_in(prompt) {
            world.oracle.left_over.remove(&(self.life.clone(), id));
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

    /// What members of the same account have told of its limit since the last look.
    fn heed_limit(&mut self, world: &World) -> Option<WorkerEvent> {
        self.limit.look(&world.roster, &self.life.0, world.now_ms)
    }

    fn claim(&mut self, world: &mut World, who: &WaitingClaimant) {
        if let Some(limited @ WorkerEvent::AccountLimited(_)) = self.heed_limit(world) {
            return self.answers.push_back(limited);
        }
        let claim = world.claim_next(who);
        self.found_nothing = matches!(claim, Ok(None));
        let event = match claim {
            Ok(claim) => WorkerEvent::Claimed(claim.map(|claim| {
                self.claimed = Some((claim.id, claim.attempt));
                let task = &world.asked_for[&claim.id];
                let used = world.used.get(&claim.id).copied().unwrap_or_default();
                let allowance = TaskAllowance { budget: task.budget, used };
                ClaimedTask { work: task.work.clone(), timeout_ms: task.timeout_ms, allowance, claim }
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
        if work.kind() == WorkKind::Text && self.agent.presence != AgentPresence::There {
            world.oracle.broke(format!("{:?} gives a prompt to an agent that sleeps: {:?}", self.life, self.agent));
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
        if let Some(id) = task
            && let Some(limit) = world.asked_for[&id].budget.spent(&world.used.get(&id).copied().unwrap_or_default())
        {
            world.oracle.broke(format!("a turn on task {id} begins, which has used {limit}"));
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
        // It ends in the very moment in which the time of the task's budget is over.
        let budget_ms = task.and_then(|(id, _)| Some(world.asked_for[&id].budget.max_time_ms?.get()));
        let takes_ms = match budget_ms {
            Some(budget_ms) if world.weather.is_tight && world.chance.one_in(2) => budget_ms,
            Some(_) | None => takes_ms,
        };
        let life_of_agent = self.life.clone();
        self.news.extend(self.agent.begin(world, &life_of_agent, number, task, mail));
        world.later(takes_ms, Due::TurnEnds(index, life, number));
        self.answers.push_back(WorkerEvent::PromptTaken);
    }

    pub(super) fn turn_ends(&mut self, world: &mut World, ended: u64) {
        let AgentStanding::Turn(turn) = &self.agent.standing else { return };
        if turn.number != ended || self.agent.waits() {
            return;
        }
        let news = self.agent.end(world, &self.life);
        world.say(|| format!("the agent of {} ends turn {ended}: {news:?}", self.life.0));
        self.news.extend(news);
    }

    fn record(&mut self, world: &mut World, me: &Address, attempt: AttemptEnd, used: UsageSum) {
        world.oracle.recording(&self.life, &attempt);
        if let Some(rule) = world.uses.recorded(&self.life.0, &attempt, used) {
            world.oracle.broke(rule);
        }
        let written = world.decide(me.as_str(), |board| {
            let fact = match attempt {
                AttemptEnd::Complete { claim, result } => board.complete(&claim, result)?,
                AttemptEnd::Fail { claim, reason, result } => board.fail(&claim, reason, result)?,
                AttemptEnd::Release { claim, why, partial } => board.release(&claim, why, partial)?,
                AttemptEnd::Die { claim, cause, partial } => board
                    .die(&claim, WorkerDeath { cause: Some(&cause), last_words: &partial, used: Default::default() })?,
            };
            Ok((vec![fact.with_usage(used)], ()))
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
