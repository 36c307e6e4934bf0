//! What comes into the core and what goes out of it. Events are past tense, actions imperative.

use teamster_protocol::model::board::ReleaseWhy;
use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::mail::Message;
use teamster_protocol::model::notice::{Said, Stop};
use teamster_protocol::model::roster::LeftHow;
use teamster_protocol::model::shutdown::ShutdownReply;
use teamster_protocol::model::task::{Claim, Work};
use teamster_protocol::wire::api::{Aborting, Prompted, Steered};

/// Names a call of the leader in the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// A call of the leader that the core decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in WorkerApi")]
pub enum Ask {
    Prompt { text: String },
    Steer { text: String },
    Abort { reason: String },
}

/// What a call is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in WorkerApi")]
pub enum Answer {
    Prompted(Prompted),
    Steered(Steered),
    Aborting(Aborting),
}

/// Why a call is refused, as a sentence that follows `NAME did not take it: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The sentence.
    pub why: String,
}

impl Refused {
    pub(super) fn new(why: impl Into<String>) -> Refused {
        Refused { why: why.into() }
    }
}

/// Whose words a steer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SteerOf {
    /// A call's.
    Ask(AskId),
    /// A message's.
    Mail(Box<Message>),
    /// The worker's own, to an agent that stalls.
    Stall,
}

/// A task that was claimed, with what is needed to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedTask {
    /// The right to end it.
    pub claim: Claim,
    /// What to do.
    pub work: Work,
    /// How long that may take.
    pub timeout_ms: Option<u64>,
}

/// How a turn on a task ended, as it goes to the board.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Board's methods")]
pub enum Outcome {
    Complete { claim: Claim, result: String },
    Fail { claim: Claim, reason: String, result: String },
    Release { claim: Claim, why: ReleaseWhy, partial: String },
    Die { claim: Claim, cause: String, partial: String },
}

/// Whose fault it is that a prompt was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its own: no agent of this kind can take it.
    Prompt,
    /// That of the machine, or of the place where the agent works. Another worker may have better luck.
    Place,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The agent can take a prompt.
    AgentReady,
    /// The agent will take none any more.
    AgentGone {
        /// Why.
        reason: String,
    },
    /// The leader called.
    Asked {
        /// Names the call.
        ask: AskId,
        /// What it asks.
        what: Ask,
    },
    /// These are unread in the mailbox, in order. Those taken before are passed over.
    MailArrived(Vec<Message>),
    /// Somebody made work.
    Rang,
    /// The slow poll: look at everything although nobody rang.
    Polled,
    /// Answers [`Action::ClaimNext`].
    Claimed(Option<ClaimedTask>),
    /// Answers [`Action::StartTurn`]: the agent has the prompt.
    PromptTaken,
    /// Answers [`Action::StartTurn`]: the agent did not take it.
    PromptRefused {
        /// Why.
        reason: String,
        /// Whose fault that is.
        fault: Fault,
    },
    /// Answers [`Action::Steer`].
    Steered {
        /// Whose words.
        of: SteerOf,
        /// Whether the agent has them, or why not.
        outcome: Result<Steered, String>,
    },
    /// The agent could not begin with the turn, by no fault of the prompt.
    TurnNotBegun {
        /// Why.
        reason: String,
    },
    /// The agent's turn ended.
    TurnEnded {
        /// How.
        stop: Stop,
        /// The last of what it said.
        result: String,
    },
    /// Answers [`Action::Record`]: it is on the board.
    Recorded,
    /// Answers [`Action::Record`]: the board does not take it, now or ever.
    RecordRefused {
        /// Why.
        why: String,
    },
    /// Answers [`Action::Record`] or [`Action::ClaimNext`]: the board could not be reached this time.
    NotRecorded {
        /// Why.
        error: String,
    },
    /// Answers [`Action::Acknowledge`] if it could not be written this time.
    NotAcknowledged {
        /// Which.
        ids: Vec<MessageId>,
    },
    /// The link to the leader broke.
    LeaderLost,
    /// A leader made a link.
    LeaderLinked,
    /// Answers [`Action::LookForLeader`]: there is one.
    LeaderSeen,
    /// Answers [`Action::LookForLeader`]: there is none.
    LeaderAbsent,
    /// A signal told the worker to end.
    Terminated,
    /// The clock of the day was set: all times from here on are by the new one.
    ClockSet {
        /// By how much; less than 0 is back.
        by_ms: i64,
    },
    /// The time of [`Core::next_tick_ms`](super::Core::next_tick_ms) is reached.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Claim the next task, or tell the board that this worker waits; answered by [`Event::Claimed`].
    ClaimNext,
    /// Tell the board that this worker does not wait.
    Away,
    /// Give the agent a prompt; answered by [`Event::PromptTaken`] or [`Event::PromptRefused`].
    StartTurn {
        /// Numbers the turn.
        turn: u64,
        /// The task it is for.
        task: Option<TaskId>,
        /// What to do.
        work: Work,
    },
    /// Say something to the agent in its turn; answered by [`Event::Steered`].
    Steer {
        /// Whose words, for the answer.
        of: SteerOf,
        /// Who says it.
        from: Address,
        /// What.
        text: String,
    },
    /// End the agent's turn; [`Event::TurnEnded`] follows.
    AbortTurn,
    /// Write how the turn on a task ended; answered by [`Event::Recorded`], [`Event::RecordRefused`] or
    /// [`Event::NotRecorded`].
    Record(Outcome),
    /// Acknowledge messages in the mailbox.
    Acknowledge {
        /// Which.
        ids: Vec<MessageId>,
    },
    /// Answer a shutdown request by mail to the lead.
    Reply(ShutdownReply),
    /// Write it into the transcript and tell who subscribed.
    Say(Said),
    /// Answer a call.
    Answer {
        /// Which.
        ask: AskId,
        /// With what.
        answer: Result<Answer, Refused>,
    },
    /// Look for members that died holding tasks, and give those back.
    Sweep,
    /// Look whether a leader runs; answered by [`Event::LeaderSeen`] or [`Event::LeaderAbsent`].
    LookForLeader,
    /// Close the agent, write the leaving down, end the process.
    Leave {
        /// How it left.
        how: LeftHow,
    },
}
