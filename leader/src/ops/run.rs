//! `run`: the headless job. A plan goes onto the board, a crew is spawned, the board is drained, the crew
//! is shut down by handshake, and a summary says what came of each task.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jsonrpsee::core::client::Error as RpcError;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{AutoClaim, BoardFact};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::task::{BoardRefusal, NewTask, TaskStatus, WorkKind};
use teamster_protocol::team::{Team, TeamError, TeamView};
use teamster_protocol::wire::api::{BaseStanding, LeaderApiClient, SpawnRequest, SpawnedMember};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::agents::{ChosenAgent, WantedAgent};
use super::budget::WantedBudget;
use super::config::{Config, TaskLimits};
use super::error::OpsError;
use super::error::run::RunError;
use super::leadership::Leadership;
use super::plan::Plan;
use super::session::Session;
use super::spawn::{WantedStall, WantedWorkspace, must_tell_usage};
use super::team_name::founding_dir;
use crate::verb::Verb;

mod budget;
pub(crate) mod crew;
mod drain;
mod ending;
mod news;
mod outline;
mod places;
mod preview;
mod questions;
mod summary;
mod tally;

pub use news::{ListedTask, RunEvent, RunNews, RunReport, StopCause};
pub use places::NewPlaceCause;
pub use preview::{PlannedMember, PlannedRow, RunPreview};
pub use summary::{RunStop, RunSummary, TaskSummary, short_name};
pub use tally::TaskTally;

use budget::RunBudget;
use crew::CrewMember;
use drain::{CrewStanding, RunEnd, wait_for_deadline};
use news::EventMaker;
use outline::{OutlineRequest, ReadTeam, RunOutline, planned_tasks};
use places::{CrewPlace, CrewPlaces};
use questions::RunQuestions;

/// The run that is wanted.
#[derive(Debug)]
pub struct WantedRun {
    /// The tasks, if there is a plan.
    pub plan: Option<Plan>,
    /// Whether tasks that are on the board already are part of the run.
    pub leftover: RunLeftover,
    /// How many workers that the plan does not name; what is configured, or what the plan needs, if not given.
    pub workers: Option<u16>,
    /// The agent they drive.
    pub agent: WantedAgent,
    /// The place in which they work.
    pub workspace: WantedWorkspace,
    /// The answer to an agent that is silent in a turn.
    pub stall: WantedStall,
    /// How much all tasks of the run together may use.
    pub budget: WantedBudget,
    /// How long the run may take; what is configured if not given.
    pub timeout: Option<Duration>,
}

/// The conduct towards tasks that are on the board before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLeftover {
    /// Refuse to begin if some are unfinished.
    Refuse,
    /// The unfinished ones are part of it; those that were stopped are opened again.
    Resume,
    /// The same, and those that failed are done again.
    RetryFailed,
}

/// Runs to the end, however it comes: drained, timed out, or interrupted (once: running tasks are finished; twice:
/// they are stopped). Whoever was spawned for the run has ended when this returns, and nobody is on a task of the run; what
/// is left of a run that was ended early is held. `interrupts` tells of each interrupt, and `news` is told what happens.
/// Where the board has tasks and none of them is left to do, nothing is begun, and the summary says so.
pub async fn run(
    session: &Session,
    wanted: WantedRun,
    interrupts: mpsc::UnboundedReceiver<()>,
    news: &dyn Fn(RunNews<'_>),
) -> Result<RunSummary, OpsError> {
    session.authorize(Verb::Run)?;
    let timeout = wanted.timeout;
    let options = RunOptions::of(session, wanted, news)?;
    check_work(&options)?;
    check_budget(&options)?;
    let view = TeamView::open(session.dir.clone())?;
    let outline = options.outline(&view)?;
    if options.plan.is_none() && outline.tasks.is_empty() {
        return Ok(RunSummary::of_finished(&view)?);
    }
    // Refused before anything is begun: a program that is missing, or a place that is gone.
    outline.crew.spawns.iter().try_for_each(|member| options.places.of_member(member).map(drop))?;
    let deadline = timeout.or(session.config.run_time.value).map(|timeout| Instant::now() + timeout);
    let founded_for = founding_dir(&session.here)?;
    Ok(run_to_end(&options, &founded_for, RunInterrupts(interrupts), deadline).await?)
}

/// Tells what [`run`] would do, and does nothing of it. Refuses what it would refuse.
pub fn preview(session: &Session, wanted: WantedRun) -> Result<RunPreview, OpsError> {
    session.authorize(Verb::Run)?;
    let options = RunOptions::of(session, wanted, &|_| ())?;
    check_work(&options)?;
    let view = TeamView::open(session.dir.clone())?;
    let outline = options.outline(&view)?;
    if outline.tasks.is_empty() && view.board().is_empty() {
        return Err(RunError::Nothing.into());
    }
    Ok(RunPreview::of(&view, outline, &options.places)?)
}

async fn run_to_end(
    options: &RunOptions<'_>,
    founded_for: &Path,
    mut interrupts: RunInterrupts,
    deadline: Option<Instant>,
) -> Result<RunSummary, RunError> {
    let begun = Instant::now();
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
    places: CrewPlaces<'a>,
    task_limits: TaskLimits,
    budget: UsageBudget,
    config: &'a Config,
    news: &'a dyn Fn(RunNews<'_>),
}

impl<'a> RunOptions<'a> {
    /// Takes what was asked for, and where nothing was, what is configured.
    fn of(session: &'a Session, wanted: WantedRun, news: &'a dyn Fn(RunNews<'_>)) -> Result<RunOptions<'a>, OpsError> {
        let config = &session.config;
        Ok(RunOptions {
            dir: session.dir.clone(),
            settings: session.settings,
            leftover: wanted.leftover,
            workers: wanted.workers.or(config.workers.value).map(usize::from),
            places: CrewPlaces::of(session, wanted.leftover, wanted.agent, wanted.workspace, wanted.stall)?,
            task_limits: config.task_limits(),
            budget: wanted.budget.over(config.run_budget.wanted().budget()),
            config,
            plan: wanted.plan,
            news,
        })
    }

    fn outline(&self, team: &impl ReadTeam) -> Result<RunOutline, RunError> {
        let (plan, leftover) = (self.plan.as_ref(), self.leftover);
        RunOutline::of(team, &OutlineRequest { plan, leftover, workers: self.workers, task_limits: self.task_limits })
    }

    fn tell(&self, news: RunNews<'_>) {
        (self.news)(news);
    }
}

fn check_work(options: &RunOptions<'_>) -> Result<(), RunError> {
    let mut known: BTreeMap<Option<&str>, ChosenAgent> = BTreeMap::new();
    for task in options.plan.iter().flat_map(|plan| &plan.tasks) {
        let agent = match known.entry(task.agent.as_deref()) {
            Entry::Occupied(agent) => agent.into_mut(),
            Entry::Vacant(room) => {
                let named = task.agent.as_ref().map(|agent| agent.parse().expect("the plan was checked"));
                room.insert(options.places.agent_for(named.as_ref())?)
            }
        };
        let abilities = agent.options.abilities(&agent.name);
        if abilities.is_some_and(|abilities| !abilities.prompts.takes(task.work.kind())) {
            return Err(RunError::PromptForShell { label: task.id.clone(), agent: agent.name.clone() });
        }
    }
    Ok(())
}

/// Refuses a budget of the run that would stop nothing, because an agent does not tell what it uses.
fn check_budget(options: &RunOptions<'_>) -> Result<(), OpsError> {
    for task in options.plan.iter().flat_map(|plan| &plan.tasks).filter(|task| task.work.kind() == WorkKind::Text) {
        let named = task.agent.as_ref().map(|agent| agent.parse().expect("the plan was checked"));
        must_tell_usage(&options.places.agent_for(named.as_ref())?, &options.budget)?;
    }
    Ok(())
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
    /// The tasks and the crew as they were when the run began.
    outline: RunOutline,
    /// The tasks of the run that are on the board.
    ids: Vec<TaskId>,
    /// Those of them that the run has held.
    held: BTreeSet<TaskId>,
    events: EventMaker,
    questions: RunQuestions,
    budget: RunBudget,
    crew: BTreeMap<MemberName, CrewStanding>,
}

impl<'a> Run<'a> {
    /// Looks whether there is something to run, and which members run it. Begins nothing.
    fn prepare(options: &'a RunOptions<'a>, leadership: &'a Leadership) -> Result<Run<'a>, RunError> {
        let mut team = Team::open(options.dir.clone(), Address::Lead, options.settings.durability)?;
        team.refresh(|_| ())?;
        let outline = options.outline(&team)?;
        if outline.tasks.is_empty() {
            return Err(RunError::Nothing);
        }
        let lacking = options.places.lacking(team.roster(), &outline.crew.there)?;
        let crew = outline.crew.spawns.iter().map(|hand| (hand.name.clone(), CrewStanding::Running)).collect();
        let (mut events, held) = (EventMaker::default(), BTreeSet::new());
        for id in &outline.ids {
            let at_work = match team.board().status(*id) {
                Ok(TaskStatus::InProgress { owner, since_ms }) => Some((owner, since_ms)),
                Ok(_) | Err(_) => None,
            };
            events.add(*id, at_work);
            events.count(team.task_view(*id)?.used());
        }
        let questions = RunQuestions::open(&options.dir).map_err(TeamError::from)?;
        let ids = outline.ids.clone();
        let run = Run {
            options,
            leadership,
            team,
            ids,
            outline,
            held,
            events,
            questions,
            budget: RunBudget::default(),
            crew,
        };
        run.tell(RunEvent::Begun {
            tasks: run.outline.tasks.len(),
            spawns: run.crew.keys().cloned().collect(),
            there: run.outline.crew.there.clone(),
            new_place: options.places.cause_of_new(run.crew.keys()),
        });
        for (member, base) in lacking {
            run.tell_base(member, Some(base));
        }
        Ok(run)
    }

    /// Until the run is over. Everybody who was spawned for it has ended then.
    async fn go(&mut self, interrupts: &mut RunInterrupts, deadline: Option<Instant>) -> Result<RunEnd, RunError> {
        let how = match self.assemble(interrupts, deadline).await {
            Ok(None) => self.drain(interrupts, deadline).await,
            Ok(Some(how)) => Ok(how),
            Err(error) => Err(error),
        };
        match how {
            Ok(how) => self.end(how, interrupts, deadline).await.map(|()| how),
            Err(error) => {
                self.kill().await;
                Err(error)
            }
        }
    }

    /// Spawns the crew, then opens the tasks of the board that are to be opened and puts the plan onto the board: if a worker
    /// can not be had, nothing was begun. Tells how the run ended if it did so meanwhile.
    async fn assemble(
        &mut self,
        interrupts: &mut RunInterrupts,
        deadline: Option<Instant>,
    ) -> Result<Option<RunEnd>, RunError> {
        let spawns = self.outline.crew.spawns.iter();
        let mut spawning =
            spawns.map(|member| self.spawn(member)).collect::<Result<FuturesUnordered<_>, RunError>>()?;
        while !spawning.is_empty() {
            tokio::select! {
                Some(spawned) = spawning.next() => {
                    let SpawnedMember { name, base, .. } = spawned.map_err(RunError::Spawn)?;
                    self.tell_base(name, base);
                }
                () = interrupts.next() => return Ok(Some(RunEnd::Interrupted)),
                () = wait_for_deadline(deadline) => return Ok(Some(RunEnd::TimedOut)),
            }
        }
        drop(spawning);
        self.put_on_board()?;
        Ok(None)
    }

    fn tell_base(&self, member: MemberName, base: Option<BaseStanding>) {
        if let Some(base) = base {
            self.tell(RunEvent::WorktreeFound { member, base });
        }
    }

    /// Opens tasks again and adds those of the plan, in one decision, and tells what the tasks of the run are called.
    fn put_on_board(&mut self) -> Result<(), RunError> {
        let (options, to_open) = (self.options, self.outline.to_open.clone());
        // Members take tasks that are on the board already while the crew is spawned; that is told below.
        let (events, mut told) = (&mut self.events, Vec::new());
        let added = self.team.decide_telling(
            options.settings.durability,
            |record| told.extend(events.reports(record)),
            |board| {
                // Somebody may have opened it meanwhile.
                let mut facts: Vec<BoardFact> = to_open.iter().filter_map(|id| board.retry(*id).ok()).collect();
                let first = board.next_id();
                let planned = options.plan.iter().flat_map(|plan| planned_tasks(plan, first, options.task_limits));
                let planned: Vec<NewTask> = planned.collect();
                let ids: Vec<TaskId> = (first.0..).take(planned.len()).map(TaskId).collect();
                facts.extend(board.add(planned)?);
                Ok::<_, BoardRefusal>((facts, ids))
            },
        )?;
        added.iter().for_each(|id| self.events.add(*id, None));
        self.ids.extend(added);
        let tasks = self.ids.iter().zip(&self.outline.tasks);
        let tasks =
            tasks.map(|(id, task)| ListedTask { id: *id, label: task.label.clone(), title: task.title.clone() });
        let tasks: Vec<ListedTask> = tasks.collect();
        self.tell(RunEvent::Listed { tasks });
        told.iter().for_each(|report| options.tell(RunNews::Happened(report)));
        Ok(())
    }

    fn spawn(
        &self,
        member: &CrewMember,
    ) -> Result<impl Future<Output = Result<SpawnedMember, RpcError>> + use<>, RunError> {
        let CrewPlace { agent, workspace, role, stall, budget, worktree: _ } = self.options.places.of_member(member)?;
        let peer = self.leadership.peer.clone();
        let request = SpawnRequest {
            name: member.name.clone(),
            agent: agent.name,
            options: agent.options,
            session: agent.session,
            role: member.role.clone().or(role),
            auto: AutoClaim::On,
            workspace,
            stall,
            rules: self.options.config.rules_for(&member.name),
            budget,
        };
        Ok(async move { LeaderApiClient::spawn(&peer, request).await })
    }

    /// Whether all of the run came onto the board.
    fn is_whole(&self) -> bool {
        self.ids.len() == self.outline.tasks.len()
    }
}
