//! `run`: the headless job. A plan goes onto the board, a crew is spawned, the board is drained, the crew
//! is shut down by handshake, and a summary says what came of each task.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{AutoClaim, Board, BoardFact};
use teamster_protocol::model::id::{Address, AgentName, MemberName, TaskId};
use teamster_protocol::model::roster::StallPolicy;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{NewTask, TaskHold, TaskStatus, TaskWork};
use teamster_protocol::store::file::LogRecord;
use teamster_protocol::store::presence;
use teamster_protocol::team::{Team, TeamError};
use teamster_protocol::wire::api::{LeaderApiClient, SpawnRequest, SpawnedMember, WorkspaceRequest};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::config::TaskLimits;
use super::error::OpsError;
use super::error::run::RunError;
use super::leadership::Leadership;
use super::plan::{Plan, PlannedTask};
use super::session::Session;
use super::spawn::{WantedStall, WantedWorkspace};
use super::team_name::founding_dir;
use super::verb::Verb;

mod crew;
mod drain;
mod summary;
mod tally;

pub use summary::{RunSummary, TaskSummary, short_name};
pub use tally::TaskTally;

use crew::{CrewMember, crew};
use drain::{CrewStanding, RunEnd, until};

/// The run that is wanted.
#[derive(Debug)]
pub struct WantedRun {
    /// The tasks, if there is a plan.
    pub plan: Option<Plan>,
    /// Whether tasks that are on the board already are part of the run.
    pub leftover: RunLeftover,
    /// How many workers that the plan does not name; what is configured, or what the plan needs, if not given.
    pub workers: Option<u16>,
    /// The agent they drive; the configured one if not given.
    pub agent: Option<AgentName>,
    /// The place in which they work.
    pub workspace: WantedWorkspace,
    /// The answer to an agent that is silent in a turn.
    pub stall: WantedStall,
    /// How long the run may take; what is configured if not given.
    pub timeout: Option<Duration>,
}

/// News from a run while it goes.
#[derive(Debug, Clone, Copy)]
pub enum RunNews<'n> {
    /// The run begins with so many tasks, done by these members.
    Begun {
        /// The number of tasks.
        tasks: usize,
        /// The members that the run spawns.
        members: &'n [MemberName],
    },
    /// Its tasks are on the board, and are called so.
    Named(&'n [(TaskId, String)]),
    /// Something was written on the board.
    Written(&'n LogRecord<BoardFact>),
    /// The state of the run's tasks by now.
    Standing(&'n TaskTally),
    /// A member died, and is started again.
    Died {
        /// The member that died.
        name: &'n MemberName,
        /// The cause of its death.
        reason: &'n str,
    },
    /// A member died so often that it is not started again.
    GivenUp {
        /// The member that is given up.
        name: &'n MemberName,
        /// The cause of its last death.
        reason: &'n str,
    },
    /// The time is over: the workers are ended.
    TimeOver,
    /// The run was interrupted: running turns are finished, or killed if the run is interrupted again.
    Interrupted,
    /// The run is over, and the summary follows.
    Over,
}

/// The conduct towards unfinished tasks that are on the board before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLeftover {
    /// Refuse to begin.
    Refuse,
    /// The run takes them in as its own.
    Resume,
}

/// Runs to the end, however it comes: drained, timed out, or interrupted (once: running tasks are finished; twice: they
/// are killed). The members spawned for the run have ended when this returns. `interrupts` tells of each interrupt, and
/// `news` gets the news of the run.
pub async fn run(
    session: &Session,
    wanted: WantedRun,
    interrupts: mpsc::UnboundedReceiver<()>,
    news: &dyn Fn(RunNews<'_>),
) -> Result<RunSummary, OpsError> {
    session.authorize(Verb::Run)?;
    let config = &session.config;
    let options = RunOptions {
        dir: session.dir.clone(),
        settings: session.settings,
        leftover: wanted.leftover,
        workers: wanted.workers.or(config.workers.value).map(usize::from),
        agent: wanted.agent.unwrap_or_else(|| config.agent.value.clone()),
        workspace: wanted.workspace.request(session)?,
        stall: wanted.stall.stall(session),
        task_limits: config.task_limits(),
        plan: wanted.plan,
        news,
    };
    let deadline = wanted.timeout.or(config.run_time.value).map(|timeout| Instant::now() + timeout);
    let founded_for = founding_dir(&session.here)?;
    Ok(run_to_end(&options, &founded_for, RunInterrupts(interrupts), deadline).await?)
}

async fn run_to_end(
    options: &RunOptions<'_>,
    founded_for: &Path,
    mut interrupts: RunInterrupts,
    deadline: Option<Instant>,
) -> Result<RunSummary, RunError> {
    let begun = Instant::now();
    check_work(options)?;
    // The leader leads in this process, so what an error leaves running ends with it.
    let leadership = Leadership::begin(&options.dir, founded_for, options.settings).await?;
    let outcome = match Run::prepare(options, &leadership) {
        Ok(mut run) => {
            let ended = run.go(&mut interrupts, deadline).await;
            ended.and_then(|how| RunSummary::of(&mut run, how, begun.elapsed()))
        }
        Err(error) => Err(error),
    };
    options.tell(RunNews::Over);
    let ended = leadership.end_or_hurry(interrupts.next()).await;
    let summary = outcome?;
    ended?;
    Ok(summary)
}

/// The options of a run.
struct RunOptions<'a> {
    dir: TeamDir,
    settings: CommonSettings,
    plan: Option<Plan>,
    leftover: RunLeftover,
    workers: Option<usize>,
    agent: AgentName,
    workspace: WorkspaceRequest,
    stall: StallPolicy,
    task_limits: TaskLimits,
    news: &'a dyn Fn(RunNews<'_>),
}

impl RunOptions<'_> {
    fn tell(&self, news: RunNews<'_>) {
        (self.news)(news);
    }
}

fn check_work(options: &RunOptions<'_>) -> Result<(), RunError> {
    let prompts = |task: &&PlannedTask| matches!(task.work, TaskWork::Prompt(_));
    let tasks = options.plan.iter().flat_map(|plan| &plan.tasks);
    match tasks.into_iter().find(prompts) {
        Some(task) if options.agent.as_str() == "shell" => Err(RunError::PromptForShell { label: task.id.clone() }),
        Some(_) | None => Ok(()),
    }
}

/// The interrupts that the caller tells of.
struct RunInterrupts(mpsc::UnboundedReceiver<()>);

impl RunInterrupts {
    /// Waits for the next one; for ever if nobody can tell of it any more.
    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

struct Run<'a> {
    options: &'a RunOptions<'a>,
    leadership: &'a Leadership,
    team: Team,
    /// The tasks of the run that are on the board.
    ids: Vec<TaskId>,
    /// The titles of the run's tasks, and of those of the plan, in order.
    titles: Vec<String>,
    hands: Vec<CrewMember>,
    crew: BTreeMap<MemberName, CrewStanding>,
}

impl<'a> Run<'a> {
    /// Looks whether there is something to run, and which members run it. Begins nothing.
    fn prepare(options: &'a RunOptions<'a>, leadership: &'a Leadership) -> Result<Run<'a>, RunError> {
        let mut team = Team::open(options.dir.clone(), Address::Lead, options.settings.durability)?;
        team.refresh(|_| ())?;
        let ids = unfinished(team.board());
        if options.leftover == RunLeftover::Refuse && !ids.is_empty() {
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
        let members: Vec<MemberName> = hands.iter().map(|hand| hand.name.clone()).collect();
        options.tell(RunNews::Begun { tasks: tasks.len(), members: &members });
        let titles = tasks.iter().map(|task| short_name(task.label.as_deref(), &task.title)).collect();
        let crew = hands.iter().map(|hand| (hand.name.clone(), CrewStanding::Running)).collect();
        Ok(Run { options, leadership, team, ids, titles, hands, crew })
    }

    /// Until the run is over. The crew has ended then.
    async fn go(&mut self, interrupts: &mut RunInterrupts, deadline: Option<Instant>) -> Result<RunEnd, RunError> {
        let how = match self.assemble(interrupts, deadline).await {
            Ok(None) => self.drain(interrupts, deadline).await,
            Ok(Some(how)) => Ok(how),
            Err(error) => Err(error),
        };
        match how {
            Ok(RunEnd::TimedOut) => {
                self.options.tell(RunNews::TimeOver);
                self.kill().await;
                return how;
            }
            Ok(RunEnd::Interrupted) => self.options.tell(RunNews::Interrupted),
            Ok(RunEnd::Drained | RunEnd::NoWorkerLeft) | Err(_) => {}
        }
        let dismissed = self.dismiss();
        tokio::select! {
            () = dismissed => {}
            () = interrupts.next() => self.kill().await,
            // Turns that are finished meanwhile are told too.
            () = self.follow() => {}
        }
        how
    }

    /// Spawns the crew, then puts the plan onto the board: if a worker can not be had, nothing was begun. Tells how
    /// the run ended if it did so meanwhile.
    async fn assemble(
        &mut self,
        interrupts: &mut RunInterrupts,
        deadline: Option<Instant>,
    ) -> Result<Option<RunEnd>, RunError> {
        let mut spawning: FuturesUnordered<_> = self.hands.iter().map(|hand| self.spawn(hand)).collect();
        while !spawning.is_empty() {
            tokio::select! {
                Some(spawned) = spawning.next() => drop(spawned.map_err(|error| RunError::Spawn(said(&error)))?),
                () = interrupts.next() => return Ok(Some(RunEnd::Interrupted)),
                () = until(deadline) => return Ok(Some(RunEnd::TimedOut)),
            }
        }
        if let Some(plan) = &self.options.plan {
            self.ids.extend(self.team.add_tasks(|first| as_tasks(plan, first, self.options.task_limits).collect())?);
        }
        let named: Vec<(TaskId, String)> = self.ids.iter().copied().zip(self.titles.iter().cloned()).collect();
        self.options.tell(RunNews::Named(&named));
        Ok(None)
    }

    fn spawn(&self, hand: &CrewMember) -> impl Future<Output = Result<SpawnedMember, RpcError>> + 'static {
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
        TaskStatus::Pending { hold: TaskHold::Free | TaskHold::Stopped, .. } | TaskStatus::InProgress { .. } => true,
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
