//! `task add`.

use std::time::Duration;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId};
use teamster_protocol::model::roster::{AfterLeaving, Member, MemberPresence};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::{BoardChange, TaskCommand, Team, TeamError, worker_life};

use crate::ops::agents::must_be_agent;
use crate::ops::budget::WantedBudget;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::wake::WakeWish;
use crate::ops::why::{CauseText, TakerNeeds, WaitCause, because, takers};
use crate::verb::Verb;

use super::wake_for_task;

/// The task that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTask {
    /// The work to do.
    pub work: TaskWork,
    /// A short text for lists; made from the work if not given.
    pub title: Option<String>,
    /// The tasks that must be completed before.
    pub after: Vec<TaskId>,
    /// The only member that may take it.
    pub to: Option<MemberName>,
    /// The role its taker must have.
    pub role: Option<Role>,
    /// The agent its taker must drive.
    pub agent: Option<AgentName>,
    /// Higher is taken first.
    pub priority: i32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How much all attempts together may use.
    pub budget: WantedBudget,
}

/// Puts the task on the board, and makes the team if there is none. A member that it is for is started again if it has left.
pub async fn add(session: &Session, wanted: WantedTask, wish: WakeWish) -> Result<BoardChange, OpsError> {
    session.authorize(Verb::TaskAdd)?;
    let mut new = NewTask::new(wanted.work);
    if let Some(title) = wanted.title {
        must_be_title(&title)?;
        new.title = title;
    }
    new.after = wanted.after;
    new.to = wanted.to;
    new.role = wanted.role;
    new.agent = wanted.agent;
    new.priority = wanted.priority;
    new.timeout_ms = wanted.timeout.map(|timeout| timeout.as_millis() as u64);
    new.budget = wanted.budget.budget();
    session.config.task_limits().apply(&mut new);
    // Refused before anything is made: a typo must not leave an empty team behind.
    new.check().map_err(TeamError::from)?;
    let view = session.dir.exists().then(|| session.view()).transpose()?;
    if let Some(agent) = &new.agent {
        must_be_agent(&session.config, view.as_ref(), agent)?;
    }
    if let Some(to) = &new.to {
        if let Some(view) = view {
            session.must_be_member(&view, to)?;
            view.roster()
                .member(to)?
                .spec
                .must_take(to, new.work.kind(), new.agent.as_ref(), None)
                .map_err(TeamError::from)?;
        } else {
            let hint = format!("the team has no members yet; start one with teamster spawn {to}");
            return Err(OpsError::NoMember { name: to.clone(), hint });
        }
    }
    let (to, role, agent, kind) = (new.to.clone(), new.role.clone(), new.agent.clone(), new.work.kind());
    let mut team = session.make_team()?;
    let mut changed = team.command(TaskCommand::Add { tasks: vec![new] })?;
    match to {
        // The task is on the board before its member is started: whoever is interrupted there has lost nothing.
        Some(to) => {
            drop(team);
            wake_for_task(session, &to, wish, &mut changed).await;
        }
        None => {
            let needs = TakerNeeds { role: role.as_ref(), agent: agent.as_ref(), kind };
            changed.warnings.extend(no_taker(&team, needs, changed.tasks.first().copied(), session.now_ms()));
        }
    }
    Ok(changed)
}

/// Refuses a title that shows nothing.
pub(super) fn must_be_title(title: &str) -> Result<(), OpsError> {
    if title.trim().is_empty() {
        let hint = "without --title it is the first line of the text";
        return Err(OpsError::misused("the title is empty", hint));
    }
    Ok(())
}

/// Why nobody can take a task that is for more than one, if so.
fn no_taker(team: &Team, needs: TakerNeeds<'_>, id: Option<TaskId>, now_ms: u64) -> Option<String> {
    let cause = takers(team.roster(), needs, |name, member| will_run(team.dir(), name, member)).err()?;
    let is_whole = matches!(cause, WaitCause::CommandsOnly { .. });
    let CauseText { says, hint, .. } = because(cause, id, now_ms);
    let says = if is_whole { says } else { format!("nobody can take it yet: {says}") };
    Some(hint.map_or(says.clone(), |hint| format!("{says}; {hint}")))
}

/// Whether a member runs or is about to. Where that can not be told, it is taken to run: nothing is said of it then.
fn will_run(dir: &TeamDir, name: &MemberName, member: &Member) -> bool {
    match &member.presence {
        MemberPresence::Expected { .. } | MemberPresence::Left { then: AfterLeaving::Again { .. }, .. } => true,
        // It finishes what it is at, and takes nothing more.
        MemberPresence::Joined { .. } if member.ending_since_ms().is_some() => false,
        MemberPresence::Joined { .. } | MemberPresence::Left { .. } => {
            worker_life(dir, name, &member.presence).map_or(true, |life| life != WorkerLife::Dead)
        }
    }
}
