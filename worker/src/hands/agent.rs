//! The agent a worker drives, and which agents there are.

use std::fmt;
use std::io;
use std::path::Path;

use teamster_protocol::host::process::life::{self, Life};
use teamster_protocol::host::process::own_identity;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{AgentName, MemberName, TaskId};
use teamster_protocol::model::task::Work;
use tokio::sync::mpsc;

use crate::core::Conversation;
use crate::driver::shell::{Setup, Shell};
use crate::driver::{Driver, DriverError, Exited, News, Permission, Prompt, Prompts, RequestId, Steered};

/// The agents there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The embedded one.
    Shell,
}

impl Kind {
    const ALL: [Kind; 1] = [Kind::Shell];

    fn name(self) -> &'static str {
        match self {
            Kind::Shell => "shell",
        }
    }

    /// The agent of that name, or the refusal that names those there are.
    pub(crate) fn named(name: &AgentName) -> Result<Kind, UnknownAgent> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name.as_str());
        found.ok_or_else(|| UnknownAgent { name: name.clone() })
    }
}

/// There is no such agent.
#[derive(Debug, thiserror::Error)]
#[error("there is no agent {name:?}\nknown agents: {}", Kind::ALL.map(Kind::name).join(", "))]
pub(crate) struct UnknownAgent {
    name: AgentName,
}

/// A running agent.
pub(crate) struct Agent {
    driver: Box<dyn Driver>,
    /// Nothing once it has exited.
    news: Option<mpsc::Receiver<News>>,
}

impl Agent {
    /// Starts it; it says when it is ready.
    pub(crate) fn start(kind: Kind, dir: &TeamDir, name: &MemberName, workspace: &Path) -> Result<Agent, DriverError> {
        let env = [
            ("TEAMSTER_ROOT", dir.root().to_string_lossy().into_owned()),
            ("TEAMSTER_TEAM", dir.team().to_string()),
            ("TEAMSTER_MEMBER", name.to_string()),
            ("TEAMSTER_WORKSPACE", workspace.to_string_lossy().into_owned()),
            (
                life::VARIABLE,
                mark(dir, name).map_err(|source| DriverError::System { what: "mark its processes", source })?,
            ),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match kind {
            Kind::Shell => {
                let (shell, news) = Shell::start(Setup { env, ..Setup::new(workspace) })?;
                Ok(Agent { driver: Box::new(shell), news: Some(news) })
            }
        }
    }

    /// What it makes of words that are no task.
    pub(crate) fn conversation(&self) -> Conversation {
        match self.driver.abilities().prompts {
            Prompts::Programs => Conversation::No,
            Prompts::Conversation => Conversation::Yes,
        }
    }

    /// What it did next; nothing ever after its exit. May be dropped while it waits.
    pub(crate) async fn news(&mut self) -> News {
        let Some(news) = &mut self.news else { return std::future::pending().await };
        match news.recv().await {
            Some(News::Exited(exited)) => {
                self.news = None;
                News::Exited(exited)
            }
            Some(news) => news,
            None => {
                self.news = None;
                News::Exited(Exited::Died { reason: "the agent's driver is gone".to_owned() })
            }
        }
    }

    /// Begins a turn.
    pub(crate) fn prompt(&mut self, task: Option<TaskId>, work: Work) -> Result<(), DriverError> {
        // Set without a task too: the worker may itself have been started by a task of another one.
        let task = task.map(|id| id.to_string()).unwrap_or_default();
        // The shell runs both kinds; an agent that talks needs a shell beside it for the commands.
        let (Work::Run(text) | Work::Prompt(text)) = work;
        self.driver.prompt(Prompt { text, env: vec![("TEAMSTER_TASK".to_owned(), task)] })
    }

    /// Says something in the running turn.
    pub(crate) fn steer(&mut self, text: &str) -> Result<Steered, DriverError> {
        self.driver.steer(text)
    }

    /// Answers a question for permission.
    pub(crate) fn permit(&mut self, request: &RequestId, permission: Permission) -> Result<(), DriverError> {
        self.driver.permit(request, permission)
    }

    /// Ends the running turn.
    pub(crate) fn abort(&mut self) {
        self.driver.abort();
    }

    /// Closes it and waits until it has exited.
    pub(crate) async fn close(&mut self) {
        self.driver.close();
        while self.news.is_some() {
            self.news().await;
        }
    }
}

/// What all that the agent starts is known by, should it outlive this worker.
fn mark(dir: &TeamDir, name: &MemberName) -> io::Result<String> {
    let team = life::team_of(dir.path())?;
    Ok(Life { team, member: name.clone(), worker: own_identity()? }.mark())
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("abilities", &self.driver.abilities()).finish_non_exhaustive()
    }
}
