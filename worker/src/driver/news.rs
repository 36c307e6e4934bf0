//! The news from an agent to its worker.

use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::agent::{
    AgentExit, AgentSession, PermissionQuestion, PlanStep, ProviderLimit, ToolState, TurnEnd,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

/// One deed of an agent, told in the order in which it did them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentNews {
    /// Prompts are taken from now on. Comes once.
    Ready {
        /// The conversation, if the agent has one and has told its name.
        session: Option<AgentSession>,
    },
    /// The conversation that the agent was to go on with can not be had: it begins another one. Comes before
    /// [`Ready`](AgentNews::Ready).
    SessionLost {
        /// The reason, in a sentence that names the conversation.
        why: String,
    },
    /// The context of its model is full, and the agent could make no room by itself. The end of the turn follows, a failure.
    ContextFull,
    /// The agent has put its conversation in few words, to make room: it may have forgotten what it was told at the beginning.
    Compacted,
    /// The fate of a text that is said to this agent in a turn, which differs from that of its kind.
    Steering(SteerAbility),
    /// This agent can not go on with a conversation of an earlier life, though its kind can.
    NoResume,
    /// The driver has met something that a person should know of, and goes on.
    Trouble(String),
    /// The agent tells the name of its conversation only now, or begins another one.
    Session(AgentSession),
    /// The next piece of what the agent says. Put together, the pieces are all that it said; where they are cut means
    /// nothing.
    Text(String),
    /// The next piece of what it thinks.
    Thought(String),
    /// The agent uses a tool. Comes again, with the same id, whenever the state changes.
    ToolCall {
        /// Tells calls of one turn apart.
        id: String,
        /// The tool call in one line for people.
        title: String,
        /// The progress of the tool call.
        state: ToolState,
    },
    /// The agent has this plan, which takes the place of an earlier one.
    Plan(Vec<PlanStep>),
    /// The agent waits for [`Driver::permit`](super::Driver::permit); the end of the turn takes the question back.
    PermissionAsked(PermissionQuestion),
    /// The turn has cost this much so far.
    Usage(TokenUsage),
    /// A text has come this far.
    Receipt {
        /// The name of the text.
        text: TextId,
        /// The progress of the text.
        state: ReceiptState,
    },
    /// A limit of use is reached: the provider takes no more for now. In a turn, the end of the turn follows.
    Limited(ProviderLimit),
    /// The provider has no room or can not be reached, and the agent has given up to try again. The end of the turn follows.
    Unavailable {
        /// The provider's words, in one line.
        reason: String,
    },
    /// Not all that the turn had started can be ended, so nothing else should be begun beside it. The end of the turn
    /// follows.
    Broken {
        /// The processes that are still there, in one line.
        reason: String,
    },
    /// The turn is over and the next prompt will be taken. A text of the turn of which no receipt was told before has
    /// not reached the agent; one that was called queued still may, with the next prompt.
    TurnEnded {
        /// How it came to its end.
        end: TurnEnd,
        /// The result of the turn: the end of what the agent said, at most
        /// [`RESULT_BYTES_MAX`](teamster_protocol::model::limits::RESULT_BYTES_MAX), partial if the turn did not complete.
        result: String,
    },
    /// The agent is gone; nothing follows. If a turn ran, its end came before.
    Exited(AgentExit),
}
