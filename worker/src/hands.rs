//! The worker's hands: carries out what the core decides, on the board, in the mailbox, in the transcript and with
//! the agent. Nothing is decided here but how to say that something did not work.

use std::collections::BTreeMap;

use teamster_protocol::host::clock;
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::point;
use teamster_protocol::model::agent::{AgentExit, Permission, QuestionId, SessionId};
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::{TeamFact, WorkerEnd};
use teamster_protocol::model::task::{TaskClaim, TaskWork};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::presence::{self, LifeLock, LockError, LockKept};
use teamster_protocol::team::{Inbox, Team, TeamError};
use tokio::sync::oneshot;

use crate::core::recap::RecapSubject;
use crate::core::{
    AskRefused, CallId, HeededLimit, SteerOf, WaitingText, WorkerAction, WorkerAnswer, WorkerAsk, WorkerEvent,
};
use crate::driver::{AgentNews, AgentSteer, DriverError};

pub(crate) mod agent;
mod board;
pub(crate) mod journal;
mod limit;
mod mail;
pub(crate) mod recall;
pub(crate) mod rpc;

use agent::RunningAgent;
use journal::{KeptEntry, TranscriptPen};
use limit::UntoldLimit;
use recall::recall;

/// A call of the leader, on its way to the core.
#[derive(Debug)]
pub(crate) struct LeaderCall {
    /// The demand of the call.
    pub(crate) what: WorkerAsk,
    /// The channel for the answer.
    pub(crate) answer: oneshot::Sender<Result<WorkerAnswer, AskRefused>>,
}

/// The consequence of an action, before the next event of the world is taken.
#[derive(Debug)]
pub(crate) enum ActionResult {
    /// The core hears of no answer.
    Nothing,
    /// The core hears this answer.
    Event(WorkerEvent),
    /// These messages are acknowledged.
    Acknowledged(Vec<MessageId>),
    /// Whatever is beneath the worker and nobody's is ended.
    EndLeftovers,
    /// The worker leaves.
    Leave(WorkerEnd),
}

/// Everything a worker works on.
#[derive(Debug)]
pub(crate) struct WorkerHands {
    pub(crate) me: WaitingClaimant,
    /// Held until the process ends: a process that can take it, and finds this one dead, knows that this worker is dead.
    lock: LifeLock,
    pub(crate) team: Team,
    pub(crate) inbox: Inbox,
    pub(crate) journal: TranscriptPen,
    pub(crate) agent: RunningAgent,
    /// The member whose conversation the agent began with.
    subject: RecapSubject,
    durability: Durability,
    calls: BTreeMap<CallId, oneshot::Sender<Result<WorkerAnswer, AskRefused>>>,
    calls_len: u64,
    /// Mail that was handed on and could not be written into the transcript: not to be acknowledged before it is.
    unsaid: BTreeMap<MessageId, TranscriptText>,
    /// Claims on tasks that could not be read, nor given back yet.
    unreleased: Vec<TaskClaim>,
    /// So that a poll does not repeat what was wrong with the mailbox or the sweep.
    complaints: Complaints,
    /// The trouble that was said last, if nothing was said since.
    troubled: Option<String>,
    /// Whether the agent is to begin a new conversation, and has not.
    is_renewed: bool,
    limit: HeededLimit,
    untold: Option<UntoldLimit>,
}

impl WorkerHands {
    pub(crate) fn new(
        me: WaitingClaimant,
        lock: LifeLock,
        team: Team,
        inbox: Inbox,
        journal: TranscriptPen,
        agent: RunningAgent,
        durability: Durability,
    ) -> WorkerHands {
        WorkerHands {
            me,
            lock,
            team,
            inbox,
            journal,
            agent,
            subject: RecapSubject::Own,
            durability,
            calls: BTreeMap::new(),
            calls_len: 0,
            unsaid: BTreeMap::new(),
            unreleased: Vec::new(),
            complaints: Complaints::default(),
            troubled: None,
            is_renewed: false,
            limit: HeededLimit::default(),
            untold: None,
        }
    }

    /// The same, whose agent began with the conversation of this member.
    pub(crate) fn with_subject(self, subject: RecapSubject) -> WorkerHands {
        WorkerHands { subject, ..self }
    }

    /// The event of a call; its answer is kept for later.
    pub(crate) fn take_call(&mut self, call: LeaderCall) -> WorkerEvent {
        self.calls_len += 1;
        let id = CallId(self.calls_len);
        self.calls.insert(id, call.answer);
        WorkerEvent::Called { call: id, what: call.what }
    }

    /// Takes in what the agent did.
    pub(crate) fn take_news(&mut self, news: AgentNews) -> Option<WorkerEvent> {
        match news {
            AgentNews::Ready { session } => return Some(WorkerEvent::AgentReady { session }),
            AgentNews::SessionLost { why } => return Some(self.session_lost(why)),
            AgentNews::ContextFull => return Some(WorkerEvent::ContextFull),
            AgentNews::Compacted => return Some(WorkerEvent::Compacted),
            AgentNews::Session(session) => return Some(WorkerEvent::SessionNamed(session)),
            AgentNews::Steering(ability) => return Some(WorkerEvent::SteeringTold(ability)),
            AgentNews::NoResume => return Some(WorkerEvent::NoResumeTold),
            AgentNews::Trouble(text) => self.say(TranscriptText::Trouble { text }),
            AgentNews::Text(text) => self.say(TranscriptText::Text { text }),
            AgentNews::Thought(text) => self.say(TranscriptText::Thought { text }),
            AgentNews::ToolCall { id, title, state } => self.say(TranscriptText::ToolCall { id, title, state }),
            AgentNews::Plan(steps) => self.say(TranscriptText::Plan { steps }),
            AgentNews::PermissionAsked(asked) => return Some(WorkerEvent::PermissionAsked(asked)),
            AgentNews::Usage(usage) => return Some(WorkerEvent::Used(usage)),
            AgentNews::Receipt { text, state } => return Some(WorkerEvent::Receipt { text, state }),
            AgentNews::Limited(limit) => return Some(WorkerEvent::Limited(limit)),
            AgentNews::Unavailable { reason } => return Some(WorkerEvent::ProviderUnavailable { reason }),
            AgentNews::TurnEnded { end, result } => {
                point("turn ended, nothing recorded");
                return Some(WorkerEvent::TurnEnded { end, result });
            }
            AgentNews::Exited(AgentExit::Closed) => return Some(WorkerEvent::AgentAsleep),
            AgentNews::Broken { reason } | AgentNews::Exited(AgentExit::Died { reason }) => {
                return Some(WorkerEvent::AgentGone { reason });
            }
            AgentNews::Exited(AgentExit::Refused { reason }) => return Some(WorkerEvent::AgentRefused { reason }),
        }
        None
    }

    /// Carries out one action. Blocks for the files it writes.
    pub(crate) fn carry_out(&mut self, action: WorkerAction) -> ActionResult {
        match action {
            WorkerAction::ClaimNext => ActionResult::Event(self.claim_next()),
            WorkerAction::Away => {
                self.away();
                ActionResult::Nothing
            }
            WorkerAction::StartTurn { turn, task, before, work, texts, used } => {
                let started = TranscriptText::TurnStarted { turn, task, work: work.clone(), texts, used_before: used };
                ActionResult::Event(self.start_turn(started, TextId::prompt_of(turn), task, before, work))
            }
            WorkerAction::PromptAgent { turn, task, before, work } => {
                ActionResult::Event(self.prompt_agent(TextId::prompt_of(turn), task, before, work))
            }
            WorkerAction::Steer { of, text } => ActionResult::Event(self.steer(of, text)),
            WorkerAction::AskLead { asked, task, until_ms } => {
                ActionResult::Event(self.ask_lead(asked, task, until_ms))
            }
            WorkerAction::Permit { question, answer } => {
                self.permit(&question, answer);
                ActionResult::Nothing
            }
            WorkerAction::KeepSession { session } => {
                self.is_renewed = false;
                self.keep_session(session);
                ActionResult::Nothing
            }
            WorkerAction::TellBudget { task, used } => {
                self.tell_budget(task, used);
                ActionResult::Nothing
            }
            WorkerAction::WriteLead { text } => {
                self.write_lead(text);
                ActionResult::Nothing
            }
            WorkerAction::TellLimit { until_ms, reason } => self.tell_limit(until_ms, reason),
            WorkerAction::AbortTurn => {
                point("about to abort");
                self.agent.abort();
                ActionResult::Nothing
            }
            WorkerAction::PutAgentToSleep => {
                point("agent about to be put to sleep");
                self.agent.put_to_sleep();
                ActionResult::Nothing
            }
            WorkerAction::RenewConversation => {
                self.is_renewed = true;
                self.forget_session();
                point("conversation given up, agent not woken");
                // By now it has a conversation of its own.
                self.subject = RecapSubject::Own;
                self.agent.begin_anew();
                ActionResult::Event(self.session_lost("its context is full, and the conversation ends here".to_owned()))
            }
            WorkerAction::EndLeftovers => ActionResult::EndLeftovers,
            WorkerAction::WakeAgent => match self.wake_agent() {
                Ok(()) => ActionResult::Nothing,
                Err(error) => ActionResult::Event(WorkerEvent::AgentGone { reason: error.with_cause() }),
            },
            WorkerAction::Record { attempt, used } => ActionResult::Event(self.record(attempt, used)),
            WorkerAction::Acknowledge { ids } => self.acknowledge(ids),
            WorkerAction::Reply(reply) => {
                self.reply(reply);
                ActionResult::Nothing
            }
            WorkerAction::Say(said) => {
                self.say(said);
                ActionResult::Nothing
            }
            WorkerAction::Answer { call, answer } => {
                if let Some(waiting) = self.calls.remove(&call) {
                    // The caller may have given up meanwhile.
                    let _ = waiting.send(answer);
                }
                ActionResult::Nothing
            }
            WorkerAction::Sweep { reach } => {
                self.sweep(reach);
                ActionResult::Nothing
            }
            WorkerAction::LookForLeader => ActionResult::Event(self.look_for_leader()),
            WorkerAction::Leave { how } => ActionResult::Leave(how),
        }
    }

    /// Writes into the transcript. An entry that cannot be written stops nothing else. The same trouble twice in a row
    /// is told once, because every try meets it.
    pub(crate) fn say(&mut self, what: TranscriptText) {
        let trouble = if let TranscriptText::Trouble { text } = &what { Some(text) } else { None };
        if trouble.is_some() && self.troubled.as_ref() == trouble {
            return;
        }
        self.troubled = trouble.cloned();
        let mail = if let TranscriptText::Mail { id, .. } = &what { Some(*id) } else { None };
        match (mail, self.journal.say(what)) {
            (Some(id), KeptEntry::Yes) => tracing::debug!(at_us = clock::now_us(), %id, "handed on mail"),
            (Some(id), KeptEntry::No(said)) => drop(self.unsaid.insert(id, said)),
            (None, KeptEntry::Yes | KeptEntry::No(_)) => {}
        }
    }

    pub(crate) fn trouble(&mut self, text: String) {
        self.say(TranscriptText::Trouble { text });
    }

    /// Says what is wrong, unless it is what was said last about that.
    fn complain(&mut self, about: &'static str, text: String) {
        if self.complaints.is_news(about, &text) {
            self.trouble(text);
        }
    }

    /// The agent has lost its conversation; what the transcripts have of it is found out.
    fn session_lost(&mut self, why: String) -> WorkerEvent {
        let of = match &self.subject {
            RecapSubject::Own => &self.me.name,
            RecapSubject::Other(other) => other,
        };
        let recap = recall(&self.team.dir().turns(of), self.subject.clone()).unwrap_or_else(|error| {
            self.trouble(format!("nothing is told of the conversation that is lost: {error}"));
            None
        });
        WorkerEvent::SessionLost { why, recap }
    }

    fn start_turn(
        &mut self,
        started: TranscriptText,
        id: TextId,
        task: Option<TaskId>,
        before: Option<String>,
        work: TaskWork,
    ) -> WorkerEvent {
        self.say(started);
        self.prompt_agent(id, task, before, work)
    }

    fn prompt_agent(
        &mut self,
        prompt: TextId,
        task: Option<TaskId>,
        before: Option<String>,
        work: TaskWork,
    ) -> WorkerEvent {
        let work = match (before, work) {
            (Some(words), TaskWork::Prompt(text)) => {
                self.say(TranscriptText::Briefed { text: words.clone() });
                TaskWork::Prompt(format!("{words}\n\n{text}"))
            }
            (_, work) => work,
        };
        point("turn begun, agent not prompted");
        match self.agent.prompt(prompt, task, work) {
            Ok(()) => WorkerEvent::PromptTaken,
            Err(error) => WorkerEvent::PromptRefused { reason: error.with_cause(), fault: error.fault() },
        }
    }

    fn steer(&mut self, of: SteerOf, text: WaitingText) -> WorkerEvent {
        point("about to steer");
        let outcome = self.agent.steer(AgentSteer { id: text.id, text: text.text.clone() });
        WorkerEvent::Steered { of, text, outcome: outcome.map_err(|error| error.with_cause()) }
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

    /// Answers the agent. A question that is not open any more needs no answer.
    fn permit(&mut self, question: &QuestionId, answer: Permission) {
        if let Err(error) = self.agent.permit(question, answer) {
            self.trouble(error.with_cause());
        }
    }

    /// Writes down by which name the next life finds the agent's conversation. Without it, that life begins a new one.
    fn keep_session(&mut self, session: SessionId) {
        let known = self.session_on_roster().is_some_and(|known| known == session);
        if known {
            return;
        }
        let name = self.me.name.clone();
        if let Err(error) = self.team.enroll(TeamFact::Session { name, session: Some(session) }) {
            self.trouble(format!("cannot write down the name of the agent's conversation: {error}"));
        }
    }

    /// Takes the name of the agent's conversation off the roster, so that no life after this one goes on with it.
    fn forget_session(&mut self) {
        let name = self.me.name.clone();
        if self.session_on_roster().is_none() {
            return;
        }
        match self.team.enroll(TeamFact::Session { name, session: None }) {
            Err(error) if !is_written(&error) => {
                self.trouble(format!("cannot write down that the agent's conversation has ended: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn session_on_roster(&self) -> Option<SessionId> {
        self.team.roster().member(&self.me.name).ok()?.session.clone()
    }

    /// Starts the agent again, in the conversation that it had.
    fn wake_agent(&mut self) -> Result<(), DriverError> {
        point("agent about to be woken");
        let session = self.session_on_roster().filter(|_| !self.is_renewed);
        if session.is_some() {
            // It has a conversation of its own by now, which it would have to be told of.
            self.subject = RecapSubject::Own;
        }
        self.agent.wake(session)
    }

    fn look_for_leader(&mut self) -> WorkerEvent {
        match presence::is_held(&self.team.dir().leader_lock()) {
            Ok(held) => {
                self.complaints.over("leader");
                if held { WorkerEvent::LeaderSeen } else { WorkerEvent::LeaderAbsent }
            }
            Err(error) => {
                // "Could not look" is not "there is none".
                self.complain("leader", format!("cannot look for a leader, trying again: {error}"));
                WorkerEvent::LeaderSeen
            }
        }
    }
}

/// Whether a step is written after all.
fn is_written(error: &TeamError) -> bool {
    matches!(error, TeamError::NotDurable(_))
}
