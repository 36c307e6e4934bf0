//! The agent and the place of each member of a crew. A run that goes on lets every member work where it did, with the agent
//! that it had: a member that was moved out of its worktree would work in the checkout of the people.

use std::collections::BTreeMap;
use std::path::PathBuf;

use teamster_protocol::model::agent::options::AgentOptions;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{AgentName, MemberName, Role};
use teamster_protocol::model::roster::{StallPolicy, Workspace};
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::{SessionKept, WorkspaceRequest};

use super::RunLeftover;
use super::crew::CrewMember;
use crate::ops::agents::{ChosenAgent, WantedAgent};
use crate::ops::config::Config;
use crate::ops::error::OpsError;
use crate::ops::error::run::RunError;
use crate::ops::session::Session;
use crate::ops::spawn::{WantedStall, WantedWorkspace};

/// The agent that a member of the crew drives, the place in which it works, and what else it keeps from a run before.
#[derive(Debug, Clone)]
pub(super) struct CrewPlace {
    pub(super) agent: ChosenAgent,
    pub(super) workspace: WorkspaceRequest,
    /// The worktree that it had and goes on in.
    pub(super) worktree: Option<PathBuf>,
    /// The role that it had.
    pub(super) role: Option<Role>,
    /// The answer to an agent that is silent in a turn.
    pub(super) stall: StallPolicy,
    /// How much it may use, as it was.
    pub(super) budget: UsageBudget,
}

/// The place of everybody who may be spawned for a run.
#[derive(Debug)]
pub(super) struct CrewPlaces<'a> {
    config: &'a Config,
    /// The wish for the agent of the run, of which those that tasks name take the variables and the approval.
    wanted: AgentOptions,
    /// The place of a member that was not there before.
    pub(super) new: CrewPlace,
    /// The places of members that were, or why one can not be had again.
    before: BTreeMap<MemberName, Result<CrewPlace, (String, Option<String>)>>,
}

impl<'a> CrewPlaces<'a> {
    /// The places as they are wanted. In a run that goes on, and as far as nothing else is wanted, a member that was there
    /// before has its own again, and one that is new has that of the first worker of the run before.
    pub(super) fn of(
        session: &'a Session,
        leftover: RunLeftover,
        agent: WantedAgent,
        workspace: WantedWorkspace,
        stall: WantedStall,
    ) -> Result<CrewPlaces<'a>, OpsError> {
        let config = &session.config;
        let AgentOptions { env, approval, .. } = agent.options.clone();
        let given = AgentOptions { env, approval, ..AgentOptions::default() };
        let chosen = agent.clone().choose(&session.config)?;
        let wanted = CrewPlace {
            budget: chosen.budget,
            agent: chosen,
            workspace: workspace.clone().request(session)?,
            worktree: None,
            role: None,
            stall: stall.stall(session),
        };
        if wanted.agent.session == SessionKept::GivenUp {
            let first = "w1".parse().expect("it is a name");
            wanted.agent.must_have_context(&first, &TeamView::open(session.dir.clone())?)?;
        }
        match leftover {
            RunLeftover::Refuse => {
                wanted.agent.must_be_installed()?;
                return Ok(CrewPlaces { config, wanted: given, new: wanted, before: BTreeMap::new() });
            }
            RunLeftover::Resume | RunLeftover::RetryFailed => {}
        }
        let view = TeamView::open(session.dir.clone())?;
        let mut before = BTreeMap::new();
        for (name, member) in view.roster().members() {
            let agent = agent.clone().choose_for(&session.config, &member.spec)?;
            let place = match workspace.kept(session, view.roster(), name) {
                Ok(kept) => Ok(CrewPlace {
                    agent,
                    worktree: kept.as_ref().and_then(|kept| worktree_of(&member.spec.workspace, kept)),
                    workspace: kept.unwrap_or_else(|| wanted.workspace.clone()),
                    role: member.spec.role.clone(),
                    stall: stall.over(member.spec.stall),
                    budget: member.spec.budget,
                }),
                Err(error) => Err(error.told()),
            };
            before.insert(name.clone(), place);
        }
        let number = |name: &MemberName| name.as_str().strip_prefix('w')?.parse::<u32>().ok();
        let workers = before.iter().filter_map(|(name, place)| Some((number(name)?, place.as_ref().ok()?)));
        let first = workers.min_by_key(|(number, _)| *number).map(|(_, place)| place.clone());
        let new = first
            .map(|first| CrewPlace { worktree: None, role: None, budget: first.agent.budget, ..first })
            .unwrap_or(wanted);
        new.agent.must_be_installed()?;
        Ok(CrewPlaces { config, wanted: given, new, before })
    }

    /// The place of a member of the crew, with the agent that tasks name for it. Refused where the member had a place that
    /// is not there any more, and where the program of that agent is missing.
    pub(super) fn of_member(&self, member: &CrewMember) -> Result<CrewPlace, RunError> {
        let place = match self.before.get(&member.name) {
            Some(Ok(place)) => place.clone(),
            Some(Err((what, hint))) => return Err(RunError::Place { what: what.clone(), hint: hint.clone() }),
            None => self.new.clone(),
        };
        match &member.agent {
            Some(agent) if *agent != place.agent.name => {
                let agent = self.named(agent)?;
                agent.must_be_installed().map_err(of_agent)?;
                let budget = if self.before.contains_key(&member.name) { place.budget } else { agent.budget };
                Ok(CrewPlace { agent, budget, ..place })
            }
            Some(_) | None => Ok(place),
        }
    }

    /// The agent that a task names; that of the run where it names none. Refused where nobody describes it.
    pub(super) fn agent_for(&self, named: Option<&AgentName>) -> Result<ChosenAgent, RunError> {
        named.map_or_else(|| Ok(self.new.agent.clone()), |name| self.named(name))
    }

    fn named(&self, name: &AgentName) -> Result<ChosenAgent, RunError> {
        let wanted = WantedAgent { name: Some(name.clone()), options: self.wanted.clone(), base_url: None };
        wanted.choose(self.config).map_err(of_agent)
    }
}

/// The worktree that a member had, if it is there and the member goes on in it.
fn worktree_of(before: &Workspace, request: &WorkspaceRequest) -> Option<PathBuf> {
    match (before, request) {
        (Workspace::Worktree { dir, .. }, WorkspaceRequest::Worktree { .. }) => dir.is_dir().then(|| dir.clone()),
        (Workspace::Shared { .. }, _) | (_, WorkspaceRequest::Shared { .. }) => None,
    }
}

fn of_agent(error: OpsError) -> RunError {
    let (what, hint) = error.told();
    RunError::Agent { what, hint }
}
