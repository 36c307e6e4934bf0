//! What all processes of the simulated team share: the clock, the board, the mailboxes, the locks, the disk.
//! Each method that writes is one transaction: nothing comes between its parts.

use std::collections::{BTreeMap, BTreeSet};

use teamster_leader::core as leader;
use teamster_protocol::model::board::{Board, BoardFact, WaitingClaimant, WorkerDeath};
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::limits::TERM_GRACE;
use teamster_protocol::model::mail::{MailFact, Mailbox, Message, MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{Roster, TeamFact};
use teamster_protocol::model::task::{BoardRefusal, NewTask, TaskClaim, TaskStatus};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::file::{FactOffset, FactStamp, LogFold};

use super::oracle::{Life, Oracle};
use super::questions::SimQuestions;
use super::transcripts::SimTranscripts;
use super::uses::SimUses;
use crate::chance::Chance;
use crate::edits::EditRules;

/// What may go wrong under a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// One of so many rings does not arrive; 0 for none.
    pub(super) ring_lost_one_in: u64,
    /// At one of so many action boundaries the worker dies; 0 for none.
    pub(super) crash_one_in: u64,
    /// Whether the disk is full for a while now and then.
    pub(super) disk_fills: bool,
    /// Whether workers hang now and then.
    pub(super) freezes: bool,
    /// Whether limits of providers and of budgets are reached often.
    pub(super) is_tight: bool,
}

/// Something that is to happen at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The adversary acts.
    Adversary,
    /// A member's agent is ready, in that life.
    AgentReady(usize, u32),
    /// A member's agent has ended until it is woken, in that life.
    AgentEnded(usize, u32),
    /// A member's agent is there again, in that life.
    AgentAwake(usize, u32),
    /// A member's agent ends its turn of that number.
    TurnEnds(usize, u32, u64),
    /// A member's slow poll.
    Poll(usize, u32),
    /// The leader of that number hears that a child of it is gone, and whether that was before it was ready.
    DeathSeen(usize, u32, bool),
    /// The leader of that number tries to link to a member, in that life.
    LinkTried(usize, u32, u32),
    /// The leader of that number loses its link to a member that it did not launch, of that life.
    LinkLost(usize, u32, u32),
    /// The slow poll of the leader of that number.
    LeadPoll(u32),
    /// A member's place is made.
    Prepared(usize),
    /// A leader starts after one that is gone.
    LeadStarts,
    /// A frozen worker goes on.
    Thaw(usize, u32),
    /// There is room on the disk again.
    DiskFree,
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum NotWritten {
    DiskFull,
    Refused(BoardRefusal),
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) chance: Chance,
    pub(super) weather: Weather,
    pub(super) disk_full: bool,
    pub(super) board: Board,
    pub(super) roster: Roster,
    /// Whether the roster changed since the leader looked.
    pub(super) roster_rang: bool,
    pub(super) asked_for: BTreeMap<TaskId, NewTask>,
    /// The use of the attempts that have ended.
    pub(super) used: BTreeMap<TaskId, UsageSum>,
    boxes: BTreeMap<Address, Mailbox>,
    messages: BTreeMap<MessageId, (u64, Message)>,
    /// Whose mailbox changed, or was rung, since its reader looked.
    pub(super) rung: BTreeSet<Address>,
    /// The members whose lock is held.
    pub(super) alive: BTreeSet<MemberName>,
    pub(super) oracle: Oracle,
    pub(super) transcripts: SimTranscripts,
    pub(super) uses: SimUses,
    pub(super) questions: SimQuestions,
    edits: EditRules,
    pub(super) due: BTreeMap<(u64, u64), Due>,
    /// News that workers and the kernel have for the lead.
    pub(super) to_lead: Vec<leader::LeaderEvent>,
    pub(super) lead_is_up: bool,
    /// How many leaders there have been.
    pub(super) leaders: u32,
    /// When something last changed that others can see.
    pub(super) changed_ms: u64,
    sequence: u64,
    pub(super) trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(chance: Chance, weather: Weather, trace: bool) -> World {
        World {
            now_ms: 1_000,
            chance,
            weather,
            disk_full: false,
            board: Board::default(),
            roster: Roster::default(),
            roster_rang: false,
            asked_for: BTreeMap::new(),
            used: BTreeMap::new(),
            boxes: BTreeMap::new(),
            messages: BTreeMap::new(),
            rung: BTreeSet::new(),
            alive: BTreeSet::new(),
            oracle: Oracle::default(),
            transcripts: SimTranscripts::default(),
            uses: SimUses::default(),
            questions: SimQuestions::default(),
            edits: EditRules::default(),
            due: BTreeMap::new(),
            to_lead: Vec::new(),
            lead_is_up: true,
            leaders: 1,
            changed_ms: 0,
            sequence: 0,
            trace: trace.then(Vec::new),
        }
    }

    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} ms  {}", self.now_ms, line()));
        }
    }

    pub(super) fn later(&mut self, in_ms: u64, due: Due) {
        self.sequence += 1;
        self.due.insert((self.now_ms + in_ms, self.sequence), due);
    }

    pub(super) fn new_id(&mut self) -> MessageId {
        self.sequence += 1;
        MessageId::from_parts(self.now_ms, u128::from(self.sequence))
    }

    /// One transaction on the board; rings whom the written facts make work for.
    pub(super) fn decide<T>(
        &mut self,
        by: &str,
        decide: impl FnOnce(&Board) -> Result<(Vec<BoardFact>, T), BoardRefusal>,
    ) -> Result<T, NotWritten> {
        let (facts, value) = decide(&self.board).map_err(NotWritten::Refused)?;
        if facts.is_empty() {
            return Ok(value);
        }
        if self.disk_full {
            return Err(NotWritten::DiskFull);
        }
        self.changed_ms = self.now_ms;
        self.oracle.wrote(&facts);
        let rings = facts.iter().any(BoardFact::makes_work);
        self.judge(|rules, board| rules.before(board, &facts));
        let written = facts.clone();
        for fact in facts {
            self.say(|| format!("{by}: {}", short(&fact)));
            match &fact {
                BoardFact::Added { id, task } => drop(self.asked_for.insert(*id, task.clone())),
                BoardFact::Edited { id, changes } => {
                    if let Some(asked) = self.asked_for.get_mut(id) {
                        changes.clone().apply(asked);
                    }
                }
                BoardFact::Completed { id, used, .. } | BoardFact::Released { id, used, .. } => self.count(*id, *used),
                BoardFact::Failed { id, used, reason, .. } => {
                    self.count(*id, *used);
                    self.judge_budget(*id, reason);
                }
                _ => {}
            }
            self.oracle.work_made += u64::from(fact.makes_work()) * (1 + fact.tasks().len() as u64);
            let stamp = FactStamp { seq: 1, at_ms: self.now_ms, by, offset: FactOffset::NONE };
            self.board.apply(fact, &stamp);
        }
        self.judge(|rules, board| rules.after(board, &written));
        if rings {
            self.ring_waiting();
        }
        Ok(value)
    }

    /// Whether the time for a task that somebody is on was over at a time, and for as long as a worker needs to end it.
    pub(super) fn is_time_over(&self, id: TaskId, at_ms: u64) -> bool {
        let status = self.board.task(id).map(|task| task.status.clone());
        match (status, self.asked_for[&id].timeout_ms) {
            (Ok(TaskStatus::InProgress { since_ms, .. }), Some(timeout_ms)) => {
                at_ms >= since_ms + timeout_ms + TERM_GRACE.as_millis() as u64
            }
            (Ok(_) | Err(_), _) => false,
        }
    }

    /// The time of a task, as the daemon reads it for the core.
    pub(super) fn timed_task(&self, id: TaskId) -> Option<leader::TimedTask> {
        let TaskStatus::InProgress { since_ms, .. } = self.board.task(id).ok()?.status else { return None };
        Some(leader::TimedTask { id, since_ms, timeout_ms: self.asked_for[&id].timeout_ms? })
    }

    fn count(&mut self, id: TaskId, used: UsageSum) {
        let sum = self.used.entry(id).or_default();
        *sum = sum.plus(used);
    }

    /// A task that is said to have used its budget has.
    fn judge_budget(&mut self, id: TaskId, reason: &str) {
        let budget = self.asked_for[&id].budget;
        if reason.starts_with("its budget is used up") && budget.spent(&self.used[&id]).is_none() {
            self.oracle
                .broke(format!("task {id} is failed for its budget, which is not used up: {:?}", self.used[&id]));
        }
    }

    /// Lets the rules of edits and restores judge the board.
    fn judge(&mut self, judge: impl FnOnce(&mut EditRules, &Board) -> Result<(), String>) {
        if let Err(rule) = judge(&mut self.edits, &self.board) {
            self.oracle.broke(rule);
        }
    }

    pub(super) fn ring_waiting(&mut self) {
        for name in self.board.to_wake() {
            self.oracle.rings += 1;
            self.ring(Address::Member(name));
        }
    }

    fn ring(&mut self, reader: Address) {
        let one_in = self.weather.ring_lost_one_in;
        if one_in > 0 && self.chance.one_in(one_in) {
            self.say(|| format!("the ring for {reader} is lost"));
        } else {
            self.rung.insert(reader);
        }
    }

    /// Wakes the members that use the same account of a provider.
    pub(super) fn ring_account(&mut self, name: &MemberName) {
        let members = self.roster.account_of(name);
        for other in members.cloned().collect::<Vec<_>>() {
            self.ring(Address::Member(other));
        }
    }

    /// As the worker's shell claims: a worker that was rung in vain passes the ring on.
    pub(super) fn claim_next(&mut self, who: &WaitingClaimant) -> Result<Option<TaskClaim>, NotWritten> {
        let mut in_vain = false;
        let claim = self.decide(who.name.as_str(), |board| {
            let (facts, claim) = board.claim_next(who);
            in_vain = facts.is_empty();
            Ok((facts, claim))
        })?;
        if in_vain {
            self.ring_waiting();
        }
        Ok(claim)
    }

    /// Writes down that a worker is gone, and what is lost with it.
    pub(super) fn bury(&mut self, name: &MemberName, by: &str) -> Result<(), NotWritten> {
        let used = self.transcripts.used_in_last_turn(name);
        self.decide(by, |board| Ok((board.bury(name, WorkerDeath { used, ..WorkerDeath::default() }), ())))?;
        let unread = self.unread(&Address::Member(name.clone())).iter().map(|message| message.id).collect();
        self.transcripts.end_turn_of_dead(name, self.now_ms, &unread);
        self.uses.buried(name, self.transcripts.used_by(name));
        self.judge_texts(name);
        Ok(())
    }

    /// No text of a member is forgotten: it has nothing in hand, or its worker is dead.
    pub(super) fn judge_texts(&mut self, name: &MemberName) {
        for text in self.transcripts.vanished(name) {
            self.oracle.broke(format!("text {text} of {name} is answered by nobody, and not said to be lost"));
        }
    }

    /// An entry of the transcript of a worker.
    pub(super) fn wrote(&mut self, life: &Life, entry: TranscriptText) {
        let rules = [self.uses.say(&life.0, &entry), self.questions.say(life, &entry)];
        rules.into_iter().flatten().for_each(|rule| self.oracle.broke(rule));
        self.transcripts.say(&life.0, self.now_ms, entry);
    }

    /// Writes a fact onto the roster, unless the disk is full.
    pub(super) fn enroll(&mut self, by: &str, fact: TeamFact) -> Result<(), NotWritten> {
        if self.disk_full {
            return Err(NotWritten::DiskFull);
        }
        self.changed_ms = self.now_ms;
        self.say(|| format!("{by}: {fact:?}"));
        self.roster.apply(fact, &FactStamp { seq: 1, at_ms: self.now_ms, by, offset: FactOffset::NONE });
        let one_in = self.weather.ring_lost_one_in;
        self.roster_rang |= one_in == 0 || !self.chance.one_in(one_in);
        Ok(())
    }

    /// Puts a message into a mailbox, unless the disk is full.
    pub(super) fn post(
        &mut self,
        from: Address,
        to: &Address,
        urgency: Urgency,
        body: MessageBody,
    ) -> Option<MessageId> {
        if self.disk_full {
            return None;
        }
        self.changed_ms = self.now_ms;
        let id = self.new_id();
        self.say(|| format!("{from}: mail {id} to {to}, {urgency:?}: {body:?}"));
        let message = Message { id, from, sent_ms: self.now_ms, urgency, body };
        let mailbox = self.boxes.entry(to.clone()).or_default();
        let facts = mailbox.deliver(message.clone()).expect("the simulation writes no empty texts");
        for fact in facts {
            mailbox.apply(fact, &FactStamp { seq: 1, at_ms: self.now_ms, by: "sim", offset: FactOffset::NONE });
        }
        self.messages.insert(id, (self.sequence, message));
        self.ring(to.clone());
        Some(id)
    }

    pub(super) fn unread(&self, reader: &Address) -> Vec<Message> {
        let letters = self.boxes.get(reader).into_iter().flat_map(Mailbox::unread);
        letters.map(|letter| self.messages[&letter.id].1.clone()).collect()
    }

    /// The message and its place among all that were sent.
    pub(super) fn message(&self, id: MessageId) -> (u64, Message) {
        self.messages[&id].clone()
    }

    /// The messages that a prompt is made of: each has a text of its own.
    pub(super) fn messages_in(&self, prompt: &str) -> Vec<MessageId> {
        let has = |message: &Message| match &message.body {
            MessageBody::Text { text } => prompt.lines().any(|line| line == text),
            _ => false,
        };
        self.messages.values().filter(|(_, message)| has(message)).map(|(_, message)| message.id).collect()
    }

    pub(super) fn acknowledge(&mut self, reader: &Address, ids: &[MessageId]) -> Result<(), NotWritten> {
        if self.disk_full {
            return Err(NotWritten::DiskFull);
        }
        let mailbox = self.boxes.entry(reader.clone()).or_default();
        for id in ids {
            let facts: Vec<MailFact> = mailbox.acknowledge(*id).unwrap_or_else(|refusal| {
                self.oracle.broke(refusal.to_string());
                Vec::new()
            });
            for fact in facts {
                mailbox.apply(fact, &FactStamp { seq: 1, at_ms: self.now_ms, by: "sim", offset: FactOffset::NONE });
                self.oracle.acknowledged(*id);
            }
        }
        Ok(())
    }
}

/// A fact without its texts.
fn short(fact: &BoardFact) -> String {
    match fact {
        BoardFact::Added { id, task } => {
            let NewTask { after, to, role, agent, priority, timeout_ms, .. } = task;
            format!(
                "added {id} after {after:?} to {to:?} role {role:?} agent {agent:?} priority {priority} timeout {timeout_ms:?}"
            )
        }
        other => format!("{other:?}"),
    }
}
