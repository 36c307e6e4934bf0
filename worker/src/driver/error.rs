//! Why a driver refuses, and whose fault that is: the driver knows, and the worker's core decides what follows.

use std::io;

use teamster_protocol::model::agent::{AgentFault, QuestionId};
use teamster_protocol::model::task::WorkKind;

/// Why a driver refused; what was asked for has not happened.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A turn runs, and turns do not overlap.
    #[error("cannot prompt: a turn is running")]
    Busy,
    /// There is nobody to hear it.
    #[error("cannot steer: no turn is running")]
    Idle,
    /// The driver was closed, or its agent is gone.
    #[error("cannot {verb}: the agent is closed")]
    Closed {
        /// The refused request, as a verb with its object.
        verb: &'static str,
    },
    /// Words are never run as a command, nor is a command said to who reads.
    #[error("cannot prompt: this agent takes {} only", match takes { WorkKind::Command => "commands", WorkKind::Text => "texts" })]
    OtherWork {
        /// What it takes.
        takes: WorkKind,
    },
    /// The text can not be handed over as it is.
    #[error("cannot {verb}: the text holds a NUL character")]
    NulInText {
        /// The refused request, as a verb with its object.
        verb: &'static str,
    },
    /// The text can not be handed over as an argument of a program.
    #[error(
        "cannot be prompted: {program} takes its prompt as an argument, and {bytes} bytes are more than the {bytes_max} \
         that one may have"
    )]
    PromptTooLong {
        /// The program.
        program: String,
        /// The length of the argument that the text would be.
        bytes: usize,
        /// The longest that is taken.
        bytes_max: usize,
    },
    /// The variable can not exist in an environment.
    #[error("cannot set environment variable {name:?}: no name is empty or holds '=', and no NUL is allowed")]
    BadVariable {
        /// Its name as given.
        name: String,
    },
    /// A steer that could not be handed over in one piece.
    #[error("cannot steer: {bytes} bytes are more than the {bytes_max} that can be handed over in one piece")]
    SteerTooLong {
        /// The length of the steer.
        bytes: usize,
        /// The longest that is taken.
        bytes_max: usize,
    },
    /// Earlier steers fill all the room there is.
    #[error("cannot steer: the command has not read the steers before this one")]
    SteersUnread,
    /// Nothing is there that the text could be written to.
    #[error("cannot steer: the standard input of the command is closed, as nobody asked to keep it open")]
    NoInput,
    /// Nobody will ever read standard input.
    #[error("cannot steer: the command has closed its standard input")]
    InputClosed,
    /// The agent does not read what it is told.
    #[error("cannot {verb}: the agent has not read what it was told before")]
    Unread {
        /// The refused request, as a verb with its object.
        verb: &'static str,
    },
    /// Nobody waits for an answer to this question.
    #[error("cannot answer question {question}: it is not asked, or not any more")]
    NotAsked {
        /// The question as given.
        question: QuestionId,
    },
    /// The command line of the agent is not known.
    #[error("cannot start the agent: {variable} does not say which program it is")]
    NoCommand {
        /// The variable that should.
        variable: &'static str,
    },
    /// The agent has no command, and its driver needs one.
    #[error("cannot start the agent: nobody said which command it is")]
    NoProgram,
    /// The agent's program could not be started.
    #[error("cannot start {program}")]
    NotStarted {
        /// The program.
        program: String,
        /// The answer of the system.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot {what}")]
    System {
        /// The failed step, as a verb with its object.
        what: &'static str,
        /// The answer of the system.
        source: io::Error,
    },
}

impl DriverError {
    /// The part of the system to blame that the text was not taken.
    pub fn fault(&self) -> AgentFault {
        match self {
            DriverError::NulInText { .. }
            | DriverError::BadVariable { .. }
            | DriverError::PromptTooLong { .. }
            | DriverError::SteerTooLong { .. }
            | DriverError::SteersUnread
            | DriverError::NoInput
            | DriverError::InputClosed
            | DriverError::OtherWork { .. }
            | DriverError::NotAsked { .. }
            | DriverError::Idle => AgentFault::Prompt,
            DriverError::Closed { .. }
            | DriverError::NoCommand { .. }
            | DriverError::NoProgram
            | DriverError::NotStarted { .. }
            | DriverError::System { .. } => AgentFault::Place,
            DriverError::Busy | DriverError::Unread { .. } => AgentFault::Agent,
        }
    }

    /// The refusal in one line, with what the system said.
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}
