//! The worker's decisions: mail first (control, then text), then a task, then waiting. Pure: it reads no clock,
//! file, process or random source, so that a simulation can run thousands of lives of it.
//!
//! The shell around it keeps one rule: it carries out the actions of a step in order and feeds each [`WorkerEvent`]
//! that answers one of them back in before it takes the next event from the world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::agent::preset::AgentAbility;
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shutdown::{ShutdownAnswer, ShutdownReply};
use teamster_protocol::model::sweep::SweepReach;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::wire::api::{AbortAnswer, SteerHaste, WorkerPhase, WorkerStatus};

mod allowance;
mod briefing;
mod budget;
mod clock;
mod event;
mod interruption;
mod limit;
mod mail;
mod park;
pub mod permission;
mod prompt_parts;
pub mod recap;
mod renewal;
mod settings;
mod sleep;
mod stall;
mod text;
mod turn;
mod usage;

pub use allowance::TaskAllowance;
pub use event::{
    AskRefused, AttemptEnd, CallId, ClaimedTask, SteerOf, WorkerAction, WorkerAnswer, WorkerAsk, WorkerEvent,
};
pub use limit::HeededLimit;
pub use settings::{AgentBriefing, WorkerSettings};
pub use text::{TextShown, WaitingText};

use briefing::PromptBriefing;
use budget::ToldBudgets;
use limit::StandingLimit;
use park::{ParkedUntil, ParkedWork};
use sleep::AgentSleep;
use text::HandedText;
use turn::{RunningTurn, TurnFor, TurnStop};

/// The phase of the worker, with the work it has in hand.
#[derive(Debug)]
enum WorkPhase {
    /// The agent is not ready.
    Starting,
    /// There was nothing to claim; a ring or mail ends it.
    Idle,
    /// The board is being asked. `BeforeClaim` tells whether the worker waited already.
    Claiming(BeforeClaim),
    /// The agent is at it.
    Turn(RunningTurn),
    /// A turn is over and how it ended is being written. Until it is, the task is still ours.
    Recording { turn: RunningTurn, end: TurnEnd, attempt: AttemptEnd, retry_at_ms: Option<u64> },
    /// The provider takes no more for now.
    Parked(ParkedUntil),
    /// The worker said goodbye.
    Left(WorkerEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BeforeClaim {
    Waiting,
    Working,
}

/// How texts were handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandedTexts {
    /// A turn of the agent has begun with them.
    AsTurn,
    /// The texts are in the transcript, where people see them, or there were none.
    Shown,
}

/// The worker ends once it has nothing in hand.
#[derive(Debug)]
struct LeaveReason {
    how: WorkerEnd,
    /// The shutdown request that is still to be approved.
    approve: Option<ShutdownApproval>,
}

/// A shutdown request that is approved at the moment of leaving.
#[derive(Debug, Clone, Copy)]
struct ShutdownApproval {
    request: MessageId,
    /// The message it came in, until that is acknowledged. Always after an answer: were the worker to die between the
    /// two the other way round, its asker would wait for an answer that nobody owes any more.
    message: Option<MessageId>,
}

/// The decisions of one life of a worker.
#[derive(Debug)]
pub struct WorkerCore {
    settings: WorkerSettings,
    phase: WorkPhase,
    /// Texts that wait for a turn's end or begin, in order.
    texts: VecDeque<WaitingText>,
    /// Texts that wait until there is nothing to claim, in order.
    idle_texts: VecDeque<WaitingText>,
    /// Texts that the driver has.
    handed: BTreeMap<TextId, HandedText>,
    /// Whether the agent's process is there.
    agent: AgentSleep,
    /// Since when there has been nothing for the agent to do; set while it waits.
    idle_since_ms: Option<u64>,
    /// The words that the agent is to be told before its work.
    briefing: PromptBriefing,
    /// Whether the conversation was renewed because the context was full, and no turn was completed since.
    is_renewed: bool,
    /// The provider's last word on when it takes no more.
    limit: Option<StandingLimit>,
    /// The turns in a row that a provider without room ended.
    tries: u32,
    /// Every message taken from the mailbox that is not acknowledged there yet.
    taken: BTreeSet<MessageId>,
    /// Acknowledgements that could not be written.
    owed: Vec<MessageId>,
    owed_retry_at_ms: Option<u64>,
    leave: Option<LeaveReason>,
    /// When to look whether a leader is there again; set while the link to it is lost.
    look_for_leader_at_ms: Option<u64>,
    turns: u64,
    /// The slow polls so far.
    polls: u64,
    /// The use of all turns that have ended, in all lives.
    used: UsageSum,
    /// The same, when this life began.
    used_at_birth: UsageSum,
    /// The same, when the attempt in hand was claimed.
    used_at_claim: UsageSum,
    /// The budget of the task in hand.
    allowance: TaskAllowance,
    told_budgets: ToldBudgets,
    /// When it took its first event.
    born_ms: Option<u64>,
    actions: Vec<WorkerAction>,
}

impl WorkerCore {
    /// A worker whose agent is starting. `turns` is the number of its last turn in an earlier life.
    pub fn new(settings: WorkerSettings, turns: u64) -> WorkerCore {
        let briefing = PromptBriefing::new(settings.briefing.clone());
        WorkerCore {
            settings,
            phase: WorkPhase::Starting,
            texts: VecDeque::new(),
            idle_texts: VecDeque::new(),
            handed: BTreeMap::new(),
            agent: AgentSleep::default(),
            idle_since_ms: None,
            briefing,
            is_renewed: false,
            limit: None,
            tries: 0,
            taken: BTreeSet::new(),
            owed: Vec::new(),
            owed_retry_at_ms: None,
            leave: None,
            look_for_leader_at_ms: None,
            turns,
            polls: 0,
            used: UsageSum::default(),
            used_at_birth: UsageSum::default(),
            used_at_claim: UsageSum::default(),
            allowance: TaskAllowance::default(),
            told_budgets: ToldBudgets::default(),
            born_ms: None,
            actions: Vec::new(),
        }
    }

    /// The same worker, whose earlier lives have used so much.
    pub fn with_usage(self, used: UsageSum) -> WorkerCore {
        WorkerCore { used, used_at_birth: used, used_at_claim: used, ..self }
    }

    /// When [`WorkerEvent::Tick`] is due, in milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let phase = match &self.phase {
            WorkPhase::Turn(turn) => {
                let asked = turn.questions.iter().map(|open| open.until_ms);
                let stall = turn.stall_due_ms(&self.settings.stall, self.settings.abilities.steering);
                // An agent that is not awake is not silent.
                let stall = stall.filter(|_| !self.is_held());
                asked.chain(turn.deadline_ms).chain(self.budget_due_ms(turn)).chain(stall).min()
            }
            WorkPhase::Recording { retry_at_ms, .. } => *retry_at_ms,
            WorkPhase::Parked(parked) => Some(parked.until_ms),
            WorkPhase::Idle => self.sleep_due_ms(),
            WorkPhase::Starting | WorkPhase::Claiming(_) | WorkPhase::Left(_) => None,
        };
        [phase, self.owed_retry_at_ms, self.look_for_leader_at_ms].into_iter().flatten().min()
    }

    /// Where the worker stands; `seq` is its last transcript entry.
    pub fn status(&self, seq: u64) -> WorkerStatus {
        let phase = match &self.phase {
            WorkPhase::Starting => WorkerPhase::Starting,
            WorkPhase::Idle | WorkPhase::Claiming(_) => WorkerPhase::Idle,
            WorkPhase::Turn(turn) | WorkPhase::Recording { turn, .. } => {
                WorkerPhase::Turn { turn: turn.number, task: turn.task(), since_ms: turn.since_ms }
            }
            WorkPhase::Parked(ParkedUntil { until_ms, reason, work }) => {
                let task = match work {
                    Some(ParkedWork::Turn(turn)) => turn.task(),
                    Some(ParkedWork::Task(task)) => Some(task.claim.id),
                    None => None,
                };
                WorkerPhase::Parked { task, until_ms: *until_ms, reason: reason.clone() }
            }
            WorkPhase::Left(how) => WorkerPhase::Leaving { reason: how.sentence() },
        };
        WorkerStatus { phase, unread: self.unread_len(), seq }
    }

    /// The agent said or did something; what, does not matter here.
    pub fn agent_heard(&mut self, now_ms: u64) {
        if let WorkPhase::Turn(turn) = &mut self.phase {
            turn.heard(now_ms);
        }
    }

    /// Takes one event and says what is to be done, in order.
    pub fn step(&mut self, now_ms: u64, event: WorkerEvent) -> Vec<WorkerAction> {
        self.born_ms.get_or_insert(now_ms);
        match (&self.phase, event) {
            (WorkPhase::Left(how), WorkerEvent::Called { call, .. }) => {
                let why = format!("the worker is ending: {}", how.sentence());
                self.answer(call, Err(AskRefused::new(why)));
            }
            (WorkPhase::Left(_), _) => {}
            (_, event) => self.take(now_ms, event),
        }
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, now_ms: u64, event: WorkerEvent) {
        match event {
            WorkerEvent::AgentReady { session } => {
                if let WorkPhase::Starting = self.phase {
                    self.act(WorkerAction::Say(TranscriptText::Ready));
                    if let Some(session) = session {
                        self.briefing.goes_on(session.begun);
                        self.keep_session(session);
                    }
                    self.settle(now_ms, BeforeClaim::Working);
                } else if self.agent == AgentSleep::Waking {
                    self.agent_awake(now_ms, session);
                }
            }
            WorkerEvent::AgentAsleep => self.agent_asleep(now_ms),
            WorkerEvent::SessionLost { why, recap } => self.session_lost(why, recap),
            WorkerEvent::ContextFull => self.context_full(),
            WorkerEvent::Compacted => {
                self.act(WorkerAction::Say(TranscriptText::Compacted));
                self.briefing.may_be_forgotten();
            }
            WorkerEvent::SessionNamed(session) => self.keep_session(session),
            WorkerEvent::SteeringTold(ability) => self.settings.abilities.steering = ability,
            WorkerEvent::NoResumeTold => self.settings.abilities.resume = AgentAbility::No,
            WorkerEvent::AgentGone { reason } => {
                self.agent_gone(now_ms, reason.clone(), WorkerEnd::AgentGone { reason });
            }
            // A new life of the worker would meet the same.
            WorkerEvent::AgentRefused { reason } => {
                self.agent_gone(now_ms, reason.clone(), WorkerEnd::ProviderRefused { reason });
            }
            WorkerEvent::Called { call, what } => self.called(now_ms, call, what),
            WorkerEvent::MailArrived(messages) => self.take_mail(now_ms, messages),
            WorkerEvent::Rang => self.look(),
            WorkerEvent::Polled => {
                self.polls += 1;
                self.act(WorkerAction::Sweep { reach: SweepReach::of_poll(self.polls) });
                self.look();
            }
            WorkerEvent::Claimed(claimed) => self.claimed(now_ms, claimed),
            WorkerEvent::PromptTaken => self.prompt_taken(),
            WorkerEvent::PromptRefused { reason, fault } => self.prompt_refused(now_ms, reason, fault),
            WorkerEvent::Steered { of, text, outcome } => self.steered(of, text, outcome),
            WorkerEvent::Receipt { text, state } => self.receipt(text, state),
            WorkerEvent::Used(usage) => self.turn_used(now_ms, usage),
            WorkerEvent::PermissionAsked(asked) => self.permission_asked(now_ms, asked.bounded()),
            WorkerEvent::LeadAsked { question, number } => self.lead_asked(&question, number),
            WorkerEvent::LeadNotAsked { question, why } => self.lead_not_asked(&question, why),
            WorkerEvent::Limited(limit) => self.limited(now_ms, limit),
            WorkerEvent::ProviderUnavailable { reason } => self.provider_unavailable(now_ms, reason),
            WorkerEvent::AccountLimited(limit) => self.account_limited(now_ms, limit),
            WorkerEvent::LimitLifted => self.limit_lifted(now_ms),
            WorkerEvent::TurnEnded { end, result } => self.turn_ended(now_ms, end, result),
            WorkerEvent::Recorded => self.recorded(now_ms),
            WorkerEvent::RecordRefused { why } => {
                let text = format!("the outcome of the turn was not taken: {why}");
                self.act(WorkerAction::Say(TranscriptText::Trouble { text }));
                self.recorded(now_ms);
            }
            WorkerEvent::NotRecorded { error } => self.not_recorded(now_ms, error),
            WorkerEvent::NotAcknowledged { ids } => {
                self.owed.extend(ids);
                self.owed_retry_at_ms = Some(now_ms + ms(self.settings.record_retry));
            }
            WorkerEvent::LeaderLost => self.look_for_leader_at_ms = Some(now_ms + ms(self.settings.leader_grace)),
            WorkerEvent::LeaderLinked => self.look_for_leader_at_ms = None,
            WorkerEvent::LeaderSeen => self.look_for_leader_at_ms = Some(now_ms + ms(self.settings.leader_grace)),
            WorkerEvent::LeaderAbsent => {
                self.look_for_leader_at_ms = None;
                self.leave.get_or_insert(LeaveReason { how: WorkerEnd::LeaderGone, approve: None });
                self.hurry_record(now_ms);
                self.settle_if_free(now_ms);
            }
            WorkerEvent::Terminated => self.terminated(now_ms),
            WorkerEvent::ClockSet { by_ms } => self.clock_was_set(by_ms),
            WorkerEvent::Tick => self.tick(now_ms),
        }
    }

    fn called(&mut self, now_ms: u64, call: CallId, what: WorkerAsk) {
        // Whatever it is at: it would be refused later as well.
        if let WorkerAsk::Prompt { work } = &what
            && let Err(refused) = self.must_take(work)
        {
            return self.answer(call, Err(refused));
        }
        match (what, &mut self.phase) {
            (WorkerAsk::Prompt { work }, WorkPhase::Idle) if self.leave.is_none() => {
                self.act(WorkerAction::Away);
                let text = TextId::prompt_of(self.turns + 1);
                self.start_turn(now_ms, TurnFor::Call { call: Some(call), text }, None, work);
            }
            (WorkerAsk::Steer { text, haste }, WorkPhase::Turn(turn)) if turn.goes_on() => {
                match (haste, &turn.ending) {
                    (SteerHaste::Patient, None) => self.steer_turn(call, text),
                    (SteerHaste::Now, _) | (SteerHaste::Patient, Some(_)) => {
                        self.interrupt_turn(now_ms, call, text, haste)
                    }
                }
            }
            (WorkerAsk::Abort { reason }, WorkPhase::Turn(turn)) => {
                let aborting = AbortAnswer { turn: turn.number, task: turn.task() };
                self.stop_turn(now_ms, reason);
                self.answer(call, Ok(WorkerAnswer::Aborting(aborting)));
            }
            (WorkerAsk::Abort { reason }, WorkPhase::Parked(ParkedUntil { work: Some(work), .. })) => {
                let aborting = match work {
                    ParkedWork::Turn(turn) => AbortAnswer { turn: turn.number, task: turn.task() },
                    ParkedWork::Task(task) => AbortAnswer { turn: self.turns, task: Some(task.claim.id) },
                };
                self.act(WorkerAction::Say(TranscriptText::AskedToStop {
                    turn: aborting.turn,
                    reason: reason.clone(),
                }));
                self.answer(call, Ok(WorkerAnswer::Aborting(aborting)));
                self.end_parked(now_ms, TurnStop::Stopped { reason });
            }
            (WorkerAsk::Permit { question, answer }, _) => self.permit_called(now_ms, call, question, answer),
            (WorkerAsk::Prompt { .. }, _) => {
                let refused = AskRefused::new(format!("it is {}", self.doing()));
                self.answer(call, Err(refused));
            }
            (WorkerAsk::Steer { .. } | WorkerAsk::Abort { .. }, _) => {
                let refused = AskRefused::new(format!("no turn is running: it is {}", self.doing()));
                self.answer(call, Err(refused));
            }
        }
    }

    /// Refuses a prompt that no turn could be begun with.
    fn must_take(&self, work: &TaskWork) -> Result<(), AskRefused> {
        if work.text().trim().is_empty() {
            return Err(AskRefused::new("a prompt needs a text"));
        }
        if self.settings.abilities.prompts.takes(work.kind()) {
            return Ok(());
        }
        let refused = AskRefused::new("its agent runs commands only, and words are never run as one");
        Err(refused.with_hint(format!("if it is a command: teamster send {} --run COMMAND", self.settings.me.name)))
    }

    fn keep_session(&mut self, session: teamster_protocol::model::agent::AgentSession) {
        let session = self.begun_as_briefed(session);
        self.act(WorkerAction::KeepSession { session: session.id.clone() });
        self.act(WorkerAction::Say(TranscriptText::Session { session }));
    }

    fn leave_for(&mut self, how: WorkerEnd, approve: Option<ShutdownApproval>) {
        let before = self.leave.replace(LeaveReason { how, approve });
        if let Some(message) = before.and_then(|leave| leave.approve?.message) {
            self.acknowledge(vec![message]);
        }
    }

    fn claimed(&mut self, now_ms: u64, claimed: Option<ClaimedTask>) {
        let WorkPhase::Claiming(before) = self.phase else { return };
        self.begin_allowance(claimed.as_ref().map(|task| task.allowance).unwrap_or_default());
        match (claimed, self.holding_limit(now_ms)) {
            (Some(task), Some(limit)) => self.claimed_under_limit(now_ms, task, limit),
            (Some(task), None) => self.start_task(now_ms, task),
            (None, Some(_)) => self.settle(now_ms, BeforeClaim::Waiting),
            (None, None) => {
                self.phase = WorkPhase::Idle;
                self.idle_since_ms.get_or_insert(now_ms);
                if before == BeforeClaim::Working {
                    self.act(WorkerAction::Say(TranscriptText::Waiting));
                    self.say_if_asleep();
                }
                let texts = std::mem::take(&mut self.idle_texts);
                // The claim that found nothing has put it on the list of those that wait.
                if self.hand_all_on(now_ms, texts, BeforeClaim::Waiting) == HandedTexts::Shown {
                    self.hand_queue_on(now_ms);
                }
            }
        }
    }

    fn terminated(&mut self, now_ms: u64) {
        self.leave_for(WorkerEnd::Terminated, None);
        // A turn that was stopped stays stopped: its task is not for others to take in the same breath.
        self.end_turn_by(now_ms, TurnStop::Leaving);
        self.hurry_record(now_ms);
        self.settle_if_free(now_ms);
    }

    /// Lets what could not be written down be tried now, for the last time.
    fn hurry_record(&mut self, now_ms: u64) {
        if let WorkPhase::Recording { retry_at_ms: Some(at_ms), .. } = &mut self.phase {
            *at_ms = now_ms;
        }
    }

    /// Whether it ends although its books can not be kept: it was told to by a signal, or nobody is there to tell it.
    fn leaves_whatever_happens(&self) -> bool {
        match self.leave.as_ref().map(|leave| &leave.how) {
            Some(WorkerEnd::Terminated | WorkerEnd::Killed | WorkerEnd::LeaderGone) => true,
            Some(
                WorkerEnd::Shutdown
                | WorkerEnd::AgentGone { .. }
                | WorkerEnd::ProviderRefused { .. }
                | WorkerEnd::BudgetSpent { .. }
                | WorkerEnd::Died { .. }
                | WorkerEnd::NotStarted { .. }
                | WorkerEnd::GivenUp { .. },
            )
            | None => false,
        }
    }

    fn tick(&mut self, now_ms: u64) {
        let due = |at: Option<u64>| at.is_some_and(|at| now_ms >= at);
        if due(self.owed_retry_at_ms) {
            self.owed_retry_at_ms = None;
            let ids = std::mem::take(&mut self.owed);
            self.act(WorkerAction::Acknowledge { ids });
        }
        if due(self.look_for_leader_at_ms) {
            self.look_for_leader_at_ms = None;
            self.act(WorkerAction::LookForLeader);
        }
        if let WorkPhase::Turn(turn) = &self.phase
            && due(self.budget_due_ms(turn))
        {
            self.check_budgets(now_ms);
        }
        let (is_held, sleep_due) = (self.is_held(), due(self.sleep_due_ms()));
        match &mut self.phase {
            WorkPhase::Idle if sleep_due => self.put_agent_to_sleep(),
            WorkPhase::Parked(parked) if now_ms >= parked.until_ms => self.wait_is_over(now_ms),
            WorkPhase::Turn(turn) if turn.questions.iter().any(|open| now_ms >= open.until_ms) => {
                self.time_out_questions(now_ms);
            }
            WorkPhase::Turn(turn)
                if due(turn.stall_due_ms(&self.settings.stall, self.settings.abilities.steering))
                    && !due(turn.deadline_ms)
                    && !is_held =>
            {
                self.stalled(now_ms);
            }
            WorkPhase::Turn(turn) if due(turn.deadline_ms) => {
                turn.deadline_ms = None;
                self.end_turn_by(now_ms, TurnStop::TimedOut);
            }
            WorkPhase::Recording { attempt, retry_at_ms, .. } if due(*retry_at_ms) => {
                *retry_at_ms = Some(now_ms + ms(self.settings.record_retry));
                let attempt = attempt.clone();
                self.record(attempt);
            }
            WorkPhase::Turn(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Parked(_)
            | WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Claiming(_)
            | WorkPhase::Left(_) => {}
        }
    }

    /// Looks at the board if there is nothing else to do.
    fn look(&mut self) {
        if let WorkPhase::Idle = self.phase {
            self.phase = WorkPhase::Claiming(BeforeClaim::Waiting);
            self.act(WorkerAction::ClaimNext);
        }
    }

    fn settle_if_free(&mut self, now_ms: u64) {
        match self.phase {
            WorkPhase::Idle => self.settle(now_ms, BeforeClaim::Waiting),
            // A worker that leaves need not wait for its agent to be ready, though it could not begin a turn before.
            WorkPhase::Starting if self.leave.is_some() => self.settle(now_ms, BeforeClaim::Working),
            WorkPhase::Parked(_) if self.leave.is_some() => self.end_parked(now_ms, TurnStop::Leaving),
            WorkPhase::Starting
            | WorkPhase::Claiming(_)
            | WorkPhase::Turn(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Parked(_)
            | WorkPhase::Left(_) => {}
        }
    }

    /// Nothing is in hand: leave, or hand mail on, or look for a task.
    fn settle(&mut self, now_ms: u64, before: BeforeClaim) {
        self.leave_if_spent();
        self.leave_if_limited(now_ms);
        if let Some(LeaveReason { how, approve }) = self.leave.take() {
            self.lose_kept_texts();
            if let Some(ShutdownApproval { request, message }) = approve {
                self.act(WorkerAction::Reply(ShutdownReply { request, verdict: ShutdownAnswer::Approved }));
                if let Some(message) = message {
                    self.acknowledge(vec![message]);
                }
            }
            self.phase = WorkPhase::Left(how.clone());
            return self.act(WorkerAction::Leave { how });
        }
        if let Some(limit) = self.holding_limit(now_ms) {
            if before == BeforeClaim::Waiting {
                self.act(WorkerAction::Away);
            }
            return self.park(limit, None);
        }
        let texts = std::mem::take(&mut self.texts);
        if self.hand_all_on(now_ms, texts, before) == HandedTexts::Shown {
            self.phase = WorkPhase::Claiming(before);
            self.act(WorkerAction::ClaimNext);
        }
    }

    fn trouble(&mut self, text: impl Into<String>) {
        self.act(WorkerAction::Say(TranscriptText::Trouble { text: text.into() }));
    }

    fn answer(&mut self, call: CallId, answer: Result<WorkerAnswer, AskRefused>) {
        self.act(WorkerAction::Answer { call, answer });
    }

    fn act(&mut self, action: WorkerAction) {
        self.actions.push(action);
    }

    fn doing(&self) -> String {
        match &self.phase {
            _ if self.leave.is_some() => "ending".to_owned(),
            WorkPhase::Starting => "starting".to_owned(),
            WorkPhase::Idle | WorkPhase::Claiming(_) => "idle".to_owned(),
            WorkPhase::Turn(turn) | WorkPhase::Recording { turn, .. } => match turn.task() {
                Some(TaskId(number)) => format!("busy with task {number}"),
                None => format!("busy with turn {}", turn.number),
            },
            WorkPhase::Parked(parked) => format!("parked, as its provider takes no more for now: {}", parked.reason),
            WorkPhase::Left(_) => "gone".to_owned(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests;
