//! From an agent's name to a running driver. The agents stand in one table, the protocol's
//! [`preset`](teamster_protocol::model::agent::preset), which the leader reads too; here each row meets its driver.

use std::env;
use std::fs;
use std::path::PathBuf;

use teamster_protocol::host::own_program::beside_this_program;
use teamster_protocol::model::agent::options::{AgentLaunch, LaunchCommand};
use teamster_protocol::model::agent::preset::{DriverKind, LLM_PROGRAM};
use tokio::sync::mpsc;

use super::acp::AcpDialect;
use super::claude::{self, ClaudeDialect, ClaudeLife};
use super::cmd::CommandProgram;
use super::codex::{CodexDialect, ThreadWish};
use super::git_dirs::git_dirs;
use super::lines::{AgentDialect, LineDriver, LineSetup};
use super::pi::{self, PiDialect};
use super::process::{ProcessDriver, ProcessSetup};
use super::script::ScriptDialect;
use super::shell::{ShellSetup, start_shell};
use super::{AgentNews, Driver, DriverError, SessionOrigin};

/// The setup that every agent is started with, whatever its driver.
#[derive(Debug, Clone)]
pub struct AgentSetup {
    /// The directory in which the agent works.
    pub workspace: PathBuf,
    /// Variables, over those of the worker.
    pub env: Vec<(String, String)>,
    /// The conversation that it is to begin with.
    pub origin: SessionOrigin,
    /// The words that tell the agent who it is, where [`IdentityWay::AtStart`] tells it that.
    pub identity: Option<String>,
}

/// The way on which an agent is told who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityWay {
    /// When it is started. It knows this for as long as it lives, whatever it forgets of its conversation.
    AtStart,
    /// Before the work of its first prompt, and again when it may have forgotten that.
    InPrompt,
    /// Not at all: it does not read, or its prompt is to be what the user wrote and nothing else.
    Never,
}

/// The way for agents that this driver speaks with.
pub fn identity_way(driver: DriverKind) -> IdentityWay {
    match driver {
        DriverKind::Pi | DriverKind::Claude | DriverKind::Codex | DriverKind::Script | DriverKind::Llm => {
            IdentityWay::AtStart
        }
        DriverKind::Acp => IdentityWay::InPrompt,
        DriverKind::Shell | DriverKind::Cmd => IdentityWay::Never,
    }
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
            start_program(program, ScriptDialect::new(setup.origin, setup.identity))
        }
        DriverKind::Llm => {
            let mut words = Vec::new();
            for (option, value) in [("--model", &launch.model), ("--effort", &launch.effort)] {
                words.extend(value.iter().flat_map(|value| [option.to_owned(), value.clone()]));
            }
            let mut command = command_line(&launch, words)?;
            if command[0] == LLM_PROGRAM
                && let Some(beside) = beside_this_program(LLM_PROGRAM)
                && let Ok(beside) = beside.into_os_string().into_string()
            {
                command[0] = beside;
            }
            let program = LineSetup { env, ..LineSetup::new(setup.workspace, command) };
            start_program(program, ScriptDialect::new(setup.origin, setup.identity))
        }
        DriverKind::Pi => {
            let arguments = |origin: &SessionOrigin| pi::arguments(&launch, origin, setup.identity.as_deref());
            let command = command_line(&launch, arguments(&setup.origin))?;
            let afresh = Some(command_line(&launch, arguments(&SessionOrigin::New))?);
            let program = LineSetup { env, afresh, ..LineSetup::new(setup.workspace, command) };
            start_program(program, PiDialect::new(setup.origin))
        }
        DriverKind::Claude => {
            let life = ClaudeLife { id: random_uuid()?, origin: setup.origin };
            let arguments = |life: &ClaudeLife| claude::arguments(&launch, life, setup.identity.as_deref());
            let command = command_line(&launch, arguments(&life))?;
            let afresh = Some(command_line(&launch, arguments(&life.afresh()))?);
            let (name, value) = claude::VARIABLE;
            env.insert(0, (name.to_owned(), value.to_owned()));
            let program = LineSetup { env, afresh, ..LineSetup::new(setup.workspace, command) };
            start_program(program, ClaudeDialect::new(life))
        }
        DriverKind::Codex => {
            let command = command_line(&launch, Vec::new())?;
            let wish = ThreadWish::new(&launch, &setup.workspace, setup.origin)
                .with_writable(&git_dirs(&setup.workspace))
                .with_identity(setup.identity);
            let dialect = CodexDialect::new(wish);
            start_program(LineSetup { env, ..LineSetup::new(setup.workspace, command) }, dialect)
        }
        DriverKind::Acp => {
            let command = command_line(&launch, Vec::new())?;
            let dialect = AcpDialect::new(&launch, &setup.workspace, setup.origin);
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
