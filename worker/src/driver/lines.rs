//! Agents that are one program for all turns and speak in lines: all of them are started, written to, read, limited and
//! ended in the same way, here. What the lines mean is another matter for each, and stands in its [`AgentDialect`], which
//! is pure: it takes what the worker wants or what the program said, and returns what to write and what to tell.
//!
//! The program runs in the workspace, in a process group of its own, with the lines on its standard input and output. Its
//! standard error goes where that of the worker goes. The end of its standard input tells it to exit.
//!
//! A line longer than [`AGENT_LINE_BYTES_MAX`](teamster_protocol::model::limits::sizes::AGENT_LINE_BYTES_MAX) is the program's
//! fault and ends it. So is silence where it owes an answer: it has to be ready within [`AGENT_READY_WITHIN`], and a turn that
//! was aborted has to end within a grace. A program that does not read what it is told is ended as well, when too much of it
//! waits.

mod actor;
mod complaints;
mod dialect;
mod read;
pub(super) mod rpc;
#[cfg(test)]
pub(super) mod steps;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use teamster_protocol::model::agent::preset::AgentAbilities;
use teamster_protocol::model::agent::{Permission, QuestionId};
use teamster_protocol::model::limits::TERM_GRACE;
use teamster_protocol::model::limits::pace::AGENT_READY_WITHIN;
use teamster_protocol::model::limits::sizes::{NEWS_QUEUE_MAX, ORDERS_QUEUE_MAX};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::{TaskWork, WorkKind};
use tokio::sync::{mpsc, watch};

use self::actor::LineActor;
pub use self::dialect::{AgentDialect, DialectStep, NonsenseSaid};
pub(super) use self::dialect::{receipt, tell};
use super::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError};

/// Where and how the program runs.
#[derive(Debug, Clone)]
pub struct LineSetup {
    /// The directory in which it runs.
    pub workspace: PathBuf,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// The same for a new conversation, if `command` goes on with an earlier one.
    pub afresh: Option<Vec<String>>,
    /// Variables, over those of the worker.
    pub env: Vec<(String, String)>,
    /// How long it may take to be ready.
    pub ready_within: Duration,
    /// How long it may take to end an aborted turn, and to exit, before it is killed.
    pub term_grace: Duration,
}

impl LineSetup {
    /// This program in `workspace`, with the default limits.
    pub fn new(workspace: impl Into<PathBuf>, command: Vec<String>) -> LineSetup {
        LineSetup {
            workspace: workspace.into(),
            command,
            afresh: None,
            env: Vec::new(),
            ready_within: AGENT_READY_WITHIN,
            term_grace: TERM_GRACE,
        }
    }
}

/// The driver of an agent that speaks in lines.
#[derive(Debug)]
pub struct LineDriver {
    abilities: AgentAbilities,
    orders: mpsc::Sender<LineOrder>,
    wish: watch::Sender<LineWish>,
    standing: SharedStanding,
}

/// An order on its way to the program.
#[derive(Debug)]
enum LineOrder {
    Prompt { id: TextId, text: String },
    Steer(AgentSteer),
    Permit { question: QuestionId, answer: Permission },
}

/// The worker's strongest wish of the program. Wishes only grow, but for an abort that the turn has obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LineWish {
    GoOn,
    Abort,
    Close,
}

/// The standing of the program, as the worker was told or will be by the news on their way.
#[derive(Debug, Default)]
struct LineStanding {
    turn: TurnStanding,
    /// Whether a turn began that was not told to have ended.
    in_turn: bool,
    /// The questions that wait for an answer.
    questions: Vec<QuestionId>,
}

/// Whether a turn runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum TurnStanding {
    /// No turn runs.
    #[default]
    Idle,
    /// A turn runs.
    Running,
    /// None ever will: the program is gone, or told to go.
    Closed,
}

/// The standing, seen by the driver and by the task beside the program.
#[derive(Debug, Clone, Default)]
struct SharedStanding(Arc<Mutex<LineStanding>>);

impl SharedStanding {
    fn lock(&self) -> MutexGuard<'_, LineStanding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineDriver {
    /// Starts the program. Must be called within a tokio runtime with I/O, time and signals, and makes this process a
    /// child subreaper.
    pub fn start(
        setup: LineSetup,
        dialect: impl AgentDialect,
    ) -> Result<(LineDriver, mpsc::Receiver<AgentNews>), DriverError> {
        let (news, told) = mpsc::channel(NEWS_QUEUE_MAX);
        let (orders, ordered) = mpsc::channel(ORDERS_QUEUE_MAX);
        let (wish, wanted) = watch::channel(LineWish::GoOn);
        let standing = SharedStanding::default();
        let abilities = dialect.abilities();
        let actor = LineActor::start(setup, dialect, news, ordered, wanted, standing.clone())?;
        tokio::spawn(actor.run());
        Ok((LineDriver { abilities, orders, wish, standing }, told))
    }

    fn order(&self, verb: &'static str, order: LineOrder) -> Result<(), DriverError> {
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DriverError::Unread { verb },
            mpsc::error::TrySendError::Closed(_) => DriverError::Closed { verb },
        })
    }
}

impl Driver for LineDriver {
    fn abilities(&self) -> AgentAbilities {
        self.abilities
    }

    fn prompt(&mut self, prompt: AgentPrompt) -> Result<(), DriverError> {
        let mut standing = self.standing.lock();
        match standing.turn {
            TurnStanding::Running => return Err(DriverError::Busy),
            TurnStanding::Closed => return Err(DriverError::Closed { verb: "prompt" }),
            TurnStanding::Idle => {}
        }
        let TaskWork::Prompt(text) = prompt.work else { return Err(DriverError::OtherWork { takes: WorkKind::Text }) };
        self.order("prompt", LineOrder::Prompt { id: prompt.id, text })?;
        standing.turn = TurnStanding::Running;
        standing.in_turn = true;
        self.wish.send_if_modified(|wish| std::mem::replace(wish, LineWish::GoOn) != LineWish::GoOn);
        Ok(())
    }

    fn steer(&mut self, steer: AgentSteer) -> Result<ReceiptState, DriverError> {
        let standing = self.standing.lock();
        match standing.turn {
            TurnStanding::Idle => return Err(DriverError::Idle),
            TurnStanding::Closed => return Err(DriverError::Closed { verb: "steer" }),
            TurnStanding::Running => {}
        }
        self.order("steer", LineOrder::Steer(steer))?;
        Ok(ReceiptState::Accepted)
    }

    fn permit(&mut self, question: &QuestionId, permission: Permission) -> Result<(), DriverError> {
        let mut standing = self.standing.lock();
        let Some(asked) = standing.questions.iter().position(|asked| asked == question) else {
            return Err(DriverError::NotAsked { question: question.clone() });
        };
        self.order("answer", LineOrder::Permit { question: question.clone(), answer: permission })?;
        standing.questions.remove(asked);
        Ok(())
    }

    fn abort(&mut self) {
        let standing = self.standing.lock();
        if standing.turn == TurnStanding::Running {
            self.wish.send_if_modified(|wish| {
                let grows = *wish < LineWish::Abort;
                *wish = LineWish::Abort.max(*wish);
                grows
            });
        }
    }

    fn close(&mut self) {
        self.standing.lock().turn = TurnStanding::Closed;
        self.wish.send_replace(LineWish::Close);
    }
}
