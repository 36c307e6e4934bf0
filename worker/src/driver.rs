//! The contract between a worker and the agent it drives.
//!
//! A worker says what it wants through [`Driver`] and hears what happened as [`News`]. Each kind of
//! agent has one file beneath this one, and nothing outside that file knows how its agent is spoken to.

pub mod shell;
mod tail;

use std::io;

pub use tail::{RESULT_BYTES_MAX, Tail};

/// News that may wait for the worker; a driver with more to say slows its agent down.
pub const NEWS_QUEUE_MAX: usize = 32;

/// One agent, started, for as long as its worker wants it.
///
/// No method blocks and none waits for the agent: each hands its wish on or refuses it, and what comes
/// of it arrives as [`News`] on the channel that came with the driver. Turns do not overlap. Dropping
/// a driver closes it.
pub trait Driver: Send {
    /// What this kind of agent can do; the same for its whole life.
    fn abilities(&self) -> Abilities;

    /// Starts a turn, which ends with [`News::TurnEnded`] whatever happens in it, also when the agent
    /// can not be started. Refused while a turn runs, after `close`, and for a prompt that this agent
    /// could never take.
    fn prompt(&mut self, prompt: Prompt) -> Result<(), DriverError>;

    /// Says something to the agent in the middle of its turn; a refused text has not reached it in
    /// part either. Refused when no turn runs.
    fn steer(&mut self, text: &str) -> Result<Steered, DriverError>;

    /// Answers [`News::PermissionAsked`]. Refused if nothing is asked under that id (any more).
    fn permit(&mut self, request: &RequestId, permission: Permission) -> Result<(), DriverError>;

    /// Stops the turn that runs: it ends as [`StopReason::Aborted`], even if the agent finished in the
    /// same moment. Without a turn, and when said twice, it changes nothing.
    fn abort(&mut self);

    /// Stops the turn that runs, as [`abort`](Driver::abort) does, and then the agent. The last news
    /// is [`News::Exited`].
    fn close(&mut self);
}

/// What a kind of agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// What a prompt is to it.
    pub prompts: Prompts,
    /// What becomes of a steer that is not refused.
    pub steering: Steered,
}

/// What a prompt is to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    /// A program to run, with no memory of earlier ones: plain mail makes no sense as a prompt.
    Programs,
    /// The next thing said in a conversation: mail may be put to it as a prompt.
    Conversation,
}

/// One piece of work for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The words, or the script.
    pub text: String,
    /// Variables for this turn, over those of the worker. An agent that outlives its turns can not be
    /// given any, and its driver passes them over.
    pub env: Vec<(String, String)>,
}

/// When a steer reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steered {
    /// In the turn that runs.
    Now,
    /// When this turn has ended: the driver keeps it and puts it before the next prompt.
    NextTurn,
}

/// What an agent did, in the order in which it did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Prompts are taken from now on. Comes once.
    Ready,
    /// The next piece of what the agent says. Put together, the pieces are all that it said; where
    /// they are cut means nothing.
    Text(String),
    /// The agent uses a tool. Comes again, with the same id, whenever the state changes.
    ToolCall {
        /// Tells calls of one turn apart.
        id: String,
        /// One line for people.
        title: String,
        /// How far it has come.
        state: ToolState,
    },
    /// The agent waits for [`Driver::permit`]; the end of the turn takes the question back.
    PermissionAsked {
        /// What to answer to.
        request: RequestId,
        /// What it wants to do, in one line for people.
        title: String,
    },
    /// What the turn has cost so far.
    Usage {
        /// Tokens read.
        input_tokens: u64,
        /// Tokens written.
        output_tokens: u64,
    },
    /// Not all that the turn had started can be ended, so nothing else should be begun beside it. The end of the turn
    /// follows.
    Broken {
        /// What is still there, in one line.
        reason: String,
    },
    /// The turn is over and the next prompt will be taken.
    TurnEnded {
        /// How it came to its end.
        stop: StopReason,
        /// What there is to show for it: the end of what the agent said, at most
        /// [`RESULT_BYTES_MAX`], partial if the turn did not complete.
        result: String,
    },
    /// The agent is gone; nothing follows.
    Exited(Exited),
}

/// How far a tool call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolState {
    /// It runs, or waits for permission.
    Running,
    /// It did what it should.
    Done,
    /// It failed or was refused.
    Failed,
}

/// Names one question for permission.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(pub String);

/// The answer to a question for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// This time.
    Once,
    /// This time and whenever the like is asked again while the agent lives.
    Always,
    /// No; the turn goes on without.
    Never,
}

/// How a turn came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The agent says that it did it.
    Completed,
    /// It did not.
    Failed {
        /// Why, in one line.
        reason: String,
    },
    /// It did not even begin: no part of the prompt was acted on. The fault lies with the place it was to begin in, or
    /// with the machine, and not with the prompt.
    NotBegun {
        /// Why, in one line.
        reason: String,
    },
    /// The worker stopped it.
    Aborted,
}

/// How an agent came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exited {
    /// The worker closed it.
    Closed,
    /// It ended by itself.
    Died {
        /// Why, in one line.
        reason: String,
    },
}

/// Why a driver refused; what was asked for has not happened.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Turns do not overlap.
    #[error("cannot prompt: a turn is running")]
    Busy,
    /// There is nobody to hear it.
    #[error("cannot steer: no turn is running")]
    Idle,
    /// The driver was closed.
    #[error("cannot {verb}: the agent is closed")]
    Closed {
        /// What was asked for.
        verb: &'static str,
    },
    /// The text can not be handed over as it is.
    #[error("cannot {verb}: the text holds a NUL character")]
    NulInText {
        /// What was asked for.
        verb: &'static str,
    },
    /// Such a variable can not exist.
    #[error("cannot set environment variable {name:?}: no name is empty or holds '=', and no NUL is allowed")]
    BadVariable {
        /// Its name as given.
        name: String,
    },
    /// A steer that could not be handed over in one piece.
    #[error("cannot steer: {bytes} bytes are more than the {bytes_max} that can be handed over in one piece")]
    SteerTooLong {
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        bytes_max: usize,
    },
    /// Earlier steers fill all the room there is.
    #[error("cannot steer: the command has not read the steers before this one")]
    SteersUnread,
    /// Nobody will ever read it.
    #[error("cannot steer: the command has closed its standard input")]
    InputClosed,
    /// Nobody waits for this answer.
    #[error("cannot answer request {request:?}: it is not being asked")]
    NotAsked {
        /// The request as given.
        request: String,
    },
    /// The system refused.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: io::Error,
    },
}
