//! The embedded agent: it runs commands with `sh -eu`, and needs nothing installed and no key. Words that are no command
//! are refused: nobody reads here, and they are never run.
//!
//! Each turn is one shell, run and ended as every [`process`](super::process) of a prompt is.

mod script;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use teamster_protocol::model::agent::AgentFault;
use teamster_protocol::model::agent::preset::DriverKind;
use teamster_protocol::model::limits::pace::{TURN_LINGER, TURN_TERM_GRACE};
use teamster_protocol::model::task::{TaskWork, WorkKind};
use tokio::sync::mpsc;

use self::script::ShellScript;
use super::process::{GivenPrompt, ProcessDriver, ProcessSetup, PromptProgram};
use super::{AgentNews, DriverError};

/// Where and how the shell runs; the same for all turns.
#[derive(Debug, Clone)]
pub struct ShellSetup {
    /// The directory in which each turn starts.
    pub workspace: PathBuf,
    /// Variables for all turns, over those of the worker and under those of the prompt.
    pub env: Vec<(String, String)>,
    /// A shell that knows `-e`, `-u` and `-c`.
    pub program: PathBuf,
    /// How long an aborted command may take to clean up before it is killed.
    pub term_grace: Duration,
    /// How long what the shell left running may take to finish by itself before it is aborted.
    pub linger: Duration,
}

impl ShellSetup {
    /// `/bin/sh` in `workspace` with [`TURN_TERM_GRACE`], [`TURN_LINGER`] and the environment of the worker.
    pub fn new(workspace: impl Into<PathBuf>) -> ShellSetup {
        ShellSetup {
            workspace: workspace.into(),
            env: Vec::new(),
            program: "/bin/sh".into(),
            term_grace: TURN_TERM_GRACE,
            linger: TURN_LINGER,
        }
    }
}

/// Starts the embedded agent, without a process before the first prompt: as [`ProcessDriver`] says.
pub fn start_shell(setup: ShellSetup) -> Result<(ProcessDriver, mpsc::Receiver<AgentNews>), DriverError> {
    let ShellSetup { workspace, env, program, term_grace, linger } = setup;
    ProcessDriver::start(ProcessSetup { workspace, env, term_grace, linger }, ShellProgram { program })
}

/// The shell, for which a prompt is a script.
#[derive(Debug)]
struct ShellProgram {
    program: PathBuf,
}

impl PromptProgram for ShellProgram {
    fn driver(&self) -> DriverKind {
        DriverKind::Shell
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn give(&self, work: TaskWork, command: &mut Command) -> Result<GivenPrompt, DriverError> {
        let TaskWork::Run { command: text, input } = work else {
            return Err(DriverError::OtherWork { takes: WorkKind::Command });
        };
        if text.contains('\0') {
            return Err(DriverError::NulInText { verb: "prompt" });
        }
        let script = ShellScript::new(text)
            .map_err(|source| DriverError::System { what: "keep a long script in memory", source })?;
        // As one would call it by hand: it is how the shell calls itself in its complaints.
        command.arg0(self.program.file_name().unwrap_or_default());
        Ok(GivenPrompt { input, kept: script.give(command) })
    }

    fn fault(&self, _: ExitStatus) -> AgentFault {
        AgentFault::Prompt
    }
}
