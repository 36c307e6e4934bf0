//! From an agent's name to a running driver. The agents stand in one table, the protocol's
//! [`preset`](teamster_protocol::model::agent::preset), which the leader reads too; here each row meets its driver.

use std::env;
use std::fs;
use std::path::PathBuf;

use teamster_protocol::model::agent::SessionId;
use teamster_protocol::model::agent::options::{AgentLaunch, LaunchCommand};
use teamster_protocol::model::agent::preset::DriverKind;
use tokio::sync::mpsc;

use super::acp::AcpDialect;
use super::claude::{self, ClaudeDialect, ClaudeLife};
use super::cmd::CommandProgram;
use super::codex::CodexDialect;
use super::git_dirs::git_dirs;
use super::lines::{AgentDialect, LineDriver, LineSetup};
use super::pi::{self, PiDialect};
use super::process::{ProcessDriver, ProcessSetup};
use super::script::ScriptDialect;
use super::shell::{ShellSetup, start_shell};
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

/// Starts an agent. It tells by [`AgentNews::Ready`] when it takes prompts. The variables of the setup go before those of
/// the launch.
pub fn start_driver(launch: AgentLaunch, setup: AgentSetup) -> Result<StartedDriver, DriverError> {
    let mut env: Vec<(String, String)> = launch.env.clone().into_iter().collect();
    env.extend(setup.env);
    match launch.driver {
        DriverKind::Shell => {
            let (shell, news) = start_shell(ShellSetup { env, ..ShellSetup::new(setup.workspace) })?;
            Ok((Box::new(shell), news))
        }
        DriverKind::Cmd => {
            let program = CommandProgram::new(command_line(&launch, Vec::new())?);
            let process = ProcessSetup { env, ..ProcessSetup::new(setup.workspace) };
            let (agent, news) = ProcessDriver::start(process, program)?;
            Ok((Box::new(agent), news))
        }
        DriverKind::Script => {
            let command = command_line(&launch, Vec::new())?;
            let program = LineSetup { env, ..LineSetup::new(setup.workspace, command) };
            start_program(program, ScriptDialect::new(setup.session))
        }
        DriverKind::Pi => {
            let command = command_line(&launch, pi::arguments(&launch, setup.session.as_ref()))?;
            let afresh = Some(command_line(&launch, pi::arguments(&launch, None))?);
            let program = LineSetup { env, afresh, ..LineSetup::new(setup.workspace, command) };
            start_program(program, PiDialect::new(setup.session))
        }
        DriverKind::Claude => {
            let life = ClaudeLife { id: random_uuid()?, resumed: setup.session };
            let command = command_line(&launch, claude::arguments(&launch, &life))?;
            let new_life = ClaudeLife { resumed: None, ..life.clone() };
            let afresh = Some(command_line(&launch, claude::arguments(&launch, &new_life))?);
            let (name, value) = claude::VARIABLE;
            env.insert(0, (name.to_owned(), value.to_owned()));
            let program = LineSetup { env, afresh, ..LineSetup::new(setup.workspace, command) };
            start_program(program, ClaudeDialect::new(life))
        }
        DriverKind::Codex => {
            let command = command_line(&launch, Vec::new())?;
            let dialect = CodexDialect::new(&launch, &setup.workspace, &git_dirs(&setup.workspace), setup.session);
            start_program(LineSetup { env, ..LineSetup::new(setup.workspace, command) }, dialect)
        }
        DriverKind::Acp => {
            let command = command_line(&launch, Vec::new())?;
            let dialect = AcpDialect::new(&launch, &setup.workspace, setup.session);
            start_program(LineSetup { env, ..LineSetup::new(setup.workspace, command) }, dialect)
        }
    }
}

/// Starts an agent that speaks in lines.
fn start_program(program: LineSetup, dialect: impl AgentDialect) -> Result<StartedDriver, DriverError> {
    let (driver, news) = LineDriver::start(program, dialect)?;
    Ok((Box::new(driver), news))
}

/// The program of an agent and its arguments, `of_driver` before those of the launch; never empty.
fn command_line(launch: &AgentLaunch, of_driver: Vec<String>) -> Result<Vec<String>, DriverError> {
    let mut words = match &launch.command {
        LaunchCommand::BuiltIn => return Err(DriverError::NoProgram),
        LaunchCommand::Words(words) => words.clone(),
        LaunchCommand::Variable(variable) => {
            let line = env::var(variable).unwrap_or_default();
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                return Err(DriverError::NoCommand { variable });
            }
            words
        }
    };
    words.extend(of_driver);
    words.extend(launch.args.iter().cloned());
    Ok(words)
}

/// A new UUID, of the kernel's.
fn random_uuid() -> Result<String, DriverError> {
    let read = fs::read_to_string("/proc/sys/kernel/random/uuid");
    let uuid = read.map_err(|source| DriverError::System { what: "read a new UUID", source })?;
    Ok(uuid.trim().to_owned())
}
