//! The task beside the program: it carries out what the dialect says, reads what the program tells, and ends it when it
//! has to be ended. Whatever happens, a turn that began is told to have ended, and then the program to be gone.

use std::io;
use std::process::{Command, ExitStatus};

use teamster_protocol::host::process::beneath::StartTicks;
use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::model::agent::{AgentExit, AgentFault, TurnEnd};
use teamster_protocol::model::limits::pace::LAST_LINES_WITHIN;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::complaints::ProgramComplaints;
use super::dialect::{AgentDialect, DialectStep, NonsenseSaid};
use super::read::ProgramLines;
use super::write::ProgramInput;
use super::{LineOrder, LineSetup, LineWish, SharedStanding, TurnStanding};
use crate::cell::keeper::{CellKeeper, ProcessGroup};
use crate::driver::provider::says_context_full;
use crate::driver::reset::with_reset;
use crate::driver::{AgentNews, DriverError, TextTail};

/// The task that speaks with the program; see the module.
pub(super) struct LineActor<D> {
    setup: LineSetup,
    dialect: D,
    news: mpsc::Sender<AgentNews>,
    ordered: mpsc::Receiver<LineOrder>,
    wanted: watch::Receiver<LineWish>,
    standing: SharedStanding,
    keeper: CellKeeper,
    program: ProcessGroup,
    lines: ProgramLines,
    complaints: ProgramComplaints,
    /// Nothing once the program is told to exit: that closes its standard input.
    input: Option<ProgramInput>,
    said: TextTail,
    /// When it has to be ready, or a turn that was aborted to have ended.
    due: Option<Instant>,
    is_ready: bool,
    /// When the turn began, if the program may leave commands of it running.
    commands_since: Option<StartTicks>,
}

/// The next thing that the actor must act on.
enum ActorInput {
    /// A line, or the end of the program's output.
    Line(io::Result<Option<String>>),
    /// The program has exited.
    Exit(String),
    /// The worker gives an order.
    Order(LineOrder),
    /// The worker wants something else.
    Wish(LineWish),
    /// The program reads nothing any more.
    InputClosed,
    /// The time passed in which the program had to answer.
    Late,
}

/// The state of affairs after the last lines of a program that has exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterExit {
    /// The program is gone.
    Ended,
    /// Its last lines had it started once more.
    BegunAfresh,
}

/// A program that was started, and the pipes to it.
struct StartedProgram {
    program: ProcessGroup,
    lines: ProgramLines,
    complaints: ProgramComplaints,
    input: ProgramInput,
}

fn start_program(setup: &LineSetup, keeper: &mut CellKeeper) -> Result<StartedProgram, DriverError> {
    let system = |what: &'static str| move |source| DriverError::System { what, source };
    let (input, write) = io::pipe().map_err(system("open a pipe to the agent"))?;
    let (read, output) = io::pipe().map_err(system("open a pipe from the agent"))?;
    let (complaints, error) = io::pipe().map_err(system("open a pipe from the agent"))?;
    let complaints = pipe::Receiver::from_owned_fd(complaints.into()).map_err(system("read from the agent"))?;
    let read = pipe::Receiver::from_owned_fd(read.into()).map_err(system("read from the agent"))?;
    let write = pipe::Sender::from_owned_fd(write.into()).map_err(system("write to the agent"))?;
    let (name, args) = setup.command.split_first().expect("the catalogue gives no empty command");
    let mut command = Command::new(name);
    command.args(args).current_dir(&setup.workspace);
    command.envs(setup.env.iter().map(|(name, value)| (name, value)));
    command.stdin(input).stdout(output).stderr(error);
    // The command is gone with this, and with it our copies of the program's ends of the pipes: with them open, no pipe
    // would ever end.
    let program = keeper
        .spawn_resident(&mut command)
        .map_err(|source| DriverError::NotStarted { program: name.clone(), source })?;
    let (lines, complaints) = (ProgramLines::new(read), ProgramComplaints::copy(complaints));
    Ok(StartedProgram { program, lines, complaints, input: ProgramInput::new(write) })
}

/// How the program ended, in a sentence.
fn exit_sentence(exit: io::Result<ExitStatus>) -> String {
    match exit {
        Ok(status) => format!("the agent ended: {}", exit_words(status)),
        Err(error) => format!("the agent ended, and its exit status can not be told: {error}"),
    }
}

fn with_words(what: String, words: Option<String>) -> String {
    match words {
        Some(words) => format!("{what}; it said: {words}"),
        None => what,
    }
}

impl<D: AgentDialect> LineActor<D> {
    /// Starts the program.
    pub(super) fn start(
        setup: LineSetup,
        dialect: D,
        news: mpsc::Sender<AgentNews>,
        ordered: mpsc::Receiver<LineOrder>,
        wanted: watch::Receiver<LineWish>,
        standing: SharedStanding,
    ) -> Result<LineActor<D>, DriverError> {
        let system = |what: &'static str| move |source| DriverError::System { what, source };
        let mut keeper = CellKeeper::new().map_err(system("watch over processes"))?;
        let StartedProgram { program, lines, complaints, input } = start_program(&setup, &mut keeper)?;
        let due = Some(Instant::now() + setup.ready_within);
        Ok(LineActor {
            setup,
            dialect,
            news,
            ordered,
            wanted,
            standing,
            keeper,
            program,
            lines,
            complaints,
            input: Some(input),
            said: TextTail::default(),
            due,
            is_ready: false,
            commands_since: None,
        })
    }

    /// Runs until the program is gone.
    pub(super) async fn run(mut self) {
        let (reason, fault) = match self.live().await {
            Ok(reason) => (reason, AgentFault::Agent),
            Err(NonsenseSaid { reason, fault }) => (reason, fault),
        };
        self.input = None;
        if let Err(left) = self.keeper.end_group(&mut self.program, self.setup.term_grace).await {
            self.tell(AgentNews::Broken { reason: left.to_string() }).await;
        }
        let wish = self.wish();
        let ran = {
            let mut standing = self.standing.lock();
            standing.questions.clear();
            standing.turn = TurnStanding::Closed;
            std::mem::take(&mut standing.in_turn)
        };
        if ran {
            let result = std::mem::take(&mut self.said).into_result();
            let end = match wish {
                LineWish::Close => TurnEnd::Aborted,
                LineWish::GoOn | LineWish::Abort => TurnEnd::Failed { reason: reason.clone(), fault },
            };
            self.tell(AgentNews::TurnEnded { end, result }).await;
        }
        let exit = match wish {
            LineWish::Close => AgentExit::Closed,
            LineWish::GoOn | LineWish::Abort => match fault {
                AgentFault::Provider => AgentExit::Refused { reason },
                AgentFault::Agent | AgentFault::Place | AgentFault::Prompt => AgentExit::Died { reason },
            },
        };
        self.tell(AgentNews::Exited(exit)).await;
    }

    /// Serves the program until it exits or has to be ended; returns why.
    async fn live(&mut self) -> Result<String, NonsenseSaid> {
        let first = self.dialect.begin();
        self.carry_out(first).await?;
        loop {
            match self.next().await {
                ActorInput::Line(Ok(Some(line))) => self.take_line(&line).await?,
                ActorInput::Line(Ok(None)) => {
                    let how = self.exit_or_closed("the agent closed its standard output").await;
                    if let Some(how) = self.end_or_begin_afresh(how).await? {
                        return Ok(how);
                    }
                }
                ActorInput::Line(Err(error)) => return Ok(format!("cannot read what the agent says: {error}")),
                ActorInput::Exit(how) => {
                    if self.take_last_lines().await == AfterExit::Ended
                        && let Some(how) = self.end_or_begin_afresh(how).await?
                    {
                        return Ok(how);
                    }
                }
                ActorInput::InputClosed => {
                    if self.take_last_lines().await == AfterExit::Ended {
                        let how = self.exit_or_closed("the agent closed its standard input").await;
                        if let Some(how) = self.end_or_begin_afresh(how).await? {
                            return Ok(how);
                        }
                    }
                }
                ActorInput::Order(order) => {
                    let steps = match order {
                        LineOrder::Prompt { id, text } => {
                            self.complaints.begin_turn();
                            if self.dialect.leaves_commands() {
                                self.commands_since = StartTicks::now().ok();
                            }
                            self.dialect.prompt(id, text)
                        }
                        LineOrder::Steer(steer) => self.dialect.steer(steer),
                        LineOrder::Permit { question, answer } => self.dialect.permit(question, answer),
                    };
                    self.carry_out(steps).await?;
                }
                ActorInput::Wish(LineWish::GoOn) => {}
                // The turn ended in the same moment, so there is nothing to abort.
                ActorInput::Wish(LineWish::Abort) if !self.standing.lock().in_turn => {}
                ActorInput::Wish(LineWish::Abort) => {
                    self.due = Some(Instant::now() + self.setup.term_grace);
                    let steps = self.dialect.abort();
                    self.carry_out(steps).await?;
                }
                ActorInput::Wish(LineWish::Close) => return Ok("the worker closed it".to_owned()),
                ActorInput::Late if self.is_ready => {
                    let seconds = self.setup.term_grace.as_secs();
                    let late = format!("the agent did not end its turn within {seconds} s of being told to stop");
                    return Ok(self.with_words_so_far(late));
                }
                ActorInput::Late => {
                    let seconds = self.setup.ready_within.as_secs();
                    return Ok(self.with_words_so_far(format!("the agent was not ready within {seconds} s")));
                }
            }
        }
    }

    async fn next(&mut self) -> ActorInput {
        let late = async |due: Option<Instant>| match due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        };
        let closed = async |input: &Option<ProgramInput>| match input {
            Some(input) => input.closed().await,
            None => std::future::pending().await,
        };
        let order = async |ordered: &mut mpsc::Receiver<LineOrder>, input: &Option<ProgramInput>| {
            if let (true, Some(input)) = (self.is_ready, input) {
                input.has_room().await;
                if let Some(order) = ordered.recv().await {
                    return order;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            // Before the wish: an abort is meant for the turn whose prompt was ordered before it.
            order = order(&mut self.ordered, &self.input) => ActorInput::Order(order),
            changed = self.wanted.changed() => match changed {
                Ok(()) => ActorInput::Wish(*self.wanted.borrow_and_update()),
                // The driver was dropped.
                Err(_) => ActorInput::Wish(LineWish::Close),
            },
            line = self.lines.next() => ActorInput::Line(line),
            () = closed(&self.input) => ActorInput::InputClosed,
            exit = self.keeper.exited(&mut self.program) => ActorInput::Exit(exit_sentence(exit)),
            () = late(self.due) => ActorInput::Late,
        }
    }

    /// Takes one line of the program. Fails with the reason if the program has to be ended for it.
    async fn take_line(&mut self, line: &str) -> Result<(), NonsenseSaid> {
        let steps = self.dialect.take_line(line)?;
        self.carry_out(steps).await
    }

    async fn carry_out(&mut self, steps: Vec<DialectStep>) -> Result<(), NonsenseSaid> {
        for step in steps {
            match step {
                DialectStep::Write(line) => {
                    debug_assert!(!line.contains('\n'), "one line at a time");
                    if let Some(input) = &self.input
                        && input.write(line).is_err()
                    {
                        return Err(NonsenseSaid::new("the agent does not read what it is told"));
                    }
                }
                DialectStep::BeginAfresh => self.begin_afresh().await?,
                DialectStep::Tell(news) => {
                    let news = self.take_note(news)?;
                    if let AgentNews::TurnEnded { end: TurnEnd::Aborted, .. } = &news {
                        self.end_commands().await;
                    }
                    if let AgentNews::TurnEnded { end: TurnEnd::Failed { reason, fault: AgentFault::Prompt }, .. } =
                        &news
                        && says_context_full(reason)
                    {
                        self.tell(AgentNews::ContextFull).await;
                    }
                    self.tell(news).await;
                }
            }
        }
        Ok(())
    }

    /// Ends what the program left running of a turn that was aborted.
    async fn end_commands(&mut self) {
        let Some(since) = self.commands_since.take() else { return };
        if let Err(left) = self.keeper.end_beneath(&self.program, since, self.setup.term_grace).await {
            self.tell(AgentNews::Trouble(format!("of the turn that was stopped: {left}"))).await;
        }
    }

    /// The program has ended in this way: it is started once more if its dialect knows that to help, and else that is all.
    async fn end_or_begin_afresh(&mut self, how: String) -> Result<Option<String>, NonsenseSaid> {
        if self.is_ready || self.setup.afresh.is_none() || self.wish() == LineWish::Close {
            return Ok(Some(self.with_last_words(how).await));
        }
        let steps = self.dialect.exited_early(&how);
        self.carry_out(steps).await?;
        Ok(if self.setup.afresh.is_some() { Some(self.with_last_words(how).await) } else { None })
    }

    /// The end of the program, with what it said to that.
    async fn with_last_words(&mut self, how: String) -> String {
        let words = self.complaints.last_words().await;
        with_words(how, words.filter(|_| self.wish() != LineWish::Close))
    }

    /// The fault of a program that still runs, with what it said meanwhile.
    fn with_words_so_far(&self, fault: String) -> String {
        with_words(fault, self.complaints.words_so_far())
    }

    /// Starts the program once more, for a new conversation.
    async fn begin_afresh(&mut self) -> Result<(), NonsenseSaid> {
        let Some(command) = self.setup.afresh.take() else {
            return Err(NonsenseSaid::new("the agent's conversation is gone, and no other way to start it is known"));
        };
        self.input = None;
        let ended = self.keeper.end_group(&mut self.program, self.setup.term_grace).await;
        ended.map_err(|left| NonsenseSaid::new(left.to_string()))?;
        self.setup.command = command;
        let started = start_program(&self.setup, &mut self.keeper);
        let started = started.map_err(|error| NonsenseSaid::new(error.with_cause()))?;
        let StartedProgram { program, lines, complaints, input } = started;
        (self.program, self.lines, self.input) = (program, lines, Some(input));
        self.complaints = complaints;
        self.due = Some(Instant::now() + self.setup.ready_within);
        Ok(())
    }

    /// Keeps what the driver and the end of the turn need of the news. Returns it as the worker is told.
    fn take_note(&mut self, news: AgentNews) -> Result<AgentNews, NonsenseSaid> {
        match &news {
            AgentNews::Ready { .. } => {
                self.is_ready = true;
                self.due = None;
            }
            AgentNews::Text(text) => self.said.push(text),
            AgentNews::PermissionAsked(asked) => {
                let mut standing = self.standing.lock();
                if !standing.in_turn {
                    return Err(NonsenseSaid::new("the agent asks for permission outside a turn"));
                }
                standing.questions.push(asked.question.clone());
            }
            AgentNews::TurnEnded { .. } => return self.turn_ended(news),
            AgentNews::Limited(limit) => return Ok(AgentNews::Limited(with_reset(limit.clone()))),
            AgentNews::Session(_)
            | AgentNews::SessionLost { .. }
            | AgentNews::Compacted
            | AgentNews::ContextFull
            | AgentNews::Steering(_)
            | AgentNews::NoResume
            | AgentNews::Trouble(_)
            | AgentNews::Thought(_)
            | AgentNews::ToolCall { .. }
            | AgentNews::Plan(_)
            | AgentNews::Usage(_)
            | AgentNews::Receipt { .. }
            | AgentNews::Unavailable { .. }
            | AgentNews::Broken { .. }
            | AgentNews::Exited(_) => {}
        }
        Ok(news)
    }

    fn turn_ended(&mut self, news: AgentNews) -> Result<AgentNews, NonsenseSaid> {
        let AgentNews::TurnEnded { end, result } = news else { return Ok(news) };
        let said = std::mem::take(&mut self.said).into_result();
        let end = if self.wish() == LineWish::Abort { TurnEnd::Aborted } else { end };
        let mut standing = self.standing.lock();
        if !standing.in_turn {
            return Err(NonsenseSaid::new("the agent ended a turn that does not run"));
        }
        standing.questions.clear();
        standing.in_turn = false;
        if standing.turn == TurnStanding::Running {
            standing.turn = TurnStanding::Idle;
        }
        self.due = None;
        Ok(AgentNews::TurnEnded { end, result: if result.is_empty() { said } else { result } })
    }

    /// Takes the lines that the program wrote before it exited.
    async fn take_last_lines(&mut self) -> AfterExit {
        let until = Instant::now() + LAST_LINES_WITHIN;
        let may_begin = self.setup.afresh.is_some();
        loop {
            let line = tokio::select! {
                line = self.lines.next() => line,
                () = sleep_until(until) => return AfterExit::Ended,
            };
            match line {
                Ok(Some(line)) if self.take_line(&line).await.is_ok() => {}
                Ok(_) | Err(_) => return AfterExit::Ended,
            }
            if may_begin && self.setup.afresh.is_none() {
                return AfterExit::BegunAfresh;
            }
        }
    }

    /// How the program ended that has closed one of its ends; it may be about to.
    async fn exit_or_closed(&mut self, closed: &str) -> String {
        let until = Instant::now() + self.setup.term_grace;
        tokio::select! {
            exit = self.keeper.exited(&mut self.program) => exit_sentence(exit),
            () = sleep_until(until) => closed.to_owned(),
        }
    }

    /// Tells the worker, unless it is not there any more.
    async fn tell(&mut self, news: AgentNews) {
        let _ = self.news.send(news).await;
    }

    fn wish(&self) -> LineWish {
        match self.wanted.has_changed() {
            Ok(_) => *self.wanted.borrow(),
            Err(_) => LineWish::Close,
        }
    }
}
