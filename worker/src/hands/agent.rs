//! The agent a worker drives, and the shell beside it: a command of the board is run by a shell, whatever agent the member
//! drives.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use teamster_protocol::host::process::life::{self, MemberLife};
use teamster_protocol::host::process::own_identity;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::options::{AgentLaunch, AgentStart};
use teamster_protocol::model::agent::preset::{AgentAbilities, PromptKind, abilities_of};
use teamster_protocol::model::agent::{AgentExit, Permission, QuestionId, SessionId};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::{TaskWork, WorkKind};
use tokio::sync::mpsc;

use crate::driver::catalog::{AgentSetup, start_driver};
use crate::driver::shell::{ShellSetup, start_shell};
use crate::driver::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError, SessionOrigin};

/// A running agent.
pub(crate) struct RunningAgent {
    /// The agent itself; nothing before it is started for the first time.
    own: Option<DrivenAgent>,
    /// The shell for the commands of an agent that talks; started with the first of them.
    shell: Option<DrivenAgent>,
    /// The agent that has the turn that runs, or had the last one.
    turn_of: TurnOf,
    launch: AgentLaunch,
    setup: AgentSetup,
}

/// A driver and what it tells.
struct DrivenAgent {
    driver: Box<dyn Driver>,
    /// The news of the agent; nothing once it has exited.
    news: Option<mpsc::Receiver<AgentNews>>,
}

/// The driver that has the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TurnOf {
    Agent,
    Shell,
}

impl DrivenAgent {
    fn start(launch: AgentLaunch, setup: AgentSetup) -> Result<DrivenAgent, DriverError> {
        let (driver, news) = start_driver(launch, setup)?;
        Ok(DrivenAgent { driver, news: Some(news) })
    }

    /// Returns the agent's next news; waits for ever after its exit. May be dropped while it waits.
    async fn next(&mut self) -> AgentNews {
        let Some(news) = &mut self.news else { return std::future::pending().await };
        match news.recv().await {
            Some(AgentNews::Exited(exit)) => {
                self.news = None;
                AgentNews::Exited(exit)
            }
            Some(news) => news,
            None => {
                self.news = None;
                AgentNews::Exited(AgentExit::Died { reason: "the agent's driver is gone".to_owned() })
            }
        }
    }

    async fn close(&mut self) {
        self.driver.close();
        while self.news.is_some() {
            self.next().await;
        }
    }
}

impl RunningAgent {
    /// Starts it, at once or when it is woken; it says when it is ready. `origin` is the conversation that it is to begin with,
    /// and `identity` what it is told of itself at its start.
    pub(crate) fn start(
        launch: AgentLaunch,
        dir: &TeamDir,
        name: &MemberName,
        workspace: &Path,
        origin: SessionOrigin,
        identity: Option<String>,
        start: AgentStart,
    ) -> Result<RunningAgent, DriverError> {
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
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(PATH_TO_TEAMSTER.clone());
        let setup = AgentSetup { workspace: workspace.to_owned(), env: env.collect(), origin, identity };
        let own = match start {
            AgentStart::ForWork if launch.driver.keeps_a_process() => None,
            // One that is a process for each turn is none before the first.
            AgentStart::ForWork | AgentStart::AtOnce => Some(DrivenAgent::start(launch.clone(), setup.clone())?),
        };
        Ok(RunningAgent { own, shell: None, turn_of: TurnOf::Agent, launch, setup })
    }

    /// Whether it is started when it is woken, and was not yet.
    pub(crate) fn is_unstarted(&self) -> bool {
        self.own.is_none()
    }

    /// Ends the agent, which tells that by its exit; [`RunningAgent::wake`] starts it again. Does not wait.
    pub(crate) fn put_to_sleep(&mut self) {
        if let Some(own) = &mut self.own {
            own.driver.close();
        }
    }

    /// Starts the agent, for the first time or once it has exited; it says when it is ready. `session` is the conversation it
    /// is to go on with.
    pub(crate) fn wake(&mut self, session: Option<SessionId>) -> Result<(), DriverError> {
        // Without one it has not begun: it still is to begin as it was to at first, which may be with a copy of another's.
        if let Some(session) = session {
            self.setup.origin = SessionOrigin::Earlier(session);
        }
        self.own = Some(DrivenAgent::start(self.launch.clone(), self.setup.clone())?);
        Ok(())
    }

    /// Lets the agent begin a new conversation when it is woken.
    pub(crate) fn begin_anew(&mut self) {
        self.setup.origin = SessionOrigin::New;
    }

    /// The directory that it works in.
    pub(crate) fn workspace(&self) -> &Path {
        &self.setup.workspace
    }

    /// The abilities of the member's agent.
    pub(crate) fn abilities(&self) -> AgentAbilities {
        abilities_of(self.launch.driver)
    }

    /// The longest text that the member's agent can be given as a prompt; nothing if it takes any.
    pub(crate) fn prompt_bytes_max(&self) -> Option<usize> {
        self.own.as_ref()?.driver.prompt_bytes_max()
    }

    /// Returns the next news of whichever agent has the turn; waits for ever after the exit. May be dropped while it
    /// waits.
    pub(crate) async fn news(&mut self) -> AgentNews {
        let RunningAgent { own, shell, .. } = self;
        let of_agent = async {
            match own {
                Some(own) => own.next().await,
                None => std::future::pending().await,
            }
        };
        let of_shell = async {
            let Some(shell) = shell else { return std::future::pending().await };
            loop {
                match shell.next().await {
                    // The shell is always ready, and it only ends when this worker closes it.
                    AgentNews::Ready { .. } | AgentNews::Exited(_) => {}
                    news => return news,
                }
            }
        };
        tokio::select! {
            news = of_agent => news,
            news = of_shell => news,
        }
    }

    /// Begins a turn.
    pub(crate) fn prompt(&mut self, id: TextId, task: Option<TaskId>, work: TaskWork) -> Result<(), DriverError> {
        self.turn_of = match (work.kind(), self.abilities().prompts) {
            (WorkKind::Command, PromptKind::Conversation) => TurnOf::Shell,
            (WorkKind::Command, PromptKind::Program) | (WorkKind::Text, _) => TurnOf::Agent,
        };
        if self.turn_of == TurnOf::Shell && self.shell.is_none() {
            let AgentSetup { workspace, env, .. } = self.setup.clone();
            let (shell, news) = start_shell(ShellSetup { env, ..ShellSetup::new(workspace) })?;
            self.shell = Some(DrivenAgent { driver: Box::new(shell), news: Some(news) });
        }
        // Set without a task too: the worker may itself have been started by a task of another one.
        let task = task.map(|id| id.to_string()).unwrap_or_default();
        let driver = self.driver().ok_or(DriverError::Closed { verb: "prompt" })?;
        driver.prompt(AgentPrompt { id, work, env: vec![("TEAMSTER_TASK".to_owned(), task)] })
    }

    /// Says something in the running turn.
    pub(crate) fn steer(&mut self, steer: AgentSteer) -> Result<ReceiptState, DriverError> {
        self.driver().ok_or(DriverError::Closed { verb: "steer" })?.steer(steer)
    }

    /// Answers a question for permission.
    pub(crate) fn permit(&mut self, question: &QuestionId, permission: Permission) -> Result<(), DriverError> {
        self.driver().ok_or(DriverError::Closed { verb: "answer" })?.permit(question, permission)
    }

    /// Ends the running turn.
    pub(crate) fn abort(&mut self) {
        if let Some(driver) = self.driver() {
            driver.abort();
        }
    }

    /// Closes it and waits until it has exited.
    pub(crate) async fn close(&mut self) {
        if let Some(shell) = &mut self.shell {
            shell.close().await;
        }
        if let Some(own) = &mut self.own {
            own.close().await;
        }
    }

    /// The driver of the agent that has the turn; nothing if that was not started yet.
    fn driver(&mut self) -> Option<&mut dyn Driver> {
        let of_turn = match (self.turn_of, &mut self.shell) {
            (TurnOf::Shell, Some(shell)) => shell,
            (TurnOf::Shell | TurnOf::Agent, _) => self.own.as_mut()?,
        };
        Some(&mut *of_turn.driver)
    }
}

/// The program that agents reach the team with.
const TEAMSTER: &str = "teamster";

/// The variable in which programs are looked for, if `teamster` would not be found: with the directory of this program, beside
/// which it is, at the end. Somebody may have built it, and not installed it.
static PATH_TO_TEAMSTER: LazyLock<Option<(String, String)>> = LazyLock::new(path_to_teamster);

/// Finds out ahead of the first agent what takes a look at every directory of programs.
pub(crate) fn find_teamster() {
    LazyLock::force(&PATH_TO_TEAMSTER);
}

fn path_to_teamster() -> Option<(String, String)> {
    let given = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&given).collect();
    if dirs.iter().any(|dir| dir.join(TEAMSTER).is_file()) {
        return None;
    }
    let own = std::env::current_exe().ok()?.parent()?.to_owned();
    if !own.join(TEAMSTER).is_file() {
        return None;
    }
    dirs.push(own);
    let path = std::env::join_paths(dirs).ok()?.into_string().ok()?;
    Some(("PATH".to_owned(), path))
}

/// The mark in the environment of all that the agent starts, by which it is found should it outlive this worker.
fn mark(dir: &TeamDir, name: &MemberName) -> io::Result<String> {
    let team = life::team_of(dir.path())?;
    Ok(MemberLife { team, member: name.clone(), worker: own_identity()? }.mark())
}

impl fmt::Debug for RunningAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("abilities", &self.abilities()).finish_non_exhaustive()
    }
}
