//! The worker's decisions: mail first (control, then text), then a task, then waiting. Pure: it reads no clock,
//! file, process or random source, so that a simulation can run thousands of lives of it.
//!
//! The shell around it keeps one rule: it carries out the actions of a step in order and feeds each [`Event`]
//! that answers one of them back in before it takes the next event from the world.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::mail::Message;
use teamster_protocol::model::notice::{Said, Stop};
use teamster_protocol::model::roster::LeftHow;
use teamster_protocol::model::shutdown::{ShutdownReply, Verdict};
use teamster_protocol::model::task::Work;
use teamster_protocol::wire::api::{Aborting, Steered, WorkerPhase, WorkerStatus};

mod clock;
mod event;
mod mail;
mod settings;
mod stall;
mod turn;

pub use event::{Action, Answer, Ask, AskId, ClaimedTask, Event, Fault, Outcome, Refused, SteerOf};
pub use settings::{Conversation, Settings};

use turn::{Ending, Turn, TurnFor};

#[derive(Debug)]
enum Phase {
    /// The agent is not ready.
    Starting,
    /// There was nothing to claim; a ring or mail ends it.
    Idle,
    /// The board is being asked. `Before` tells whether it waited already.
    Claiming(Before),
    /// The agent is at it.
    Turn(Turn),
    /// A turn is over and its outcome is being written. Until it is, the task is still ours.
    Recording { turn: Turn, stop: Stop, outcome: Outcome, retry_at_ms: Option<u64> },
    /// It said goodbye.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Waiting,
    Working,
}

/// How texts were handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handed {
    /// A turn of the agent has begun with them.
    AsTurn,
    /// Whoever watches the agent sees them. There may have been none.
    Shown,
}

/// The worker ends once it has nothing in hand.
#[derive(Debug)]
struct Leave {
    how: LeftHow,
    /// The shutdown request that is still to be approved.
    approve: Option<Approval>,
}

/// A shutdown request that is approved at the moment of leaving.
#[derive(Debug, Clone, Copy)]
struct Approval {
    request: MessageId,
    /// The message it came in, until that is acknowledged. Always after an answer: were the worker to die between the
    /// two the other way round, its asker would wait for an answer that nobody owes any more.
    message: Option<MessageId>,
}

/// See the module.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    phase: Phase,
    /// Texts that wait for a turn's end or begin, in order.
    texts: VecDeque<Message>,
    /// Texts that wait until there is nothing to claim, in order.
    idle_texts: VecDeque<Message>,
    /// Every message taken from the mailbox that is not acknowledged there yet.
    taken: BTreeSet<MessageId>,
    /// Acknowledgements that could not be written.
    owed: Vec<MessageId>,
    owed_retry_at_ms: Option<u64>,
    leave: Option<Leave>,
    /// When to look whether a leader is there again; set while the link to it is lost.
    look_for_leader_at_ms: Option<u64>,
    turns: u64,
    /// When it took its first event.
    born_ms: Option<u64>,
    actions: Vec<Action>,
}

impl Core {
    /// A worker whose agent is starting. `turns` is the number of its last turn in an earlier life.
    pub fn new(settings: Settings, turns: u64) -> Core {
        Core {
            settings,
            phase: Phase::Starting,
            texts: VecDeque::new(),
            idle_texts: VecDeque::new(),
            taken: BTreeSet::new(),
            owed: Vec::new(),
            owed_retry_at_ms: None,
            leave: None,
            look_for_leader_at_ms: None,
            turns,
            born_ms: None,
            actions: Vec::new(),
        }
    }

    /// When [`Event::Tick`] is due, in milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let phase = match &self.phase {
            Phase::Turn(turn) => turn.deadline_ms.into_iter().chain(turn.stall_due_ms(&self.settings.stall)).min(),
            Phase::Recording { retry_at_ms, .. } => *retry_at_ms,
            Phase::Starting | Phase::Idle | Phase::Claiming(_) | Phase::Left => None,
        };
        [phase, self.owed_retry_at_ms, self.look_for_leader_at_ms].into_iter().flatten().min()
    }

    /// Where the worker stands; `seq` is its last transcript entry.
    pub fn status(&self, seq: u64) -> WorkerStatus {
        let phase = match &self.phase {
            Phase::Starting => WorkerPhase::Starting,
            Phase::Idle | Phase::Claiming(_) => WorkerPhase::Idle,
            Phase::Turn(turn) | Phase::Recording { turn, .. } => {
                WorkerPhase::Turn { turn: turn.number, task: turn.task(), since_ms: turn.since_ms }
            }
            Phase::Left => WorkerPhase::Leaving,
        };
        WorkerStatus { phase, unread: self.texts.len() + self.idle_texts.len(), seq }
    }

    /// The agent said or did something; what, does not matter here.
    pub fn agent_heard(&mut self, now_ms: u64) {
        if let Phase::Turn(turn) = &mut self.phase {
            turn.heard(now_ms);
        }
    }

    /// Takes one event and says what is to be done, in order.
    pub fn step(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        self.born_ms.get_or_insert(now_ms);
        if !matches!(self.phase, Phase::Left) {
            self.take(now_ms, event);
        } else if let Event::Asked { ask, .. } = event {
            self.answer(ask, Err(Refused::new("the worker is ending")));
        }
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, now_ms: u64, event: Event) {
        match event {
            Event::AgentReady => {
                if let Phase::Starting = self.phase {
                    self.act(Action::Say(Said::Ready));
                    self.settle(now_ms, Before::Working);
                }
            }
            Event::AgentGone { reason } => {
                self.leave.get_or_insert(Leave { how: LeftHow::AgentGone { reason }, approve: None });
                self.settle_if_free(now_ms);
            }
            Event::Asked { ask, what } => self.asked(now_ms, ask, what),
            Event::MailArrived(messages) => self.mail(now_ms, messages),
            Event::Rang => self.look(),
            Event::Polled => {
                self.act(Action::Sweep);
                self.look();
            }
            Event::Claimed(claimed) => self.claimed(now_ms, claimed),
            Event::PromptTaken => self.prompt_taken(),
            Event::PromptRefused { reason, fault } => self.prompt_refused(now_ms, reason, fault),
            Event::TurnNotBegun { reason } => self.not_begun(now_ms, reason),
            Event::Steered { of, outcome } => self.steered(of, outcome),
            Event::TurnEnded { stop, result } => self.turn_ended(now_ms, stop, result),
            Event::Recorded => self.recorded(now_ms),
            Event::RecordRefused { why } => {
                let text = format!("the outcome of the turn was not taken: {why}");
                self.act(Action::Say(Said::Trouble { text }));
                self.recorded(now_ms);
            }
            Event::NotRecorded { error } => self.not_recorded(now_ms, error),
            Event::NotAcknowledged { ids } => {
                self.owed.extend(ids);
                self.owed_retry_at_ms = Some(now_ms + ms(self.settings.record_retry));
            }
            Event::LeaderLost => self.look_for_leader_at_ms = Some(now_ms + ms(self.settings.leader_grace)),
            Event::LeaderLinked => self.look_for_leader_at_ms = None,
            Event::LeaderSeen => self.look_for_leader_at_ms = Some(now_ms + ms(self.settings.leader_grace)),
            Event::LeaderAbsent => {
                self.look_for_leader_at_ms = None;
                self.leave.get_or_insert(Leave { how: LeftHow::LeaderGone, approve: None });
                self.hurry_record(now_ms);
                self.settle_if_free(now_ms);
            }
            Event::Terminated => self.terminated(now_ms),
            Event::ClockSet { by_ms } => self.clock_was_set(by_ms),
            Event::Tick => self.tick(now_ms),
        }
    }

    fn asked(&mut self, now_ms: u64, ask: AskId, what: Ask) {
        match (what, &mut self.phase) {
            (Ask::Prompt { text }, Phase::Idle) if self.leave.is_none() => {
                if text.trim().is_empty() {
                    return self.answer(ask, Err(Refused::new("a prompt needs a text")));
                }
                self.act(Action::Away);
                self.start_turn(now_ms, TurnFor::Ask(ask), None, Work::Prompt(text));
            }
            (Ask::Steer { text }, Phase::Turn(turn)) if turn.ending.is_none() => {
                self.act(Action::Steer { of: SteerOf::Ask(ask), from: Address::Lead, text });
            }
            (Ask::Abort { reason }, Phase::Turn(turn)) => {
                let aborting = Aborting { turn: turn.number, task: turn.task() };
                let begun = turn.ending.is_some();
                turn.stop(reason);
                if !begun {
                    self.act(Action::AbortTurn);
                }
                self.answer(ask, Ok(Answer::Aborting(aborting)));
            }
            (Ask::Prompt { .. }, _) => {
                let refused = Refused::new(format!("it is {}", self.doing()));
                self.answer(ask, Err(refused));
            }
            (Ask::Steer { .. } | Ask::Abort { .. }, _) => {
                let refused = Refused::new(format!("no turn is running: it is {}", self.doing()));
                self.answer(ask, Err(refused));
            }
        }
    }

    fn leave_for(&mut self, how: LeftHow, approve: Option<Approval>) {
        let before = self.leave.replace(Leave { how, approve });
        if let Some(message) = before.and_then(|leave| leave.approve?.message) {
            self.acknowledge(vec![message]);
        }
    }

    fn steered(&mut self, of: SteerOf, outcome: Result<Steered, String>) {
        match (of, outcome) {
            (SteerOf::Ask(ask), Ok(steered)) => self.answer(ask, Ok(Answer::Steered(steered))),
            (SteerOf::Ask(ask), Err(why)) => self.answer(ask, Err(Refused::new(why))),
            (SteerOf::Stall, Ok(_)) => {}
            (SteerOf::Stall, Err(why)) => self.trouble(format!("the agent can not be asked to go on: {why}")),
            (SteerOf::Mail(message), Ok(_)) => self.hand_on(*message),
            // It did not reach the running turn: it is handed on when that ends.
            (SteerOf::Mail(message), Err(_)) => self.texts.push_back(*message),
        }
    }

    fn claimed(&mut self, now_ms: u64, claimed: Option<ClaimedTask>) {
        let Phase::Claiming(before) = self.phase else { return };
        match claimed {
            Some(task) => {
                let deadline_ms = task.timeout_ms.map(|timeout| now_ms.saturating_add(timeout));
                self.start_turn(now_ms, TurnFor::Task(task.claim), deadline_ms, task.work);
            }
            None => {
                self.phase = Phase::Idle;
                if before == Before::Working {
                    self.act(Action::Say(Said::Waiting));
                }
                let texts = std::mem::take(&mut self.idle_texts);
                // The claim that found nothing has put it on the list of those that wait.
                self.hand_all_on(now_ms, texts, Before::Waiting);
            }
        }
    }

    fn terminated(&mut self, now_ms: u64) {
        self.leave_for(LeftHow::Terminated, None);
        if let Phase::Turn(turn) = &mut self.phase {
            // One that was stopped stays stopped: its task is not for others to take in the same breath.
            if turn.ending.is_none() {
                turn.ending = Some(Ending::Leaving);
                self.act(Action::AbortTurn);
            }
        }
        self.hurry_record(now_ms);
        self.settle_if_free(now_ms);
    }

    /// Lets what could not be written down be tried now, for the last time.
    fn hurry_record(&mut self, now_ms: u64) {
        if let Phase::Recording { retry_at_ms: Some(at_ms), .. } = &mut self.phase {
            *at_ms = now_ms;
        }
    }

    /// Whether it ends although its books can not be kept: it was told to by a signal, or nobody is there to tell it.
    fn leaves_whatever_happens(&self) -> bool {
        match self.leave.as_ref().map(|leave| &leave.how) {
            Some(LeftHow::Terminated | LeftHow::LeaderGone) => true,
            Some(LeftHow::Shutdown | LeftHow::AgentGone { .. } | LeftHow::Died { .. } | LeftHow::GivenUp { .. })
            | None => false,
        }
    }

    fn tick(&mut self, now_ms: u64) {
        let due = |at: Option<u64>| at.is_some_and(|at| now_ms >= at);
        if due(self.owed_retry_at_ms) {
            self.owed_retry_at_ms = None;
            let ids = std::mem::take(&mut self.owed);
            self.act(Action::Acknowledge { ids });
        }
        if due(self.look_for_leader_at_ms) {
            self.look_for_leader_at_ms = None;
            self.act(Action::LookForLeader);
        }
        match &mut self.phase {
            Phase::Turn(turn) if due(turn.stall_due_ms(&self.settings.stall)) && !due(turn.deadline_ms) => {
                self.stalled(now_ms);
            }
            Phase::Turn(turn) if due(turn.deadline_ms) => {
                turn.deadline_ms = None;
                if turn.ending.is_none() {
                    turn.ending = Some(Ending::TimedOut);
                    self.act(Action::AbortTurn);
                }
            }
            Phase::Recording { outcome, retry_at_ms, .. } if due(*retry_at_ms) => {
                *retry_at_ms = Some(now_ms + ms(self.settings.record_retry));
                let outcome = outcome.clone();
                self.act(Action::Record(outcome));
            }
            Phase::Turn(_)
            | Phase::Recording { .. }
            | Phase::Starting
            | Phase::Idle
            | Phase::Claiming(_)
            | Phase::Left => {}
        }
    }

    /// Looks at the board if there is nothing else to do.
    fn look(&mut self) {
        if let Phase::Idle = self.phase {
            self.phase = Phase::Claiming(Before::Waiting);
            self.act(Action::ClaimNext);
        }
    }

    fn settle_if_free(&mut self, now_ms: u64) {
        match self.phase {
            Phase::Idle => self.settle(now_ms, Before::Waiting),
            // It can not begin before its agent is ready, but it can end.
            Phase::Starting if self.leave.is_some() => self.settle(now_ms, Before::Working),
            Phase::Starting | Phase::Claiming(_) | Phase::Turn(_) | Phase::Recording { .. } | Phase::Left => {}
        }
    }

    /// Nothing is in hand: leave, or hand mail on, or look for a task.
    fn settle(&mut self, now_ms: u64, before: Before) {
        if let Some(Leave { how, approve }) = self.leave.take() {
            if let Some(Approval { request, message }) = approve {
                self.act(Action::Reply(ShutdownReply { request, verdict: Verdict::Approved }));
                if let Some(message) = message {
                    self.acknowledge(vec![message]);
                }
            }
            self.phase = Phase::Left;
            return self.act(Action::Leave { how });
        }
        let texts = std::mem::take(&mut self.texts);
        if self.hand_all_on(now_ms, texts, before) == Handed::Shown {
            self.phase = Phase::Claiming(before);
            self.act(Action::ClaimNext);
        }
    }

    fn trouble(&mut self, text: impl Into<String>) {
        self.act(Action::Say(Said::Trouble { text: text.into() }));
    }

    fn answer(&mut self, ask: AskId, answer: Result<Answer, Refused>) {
        self.act(Action::Answer { ask, answer });
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn doing(&self) -> String {
        match &self.phase {
            _ if self.leave.is_some() => "ending".to_owned(),
            Phase::Starting => "starting".to_owned(),
            Phase::Idle | Phase::Claiming(_) => "idle".to_owned(),
            Phase::Turn(turn) | Phase::Recording { turn, .. } => match turn.task() {
                Some(TaskId(number)) => format!("busy with task {number}"),
                None => format!("busy with turn {}", turn.number),
            },
            Phase::Left => "gone".to_owned(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests;
