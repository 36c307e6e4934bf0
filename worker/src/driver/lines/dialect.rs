//! What the lines of an agent mean. A dialect is pure: no clock, file or process is in it, so that recorded lines alone
//! test it.

use teamster_protocol::model::agent::preset::AgentAbilities;
use teamster_protocol::model::agent::{AgentFault, Permission, QuestionId};
use teamster_protocol::model::receipt::{ReceiptState, TextId};

use crate::driver::{AgentNews, AgentSteer};

/// The way in which one kind of agent is spoken to in lines.
///
/// Every method returns what is to be done, in this order. The caller keeps the rules of
/// [`Driver`](crate::driver::Driver): nothing is asked before [`AgentNews::Ready`] was told, turns do not overlap, and a
/// question is answered once.
pub trait AgentDialect: Send + 'static {
    /// The abilities of the agent.
    fn abilities(&self) -> AgentAbilities;

    /// The program runs. What comes of it is [`AgentNews::Ready`], when the program has answered.
    fn begin(&mut self) -> Vec<DialectStep>;

    /// The program exited, in this way, before it was ready. Nothing is to be done unless the
    /// conversation is gone that it was to go on with: then [`DialectStep::BeginAfresh`] is among the steps.
    fn exited_early(&mut self, _how: &str) -> Vec<DialectStep> {
        Vec::new()
    }

    /// A turn begins with this text. What comes of it is one [`AgentNews::TurnEnded`].
    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep>;

    /// A text is for the turn that runs, or that has ended a moment ago: then it is told as lost.
    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep>;

    /// A question of the agent is answered.
    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep>;

    /// The turn that runs is to end soon. May be called when it has just ended.
    fn abort(&mut self) -> Vec<DialectStep>;

    /// Whether the agent may leave commands running of a turn that it was told to end. Then those are ended with the turn.
    fn leaves_commands(&self) -> bool {
        false
    }

    /// The program said this, without the line's end. Never an empty line.
    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid>;
}

/// One thing to be done for a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialectStep {
    /// Write this to the program. It holds no line end.
    Write(String),
    /// Tell the worker. Of a turn's end the caller adds what the agent said, if the result is empty.
    Tell(AgentNews),
    /// The conversation that the program was to go on with is gone: the program is to be started once more, for a new one.
    /// Allowed once, before the program is ready.
    BeginAfresh,
}

/// The step that tells the worker.
pub(in crate::driver) fn tell(news: AgentNews) -> DialectStep {
    DialectStep::Tell(news)
}

/// The step that tells the worker how far a text has come.
pub(in crate::driver) fn receipt(text: TextId, state: ReceiptState) -> DialectStep {
    tell(AgentNews::Receipt { text, state })
}

/// The program said what can not be dealt with, and has to be ended for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonsenseSaid {
    /// The reason in one line, for people.
    pub reason: String,
    /// Whose fault that is: the agent's, or the provider's, if it wants a login or a key first.
    pub fault: AgentFault,
}

impl NonsenseSaid {
    /// For this reason.
    pub fn new(reason: impl Into<String>) -> NonsenseSaid {
        NonsenseSaid { reason: reason.into(), fault: AgentFault::Agent }
    }

    /// For a login or a key that is missing.
    pub fn login_wanted(reason: impl Into<String>) -> NonsenseSaid {
        NonsenseSaid { reason: reason.into(), fault: AgentFault::Provider }
    }

    /// A line that can not be read.
    pub fn unread(line: &str, error: impl std::fmt::Display) -> NonsenseSaid {
        let shown: String = line.chars().take(80).collect();
        NonsenseSaid::new(format!("the agent said what is not understood: {error}: {shown}"))
    }
}
