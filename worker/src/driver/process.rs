//! Agents that are one process for each prompt: all of them are started, read, limited and ended in the same way, here. They
//! differ in how a prompt becomes a command line, which each says as its `PromptProgram`.
//!
//! Each turn is one process in a process group of its own, in the workspace.
//!
//! - **Output.** Standard output and standard error share one pipe, so they come in the order in which
//!   they were written. Text comes in whole lines, those that came together as one piece; a line
//!   without an end is shown after a moment, and one that is too long comes in pieces. Bytes that are not
//!   UTF-8 show as U+FFFD. A worker that takes the news slowly slows the process down.
//! - **Input.** Standard input has ended from the start, so that nothing waits there for ever, and a steer is refused.
//!   With [`CommandInput::Open`] it stays open for steers, each a line. Whether the process has read one is known when
//!   the turn ends: it is delivered then, or lost.
//! - **The end.** The exit status decides: 0 is completed, all else failed. A turn has
//!   ended when everything it started has: what the process leaves running gets [`TURN_LINGER`] to finish by
//!   itself and is then stopped as by an abort, so that a workspace is quiet between turns.
//! - **Abort** is SIGTERM to the group, after a grace SIGKILL, and the same for what left the group.

mod input;
mod output;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{AgentExit, AgentFault, Permission, QuestionId, TurnEnd};
use teamster_protocol::model::limits::pace::{TURN_LINGER, TURN_TERM_GRACE};
use teamster_protocol::model::limits::sizes::{COMMAND_STEER_BYTES_MAX, NEWS_QUEUE_MAX};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::{CommandInput, TaskWork};
use tokio::sync::{Notify, mpsc, watch};

use self::input::{SteerPipe, SteerRefusal};
use self::output::CommandOutput;
use super::provider::{ProviderTrouble, ProviderWait};
use super::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError, TextTail};
use crate::cell::keeper::{CellKeeper, LeftBehind, ProcessGroup};

/// The part in which the kinds of agents differ that are one process for each prompt.
pub(super) trait PromptProgram: fmt::Debug + Send + Sync {
    /// The kind of the agent.
    fn driver(&self) -> DriverKind;

    /// The program, looked for in `PATH` unless it is a path.
    fn program(&self) -> &Path;

    /// Puts the work into the arguments of a command that has its program, directory and variables already. Refuses work
    /// that this kind of agent can not be given.
    fn give(&self, work: TaskWork, command: &mut Command) -> Result<GivenPrompt, DriverError>;

    /// The longest text that fits into the arguments; nothing if any does.
    fn text_bytes_max(&self) -> Option<usize> {
        None
    }

    /// The provider's trouble that the last lines of a program tell which did not exit with success; nothing if they tell none.
    fn provider_trouble(&self, _said: &str) -> Option<ProviderTrouble> {
        None
    }

    /// The part of the system to blame for such an exit, which is not one of success.
    fn fault(&self, status: ExitStatus) -> AgentFault;
}

/// The rest of a prompt that stands in the arguments of a command.
#[derive(Debug)]
pub(super) struct GivenPrompt {
    /// The standard input that the command is to have.
    pub(super) input: CommandInput,
    /// The file that has to stay open until the command has ended, if the arguments name one.
    pub(super) kept: Option<File>,
}

/// Where the processes run and how long they may take to end; the same for all turns.
#[derive(Debug, Clone)]
pub(super) struct ProcessSetup {
    /// The directory in which each turn starts.
    pub(super) workspace: PathBuf,
    /// Variables for all turns, over those of the worker and under those of the prompt.
    pub(super) env: Vec<(String, String)>,
    /// How long an aborted process may take to clean up before it is killed.
    pub(super) term_grace: Duration,
    /// How long what the process left running may take to finish by itself before it is aborted.
    pub(super) linger: Duration,
}

impl ProcessSetup {
    /// In `workspace`, with the environment of the worker and the default limits.
    pub(super) fn new(workspace: PathBuf) -> ProcessSetup {
        ProcessSetup { workspace, env: Vec::new(), term_grace: TURN_TERM_GRACE, linger: TURN_LINGER }
    }
}

/// The driver of an agent that is one process for each prompt.
#[derive(Debug)]
pub struct ProcessDriver {
    setup: Arc<ProcessSetup>,
    program: Arc<dyn PromptProgram>,
    /// `None` once closed.
    news: Option<mpsc::Sender<AgentNews>>,
    running: RunningProcess,
    wish: watch::Sender<TurnWish>,
}

/// The standard input of the command; `None` exactly when no turn runs.
type RunningProcess = Arc<Mutex<Option<CommandStdin>>>;

/// Our side of a command's standard input.
#[derive(Debug)]
enum CommandStdin {
    /// Nothing is there to be written to.
    Closed,
    /// Steers go here.
    Steers(SteerPipe),
}

impl CommandStdin {
    /// The standard input of the command, and our side of it.
    fn open(input: CommandInput) -> io::Result<(Stdio, CommandStdin)> {
        match input {
            CommandInput::Closed => Ok((Stdio::null(), CommandStdin::Closed)),
            CommandInput::Open => {
                let (read, steers) = SteerPipe::open()?;
                Ok((read.into(), CommandStdin::Steers(steers)))
            }
        }
    }

    /// Takes no more, and tells what became of each steer.
    fn close(&mut self) -> Vec<(TextId, ReceiptState)> {
        match self {
            CommandStdin::Closed => Vec::new(),
            CommandStdin::Steers(steers) => steers.close(),
        }
    }
}

/// The worker's strongest wish for the turn. Wishes only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TurnWish {
    GoOn,
    Abort,
    Close,
}

impl ProcessDriver {
    /// Starts the agent, without a process before the first prompt. [`AgentNews::Ready`] is in the channel
    /// already. Must be called within a tokio runtime with I/O, time and signals, and makes this process
    /// a child subreaper. A workspace that is not there shows as a turn that does not begin.
    pub(super) fn start(
        setup: ProcessSetup,
        program: impl PromptProgram + 'static,
    ) -> Result<(ProcessDriver, mpsc::Receiver<AgentNews>), DriverError> {
        check_env(&setup.env)?;
        CellKeeper::new().map_err(system("watch over processes"))?;
        let (news, told) = mpsc::channel(NEWS_QUEUE_MAX);
        news.try_send(AgentNews::Ready { session: None }).expect("a new channel has room");
        let running = RunningProcess::default();
        let (wish, _) = watch::channel(TurnWish::GoOn);
        let (setup, program) = (Arc::new(setup), Arc::new(program));
        Ok((ProcessDriver { setup, program, news: Some(news), running, wish }, told))
    }

    fn want(&self, wish: TurnWish) {
        self.wish.send_if_modified(|wanted| {
            let grows = *wanted < wish;
            *wanted = wish.max(*wanted);
            grows
        });
    }
}

impl Driver for ProcessDriver {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(self.program.driver())
    }

    fn prompt_bytes_max(&self) -> Option<usize> {
        self.program.text_bytes_max()
    }

    fn prompt(&mut self, prompt: AgentPrompt) -> Result<(), DriverError> {
        let news = self.news.clone().ok_or(DriverError::Closed { verb: "prompt" })?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(DriverError::Busy);
        }
        let AgentPrompt { id, work, env } = prompt;
        check_env(&env)?;
        let mut command = Command::new(self.program.program());
        command.current_dir(&self.setup.workspace);
        command.envs(self.setup.env.iter().chain(&env).map(|(name, value)| (name, value)));
        let GivenPrompt { input, kept } = self.program.give(work, &mut command)?;
        let (stdin, ours) = CommandStdin::open(input).map_err(system("open a pipe for steers"))?;
        command.stdin(stdin);
        *running = Some(ours);
        let (wish, wanted) = watch::channel(TurnWish::GoOn);
        self.wish = wish;
        let (setup, program) = (Arc::clone(&self.setup), Arc::clone(&self.program));
        let turn = ProcessTurn { setup, program, news, running: Arc::clone(&self.running), wanted };
        tokio::spawn(turn.run(ReadyCommand { id, command, _kept: kept }));
        Ok(())
    }

    fn steer(&mut self, steer: AgentSteer) -> Result<ReceiptState, DriverError> {
        if self.news.is_none() {
            return Err(DriverError::Closed { verb: "steer" });
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let steers = match running.as_mut().ok_or(DriverError::Idle)? {
            CommandStdin::Steers(steers) => steers,
            CommandStdin::Closed => return Err(DriverError::NoInput),
        };
        match steers.write(&steer) {
            Ok(()) => Ok(ReceiptState::Unconfirmed),
            Err(SteerRefusal::TooLong { bytes }) => {
                Err(DriverError::SteerTooLong { bytes, bytes_max: COMMAND_STEER_BYTES_MAX })
            }
            Err(SteerRefusal::Full) => Err(DriverError::SteersUnread),
            Err(SteerRefusal::Closed) => Err(DriverError::InputClosed),
            Err(SteerRefusal::System(error)) => Err(system("write to the command")(error)),
        }
    }

    fn permit(&mut self, question: &QuestionId, _: Permission) -> Result<(), DriverError> {
        Err(DriverError::NotAsked { question: question.clone() })
    }

    fn abort(&mut self) {
        self.want(TurnWish::Abort);
    }

    fn close(&mut self) {
        let Some(news) = self.news.take() else { return };
        // The turn looks at the wish under the same lock when it ends, so exactly one of us says `Exited`.
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.want(TurnWish::Close);
        if running.is_none() {
            tokio::spawn(async move { news.send(AgentNews::Exited(AgentExit::Closed)).await });
        }
    }
}

/// A command that has its prompt and was not started.
struct ReadyCommand {
    id: TextId,
    command: Command,
    /// Open until the turn has ended.
    _kept: Option<File>,
}

/// One turn, from its prompt to its end.
struct ProcessTurn {
    setup: Arc<ProcessSetup>,
    program: Arc<dyn PromptProgram>,
    news: mpsc::Sender<AgentNews>,
    running: RunningProcess,
    wanted: watch::Receiver<TurnWish>,
}

/// The end of a process, as far as the process itself decides.
enum ProcessEnd {
    Completed,
    Failed {
        reason: String,
        fault: AgentFault,
    },
    /// The process was not started.
    NotBegun {
        reason: String,
    },
    /// Not all that it had started could be ended.
    LeftBehind(LeftBehind),
}

impl ProcessTurn {
    async fn run(mut self, given: ReadyCommand) {
        let (played, tail) = match self.play(given).await {
            Ok((played, tail)) => (played, tail),
            Err(unstarted) => (unstarted, TextTail::default()),
        };
        let result = tail.into_result();
        let (played, wait) = self.with_trouble(played, &result);
        if let ProcessEnd::LeftBehind(left) = &played {
            let _ = self.news.send(AgentNews::Broken { reason: left.to_string() }).await;
        }
        // From here on a steer is refused, so these are the last of the turn.
        let receipts = self.running.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(CommandStdin::close);
        for (text, state) in receipts.unwrap_or_default() {
            let _ = self.news.send(AgentNews::Receipt { text, state }).await;
        }
        if let (TurnWish::GoOn, Some(wait)) = (self.wish(), wait) {
            let _ = self.news.send(wait.into()).await;
        }
        let Ok(room) = self.news.reserve().await else {
            self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            return;
        };
        let wish = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.take();
            self.wish()
        };
        let end = match (wish, played) {
            (TurnWish::Abort | TurnWish::Close, _) => TurnEnd::Aborted,
            (TurnWish::GoOn, ProcessEnd::NotBegun { reason }) => TurnEnd::NotBegun { reason },
            (TurnWish::GoOn, ProcessEnd::Failed { reason, fault }) => TurnEnd::Failed { reason, fault },
            (TurnWish::GoOn, ProcessEnd::LeftBehind(left)) => TurnEnd::failed(left.to_string()),
            (TurnWish::GoOn, ProcessEnd::Completed) => TurnEnd::Completed,
        };
        room.send(AgentNews::TurnEnded { end, result });
        if wish == TurnWish::Close {
            let _ = self.news.send(AgentNews::Exited(AgentExit::Closed)).await;
        }
    }

    /// The end of a process that failed by what its provider does not do, and why that serves nothing for now.
    fn with_trouble(&self, played: ProcessEnd, said: &str) -> (ProcessEnd, Option<ProviderWait>) {
        let ProcessEnd::Failed { fault: AgentFault::Prompt, .. } = &played else { return (played, None) };
        match self.program.provider_trouble(said) {
            Some(ProviderTrouble { reason, wait }) => {
                (ProcessEnd::Failed { reason, fault: AgentFault::Provider }, wait)
            }
            None => (played, None),
        }
    }

    /// Runs the command. Returns what came of it, with the end of its output; or why it could not be started.
    async fn play(&mut self, given: ReadyCommand) -> Result<(ProcessEnd, TextTail), ProcessEnd> {
        let ReadyCommand { id, mut command, _kept } = given;
        let because = |what: &'static str| {
            move |error: io::Error| ProcessEnd::NotBegun { reason: format!("cannot {what}: {error}") }
        };
        let mut keeper = CellKeeper::new().map_err(because("watch over processes"))?;
        let (output, out) = output_pipe().map_err(because("open a pipe for output"))?;
        let err = out.try_clone().map_err(because("open a pipe for output"))?;
        command.stdout(out).stderr(err);
        let mut group = keeper.spawn(&mut command).map_err(|error| self.cannot_start(&error))?;
        // The kernel has the arguments: a process that runs has taken its prompt.
        let _ = self.news.send(AgentNews::Receipt { text: id, state: ReceiptState::Delivered }).await;
        // The command holds our copies of its ends of the pipes: with them open, no pipe would ever end.
        drop(command);

        let writers_gone = Notify::new();
        let news = self.news.clone();
        let life = async {
            let played = self.live(&mut keeper, &mut group).await;
            writers_gone.notify_one();
            played
        };
        Ok(tokio::join!(life, output.pump(&news, &writers_gone)))
    }

    /// Waits until the process and all that it started have ended, or ends them.
    async fn live(&mut self, keeper: &mut CellKeeper, group: &mut ProcessGroup) -> ProcessEnd {
        let exit = tokio::select! {
            biased;
            () = self.stop_wanted() => None,
            exit = keeper.exited(group) => Some(exit),
        };
        if exit.is_some() {
            let linger = self.setup.linger;
            let alone = tokio::select! {
                biased;
                () = self.stop_wanted() => None,
                alone = keeper.left_alone(linger) => alone,
            };
            if alone.is_some() {
                return exit.map_or(ProcessEnd::Completed, |exit| self.played(exit));
            }
        }
        match keeper.end_descendants(Some(group.id()), self.setup.term_grace).await {
            Ok(_) => exit.map_or(ProcessEnd::Completed, |exit| self.played(exit)),
            Err(left_behind) => ProcessEnd::LeftBehind(left_behind),
        }
    }

    /// Waits until the worker wants an end of this turn, or is not there any more.
    async fn stop_wanted(&mut self) {
        tokio::select! {
            // An error is a driver that was dropped.
            _ = self.wanted.wait_for(|&wish| wish > TurnWish::GoOn) => {}
            () = self.news.closed() => {}
        }
    }

    /// The worker's wish for this turn by now.
    fn wish(&self) -> TurnWish {
        match self.wanted.has_changed() {
            Ok(_) => *self.wanted.borrow(),
            Err(_) => TurnWish::Close,
        }
    }

    /// Says which of the things that a start needs is missing. Arguments that are too long are the prompt's fault: no other
    /// worker would have better luck.
    fn cannot_start(&self, error: &io::Error) -> ProcessEnd {
        let (workspace, program) = (&self.setup.workspace, self.program.program().display());
        match workspace.read_dir() {
            Err(why) => {
                ProcessEnd::NotBegun { reason: format!("cannot enter workspace {}: {why}", workspace.display()) }
            }
            Ok(_) if error.kind() == io::ErrorKind::ArgumentListTooLong => ProcessEnd::Failed {
                reason: format!(
                    "cannot be prompted: {program} takes its prompt as an argument, and the arguments are too long"
                ),
                fault: AgentFault::Prompt,
            },
            Ok(_) => ProcessEnd::NotBegun { reason: format!("cannot start {program}: {error}") },
        }
    }

    /// The end of a process that exited like this.
    fn played(&self, exit: io::Result<ExitStatus>) -> ProcessEnd {
        match exit {
            Ok(status) if status.success() => ProcessEnd::Completed,
            Ok(status) => ProcessEnd::Failed { reason: exit_words(status), fault: self.program.fault(status) },
            Err(error) => ProcessEnd::Failed {
                reason: format!("cannot learn the exit status: {error}"),
                fault: AgentFault::Prompt,
            },
        }
    }
}

fn check_env(env: &[(String, String)]) -> Result<(), DriverError> {
    let bad = |(name, value): &&(String, String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    match env.iter().find(bad) {
        Some((name, _)) => Err(DriverError::BadVariable { name: name.clone() }),
        None => Ok(()),
    }
}

/// Our end first, then the command's.
fn output_pipe() -> io::Result<(CommandOutput, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((CommandOutput::new(read.into())?, write.into()))
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> DriverError {
    move |source| DriverError::System { what, source }
}
