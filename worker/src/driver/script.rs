//! The scripted agent: one program for all turns, which speaks JSON lines. Tests use it to see what a worker makes of a
//! conversation, and it is the plainest example of a driver whose agent outlives its turns.
//!
//! The program is started in the workspace, in a process group of its own, and is told everything on its standard input
//! and tells everything on its standard output, one JSON object a line with one key, which names it. Its standard error
//! goes where that of the worker goes. `TEAMSTER_SCRIPT_AGENT` says which program it is.
//!
//! The orders it is given ([`ScriptOrder`]):
//!
//! ```json
//! {"start":{"session":"s1"}}                       first of all; null without an earlier conversation
//! {"prompt":{"id":"3.0","text":"count the files"}}  begins a turn
//! {"steer":{"id":"3.1","text":"and the folders"}}
//! {"permit":{"question":"q1","answer":"once"}}      or "always", or {"never":{"reason":"…"}}
//! {"abort":{}}                                      the turn is to end
//! ```
//!
//! The end of its standard input tells it to exit. What it tells ([`ScriptNews`]):
//!
//! ```json
//! {"ready":{"session":{"id":"s1","begun":"resumed"}}}
//! {"receipt":{"text":"3.0","state":"delivered"}}
//! {"text":"41 files\n"}     {"thought":"…"}     {"plan":[{"text":"count","state":"active"}]}
//! {"tool_call":{"id":"t1","title":"ls","state":"running"}}
//! {"permission_asked":{"question":"q1","tool":"sh","title":"rm -r x"}}
//! {"usage":{"input":120,"output":7}}
//! {"limited":{"until_ms":1763700000000,"reason":"5 hours are used up"}}
//! {"turn_ended":{"end":"completed","result":"41 files"}}
//! ```
//!
//! A line that is none of these, or longer than [`LINE_BYTES_MAX`], is the agent's fault and ends it. So is silence: it
//! has to be ready within [`START_WITHIN`], and a turn that was aborted has to end within a grace.

mod actor;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{AgentExit, Permission, QuestionId, SessionId};
use teamster_protocol::model::limits::{START_WITHIN, TERM_GRACE};
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::task::{TaskWork, WorkKind};
use tokio::sync::{mpsc, watch};

use self::actor::ScriptActor;
pub use self::wire::{LINE_BYTES_MAX, ScriptNews, ScriptOrder};
use super::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError, NEWS_QUEUE_MAX};

/// The number of orders that may wait to be written to a program that does not read.
const ORDERS_QUEUE_MAX: usize = 64;

/// Where and how the program runs.
#[derive(Debug, Clone)]
pub struct ScriptSetup {
    /// The directory in which it runs.
    pub workspace: PathBuf,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// Variables, over those of the worker.
    pub env: Vec<(String, String)>,
    /// The conversation that it is to go on with.
    pub session: Option<SessionId>,
    /// How long it may take to be ready.
    pub ready_within: Duration,
    /// How long it may take to end an aborted turn, and to exit, before it is killed.
    pub term_grace: Duration,
}

impl ScriptSetup {
    /// This program in `workspace`, with the default limits.
    pub fn new(workspace: impl Into<PathBuf>, command: Vec<String>) -> ScriptSetup {
        ScriptSetup {
            workspace: workspace.into(),
            command,
            env: Vec::new(),
            session: None,
            ready_within: START_WITHIN,
            term_grace: TERM_GRACE,
        }
    }
}

/// The driver of a scripted agent.
#[derive(Debug)]
pub struct ScriptDriver {
    orders: mpsc::Sender<ScriptOrder>,
    wish: watch::Sender<ScriptWish>,
    standing: Arc<Mutex<ScriptStanding>>,
}

/// The worker's strongest wish of the program. Wishes only grow, but for an abort that the turn has obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ScriptWish {
    GoOn,
    Abort,
    Close,
}

/// The standing of the program, as the worker was told or will be by the news on their way.
#[derive(Debug, Default)]
struct ScriptStanding {
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

impl ScriptDriver {
    /// Starts the program. Must be called within a tokio runtime with I/O, time and signals, and makes this process a
    /// child subreaper.
    pub fn start(setup: ScriptSetup) -> Result<(ScriptDriver, mpsc::Receiver<AgentNews>), DriverError> {
        let (news, told) = mpsc::channel(NEWS_QUEUE_MAX);
        let (orders, ordered) = mpsc::channel(ORDERS_QUEUE_MAX);
        let (wish, wanted) = watch::channel(ScriptWish::GoOn);
        let standing = Arc::new(Mutex::new(ScriptStanding::default()));
        let start = ScriptOrder::Start { session: setup.session.clone() };
        orders.try_send(start).expect("a new channel has room");
        let actor = ScriptActor::start(setup, news, ordered, wanted, Arc::clone(&standing))?;
        tokio::spawn(actor.run());
        Ok((ScriptDriver { orders, wish, standing }, told))
    }

    fn order(&self, verb: &'static str, order: ScriptOrder) -> Result<(), DriverError> {
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DriverError::Unread { verb },
            mpsc::error::TrySendError::Closed(_) => DriverError::Closed { verb },
        })
    }
}

impl Driver for ScriptDriver {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Script)
    }

    fn prompt(&mut self, prompt: AgentPrompt) -> Result<(), DriverError> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match standing.turn {
            TurnStanding::Running => return Err(DriverError::Busy),
            TurnStanding::Closed => return Err(DriverError::Closed { verb: "prompt" }),
            TurnStanding::Idle => {}
        }
        let TaskWork::Prompt(text) = prompt.work else { return Err(DriverError::OtherWork { takes: WorkKind::Text }) };
        self.order("prompt", ScriptOrder::Prompt { id: prompt.id, text })?;
        standing.turn = TurnStanding::Running;
        standing.in_turn = true;
        self.wish.send_if_modified(|wish| std::mem::replace(wish, ScriptWish::GoOn) != ScriptWish::GoOn);
        Ok(())
    }

    fn steer(&mut self, steer: AgentSteer) -> Result<ReceiptState, DriverError> {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match standing.turn {
            TurnStanding::Idle => return Err(DriverError::Idle),
            TurnStanding::Closed => return Err(DriverError::Closed { verb: "steer" }),
            TurnStanding::Running => {}
        }
        self.order("steer", ScriptOrder::Steer { id: steer.id, text: steer.text })?;
        Ok(ReceiptState::Accepted)
    }

    fn permit(&mut self, question: &QuestionId, permission: Permission) -> Result<(), DriverError> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(asked) = standing.questions.iter().position(|asked| asked == question) else {
            return Err(DriverError::NotAsked { question: question.clone() });
        };
        self.order("answer", ScriptOrder::Permit { question: question.clone(), answer: permission })?;
        standing.questions.remove(asked);
        Ok(())
    }

    fn abort(&mut self) {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.turn == TurnStanding::Running {
            self.wish.send_if_modified(|wish| {
                let grows = *wish < ScriptWish::Abort;
                *wish = ScriptWish::Abort.max(*wish);
                grows
            });
        }
    }

    fn close(&mut self) {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).turn = TurnStanding::Closed;
        self.wish.send_replace(ScriptWish::Close);
    }
}

/// How a program that was told to go came to its end.
fn exit_of(wish: ScriptWish, reason: String) -> AgentExit {
    match wish {
        ScriptWish::Close => AgentExit::Closed,
        ScriptWish::GoOn | ScriptWish::Abort => AgentExit::Died { reason },
    }
}
