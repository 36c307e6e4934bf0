//! The task beside a scripted agent's program: it writes what the program is told, reads what it tells, and ends it when
//! it has to be ended. Whatever happens, a turn that began is told to have ended, and then the program to be gone.

use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::limits::pace::LAST_LINES_WITHIN;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::wire::{LINE_BYTES_MAX, ScriptNews, ScriptOrder};
use super::{ScriptSetup, ScriptStanding, ScriptWish, TurnStanding, exit_of};
use crate::cell::keeper::{CellKeeper, ProcessGroup};
use crate::driver::{AgentNews, DriverError, TextTail};

/// The task that speaks with the program; see the module.
pub(super) struct ScriptActor {
    setup: ScriptSetup,
    news: mpsc::Sender<AgentNews>,
    wanted: watch::Receiver<ScriptWish>,
    standing: Arc<Mutex<ScriptStanding>>,
    keeper: CellKeeper,
    program: ProcessGroup,
    lines: AgentLines,
    /// To the task that writes. Dropping it closes the program's standard input.
    orders: Option<mpsc::Sender<ScriptOrder>>,
    said: TextTail,
    /// When it has to be ready, or a turn that was aborted to have ended.
    due: Option<Instant>,
    is_ready: bool,
}

/// The next thing that the actor must act on.
enum ActorInput {
    /// A line, or the end of the program's output.
    Line(io::Result<Option<String>>),
    /// The program has exited.
    Exit(String),
    /// The worker wants something else.
    Wish(ScriptWish),
    /// The time passed in which the program had to answer.
    Late,
}

impl ScriptActor {
    /// Starts the program.
    pub(super) fn start(
        setup: ScriptSetup,
        news: mpsc::Sender<AgentNews>,
        mut ordered: mpsc::Receiver<ScriptOrder>,
        wanted: watch::Receiver<ScriptWish>,
        standing: Arc<Mutex<ScriptStanding>>,
    ) -> Result<ScriptActor, DriverError> {
        let system = |what: &'static str| move |source| DriverError::System { what, source };
        let mut keeper = CellKeeper::new().map_err(system("watch over processes"))?;
        let (input, write) = io::pipe().map_err(system("open a pipe to the agent"))?;
        let (read, output) = io::pipe().map_err(system("open a pipe from the agent"))?;
        let read = pipe::Receiver::from_owned_fd(read.into()).map_err(system("read from the agent"))?;
        let mut write = pipe::Sender::from_owned_fd(write.into()).map_err(system("write to the agent"))?;
        let (name, args) = setup.command.split_first().expect("the catalogue gives no empty command");
        let mut command = Command::new(name);
        command.args(args).current_dir(&setup.workspace);
        command.envs(setup.env.iter().map(|(name, value)| (name, value)));
        command.stdin(input).stdout(output).stderr(Stdio::inherit());
        let program = keeper
            .spawn_resident(&mut command)
            .map_err(|source| DriverError::NotStarted { program: name.clone(), source })?;
        // The command holds our copies of the program's ends of the pipes: with them open, no pipe would ever end.
        drop(command);
        let (orders, mut to_write) = mpsc::channel::<ScriptOrder>(1);
        tokio::spawn(async move {
            loop {
                let order = tokio::select! {
                    biased;
                    order = to_write.recv() => match order {
                        Some(order) => order,
                        // The program is told to exit by the end of its input.
                        None => return,
                    },
                    Some(order) = ordered.recv() => order,
                };
                let mut line = serde_json::to_vec(&order).expect("an order is plain data");
                line.push(b'\n');
                // A program that closed its input shows it by what it does next.
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        let due = Some(Instant::now() + setup.ready_within);
        let lines = AgentLines { read: BufReader::new(read), line: Vec::new() };
        let (said, is_ready, orders) = (TextTail::default(), false, Some(orders));
        Ok(ScriptActor { setup, news, wanted, standing, keeper, program, lines, orders, said, due, is_ready })
    }

    /// Runs until the program is gone.
    pub(super) async fn run(mut self) {
        let reason = self.live().await;
        self.orders = None;
        if let Err(left) = self.keeper.end_group(&mut self.program, self.setup.term_grace).await {
            self.tell(AgentNews::Broken { reason: left.to_string() }).await;
        }
        let wish = self.wish();
        let (ran, result) = {
            let mut standing = self.standing();
            standing.questions.clear();
            standing.turn = TurnStanding::Closed;
            let ran = std::mem::take(&mut standing.in_turn);
            drop(standing);
            (ran, std::mem::take(&mut self.said).into_result())
        };
        if ran {
            let end = match wish {
                ScriptWish::Abort | ScriptWish::Close => TurnEnd::Aborted,
                ScriptWish::GoOn => TurnEnd::Failed { reason: reason.clone(), fault: AgentFault::Agent },
            };
            self.tell(AgentNews::TurnEnded { end, result }).await;
        }
        self.tell(AgentNews::Exited(exit_of(wish, reason))).await;
    }

    /// Serves the program until it exits or has to be ended; returns why.
    async fn live(&mut self) -> String {
        loop {
            match self.next().await {
                ActorInput::Line(Ok(Some(line))) => {
                    if let Err(reason) = self.take_line(&line).await {
                        return reason;
                    }
                }
                ActorInput::Line(Ok(None)) => return self.exit_words().await,
                ActorInput::Line(Err(error)) => return format!("cannot read what the agent says: {error}"),
                ActorInput::Exit(words) => {
                    self.take_last_lines().await;
                    return words;
                }
                ActorInput::Wish(ScriptWish::GoOn) => {}
                ActorInput::Wish(ScriptWish::Abort) => {
                    self.due = Some(Instant::now() + self.setup.term_grace);
                    if let Some(orders) = &self.orders {
                        // With nobody to read it, the time that is due ends the program.
                        let _ = orders.try_send(ScriptOrder::Abort {});
                    }
                }
                ActorInput::Wish(ScriptWish::Close) => {
                    self.orders = None;
                    return "the worker closed it".to_owned();
                }
                ActorInput::Late if self.is_ready => return "the agent did not end a turn that was aborted".to_owned(),
                ActorInput::Late => {
                    let seconds = self.setup.ready_within.as_secs();
                    return format!("the agent was not ready within {seconds} s");
                }
            }
        }
    }

    async fn next(&mut self) -> ActorInput {
        let late = async |due: Option<Instant>| match due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            biased;
            changed = self.wanted.changed() => match changed {
                Ok(()) => ActorInput::Wish(*self.wanted.borrow_and_update()),
                // The driver was dropped.
                Err(_) => ActorInput::Wish(ScriptWish::Close),
            },
            line = self.lines.next() => ActorInput::Line(line),
            exit = self.keeper.exited(&mut self.program) => ActorInput::Exit(match exit {
                Ok(status) => format!("the agent ended: {}", exit_words(status)),
                Err(error) => format!("the agent ended, and its exit status can not be told: {error}"),
            }),
            () = late(self.due) => ActorInput::Late,
        }
    }

    /// Takes one line of the program. Fails with the reason if the program has to be ended for it.
    async fn take_line(&mut self, line: &str) -> Result<(), String> {
        let news: ScriptNews = serde_json::from_str(line).map_err(|error| {
            let shown: String = line.chars().take(80).collect();
            format!("the agent said what is not understood: {error}: {shown}")
        })?;
        let news = match news {
            ScriptNews::Ready { .. } => {
                self.is_ready = true;
                self.due = None;
                AgentNews::from(news)
            }
            ScriptNews::Text(text) => {
                self.said.push(&text);
                AgentNews::Text(text)
            }
            ScriptNews::PermissionAsked(asked) => {
                self.standing().questions.push(asked.question.clone());
                AgentNews::PermissionAsked(asked)
            }
            ScriptNews::TurnEnded { end, result } => {
                let said = std::mem::take(&mut self.said).into_result();
                let aborted = self.wish() == ScriptWish::Abort;
                let mut standing = self.standing();
                if !standing.in_turn {
                    return Err("the agent ended a turn that does not run".to_owned());
                }
                standing.questions.clear();
                standing.in_turn = false;
                if standing.turn == TurnStanding::Running {
                    standing.turn = TurnStanding::Idle;
                }
                drop(standing);
                self.due = None;
                let end = if aborted { TurnEnd::Aborted } else { end };
                AgentNews::TurnEnded { end, result: if result.is_empty() { said } else { result } }
            }
            ScriptNews::Session(_)
            | ScriptNews::Thought(_)
            | ScriptNews::ToolCall { .. }
            | ScriptNews::Plan(_)
            | ScriptNews::Usage(_)
            | ScriptNews::Receipt { .. }
            | ScriptNews::Limited(_) => AgentNews::from(news),
        };
        self.tell(news).await;
        Ok(())
    }

    /// Takes the lines that the program wrote before it exited.
    async fn take_last_lines(&mut self) {
        let until = Instant::now() + LAST_LINES_WITHIN;
        loop {
            let line = tokio::select! {
                line = self.lines.next() => line,
                () = sleep_until(until) => return,
            };
            match line {
                Ok(Some(line)) if self.take_line(&line).await.is_ok() => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// How the program ended that has closed its output; it may be about to.
    async fn exit_words(&mut self) -> String {
        let until = Instant::now() + self.setup.term_grace;
        tokio::select! {
            exit = self.keeper.exited(&mut self.program) => match exit {
                Ok(status) => format!("the agent ended: {}", exit_words(status)),
                Err(error) => format!("the agent ended, and its exit status can not be told: {error}"),
            },
            () = sleep_until(until) => "the agent closed its standard output".to_owned(),
        }
    }

    /// Tells the worker, unless it is not there any more.
    async fn tell(&self, news: AgentNews) {
        let _ = self.news.send(news).await;
    }

    fn wish(&self) -> ScriptWish {
        match self.wanted.has_changed() {
            Ok(_) => *self.wanted.borrow(),
            Err(_) => ScriptWish::Close,
        }
    }

    fn standing(&self) -> MutexGuard<'_, ScriptStanding> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of the program's output. May be dropped while it waits, and asked again.
struct AgentLines {
    read: BufReader<pipe::Receiver>,
    line: Vec<u8>,
}

impl AgentLines {
    async fn next(&mut self) -> io::Result<Option<String>> {
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len()) as u64;
        (&mut self.read).take(room).read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            if self.line.len() > LINE_BYTES_MAX {
                return Err(io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            // A line without an end was being written when the program died.
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        Ok(Some(line))
    }
}
