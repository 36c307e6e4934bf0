//! The embedded agent: a prompt is a script for `sh -eu`, and needs nothing installed and no key.
//!
//! Each turn is one shell in a process group of its own, in the workspace.
//!
//! - **Output.** Standard output and standard error share one pipe, so they come in the order in which
//!   they were written. Text comes in whole lines, those that came together as one piece; a line
//!   without an end is shown after a moment, and one that is too long comes in pieces. What is not
//!   UTF-8 shows as U+FFFD. Who takes the news slowly slows the command down.
//! - **Input.** A steer is a line on standard input, which otherwise stays open and empty: `read`
//!   waits for a steer, and so does `cat`, for ever; aborting it is the way out. A steer that the
//!   command never reads is lost when the turn ends.
//! - **The end.** The exit status of the shell decides: 0 is completed, all else failed. A turn has
//!   ended when everything it started has: what the shell leaves running gets [`LINGER`] to finish by
//!   itself and is then stopped as by an abort, so that a workspace is quiet between turns.
//! - **Abort** is SIGTERM to the group, after a grace SIGKILL, and the same for what left the group.

mod output;
mod script;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;
use teamster_protocol::host::process::exit::exit_words;
use tokio::sync::{Notify, mpsc, watch};

use self::output::Output;
use self::script::Script;
use super::{
    Abilities, Driver, DriverError, Exited, NEWS_QUEUE_MAX, News, Permission, Prompt, Prompts, RequestId, Steered,
    StopReason, Tail,
};
use crate::cell::keeper::{Group, Keeper, LeftBehind};

/// How long what is told to stop may take before it is killed, unless a [`Setup`] says otherwise.
pub const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long what the shell left running may take to finish by itself, unless a [`Setup`] says otherwise.
pub const LINGER: Duration = Duration::from_millis(200);

/// The longest steer with its newline: a pipe takes this much whole or not at all (`PIPE_BUF`).
pub const STEER_BYTES_MAX: usize = nix::libc::PIPE_BUF;

/// Where and how the shell runs; the same for all turns.
#[derive(Debug, Clone)]
pub struct Setup {
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

impl Setup {
    /// `/bin/sh` in `workspace` with [`TERM_GRACE`], [`LINGER`] and the environment of the worker.
    pub fn new(workspace: impl Into<PathBuf>) -> Setup {
        Setup {
            workspace: workspace.into(),
            env: Vec::new(),
            program: "/bin/sh".into(),
            term_grace: TERM_GRACE,
            linger: LINGER,
        }
    }
}

/// The driver of the embedded shell agent.
#[derive(Debug)]
pub struct Shell {
    setup: Arc<Setup>,
    /// `None` once closed.
    news: Option<mpsc::Sender<News>>,
    running: Running,
    wish: watch::Sender<Wish>,
}

/// The standard input of the command; `None` exactly when no turn runs.
type Running = Arc<Mutex<Option<OwnedFd>>>;

/// What the worker wants of the turn. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    Abort,
    Close,
}

impl Shell {
    /// Starts the agent, without a process before the first prompt. [`News::Ready`] is in the channel
    /// already. Must be called within a tokio runtime with I/O, time and signals, and makes this process
    /// a child subreaper. A workspace that is not there shows as a turn that does not begin.
    pub fn start(setup: Setup) -> Result<(Shell, mpsc::Receiver<News>), DriverError> {
        check_env(&setup.env)?;
        Keeper::new().map_err(system("watch over processes"))?;
        let (news, told) = mpsc::channel(NEWS_QUEUE_MAX);
        news.try_send(News::Ready).expect("a new channel has room");
        let running = Running::default();
        let (wish, _) = watch::channel(Wish::GoOn);
        Ok((Shell { setup: Arc::new(setup), news: Some(news), running, wish }, told))
    }

    fn want(&self, wish: Wish) {
        self.wish.send_if_modified(|wanted| {
            let grows = *wanted < wish;
            *wanted = wish.max(*wanted);
            grows
        });
    }
}

impl Driver for Shell {
    fn abilities(&self) -> Abilities {
        Abilities { prompts: Prompts::Programs, steering: Steered::Now }
    }

    fn prompt(&mut self, prompt: Prompt) -> Result<(), DriverError> {
        let news = self.news.clone().ok_or(DriverError::Closed { verb: "prompt" })?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(DriverError::Busy);
        }
        if prompt.text.contains('\0') {
            return Err(DriverError::NulInText { verb: "prompt" });
        }
        check_env(&prompt.env)?;
        let (input, steers) = input_pipe().map_err(system("open a pipe for steers"))?;
        *running = Some(steers);
        let (wish, wanted) = watch::channel(Wish::GoOn);
        self.wish = wish;
        let turn = Turn { setup: Arc::clone(&self.setup), news, running: Arc::clone(&self.running), wanted };
        tokio::spawn(turn.run(prompt, input));
        Ok(())
    }

    fn steer(&mut self, text: &str) -> Result<Steered, DriverError> {
        if self.news.is_none() {
            return Err(DriverError::Closed { verb: "steer" });
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let steers = running.as_ref().ok_or(DriverError::Idle)?;
        let mut line = text.strip_suffix('\n').unwrap_or(text).as_bytes().to_vec();
        line.push(b'\n');
        if line.len() > STEER_BYTES_MAX {
            return Err(DriverError::SteerTooLong { bytes: line.len(), bytes_max: STEER_BYTES_MAX });
        }
        match unistd::write(steers, &line) {
            Ok(_) => Ok(Steered::Now),
            Err(Errno::EAGAIN) => Err(DriverError::SteersUnread),
            Err(Errno::EPIPE) => Err(DriverError::InputClosed),
            Err(errno) => Err(system("write to the command")(errno.into())),
        }
    }

    fn permit(&mut self, request: &RequestId, _: Permission) -> Result<(), DriverError> {
        Err(DriverError::NotAsked { request: request.0.clone() })
    }

    fn abort(&mut self) {
        self.want(Wish::Abort);
    }

    fn close(&mut self) {
        let Some(news) = self.news.take() else { return };
        // The turn looks at the wish under the same lock when it ends, so exactly one of us says `Exited`.
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.want(Wish::Close);
        if running.is_none() {
            tokio::spawn(async move { news.send(News::Exited(Exited::Closed)).await });
        }
    }
}

/// One turn, from its prompt to its end.
struct Turn {
    setup: Arc<Setup>,
    news: mpsc::Sender<News>,
    running: Running,
    wanted: watch::Receiver<Wish>,
}

/// What came of a script, were it not for what the worker wants.
enum Played {
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

impl Turn {
    async fn run(mut self, prompt: Prompt, input: OwnedFd) {
        let (played, tail) = match self.play(prompt, input).await {
            Ok((played, tail)) => (played, tail),
            Err(reason) => (Played::NotBegun { reason }, Tail::default()),
        };
        let result = tail.into_result();
        if let Played::LeftBehind(left) = &played {
            let _ = self.news.send(News::Broken { reason: left.to_string() }).await;
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
        let stop = match (wish, played) {
            (Wish::Abort | Wish::Close, _) => StopReason::Aborted,
            (Wish::GoOn, Played::NotBegun { reason }) => StopReason::NotBegun { reason },
            (Wish::GoOn, Played::Failed { reason }) => StopReason::Failed { reason },
            (Wish::GoOn, Played::LeftBehind(left)) => StopReason::Failed { reason: left.to_string() },
            (Wish::GoOn, Played::Completed) => StopReason::Completed,
        };
        room.send(News::TurnEnded { stop, result });
        if wish == Wish::Close {
            let _ = self.news.send(News::Exited(Exited::Closed)).await;
        }
    }

    /// Runs the script. Returns what came of it, with the end of its output; or why it could not be started.
    async fn play(&mut self, prompt: Prompt, input: OwnedFd) -> Result<(Played, Tail), String> {
        let because = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
        let mut keeper = Keeper::new().map_err(because("watch over processes"))?;
        let script = Script::new(prompt.text).map_err(because("keep a long script in memory"))?;
        let (output, out) = output_pipe().map_err(because("open a pipe for output"))?;
        let err = out.try_clone().map_err(because("open a pipe for output"))?;
        let mut command = Command::new(&self.setup.program);
        // As one would call it by hand: it is how the shell calls itself in its complaints.
        command.arg0(self.setup.program.file_name().unwrap_or_default());
        command.current_dir(&self.setup.workspace);
        command.envs(self.setup.env.iter().chain(&prompt.env).map(|(name, value)| (name, value)));
        script.give(&mut command);
        command.stdin(input).stdout(out).stderr(err);
        let mut group = keeper.spawn(&mut command).map_err(|error| self.cannot_start(&error))?;
        // It holds our copies of the command's ends of the pipes: with them open, no pipe would ever end.
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
    async fn live(&mut self, keeper: &mut Keeper, group: &mut Group) -> Played {
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
                return exit.map_or(Played::Completed, played);
            }
        }
        match keeper.end_descendants(Some(group.id()), self.setup.term_grace).await {
            Ok(_) => exit.map_or(Played::Completed, played),
            Err(left_behind) => Played::LeftBehind(left_behind),
        }
    }

    /// Waits until the worker wants an end of this turn, or is not there any more.
    async fn stop_wanted(&mut self) {
        tokio::select! {
            // An error is a driver that was dropped.
            _ = self.wanted.wait_for(|&wish| wish > Wish::GoOn) => {}
            () = self.news.closed() => {}
        }
    }

    /// What the worker wants of this turn by now.
    fn wish(&self) -> Wish {
        match self.wanted.has_changed() {
            Ok(_) => *self.wanted.borrow(),
            Err(_) => Wish::Close,
        }
    }

    /// Says which of the two things that a start needs is missing.
    fn cannot_start(&self, error: &io::Error) -> String {
        let Setup { workspace, program, .. } = &*self.setup;
        match workspace.read_dir() {
            Err(why) => format!("cannot enter workspace {}: {why}", workspace.display()),
            Ok(_) => format!("cannot start {}: {error}", program.display()),
        }
    }
}

/// What came of a script whose shell ended like this.
fn played(exit: io::Result<ExitStatus>) -> Played {
    match exit {
        Ok(status) if status.success() => Played::Completed,
        Ok(status) => Played::Failed { reason: exit_words(status) },
        Err(error) => Played::Failed { reason: format!("cannot learn the exit status: {error}") },
    }
}

fn check_env(env: &[(String, String)]) -> Result<(), DriverError> {
    let bad = |(name, value): &&(String, String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    match env.iter().find(bad) {
        Some((name, _)) => Err(DriverError::BadVariable { name: name.clone() }),
        None => Ok(()),
    }
}

/// The command's end first, then ours, which never blocks.
fn input_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = io::pipe()?;
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read.into(), write.into()))
}

/// Our end first, then the command's.
fn output_pipe() -> io::Result<(Output, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((Output::new(read.into())?, write.into()))
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> DriverError {
    move |source| DriverError::System { what, source }
}
