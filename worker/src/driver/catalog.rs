//! From an agent's name to a running driver. The agents stand in one table, the protocol's
//! [`preset`](teamster_protocol::model::agent::preset), which the leader reads too; here each row meets its driver.

use std::env;
use std::path::PathBuf;

use teamster_protocol::model::agent::SessionId;
use teamster_protocol::model::agent::preset::{AgentCommand, AgentPreset, DriverKind};
use tokio::sync::mpsc;

use super::lines::{AgentDialect, LineDriver, LineSetup};
use super::script::ScriptDialect;
use super::shell::{ShellDriver, ShellSetup};
use super::{AgentNews, Driver, DriverError};

/// The setup that every agent is started with, whatever its driver.
#[derive(Debug, Clone)]
pub struct AgentSetup {
    /// The directory in which the agent works.
    pub workspace: PathBuf,
    /// Variables, over those of the worker.
    pub env: Vec<(String, String)>,
    /// The conversation of an earlier life that it is to go on with.
    pub session: Option<SessionId>,
}

/// A driver and the channel of its news.
pub type StartedDriver = (Box<dyn Driver>, mpsc::Receiver<AgentNews>);

/// Starts the agent of a preset. It tells by [`AgentNews::Ready`] when it takes prompts.
pub fn start_driver(preset: &AgentPreset, setup: AgentSetup) -> Result<StartedDriver, DriverError> {
    let mut env: Vec<(String, String)> =
        preset.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    env.extend(setup.env);
    match preset.driver {
        DriverKind::Shell => {
            let (shell, news) = ShellDriver::start(ShellSetup { env, ..ShellSetup::new(setup.workspace) })?;
            Ok((Box::new(shell), news))
        }
        DriverKind::Script => {
            let program = LineSetup { env, ..LineSetup::new(setup.workspace, command_line(preset)?) };
            start_program(program, ScriptDialect::new(setup.session))
        }
    }
}

/// Starts an agent that speaks in lines.
fn start_program(program: LineSetup, dialect: impl AgentDialect) -> Result<StartedDriver, DriverError> {
    let (driver, news) = LineDriver::start(program, dialect)?;
    Ok((Box::new(driver), news))
}

/// The program of a preset and its arguments.
fn command_line(preset: &AgentPreset) -> Result<Vec<String>, DriverError> {
    match preset.command {
        AgentCommand::BuiltIn => Ok(Vec::new()),
        AgentCommand::Program(words) => Ok(words.iter().map(|word| (*word).to_owned()).collect()),
        AgentCommand::Variable(variable) => {
            let line = env::var(variable).unwrap_or_default();
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() { Err(DriverError::NoCommand { variable }) } else { Ok(words) }
        }
    }
}
