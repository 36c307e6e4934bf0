//! `teamster run`: the headless job. A plan goes onto the board, a crew is spawned, the board is drained, the crew
//! is shut down by handshake, and a summary says what came of each task.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::settings::Common;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{AutoClaim, Board, BoardFact};
use teamster_protocol::model::id::{Address, AgentName, MemberName, TaskId};
use teamster_protocol::model::roster::Stall;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{Hold, NewTask, TaskStatus, Work};
use teamster_protocol::store::file::Record;
use teamster_protocol::store::presence;
use teamster_protocol::team::{Team, TeamError};
use teamster_protocol::wire::api::{LeaderApiClient, SpawnRequest, Spawned, WorkspaceRequest};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::leadership::{Leadership, LeadershipError};
use crate::ops::config::TaskLimits;
use crate::ops::plan::{Plan, PlannedTask};

mod crew;
mod drain;
mod panel;
mod progress;
mod summary;
mod tally;

pub use progress::Progress;
pub use summary::{Summary, TaskSummary};

use crew::{Hand, crew};
use drain::{Crewed, How, until};

/// What to run, and how.
#[derive(Debug)]
pub struct RunOptions {
    /// Where the team's files are.
    pub dir: TeamDir,
    /// The directory the team is for; written down when the team is new.
    pub founded_for: PathBuf,
    /// How its files are kept.
    pub settings: Common,
    /// The tasks, if there is a plan.
    pub plan: Option<Plan>,
    /// Whether tasks that are on the board already are part of the run.
    pub leftover: Leftover,
    /// How many workers that the plan does not name.
    pub workers: Option<usize>,
    /// The agent they drive.
    pub agent: AgentName,
    /// Where they work.
    pub workspace: WorkspaceRequest,
    /// What is done when an agent says nothing.
    pub stall: Stall,
    /// How long the run may take.
    pub timeout: Option<Duration>,
    /// What holds for a task of the plan that does not say so itself.
    pub task_limits: TaskLimits,
    /// How it is shown while it goes.
    pub progress: Progress,
}

/// What to do about unfinished tasks that are on the board before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// Refuse to begin.
    Refuse,
    /// They are part of it.
    Resume,
}

/// Why a run could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The board has unfinished tasks.
    #[error("the board of team {team} has unfinished tasks: {}", shortened(ids))]
    Unfinished {
        /// The team.
        team: String,
        /// Them.
        ids: Vec<TaskId>,
    },
    /// There is nothing to do.
    #[error("there is nothing to run: no plan, and no unfinished task on the board")]
    Nothing,
    /// A prompt needs an agent that understands it.
    #[error("task {label} has a `prompt`, but the agent is shell, which takes commands")]
    PromptForShell {
        /// The task's name in the plan.
        label: String,
    },
    /// No leader.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// The team's files.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// A worker could not be spawned.
    #[error("{0}")]
    Spawn(String),
    /// The system refused to tell of signals.
    #[error("cannot watch for signals: {0}")]
    Signals(std::io::Error),
}

impl RunError {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            RunError::Unfinished { .. } => {
                Some("go on with them: teamster run --resume; or drop them: teamster task clear all")
            }
            RunError::PromptForShell { .. } => Some("write `run` instead of `prompt`, or choose an agent with --agent"),
            RunError::Nothing
            | RunError::Leadership(_)
            | RunError::Team(_)
            | RunError::Spawn(_)
            | RunError::Signals(_) => None,
        }
    }
}

fn shortened(ids: &[TaskId]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = ids.iter().take(SHOWN).map(|id| id.to_string()).collect();
    if ids.len() > SHOWN {
        text.push(format!("… ({} in all)", ids.len()));
    }
    text.join(", ")
}

/// Runs to the end, however it comes: drained, timed out, or interrupted (once: running tasks are finished; twice:
/// they are killed). Whoever was spawned for the run has ended when this returns.
pub async fn run(options: RunOptions) -> Result<Summary, RunError> {
    let begun = Instant::now();
    check_work(&options)?;
    let mut signals = Signals::watch()?;
    // The leader leads in this process, so what an error leaves running ends with it.
    let leadership = Leadership::begin(&options.dir, &options.founded_for, options.settings).await?;
    let deadline = options.timeout.map(|timeout| begun + timeout);
    let outcome = match Run::prepare(&options, &leadership) {
        Ok(mut run) => {
            let ended = run.go(&mut signals, deadline).await;
            ended.and_then(|how| Summary::of(&mut run, how, begun.elapsed()))
        }
        Err(error) => Err(error),
    };
    options.progress.end();
    let ended = leadership.end_or_hurry(signals.next()).await;
    let summary = outcome?;
    ended?;
    Ok(summary)
}

fn check_work(options: &RunOptions) -> Result<(), RunError> {
    let prompts = |task: &&PlannedTask| matches!(task.work, Work::Prompt(_));
    let tasks = options.plan.iter().flat_map(|plan| &plan.tasks);
    match tasks.into_iter().find(prompts) {
        Some(task) if options.agent.as_str() == "shell" => Err(RunError::PromptForShell { label: task.id.clone() }),
        Some(_) | None => Ok(()),
    }
}

/// SIGINT and SIGTERM, watched from before the first worker is spawned.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> Result<Signals, RunError> {
        let interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
        let terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
        Ok(Signals { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

struct Run<'a> {
    options: &'a RunOptions,
    leadership: &'a Leadership,
    team: Team,
    /// The tasks of the run that are on the board.
    ids: Vec<TaskId>,
    /// What they and those of the plan are called, in order.
    titles: Vec<String>,
    hands: Vec<Hand>,
    crew: BTreeMap<MemberName, Crewed>,
}

impl<'a> Run<'a> {
    /// Looks whether there is something to run, and by whom. Begins nothing.
    fn prepare(options: &'a RunOptions, leadership: &'a Leadership) -> Result<Run<'a>, RunError> {
        let mut team = Team::open(options.dir.clone(), Address::Lead, options.settings.durability)?;
        team.refresh(|_| ())?;
        let ids = unfinished(team.board());
        if options.leftover == Leftover::Refuse && !ids.is_empty() {
            return Err(RunError::Unfinished { team: options.dir.team().to_string(), ids });
        }
        let mut tasks = ids.iter().map(|id| team.new_task(*id)).collect::<Result<Vec<NewTask>, TeamError>>()?;
        for (id, task) in ids.iter().zip(&mut tasks) {
            // Whom it was assigned to since it was added.
            if let Ok(TaskStatus::Pending { assignee, .. }) = team.board().status(*id) {
                task.to = assignee;
            }
        }
        tasks.extend(options.plan.iter().flat_map(|plan| as_tasks(plan, TaskId(1), options.task_limits)));
        if tasks.is_empty() {
            return Err(RunError::Nothing);
        }
        let hands = crew(&tasks, options.workers, &running(&team)?);
        options.progress.begin(tasks.len(), hands.iter().map(|hand| &hand.name));
        let titles = tasks.iter().map(|task| summary::named(task.label.as_deref(), &task.title)).collect();
        let crew = hands.iter().map(|hand| (hand.name.clone(), Crewed::Running)).collect();
        Ok(Run { options, leadership, team, ids, titles, hands, crew })
    }

    /// Until the run is over. The crew has ended then.
    async fn go(&mut self, signals: &mut Signals, deadline: Option<Instant>) -> Result<How, RunError> {
        let how = match self.assemble(signals, deadline).await {
            Ok(None) => self.drain(signals, deadline).await,
            Ok(Some(how)) => Ok(how),
            Err(error) => Err(error),
        };
        match how {
            Ok(How::TimedOut) => {
                self.options.progress.say("the time is over: ending the workers");
                self.kill().await;
                return how;
            }
            Ok(How::Interrupted) => self.options.progress.say("finishing what runs; Ctrl-C again kills it"),
            Ok(How::Drained | How::NoWorkerLeft) | Err(_) => {}
        }
        let dismissed = self.dismiss();
        tokio::select! {
            () = dismissed => {}
            () = signals.next() => self.kill().await,
            // What is finished meanwhile is told too.
            () = self.follow() => {}
        }
        how
    }

    /// Spawns the crew, then puts the plan onto the board: if a worker can not be had, nothing was begun. Tells how
    /// the run ended if it did so meanwhile.
    async fn assemble(&mut self, signals: &mut Signals, deadline: Option<Instant>) -> Result<Option<How>, RunError> {
        let mut spawning: FuturesUnordered<_> = self.hands.iter().map(|hand| self.spawn(hand)).collect();
        while !spawning.is_empty() {
            tokio::select! {
                Some(spawned) = spawning.next() => drop(spawned.map_err(|error| RunError::Spawn(said(&error)))?),
                () = signals.next() => return Ok(Some(How::Interrupted)),
                () = until(deadline) => return Ok(Some(How::TimedOut)),
            }
        }
        if let Some(plan) = &self.options.plan {
            self.ids.extend(self.team.add_tasks(|first| as_tasks(plan, first, self.options.task_limits).collect())?);
        }
        self.options.progress.titles(self.ids.iter().copied().zip(self.titles.iter().cloned()));
        Ok(None)
    }

    fn spawn(&self, hand: &Hand) -> impl Future<Output = Result<Spawned, RpcError>> + 'static {
        let peer = self.leadership.peer.clone();
        let request = SpawnRequest {
            name: hand.name.clone(),
            agent: self.options.agent.clone(),
            role: hand.role.clone(),
            auto: AutoClaim::On,
            workspace: self.options.workspace.clone(),
            stall: self.options.stall,
        };
        async move { LeaderApiClient::spawn(&peer, request).await }
    }

    /// Asks the crew to end, each after its turn, and waits for it.
    fn dismiss(&self) -> impl Future<Output = ()> + 'static {
        let ask = |name: MemberName| {
            let peer = self.leadership.peer.clone();
            async move {
                let reason = "the run is over".to_owned();
                if let Err(error) = peer.shutdown(Some(name.clone()), reason, WhenBusy::Finish).await {
                    tracing::debug!(%name, "not asked to end: {error}");
                }
            }
        };
        join_all(self.crew.keys().cloned().map(ask).collect::<Vec<_>>()).map(|_| ())
    }

    async fn kill(&self) {
        let kills = self.crew.keys().map(|name| self.leadership.peer.kill(name.clone()));
        for (name, outcome) in self.crew.keys().zip(join_all(kills).await) {
            if let Err(error) = outcome {
                tracing::debug!(%name, "not killed: {error}");
            }
        }
    }

    /// Whether all of the run came onto the board.
    fn is_whole(&self) -> bool {
        self.ids.len() == self.titles.len()
    }
}

fn unfinished(board: &Board) -> Vec<TaskId> {
    let open = |status: &TaskStatus| match status {
        TaskStatus::Pending { hold: Hold::Free | Hold::Stopped, .. } | TaskStatus::InProgress { .. } => true,
        TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => false,
    };
    board.tasks().filter(|(_, task)| open(&task.status)).map(|(id, _)| id).collect()
}

fn running(team: &Team) -> Result<BTreeSet<MemberName>, RunError> {
    let mut names = BTreeSet::new();
    for (name, _) in team.roster().members() {
        if presence::is_held(&team.dir().member_lock(name)).map_err(TeamError::from)? {
            names.insert(name.clone());
        }
    }
    Ok(names)
}

/// The tasks of a plan, numbered from `first` in its order.
fn as_tasks(plan: &Plan, first: TaskId, limits: TaskLimits) -> impl Iterator<Item = NewTask> + '_ {
    let number = move |index: &usize| TaskId(first.0 + *index as u32);
    plan.tasks.iter().map(move |planned| {
        let name = "the plan was checked";
        let mut task = NewTask::new(planned.work.clone());
        task.title = planned.title.clone();
        task.label = Some(planned.id.clone());
        task.after = planned.after.iter().map(number).collect();
        task.to = planned.to.as_ref().map(|to| to.parse().expect(name));
        task.role = planned.role.as_ref().map(|role| role.parse().expect(name));
        task.priority = planned.priority;
        task.timeout_ms = planned.timeout.map(|timeout| timeout.as_millis() as u64);
        limits.apply(&mut task);
        task
    })
}

fn said(error: &RpcError) -> String {
    match error {
        RpcError::Call(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

/// One record of the board, for [`Progress`].
type BoardRecord = Record<BoardFact>;
