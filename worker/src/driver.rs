//! The contract between a worker and the agent it drives.
//!
//! A worker says what it wants through [`Driver`] and hears what happened as [`AgentNews`]. Each kind of agent has one
//! file or folder beneath this one, and nothing outside it knows how its agent is spoken to. The [`catalog`] makes a
//! driver of an agent's name.
//!
//! An agent may outlive its turns: `shell` and `cmd` are a process for each turn, `script` is one process for all of them. Every
//! text that goes to an agent has an id, and the driver tells by receipts how far it has come:
//!
//! - [`Driver::prompt`] and [`Driver::steer`] hand a text on, and the driver tells at once what it knows of it;
//! - [`AgentNews::Receipt`] tells what it learns later. Nothing is called delivered that the agent has not taken.

mod acp;
pub mod catalog;
mod claude;
mod cmd;
mod codex;
mod error;
mod git_dirs;
pub mod lines;
mod narration;
mod news;
mod origin;
mod pi;
pub mod process;
mod provider;
mod reset;
pub mod script;
pub mod shell;
mod slash;
mod tail;
mod title;

use teamster_protocol::model::agent::preset::AgentAbilities;
use teamster_protocol::model::agent::{Permission, QuestionId};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::TaskWork;

pub use error::DriverError;
pub use news::AgentNews;
pub use origin::SessionOrigin;
pub use tail::TextTail;

/// One agent, started, for as long as its worker wants it.
///
/// No method blocks and none waits for the agent: each hands its wish on or refuses it, and what comes of it arrives
/// as [`AgentNews`] on the channel that came with the driver. Turns do not overlap. Dropping a driver closes it.
pub trait Driver: Send {
    /// The abilities of this kind of agent; the same for its whole life. [`AgentNews::Steering`] tells where one agent of
    /// the kind differs.
    fn abilities(&self) -> AgentAbilities;

    /// The longest text that the agent can be given as a prompt; nothing if it takes any.
    fn prompt_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Starts a turn, which ends with [`AgentNews::TurnEnded`] whatever happens in it, also when the agent can not be
    /// started. Refused while a turn runs, after `close`, and for a prompt that this agent could never take, such as a
    /// text for a shell.
    fn prompt(&mut self, prompt: AgentPrompt) -> Result<(), DriverError>;

    /// Says something to the agent in the middle of its turn, and tells what is known of it by now: `accepted` if a
    /// receipt follows, `queued` if the agent keeps it, `unconfirmed` if it may never tell. A refused text has not
    /// reached the agent in part either. Refused when no turn runs.
    fn steer(&mut self, steer: AgentSteer) -> Result<ReceiptState, DriverError>;

    /// Answers [`AgentNews::PermissionAsked`]. Refused if nothing is asked under that id (any more).
    fn permit(&mut self, question: &QuestionId, permission: Permission) -> Result<(), DriverError>;

    /// Stops the turn that runs: it ends as `aborted`, even if the agent finished in the same moment, or as failed by an agent
    /// that did not obey, which is ended, or died of it. Without a turn, and when said twice, it changes nothing.
    fn abort(&mut self);

    /// Stops the turn that runs, as [`abort`](Driver::abort) does, and then the agent. The last news is
    /// [`AgentNews::Exited`].
    fn close(&mut self);
}

/// One piece of work for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPrompt {
    /// Names it in the receipts.
    pub id: TextId,
    /// What to do. Not every agent takes every kind of work.
    pub work: TaskWork,
    /// Variables for this turn, over those of the worker. An agent that outlives its turns can not be given any, and
    /// its driver passes them over.
    pub env: Vec<(String, String)>,
}

/// Words for an agent in the middle of its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSteer {
    /// Names them in the receipts.
    pub id: TextId,
    /// The words.
    pub text: String,
}
