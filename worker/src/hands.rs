//! The worker's hands: carries out what the core decides, on the board, in the mailbox, in the transcript and with
//! the agent. Nothing is decided here but how to say that something did not work.

use std::collections::BTreeMap;

use teamster_protocol::host::clock;
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::point;
use teamster_protocol::model::board::Claimant;
use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::notice::{Said, Stop};
use teamster_protocol::model::roster::LeftHow;
use teamster_protocol::model::task::{Claim, Work};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::presence::{self, LifeLock, LockError, LockKept};
use teamster_protocol::team::{Inbox, Team, TeamError};
use teamster_protocol::wire::api;
use tokio::sync::oneshot;

use crate::core::{Action, Answer, Ask, AskId, Event, Fault, Refused, SteerOf};
use crate::driver::{DriverError, Exited, News, Permission, Steered, StopReason, ToolState};

pub(crate) mod agent;
mod board;
pub(crate) mod journal;
mod mail;
pub(crate) mod rpc;

use agent::Agent;
use journal::{Journal, Kept};

/// A call of the leader, on its way to the core.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is asked.
    pub(crate) what: Ask,
    /// Where the answer goes.
    pub(crate) answer: oneshot::Sender<Result<Answer, Refused>>,
}

/// What follows an action before the next event of the world is taken.
#[derive(Debug)]
pub(crate) enum After {
    /// Nothing.
    Nothing,
    /// The core hears this answer.
    Event(Event),
    /// These messages are acknowledged.
    Acknowledged(Vec<MessageId>),
    /// The worker leaves.
    Leave(LeftHow),
}

/// Everything a worker works on.
#[derive(Debug)]
pub(crate) struct Hands {
    pub(crate) me: Claimant,
    /// Held until the process ends: a process that can take it, and finds this one dead, knows that this worker is dead.
    lock: LifeLock,
    pub(crate) team: Team,
    pub(crate) inbox: Inbox,
    pub(crate) journal: Journal,
    pub(crate) agent: Agent,
    durability: Durability,
    asked: BTreeMap<AskId, oneshot::Sender<Result<Answer, Refused>>>,
    asks: u64,
    /// Mail that was handed on and could not be written into the transcript: not to be acknowledged before it is.
    unsaid: BTreeMap<MessageId, Said>,
    /// Claims on tasks that could not be read, nor given back yet.
    unreleased: Vec<Claim>,
    /// So that a poll does not repeat what was wrong with the mailbox or the sweep.
    complaints: Complaints,
    /// The trouble that was said last, if nothing was said since.
    troubled: Option<String>,
}

impl Hands {
    pub(crate) fn new(
        me: Claimant,
        lock: LifeLock,
        team: Team,
        inbox: Inbox,
        journal: Journal,
        agent: Agent,
        durability: Durability,
    ) -> Hands {
        Hands {
            me,
            lock,
            team,
            inbox,
            journal,
            agent,
            durability,
            asked: BTreeMap::new(),
            asks: 0,
            unsaid: BTreeMap::new(),
            unreleased: Vec::new(),
            complaints: Complaints::default(),
            troubled: None,
        }
    }

    /// The event of a call; its answer is kept for later.
    pub(crate) fn asked(&mut self, call: Call) -> Event {
        self.asks += 1;
        let ask = AskId(self.asks);
        self.asked.insert(ask, call.answer);
        Event::Asked { ask, what: call.what }
    }

    /// Takes in what the agent did.
    pub(crate) fn heard(&mut self, news: News) -> Option<Event> {
        match news {
            News::Ready => return Some(Event::AgentReady),
            News::Text(text) => self.say(Said::Text { text }),
            News::ToolCall { id: _, title, state } => {
                let detail = match state {
                    ToolState::Running => "running",
                    ToolState::Done => "done",
                    ToolState::Failed => "failed",
                };
                self.say(Said::ToolCall { name: title, detail: detail.to_owned() });
            }
            News::PermissionAsked { request, title } => {
                // Nobody sits beside a worker who could be asked.
                self.trouble(format!("the agent asked for permission, which was refused: {title}"));
                if let Err(error) = self.agent.permit(&request, Permission::Never) {
                    self.trouble(error.to_string());
                }
            }
            News::Usage { input_tokens, output_tokens } => {
                tracing::info!(input_tokens, output_tokens, "usage");
            }
            News::TurnEnded { stop, result } => {
                let stop = match stop {
                    StopReason::Completed => Stop::Completed,
                    StopReason::Failed { reason } => Stop::Failed { reason },
                    StopReason::NotBegun { reason } => return Some(Event::TurnNotBegun { reason }),
                    StopReason::Aborted => Stop::Aborted,
                };
                point("turn ended, nothing recorded");
                return Some(Event::TurnEnded { stop, result });
            }
            News::Exited(Exited::Closed) => {}
            News::Broken { reason } | News::Exited(Exited::Died { reason }) => {
                return Some(Event::AgentGone { reason });
            }
        }
        None
    }

    /// Carries out one action. Blocks for the files it writes.
    pub(crate) fn carry_out(&mut self, action: Action) -> After {
        match action {
            Action::ClaimNext => After::Event(self.claim_next()),
            Action::Away => {
                self.away();
                After::Nothing
            }
            Action::StartTurn { turn, task, work } => After::Event(self.start_turn(turn, task, work)),
            Action::Steer { of, from, text } => After::Event(self.steer(of, from, text)),
            Action::AbortTurn => {
                point("about to abort");
                self.agent.abort();
                After::Nothing
            }
            Action::Record(outcome) => After::Event(self.record(outcome)),
            Action::Acknowledge { ids } => self.acknowledge(ids),
            Action::Reply(reply) => {
                self.reply(reply);
                After::Nothing
            }
            Action::Say(said) => {
                self.say(said);
                After::Nothing
            }
            Action::Answer { ask, answer } => {
                if let Some(waiting) = self.asked.remove(&ask) {
                    // The caller may have given up meanwhile.
                    let _ = waiting.send(answer);
                }
                After::Nothing
            }
            Action::Sweep => {
                self.sweep();
                After::Nothing
            }
            Action::LookForLeader => After::Event(self.look_for_leader()),
            Action::Leave { how } => After::Leave(how),
        }
    }

    /// Writes into the transcript. What cannot be written stops nothing else. The same trouble again, with nothing
    /// between, is one: it is met with every try.
    pub(crate) fn say(&mut self, what: Said) {
        match &what {
            Said::Trouble { text } if self.troubled.as_ref() == Some(text) => return,
            Said::Trouble { text } => self.troubled = Some(text.clone()),
            Said::Ready
            | Said::TurnStarted { .. }
            | Said::Text { .. }
            | Said::ToolCall { .. }
            | Said::Steered { .. }
            | Said::Mail { .. }
            | Said::Stalled { .. }
            | Said::TurnEnded { .. }
            | Said::Waiting
            | Said::Cut { .. }
            | Said::Leaving { .. } => self.troubled = None,
        }
        let mail = match &what {
            Said::Mail { id, .. } => Some(*id),
            Said::Ready
            | Said::TurnStarted { .. }
            | Said::Text { .. }
            | Said::ToolCall { .. }
            | Said::Steered { .. }
            | Said::Stalled { .. }
            | Said::TurnEnded { .. }
            | Said::Waiting
            | Said::Trouble { .. }
            | Said::Cut { .. }
            | Said::Leaving { .. } => None,
        };
        match (mail, self.journal.say(what)) {
            (Some(id), Kept::Yes) => tracing::debug!(at_us = clock::now_us(), %id, "handed on mail"),
            (Some(id), Kept::No(said)) => drop(self.unsaid.insert(id, said)),
            (None, Kept::Yes | Kept::No(_)) => {}
        }
    }

    fn trouble(&mut self, text: String) {
        self.say(Said::Trouble { text });
    }

    /// Says what is wrong, unless it is what was said last about that.
    fn complain(&mut self, about: &'static str, text: String) {
        if self.complaints.is_news(about, &text) {
            self.trouble(text);
        }
    }

    fn start_turn(&mut self, turn: u64, task: Option<TaskId>, work: Work) -> Event {
        self.say(Said::TurnStarted { turn, task, prompt: work.text().to_owned() });
        point("turn begun, agent not prompted");
        match self.agent.prompt(task, work) {
            Ok(()) => Event::PromptTaken,
            Err(error) => {
                let reason = with_cause(&error);
                let fault = match error {
                    DriverError::System { .. } | DriverError::Closed { .. } => Fault::Place,
                    DriverError::Busy
                    | DriverError::Idle
                    | DriverError::NulInText { .. }
                    | DriverError::BadVariable { .. }
                    | DriverError::SteerTooLong { .. }
                    | DriverError::SteersUnread
                    | DriverError::InputClosed
                    | DriverError::NotAsked { .. } => Fault::Prompt,
                };
                Event::PromptRefused { reason, fault }
            }
        }
    }

    fn steer(&mut self, of: SteerOf, from: Address, text: String) -> Event {
        point("about to steer");
        let outcome = match self.agent.steer(&text) {
            Ok(Steered::Now) => Ok(api::Steered::Now),
            Ok(Steered::NextTurn) => Ok(api::Steered::NextTurn),
            Err(error) => Err(with_cause(&error)),
        };
        match (&of, &outcome) {
            (SteerOf::Ask(_) | SteerOf::Stall, Ok(_)) => self.say(Said::Steered { from, text }),
            // Mail is said by the core, as mail.
            (SteerOf::Mail(_), Ok(_)) | (SteerOf::Ask(_) | SteerOf::Mail(_) | SteerOf::Stall, Err(_)) => {}
        }
        Event::Steered { of, outcome }
    }

    /// Whether the team was removed, or another process holds this member's lock: then what is at the team's place is not
    /// this worker's to write to. Not if it can not be told.
    pub(crate) fn is_displaced(&mut self) -> bool {
        matches!(self.keep_lock(), Ok(LockKept::ByAnother(_) | LockKept::TeamGone))
    }

    /// Takes the member's lock anew where it was tidied away, and says so.
    fn keep_lock(&mut self) -> Result<LockKept, LockError> {
        let kept = self.lock.keep(clock::now_ms());
        let path = self.team.dir().member_lock(&self.me.name);
        let path = path.display();
        match &kept {
            Ok(LockKept::InPlace) => self.complaints.over("lock"),
            Ok(LockKept::TakenAnew) => {
                tracing::warn!("{path} was removed or replaced while it was held; it is taken anew");
                self.complain("lock", format!("{path} was removed or replaced; it is taken anew"));
                self.complaints.over("lock");
            }
            Ok(LockKept::ByAnother(holder)) => {
                let by =
                    holder.as_ref().map_or("another process".to_owned(), |it| format!("process {}", it.process.pid));
                self.complain("lock", format!("takes no task: {path} was replaced, and {by} holds it"));
            }
            Ok(LockKept::TeamGone) => {}
            Err(error) => self.complain("lock", format!("takes no task: {error}")),
        }
        kept
    }

    /// Why this worker must not take a task: it could be taken by another worker of the same name too.
    fn why_no_task(&mut self) -> Option<String> {
        match self.keep_lock() {
            Ok(LockKept::InPlace | LockKept::TakenAnew) => None,
            Ok(LockKept::ByAnother(_)) => {
                Some("the member's lock was replaced, and another process holds it".to_owned())
            }
            Ok(LockKept::TeamGone) => Some("the team was removed or replaced".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn look_for_leader(&mut self) -> Event {
        match presence::is_held(&self.team.dir().leader_lock()) {
            Ok(held) => {
                self.complaints.over("leader");
                if held { Event::LeaderSeen } else { Event::LeaderAbsent }
            }
            Err(error) => {
                // "Could not look" is not "there is none".
                self.complain("leader", format!("cannot look for a leader, trying again: {error}"));
                Event::LeaderSeen
            }
        }
    }
}

/// A driver's refusal in one line, with what the system said.
fn with_cause(error: &DriverError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether a step is written after all.
fn is_written(error: &TeamError) -> bool {
    matches!(error, TeamError::NotDurable(_))
}
