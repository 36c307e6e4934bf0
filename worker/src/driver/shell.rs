//! The embedded agent: it runs commands with `sh -eu`, and needs nothing installed and no key. Words that are no command
//! are refused: nobody reads here, and they are never run.
//!
//! Each turn is one shell in a process group of its own, in the workspace.
//!
//! - **Output.** Standard output and standard error share one pipe, so they come in the order in which
//!   they were written. Text comes in whole lines, those that came together as one piece; a line
//!   without an end is shown after a moment, and one that is too long comes in pieces. Bytes that are not
//!   UTF-8 show as U+FFFD. A worker that takes the news slowly slows the command down.
//! - **Input.** Standard input has ended from the start, so that nothing waits there for ever, and a steer is refused.
//!   With [`CommandInput::Open`] it stays open for steers, each a line. Whether the command has read one is known when
//!   the turn ends: it is delivered then, or lost.
//! - **The end.** The exit status of the shell decides: 0 is completed, all else failed. A turn has
//!   ended when everything it started has: what the shell leaves running gets [`TURN_LINGER`] to finish by
//!   itself and is then stopped as by an abort, so that a workspace is quiet between turns.
//! - **Abort** is SIGTERM to the group, after a grace SIGKILL, and the same for what left the group.

mod input;
mod output;
mod script;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{AgentExit, Permission, QuestionId, TurnEnd};
use teamster_protocol::model::limits::pace::{TURN_LINGER, TURN_TERM_GRACE};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::{CommandInput, TaskWork, WorkKind};
use tokio::sync::{Notify, mpsc, watch};

use self::input::{SteerPipe, SteerRefusal};
use self::output::CommandOutput;
use self::script::ShellScript;
use super::{AgentNews, AgentPrompt, AgentSteer, Driver, DriverError, NEWS_QUEUE_MAX, TextTail};
use crate::cell::keeper::{CellKeeper, LeftBehind, ProcessGroup};

pub use self::input::STEER_BYTES_MAX;

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

/// The driver of the embedded shell agent.
#[derive(Debug)]
pub struct ShellDriver {
    setup: Arc<ShellSetup>,
    /// `None` once closed.
    news: Option<mpsc::Sender<AgentNews>>,
    running: RunningShell,
    wish: watch::Sender<TurnWish>,
}

/// The standard input of the command; `None` exactly when no turn runs.
type RunningShell = Arc<Mutex<Option<CommandStdin>>>;

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

impl ShellDriver {
    /// Starts the agent, without a process before the first prompt. [`AgentNews::Ready`] is in the channel
    /// already. Must be called within a tokio runtime with I/O, time and signals, and makes this process
    /// a child subreaper. A workspace that is not there shows as a turn that does not begin.
    pub fn start(setup: ShellSetup) -> Result<(ShellDriver, mpsc::Receiver<AgentNews>), DriverError> {
        check_env(&setup.env)?;
        CellKeeper::new().map_err(system("watch over processes"))?;
        let (news, told) = mpsc::channel(NEWS_QUEUE_MAX);
        news.try_send(AgentNews::Ready { session: None }).expect("a new channel has room");
        let running = RunningShell::default();
        let (wish, _) = watch::channel(TurnWish::GoOn);
        Ok((ShellDriver { setup: Arc::new(setup), news: Some(news), running, wish }, told))
    }

    fn want(&self, wish: TurnWish) {
        self.wish.send_if_modified(|wanted| {
            let grows = *wanted < wish;
            *wanted = wish.max(*wanted);
            grows
        });
    }
}

impl Driver for ShellDriver {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Shell)
    }

    fn prompt(&mut self, prompt: AgentPrompt) -> Result<(), DriverError> {
        let news = self.news.clone().ok_or(DriverError::Closed { verb: "prompt" })?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(DriverError::Busy);
        }
        let AgentPrompt { id, work, env } = prompt;
        let TaskWork::Run { command, input } = work else {
            return Err(DriverError::OtherWork { takes: WorkKind::Command });
        };
        if command.contains('\0') {
            return Err(DriverError::NulInText { verb: "prompt" });
        }
        check_env(&env)?;
        let (stdin, ours) = CommandStdin::open(input).map_err(system("open a pipe for steers"))?;
        *running = Some(ours);
        let (wish, wanted) = watch::channel(TurnWish::GoOn);
        self.wish = wish;
        let turn = ShellTurn { setup: Arc::clone(&self.setup), news, running: Arc::clone(&self.running), wanted };
        tokio::spawn(turn.run(ShellCommand { id, command, stdin, env }));
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
                Err(DriverError::SteerTooLong { bytes, bytes_max: STEER_BYTES_MAX })
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

/// A command on its way to the shell.
struct ShellCommand {
    id: TextId,
    command: String,
    stdin: Stdio,
    env: Vec<(String, String)>,
}

/// One turn, from its prompt to its end.
struct ShellTurn {
    setup: Arc<ShellSetup>,
    news: mpsc::Sender<AgentNews>,
    running: RunningShell,
    wanted: watch::Receiver<TurnWish>,
}

/// The end of a script, as far as the script itself decides.
enum ScriptEnd {
    Completed,
    Failed {
        reason: String,
    },
    /// Not a line of it was run.
    NotBegun {
        reason: String,
    },
    /// Not all that it had started could be ended.
    LeftBehind(LeftBehind),
}

impl ShellTurn {
    async fn run(mut self, command: ShellCommand) {
        let (played, tail) = match self.play(command).await {
            Ok((played, tail)) => (played, tail),
            Err(reason) => (ScriptEnd::NotBegun { reason }, TextTail::default()),
        };
        let result = tail.into_result();
        if let ScriptEnd::LeftBehind(left) = &played {
            let _ = self.news.send(AgentNews::Broken { reason: left.to_string() }).await;
        }
        // From here on a steer is refused, so these are the last of the turn.
        let receipts = self.running.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(CommandStdin::close);
        for (text, state) in receipts.unwrap_or_default() {
            let _ = self.news.send(AgentNews::Receipt { text, state }).await;
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
            (TurnWish::GoOn, ScriptEnd::NotBegun { reason }) => TurnEnd::NotBegun { reason },
            (TurnWish::GoOn, ScriptEnd::Failed { reason }) => TurnEnd::failed(reason),
            (TurnWish::GoOn, ScriptEnd::LeftBehind(left)) => TurnEnd::failed(left.to_string()),
            (TurnWish::GoOn, ScriptEnd::Completed) => TurnEnd::Completed,
        };
        room.send(AgentNews::TurnEnded { end, result });
        if wish == TurnWish::Close {
            let _ = self.news.send(AgentNews::Exited(AgentExit::Closed)).await;
        }
    }

    /// Runs the script. Returns what came of it, with the end of its output; or why it could not be started.
    async fn play(&mut self, given: ShellCommand) -> Result<(ScriptEnd, TextTail), String> {
        let ShellCommand { id, command: text, stdin, env } = given;
        let because = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
        let mut keeper = CellKeeper::new().map_err(because("watch over processes"))?;
        let script = ShellScript::new(text).map_err(because("keep a long script in memory"))?;
        let (output, out) = output_pipe().map_err(because("open a pipe for output"))?;
        let err = out.try_clone().map_err(because("open a pipe for output"))?;
        let mut command = Command::new(&self.setup.program);
        // As one would call it by hand: it is how the shell calls itself in its complaints.
        command.arg0(self.setup.program.file_name().unwrap_or_default());
        command.current_dir(&self.setup.workspace);
        command.envs(self.setup.env.iter().chain(&env).map(|(name, value)| (name, value)));
        script.give(&mut command);
        command.stdin(stdin).stdout(out).stderr(err);
        let mut group = keeper.spawn(&mut command).map_err(|error| self.cannot_start(&error))?;
        // The kernel has the script: a shell that runs has taken its prompt.
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

    /// Waits until the shell and all that it started have ended, or ends them.
    async fn live(&mut self, keeper: &mut CellKeeper, group: &mut ProcessGroup) -> ScriptEnd {
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
                return exit.map_or(ScriptEnd::Completed, played);
            }
        }
        match keeper.end_descendants(Some(group.id()), self.setup.term_grace).await {
            Ok(_) => exit.map_or(ScriptEnd::Completed, played),
            Err(left_behind) => ScriptEnd::LeftBehind(left_behind),
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

    /// Says which of the two things that a start needs is missing.
    fn cannot_start(&self, error: &io::Error) -> String {
        let ShellSetup { workspace, program, .. } = &*self.setup;
        match workspace.read_dir() {
            Err(why) => format!("cannot enter workspace {}: {why}", workspace.display()),
            Ok(_) => format!("cannot start {}: {error}", program.display()),
        }
    }
}

/// The end of a script whose shell exited like this.
fn played(exit: io::Result<ExitStatus>) -> ScriptEnd {
    match exit {
        Ok(status) if status.success() => ScriptEnd::Completed,
        Ok(status) => ScriptEnd::Failed { reason: exit_words(status) },
        Err(error) => ScriptEnd::Failed { reason: format!("cannot learn the exit status: {error}") },
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
