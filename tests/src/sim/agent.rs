//! The agent of a simulated member: what it does with prompts and steers, and how much of that it tells. It confirms at
//! once, later or never, keeps texts in a queue of its own over the end of a turn, runs into its provider's limit, and
//! dies in a turn and between turns, with its queue.

use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, PromptKind, abilities_of};
use teamster_protocol::model::agent::{AgentFault, PermissionQuestion, ProviderLimit, QuestionId, TurnEnd};
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::limits::PROVIDER_TRIES_MAX;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;
use teamster_worker::core::WorkerEvent;

use super::oracle::Life;
use super::world::{Due, World};

/// What a member's agent can do; the two kinds differ in what a prompt is to them.
pub(super) fn abilities(prompts: PromptKind) -> AgentAbilities {
    match prompts {
        PromptKind::Program => abilities_of(DriverKind::Shell),
        PromptKind::Conversation => abilities_of(DriverKind::Script),
    }
}

#[derive(Debug)]
pub(super) struct SimAgent {
    pub(super) prompts: PromptKind,
    pub(super) standing: AgentStanding,
    pub(super) presence: AgentPresence,
    /// Steers of this turn whose fate is told at its end.
    steers: Vec<(TextId, ReceiptState)>,
    /// Texts that it keeps for a later prompt.
    queue: Vec<TextId>,
    /// The questions of this turn that nobody has answered.
    questions: Vec<QuestionId>,
    /// The turns in a row that its provider had no room for.
    without_room: u32,
    /// The tokens that it has read for its prompt.
    used: u64,
}

#[derive(Debug)]
pub(super) enum AgentStanding {
    Starting,
    Idle,
    Turn(AgentTurn),
    Gone,
}

/// Whether its process is there: without it, it has no turn, and commands run beside it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentPresence {
    There,
    FallingAsleep,
    Asleep,
    Waking,
}

#[derive(Debug)]
pub(super) struct AgentTurn {
    pub(super) number: u64,
    pub(super) task: Option<(TaskId, u32)>,
    pub(super) ends: AgentTurnEnd,
    /// The mail that its prompt is made of.
    mail: Vec<MessageId>,
    /// What was told of the prompt.
    told: ReceiptState,
    /// Whether it was told to end.
    pub(super) is_aborted: bool,
    /// Whether it does not go on before its questions are answered.
    waits_for_answers: bool,
}

/// How a turn is going to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AgentTurnEnd {
    Plain(TurnEnd),
    Limited,
    /// Its provider has no room, and it has given up to try again.
    Unavailable,
}

impl SimAgent {
    pub(super) fn new(prompts: PromptKind) -> SimAgent {
        SimAgent {
            prompts,
            standing: AgentStanding::Starting,
            presence: AgentPresence::There,
            steers: Vec::new(),
            queue: Vec::new(),
            questions: Vec::new(),
            without_room: 0,
            used: 0,
        }
    }

    /// Begins a turn; returns what it tells of it at once.
    pub(super) fn begin(
        &mut self,
        world: &mut World,
        life: &Life,
        number: u64,
        task: Option<(TaskId, u32)>,
        mail: Vec<MessageId>,
    ) -> Vec<WorkerEvent> {
        let mut news = Vec::new();
        // What it kept comes with this prompt, or with a later one.
        for text in std::mem::take(&mut self.queue) {
            if world.chance.one_in(4) {
                self.queue.push(text);
            } else {
                took_text(world, text);
                news.push(receipt(text, ReceiptState::Delivered));
            }
        }
        let told = match world.chance.below(4) {
            0 | 1 => ReceiptState::Delivered,
            2 => ReceiptState::Unconfirmed,
            _ => ReceiptState::Accepted,
        };
        if told == ReceiptState::Delivered {
            took(world, &mail);
        }
        if told != ReceiptState::Accepted {
            news.push(receipt(TextId::prompt_of(number), told.clone()));
        }
        if self.prompts == PromptKind::Conversation && world.chance.one_in(2) {
            news.push(self.tell_use(world));
        }
        let ends = match world.chance.below(14) {
            0 => AgentTurnEnd::Plain(TurnEnd::failed("exit status 1")),
            1 if world.chance.one_in(5) => AgentTurnEnd::Plain(TurnEnd::Aborted),
            2 if self.prompts == PromptKind::Conversation => AgentTurnEnd::Limited,
            4..=6 if self.prompts == PromptKind::Conversation && world.weather.is_tight => AgentTurnEnd::Limited,
            // Never so often in a row that the worker gives it up.
            3 if self.prompts == PromptKind::Conversation && self.without_room < PROVIDER_TRIES_MAX - 1 => {
                AgentTurnEnd::Unavailable
            }
            _ => AgentTurnEnd::Plain(TurnEnd::Completed),
        };
        self.without_room = if ends == AgentTurnEnd::Unavailable { self.without_room + 1 } else { 0 };
        if self.prompts == PromptKind::Conversation && world.chance.one_in(5) {
            news.push(self.ask(world, life));
        }
        let waits_for_answers = world.chance.one_in(2);
        self.standing =
            AgentStanding::Turn(AgentTurn { number, task, ends, mail, told, is_aborted: false, waits_for_answers });
        news
    }

    /// Asks for permission.
    fn ask(&mut self, world: &mut World, life: &Life) -> WorkerEvent {
        let question = QuestionId(format!("q{}", world.new_id()));
        self.questions.push(question.clone());
        world.questions.asked(life, question.clone());
        let words = || "make test".to_owned();
        let asked =
            PermissionQuestion { question, tool: "sh".to_owned(), title: words(), detail: words(), subject: words() };
        WorkerEvent::PermissionAsked(asked)
    }

    /// Is answered. Returns the number of its turn if it goes on with that.
    pub(super) fn permit(&mut self, question: &QuestionId) -> Option<u64> {
        let before = self.questions.len();
        self.questions.retain(|open| open != question);
        match &self.standing {
            AgentStanding::Turn(turn) if before > 0 && !self.waits() => Some(turn.number),
            AgentStanding::Turn(_) | AgentStanding::Starting | AgentStanding::Idle | AgentStanding::Gone => None,
        }
    }

    /// Whether it does nothing before somebody answers it.
    pub(super) fn waits(&self) -> bool {
        let waits = matches!(&self.standing, AgentStanding::Turn(turn) if turn.waits_for_answers && !turn.is_aborted);
        waits && !self.questions.is_empty()
    }

    /// Tells what the prompt has used so far.
    fn tell_use(&mut self, world: &mut World) -> WorkerEvent {
        self.used += world.chance.below(60);
        WorkerEvent::Used(TokenUsage { input: self.used, output: 1, ..TokenUsage::default() })
    }

    /// Takes a steer, or not.
    pub(super) fn steer(&mut self, world: &mut World, text: TextId) -> Result<ReceiptState, String> {
        if !matches!(self.standing, AgentStanding::Turn(_)) || world.chance.one_in(5) {
            return Err("it does not listen".to_owned());
        }
        let state = match (self.prompts, world.chance.below(4)) {
            (PromptKind::Program, _) | (PromptKind::Conversation, 0) => ReceiptState::Unconfirmed,
            (PromptKind::Conversation, 1) => ReceiptState::Accepted,
            (PromptKind::Conversation, 2) => ReceiptState::Queued,
            (PromptKind::Conversation, _) => ReceiptState::Delivered,
        };
        match state {
            ReceiptState::Delivered => took_text(world, text),
            _ => self.steers.push((text, state.clone())),
        }
        Ok(state)
    }

    /// Its worker has joined: it is there, or is started with its first turn.
    pub(super) fn joined(&mut self, world: &mut World) -> WorkerEvent {
        if self.prompts == PromptKind::Conversation && world.chance.one_in(2) {
            self.presence = AgentPresence::Asleep;
            return WorkerEvent::AgentAsleep;
        }
        WorkerEvent::AgentReady { session: None }
    }

    /// Is told to end until it is woken.
    pub(super) fn nod_off(&mut self, world: &mut World, index: usize, life: u32) {
        let can_sleep =
            self.presence == AgentPresence::There && matches!(self.standing, AgentStanding::Idle | AgentStanding::Gone);
        if !can_sleep {
            world.oracle.broke(format!("an agent is put to sleep while it is {self:?}"));
        }
        self.presence = AgentPresence::FallingAsleep;
        let in_ms = world.chance.below(300);
        world.later(in_ms, Due::AgentEnded(index, life));
    }

    /// Has ended as it was told to, or died of it.
    pub(super) fn nodded_off(&mut self, world: &mut World) -> WorkerEvent {
        self.presence = AgentPresence::Asleep;
        // The worker has given them up by now, or it would not have put the agent to sleep.
        self.queue.clear();
        match world.chance.one_in(10) {
            true => WorkerEvent::AgentGone { reason: "it broke as it ended".to_owned() },
            false => WorkerEvent::AgentAsleep,
        }
    }

    /// Is started again.
    pub(super) fn wake(&mut self, world: &mut World, index: usize, life: u32) {
        if self.presence != AgentPresence::Asleep {
            world.oracle.broke(format!("an agent is woken while it is {self:?}"));
        }
        self.presence = AgentPresence::Waking;
        world.oracle.wakes += 1;
        let in_ms = world.chance.below(300);
        world.later(in_ms, Due::AgentAwake(index, life));
    }

    /// Is there again, or could not be started.
    pub(super) fn awake(&mut self, world: &mut World) -> WorkerEvent {
        if world.weather.crash_one_in > 0 && world.chance.one_in(20) {
            self.standing = AgentStanding::Gone;
            return WorkerEvent::AgentGone { reason: "it can not be started".to_owned() };
        }
        self.presence = AgentPresence::There;
        WorkerEvent::AgentReady { session: None }
    }

    /// Ends its turn; returns what it tells.
    pub(super) fn end(&mut self, world: &mut World, life: &Life) -> Vec<WorkerEvent> {
        let mut news = Vec::new();
        let standing = std::mem::replace(&mut self.standing, AgentStanding::Idle);
        let AgentStanding::Turn(turn) = standing else { panic!("it ends a turn that it is at") };
        self.questions.clear();
        // One that is told to stop dies of that now and then, or has to be ended for it.
        let dies_one_in = if turn.is_aborted { 10 } else { 40 };
        let dies = world.weather.crash_one_in > 0 && world.chance.one_in(dies_one_in);
        let end = match turn.ends.clone() {
            _ if dies => TurnEnd::Failed { reason: "it broke".to_owned(), fault: AgentFault::Agent },
            AgentTurnEnd::Plain(end) => end,
            AgentTurnEnd::Limited => {
                let until_ms = world.chance.one_in(2).then(|| world.now_ms + world.chance.below(5_000));
                news.push(WorkerEvent::Limited(ProviderLimit { until_ms, reason: "all is used up".to_owned() }));
                TurnEnd::Failed { reason: "all is used up".to_owned(), fault: AgentFault::Provider }
            }
            AgentTurnEnd::Unavailable => {
                let reason = "529".to_owned();
                news.push(WorkerEvent::ProviderUnavailable { reason: reason.clone() });
                TurnEnd::Failed { reason, fault: AgentFault::Provider }
            }
        };
        if self.prompts == PromptKind::Conversation && world.chance.one_in(3) {
            news.insert(0, self.tell_use(world));
        }
        self.used = 0;
        let is_put_off = matches!(turn.ends, AgentTurnEnd::Limited | AgentTurnEnd::Unavailable);
        let ran = matches!(&end, TurnEnd::Completed | TurnEnd::Failed { fault: AgentFault::Prompt, .. });
        for (text, state) in std::mem::take(&mut self.steers) {
            match state {
                ReceiptState::Queued if world.chance.one_in(2) => self.queue.push(text),
                _ if world.chance.one_in(2) => {
                    took_text(world, text);
                    news.push(receipt(text, ReceiptState::Delivered));
                }
                _ if world.chance.one_in(2) => {
                    let reason = "nobody read it".to_owned();
                    news.push(receipt(text, ReceiptState::Lost { reason }));
                }
                // It never tells, and the turn ran on to its end: it has it.
                ReceiptState::Unconfirmed if ran => took_text(world, text),
                ReceiptState::Queued => self.queue.push(text),
                _ => {}
            }
        }
        let took_prompt = match &turn.told {
            ReceiptState::Unconfirmed => ran,
            ReceiptState::Accepted => end == TurnEnd::Completed,
            _ => true,
        };
        if took_prompt {
            took(world, &turn.mail);
        } else if !is_put_off || dies || turn.is_aborted {
            // The same prompt is not put to it again in this life.
            leave_over(world, life, turn.mail);
        }
        if let Some((id, attempt)) = turn.task {
            world.oracle.turn_over(id, attempt, end == TurnEnd::Completed);
            if is_put_off && !dies {
                world.oracle.attempt_goes_on(id, attempt);
            }
        }
        let is_full = matches!(&end, TurnEnd::Failed { fault: AgentFault::Prompt, .. })
            && self.prompts == PromptKind::Conversation
            && self.presence == AgentPresence::There
            && world.chance.one_in(2);
        if is_full {
            news.push(WorkerEvent::ContextFull);
        }
        news.push(WorkerEvent::TurnEnded { end, result: format!("result {}", world.new_id()) });
        if is_full {
            return news;
        }
        if dies || (world.weather.crash_one_in > 0 && world.chance.one_in(60)) {
            self.standing = AgentStanding::Gone;
            self.queue.clear();
            news.push(WorkerEvent::AgentGone { reason: "it broke".to_owned() });
        }
        news
    }
}

/// Mail that this life does not hand to its agent again.
pub(super) fn leave_over(world: &mut World, life: &Life, mail: Vec<MessageId>) {
    let keys = mail.into_iter().map(|id| (life.clone(), id));
    world.oracle.left_over.extend(keys);
}

fn receipt(text: TextId, state: ReceiptState) -> WorkerEvent {
    WorkerEvent::Receipt { text, state }
}

fn took(world: &mut World, mail: &[MessageId]) {
    world.oracle.agent_had.extend(mail);
}

fn took_text(world: &mut World, text: TextId) {
    match text {
        TextId::Message(id) => took(world, &[id]),
        TextId::InTurn { .. } => {}
    }
}
