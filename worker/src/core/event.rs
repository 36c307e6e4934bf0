//! The input and the output of the core. Events are past tense, actions imperative.

use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::agent::{
    AgentFault, AgentSession, Permission, PermissionQuestion, ProviderLimit, QuestionId, SessionId, TurnEnd,
};
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::mail::Message;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shutdown::ShutdownReply;
use teamster_protocol::model::sweep::SweepReach;
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::{TaskClaim, TaskWork};
use teamster_protocol::model::usage::{TokenUsage, UsageSum};
use teamster_protocol::wire::api::{AbortAnswer, PromptAnswer, SteerAnswer, SteerHaste};

use super::allowance::TaskAllowance;
use super::text::WaitingText;

/// Names a call of the leader in the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A call of the leader that the core decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in WorkerApi")]
pub enum WorkerAsk {
    Prompt { work: TaskWork },
    Steer { text: String, haste: SteerHaste },
    Abort { reason: String },
    Permit { question: u64, answer: Permission },
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in WorkerApi")]
pub enum WorkerAnswer {
    Prompted(PromptAnswer),
    Steered(SteerAnswer),
    Aborting(AbortAnswer),
    Permitted,
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskRefused {
    /// A sentence that follows `NAME did not take it: `.
    pub why: String,
    /// The way out, where the refusal itself has one.
    pub hint: Option<String>,
}

impl AskRefused {
    pub(super) fn new(why: impl Into<String>) -> AskRefused {
        AskRefused { why: why.into(), hint: None }
    }

    pub(super) fn with_hint(self, hint: String) -> AskRefused {
        AskRefused { hint: Some(hint), ..self }
    }
}

/// The origin of the words of a steer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SteerOf {
    /// A call's.
    Call(CallId),
    /// A message's.
    Mail,
    /// The worker's own, to an agent that stalls.
    Stall,
}

/// A task that was claimed, with what is needed to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedTask {
    /// The right to end the attempt.
    pub claim: TaskClaim,
    /// The work to do.
    pub work: TaskWork,
    /// The time that the attempt may take, in milliseconds; nothing if it may take any.
    pub timeout_ms: Option<u64>,
    /// The budget of the task, and what its earlier attempts have used.
    pub allowance: TaskAllowance,
}

/// How an attempt at a task ended, as it goes to the board.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Board's methods")]
pub enum AttemptEnd {
    Complete { claim: TaskClaim, result: String },
    Fail { claim: TaskClaim, reason: String, result: String },
    Release { claim: TaskClaim, why: ReleaseWhy, partial: String },
    Die { claim: TaskClaim, cause: String, partial: String },
}

/// News from the world, which the core decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// The agent can take a prompt.
    AgentReady {
        /// Its conversation, if it has told its name.
        session: Option<AgentSession>,
    },
    /// The agent can not go on with the conversation that it was to go on with. It begins another one, and is ready later.
    SessionLost {
        /// The reason, in a sentence.
        why: String,
        /// The summary of that conversation, if anything is known of it.
        recap: Option<String>,
    },
    /// The context of the agent's model is full, and the agent could make no room. The end of the turn follows.
    ContextFull,
    /// The agent has put its conversation in few words.
    Compacted,
    /// The agent tells the name of its conversation later than that, or has begun another one.
    SessionNamed(AgentSession),
    /// The agent tells the fate of a text that is said to it in a turn, which differs from that of its kind.
    SteeringTold(SteerAbility),
    /// The agent tells that it can not go on with a conversation of an earlier life, though its kind can.
    NoResumeTold,
    /// The agent has ended, as [`WorkerAction::PutAgentToSleep`] asked for; or it is not started before there is a turn for it.
    AgentAsleep,
    /// The agent will take no prompt any more.
    AgentGone {
        /// The agent's failure, in one line.
        reason: String,
    },
    /// The agent can not begin before somebody gives it a login or a key.
    AgentRefused {
        /// What is missing, in one line.
        reason: String,
    },
    /// The leader called.
    Called {
        /// The name by which the answer finds the call.
        call: CallId,
        /// The demand of the call.
        what: WorkerAsk,
    },
    /// These messages are unread in the mailbox, in order. Messages that were taken before are passed over.
    MailArrived(Vec<Message>),
    /// Somebody made work, and rang.
    Rang,
    /// The slow poll: look at everything although nobody rang.
    Polled,
    /// Answers [`WorkerAction::ClaimNext`]: the claimed task, or nothing if none could be claimed.
    Claimed(Option<ClaimedTask>),
    /// Answers [`WorkerAction::StartTurn`]: the driver has the prompt.
    PromptTaken,
    /// Answers [`WorkerAction::StartTurn`]: the driver did not take it.
    PromptRefused {
        /// The reason, in one line.
        reason: String,
        /// The part of the system that the driver blames.
        fault: AgentFault,
    },
    /// Answers [`WorkerAction::Steer`] with how far the words have come.
    Steered {
        /// The origin of the words.
        of: SteerOf,
        /// The words.
        text: WaitingText,
        /// How far they have come by now, or why the driver did not take them.
        outcome: Result<ReceiptState, String>,
    },
    /// A text has come further on its way into the agent.
    Receipt {
        /// The name of the text.
        text: TextId,
        /// The progress of the text.
        state: ReceiptState,
    },
    /// The turn has used this much so far, as its agent tells.
    Used(TokenUsage),
    /// The agent waits for permission.
    PermissionAsked(PermissionQuestion),
    /// Answers [`WorkerAction::AskLead`]: the question is in the transcript, in the entry of that number, and the lead is told.
    LeadAsked {
        /// The question.
        question: QuestionId,
        /// The number of the entry.
        number: u64,
    },
    /// Answers [`WorkerAction::AskLead`]: the question could not be put where the lead would see it.
    LeadNotAsked {
        /// The question.
        question: QuestionId,
        /// The failure.
        why: String,
    },
    /// The provider takes no more for now. In a turn, the end of the turn follows.
    Limited(ProviderLimit),
    /// The provider has no room or can not be reached, and the agent has given up to try again. The end of the turn follows.
    ProviderUnavailable {
        /// The provider's words, in one line.
        reason: String,
    },
    /// The roster says that the account of this member is limited, by whichever member's word. Also answers
    /// [`WorkerAction::ClaimNext`]: then no task was claimed.
    AccountLimited(ProviderLimit),
    /// The limit of the account is over, or somebody lifted it.
    LimitLifted,
    /// The agent's turn ended.
    TurnEnded {
        /// The way in which it ended.
        end: TurnEnd,
        /// The last of what it said.
        result: String,
    },
    /// Answers [`WorkerAction::Record`]: it is on the board.
    Recorded,
    /// Answers [`WorkerAction::Record`]: the board does not take it, now or ever.
    RecordRefused {
        /// The board's reason.
        why: String,
    },
    /// Answers [`WorkerAction::Record`] or [`WorkerAction::ClaimNext`]: the board could not be reached this time.
    NotRecorded {
        /// The failure of writing.
        error: String,
    },
    /// Answers [`WorkerAction::Acknowledge`] if it could not be written this time.
    NotAcknowledged {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// The link to the leader broke.
    LeaderLost,
    /// A leader made a link.
    LeaderLinked,
    /// Answers [`WorkerAction::LookForLeader`]: there is one.
    LeaderSeen,
    /// Answers [`WorkerAction::LookForLeader`]: there is none.
    LeaderAbsent,
    /// A signal told the worker to end.
    Terminated,
    /// The clock of the day was set: all times from here on are by the new one.
    ClockSet {
        /// By how much; less than 0 is back.
        by_ms: i64,
    },
    /// The time of [`WorkerCore::next_tick_ms`](super::WorkerCore::next_tick_ms) is reached.
    Tick,
}

/// A deed that the core has decided on, for the hands to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerAction {
    /// Claim the next task, or tell the board that this worker waits; answered by [`WorkerEvent::Claimed`].
    ClaimNext,
    /// Tell the board that this worker does not wait.
    Away,
    /// Give the agent a prompt; answered by [`WorkerEvent::PromptTaken`] or [`WorkerEvent::PromptRefused`].
    StartTurn {
        /// Numbers the turn, and so names the prompt: [`TextId::prompt_of`].
        turn: u64,
        /// The task it is for.
        task: Option<TaskId>,
        /// The words that the agent is told before the work.
        before: Option<String>,
        /// The work to do.
        work: TaskWork,
        /// The texts that the prompt is made of; none for the work of a task.
        texts: Vec<TextId>,
        /// The use of all turns before this one.
        used: UsageSum,
    },
    /// Give the agent the prompt of a turn that is written down as begun; answered as [`WorkerAction::StartTurn`] is.
    PromptAgent {
        /// The number of the turn.
        turn: u64,
        /// The task that the turn is for.
        task: Option<TaskId>,
        /// The words that go before the work.
        before: Option<String>,
        /// The work.
        work: TaskWork,
    },
    /// Say something to the agent in its turn; answered by [`WorkerEvent::Steered`].
    Steer {
        /// The origin of the words, which gets the answer.
        of: SteerOf,
        /// The words.
        text: WaitingText,
    },
    /// Write a question into the transcript and tell the lead of it; answered by [`WorkerEvent::LeadAsked`] or
    /// [`WorkerEvent::LeadNotAsked`].
    AskLead {
        /// The question.
        asked: PermissionQuestion,
        /// The task of the turn, if it has one.
        task: Option<TaskId>,
        /// When it is answered with no.
        until_ms: u64,
    },
    /// Answer the agent's question for permission.
    Permit {
        /// The question.
        question: QuestionId,
        /// The answer to the question.
        answer: Permission,
    },
    /// Write the name of the agent's conversation on the roster, for the next life.
    KeepSession {
        /// The name.
        session: SessionId,
    },
    /// Write on the roster that the provider takes no more, for all members of the same account.
    TellLimit {
        /// When it takes more again.
        until_ms: u64,
        /// The provider's words.
        reason: String,
    },
    /// Write on the roster, for people, that most of a budget is used.
    TellBudget {
        /// The task whose budget it is; nothing for that of the member.
        task: Option<TaskId>,
        /// The limit with what was used of it.
        used: String,
    },
    /// Write to the lead.
    WriteLead {
        /// The words.
        text: String,
    },
    /// End the agent's turn; [`WorkerEvent::TurnEnded`] follows.
    AbortTurn,
    /// Write how an attempt ended; answered by [`WorkerEvent::Recorded`], [`WorkerEvent::RecordRefused`] or
    /// [`WorkerEvent::NotRecorded`].
    Record {
        /// The end of the attempt.
        attempt: AttemptEnd,
        /// The use of the attempt, in all its turns.
        used: UsageSum,
    },
    /// Acknowledge messages in the mailbox.
    Acknowledge {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// Answer a shutdown request by mail to the lead.
    Reply(ShutdownReply),
    /// Write it into the transcript and tell who subscribed.
    Say(TranscriptText),
    /// Answer a call.
    Answer {
        /// The call.
        call: CallId,
        /// The answer to the call.
        answer: Result<WorkerAnswer, AskRefused>,
    },
    /// End the agent, to start it again later; answered by [`WorkerEvent::AgentAsleep`] once it has ended.
    PutAgentToSleep,
    /// End the processes that an agent which has fallen asleep left outside of its own group.
    EndLeftovers,
    /// Let the agent begin a new conversation when it is woken the next time; answered by [`WorkerEvent::SessionLost`].
    RenewConversation,
    /// Start the agent, again with its conversation; answered by [`WorkerEvent::AgentReady`] or [`WorkerEvent::AgentGone`].
    WakeAgent,
    /// Look for members that died holding tasks, and give those back.
    Sweep {
        /// How far to look.
        reach: SweepReach,
    },
    /// Look whether a leader runs; answered by [`WorkerEvent::LeaderSeen`] or [`WorkerEvent::LeaderAbsent`].
    LookForLeader,
    /// Close the agent, write the leaving down, end the process.
    Leave {
        /// The way in which the worker ended.
        how: WorkerEnd,
    },
}
