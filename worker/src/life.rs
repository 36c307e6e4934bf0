//! One life of a worker: start, take events one after another until it leaves, leave.
//!
//! Events of the world come from the queue of calls, the agent, the mailbox file (whose change is also the bell for
//! new work), signals, the links of leaders and the clock. Each goes through the core, and what the core answers
//! is carried out before the next is taken.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::io::{self, Write};
use std::time::Duration;

use teamster_protocol::host::clock;
use teamster_protocol::host::crash;
use teamster_protocol::host::signals::{EndSignal, EndSignals};
use teamster_protocol::host::stderr_log;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::limits::pace::TURN_TERM_GRACE;
use teamster_protocol::model::roster::{CellIsolation, StartedBy, WorkerEnd};
use teamster_protocol::store::watch::{FileChange, FileWatch};
use teamster_protocol::wire::api::{WorkerPhase, WorkerStatus};
use teamster_protocol::wire::peer::stdio::{StdinReader, StdoutWriter, stdio};
use tokio::sync::{mpsc, watch};

use crate::cell::keeper::CellKeeper;
use crate::core::{WorkerAction, WorkerCore, WorkerEvent};
use crate::driver::AgentNews;
use crate::hands::{ActionResult, LeaderCall, WorkerHands};
use crate::life::args::{SpareArgs, WorkerArgs};

pub mod args;
mod leave;
mod links;
mod spare;
mod start;

pub use start::StartError;

use links::{LeaderLinks, LinkChange};
use spare::Ordered;
use start::Groundwork;

/// Runs the worker until it has left; returns the exit code of the process. The caller is to end the process with
/// it: that drops the member's lock.
pub async fn run(args: WorkerArgs, isolation: CellIsolation) -> Result<i32, StartError> {
    begin_as(&args);
    let dir = start::team_dir(&args)?;
    stderr_log::is_mine(dir.log_of(&Address::Member(args.name.clone())));
    let ground = Groundwork::lay(dir)?;
    let leader = if args.stdio { Some(LeaderStreams::open()?) } else { None };
    live_as(args, isolation, ground, leader).await
}

/// The same for a spare worker, as [`spare`](teamster_protocol::wire::spare) has it: it waits until it is told whose it is.
/// Returns 0 if it never is.
pub async fn run_spare(args: SpareArgs, isolation: CellIsolation) -> Result<i32, StartError> {
    match spare::stand_by(args).await? {
        Some(Ordered { args, ground, leader }) => live_as(args, isolation, ground, Some(leader)).await,
        None => Ok(0),
    }
}

/// Where a worker may die by order of a test is counted from here on.
fn begin_as(args: &WorkerArgs) {
    crash::begin(&format!("worker:{}", args.name));
}

async fn live_as(
    args: WorkerArgs,
    isolation: CellIsolation,
    ground: Groundwork,
    leader: Option<LeaderStreams>,
) -> Result<i32, StartError> {
    let mut worker = start::start(args, isolation, ground, leader).await?;
    let end = worker.live().await;
    Ok(worker.leave(end).await)
}

/// The streams by which the leader that started this worker calls it.
struct LeaderStreams {
    read: StdinReader,
    write: StdoutWriter,
}

impl LeaderStreams {
    fn open() -> Result<LeaderStreams, StartError> {
        let (read, write) = stdio().map_err(StartError::system("talk to the leader"))?;
        Ok(LeaderStreams { read, write })
    }
}

/// Says something to whoever started the worker, if they still listen.
pub fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A worker that has started.
struct StartedWorker {
    core: WorkerCore,
    hands: WorkerHands,
    calls: mpsc::Receiver<LeaderCall>,
    watch: FileWatch,
    signals: EndSignals,
    links: LeaderLinks,
    started_by: StartedBy,
    status: watch::Sender<WorkerStatus>,
    keeper: CellKeeper,
    /// Whether the clock of the day is still as it was.
    day: clock::ClockChanges,
    /// The signal that told it to end.
    told: Option<EndSignal>,
    /// Set if the member's lock was another's, or its team gone, at the last slow poll.
    displaced: bool,
}

/// The reason why the loop ended.
enum LifeEnd {
    /// The core said so.
    Leave(WorkerEnd),
    /// A second signal, or one while there are no books to be kept: not in order.
    Now(EndSignal),
    /// The team was removed, or there is another in its place.
    Displaced,
}

/// News from the world around the worker, one kind each source.
enum WorldEvent {
    Call(LeaderCall),
    News(AgentNews),
    Change(FileChange),
    Told(EndSignal),
    Link(LinkChange),
    Tick,
}

impl StartedWorker {
    async fn live(&mut self) -> LifeEnd {
        if let Some(limit) = self.hands.heed_limit()
            && let Some(end) = self.happened(limit).await
        {
            return end;
        }
        if let Some(mail) = self.hands.mail()
            && let Some(end) = self.happened(mail).await
        {
            return end;
        }
        if self.hands.agent.is_unstarted()
            && let Some(end) = self.happened(WorkerEvent::AgentAsleep).await
        {
            return end;
        }
        self.show_status();
        loop {
            let came = self.next().await;
            // Before anything else is reckoned with: it moves the times that are waited for.
            if let Some(by_ms) = self.day.look()
                && let Some(end) = self.happened(WorkerEvent::ClockSet { by_ms }).await
            {
                return end;
            }
            let end = match came {
                WorldEvent::Call(call) => {
                    let event = self.hands.take_call(call);
                    self.happened(event).await
                }
                WorldEvent::News(news) => {
                    self.core.agent_heard(clock::now_ms());
                    match self.hands.take_news(news) {
                        Some(event) => self.happened(event).await,
                        None => None,
                    }
                }
                WorldEvent::Change(FileChange::Files(_)) => self.look(WorkerEvent::Rang).await,
                WorldEvent::Change(FileChange::Poll) => {
                    let displaced = self.hands.is_displaced();
                    // Looked at twice, for who only puts something aside.
                    if displaced && self.displaced {
                        return LifeEnd::Displaced;
                    }
                    self.displaced = displaced;
                    self.look(WorkerEvent::Polled).await
                }
                WorldEvent::Told(told) if self.told.is_some() || self.hands.is_displaced() => {
                    return LifeEnd::Now(told);
                }
                WorldEvent::Told(told) => {
                    self.told = Some(told);
                    self.happened(WorkerEvent::Terminated).await
                }
                WorldEvent::Link(LinkChange::LeaderLinked) => self.happened(WorkerEvent::LeaderLinked).await,
                // A worker that was started by hand is ended by hand: it waits for the next leader.
                WorldEvent::Link(LinkChange::LeaderLost) if self.started_by == StartedBy::Hand => None,
                WorldEvent::Link(LinkChange::LeaderLost) => self.happened(WorkerEvent::LeaderLost).await,
                WorldEvent::Tick => self.happened(WorkerEvent::Tick).await,
            };
            if let Some(end) = end {
                return end;
            }
            self.show_status();
        }
    }

    async fn next(&mut self) -> WorldEvent {
        let tick = self.core.next_tick_ms();
        tokio::select! {
            told = self.signals.next() => WorldEvent::Told(told),
            Some(call) = self.calls.recv() => WorldEvent::Call(call),
            news = self.hands.agent.news() => WorldEvent::News(news),
            change = self.watch.changed() => WorldEvent::Change(change),
            change = self.links.changed() => WorldEvent::Link(change),
            () = wait_until_clock(tick) => WorldEvent::Tick,
        }
    }

    /// The limit of the provider first, then mail, then what else there is to see.
    async fn look(&mut self, event: WorkerEvent) -> Option<LifeEnd> {
        if let Some(limit) = self.hands.heed_limit()
            && let Some(end) = self.happened(limit).await
        {
            return Some(end);
        }
        if let Some(mail) = self.hands.mail()
            && let Some(end) = self.happened(mail).await
        {
            return Some(end);
        }
        self.happened(event).await
    }

    /// Takes one event of the world through the core, and every answer to what the core wants done about it.
    async fn happened(&mut self, event: WorkerEvent) -> Option<LifeEnd> {
        let mut events = VecDeque::from([event]);
        let mut end = None;
        while let Some(event) = events.pop_front() {
            for action in self.core.step(clock::now_ms(), event) {
                if waits_for_the_disk(&action) {
                    // A pause lets the notices of earlier actions go out before the disk holds everything up.
                    tokio::task::yield_now().await;
                }
                match self.hands.carry_out(action) {
                    ActionResult::Nothing => {}
                    ActionResult::Event(event) => events.push_back(event),
                    ActionResult::Acknowledged(ids) => self.core.acknowledged(&ids),
                    ActionResult::EndLeftovers => {
                        // No turn runs, and none begins before this is done.
                        if let Err(left) = self.keeper.end_descendants(None, TURN_TERM_GRACE).await {
                            self.hands.trouble(left.to_string());
                        }
                    }
                    ActionResult::Leave(how) => end = Some(LifeEnd::Leave(how)),
                }
            }
        }
        end
    }

    /// Lets callers see where the worker stands.
    fn show_status(&mut self) {
        let status = self.core.status(self.hands.journal.seq());
        let starting = self.status.borrow().phase == WorkerPhase::Starting;
        if starting && status.phase != WorkerPhase::Starting && self.started_by == StartedBy::Hand {
            let (name, team) = (&self.hands.me.name, self.hands.team.dir().team());
            aside(format_args!("{name} is ready in team {team}; Ctrl-C ends it"));
        }
        self.status.send_replace(status);
    }
}

/// Whether carrying it out may sync a file.
fn waits_for_the_disk(action: &WorkerAction) -> bool {
    matches!(action, WorkerAction::Acknowledge { .. } | WorkerAction::Record { .. })
}

/// Waits until a time of the clock; for ever for none.
async fn wait_until_clock(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(clock::now_ms()))).await,
        None => pending().await,
    }
}
