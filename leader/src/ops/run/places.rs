//! The agent and the place of each member of a crew. A member that had a worktree works there again, and one that is added to
//! members in worktrees gets one too: else they would work in the checkout of the people. In a run that goes on, every member
//! also has its agent and the like again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use teamster_protocol::model::agent::SessionContext;
use teamster_protocol::model::agent::options::AgentOptions;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{AgentName, MemberName, Role};
use teamster_protocol::model::roster::{Member, MemberPresence, Roster, StallPolicy, Workspace};
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::{BaseStanding, WorkspaceRequest};

use super::RunLeftover;
use super::crew::CrewMember;
use crate::git::Repository;
use crate::ops::agents::{ChosenAgent, WantedAgent};
use crate::ops::config::Config;
use crate::ops::error::OpsError;
use crate::ops::error::run::RunError;
use crate::ops::session::Session;
use crate::ops::spawn::{WantedStall, WantedWorkspace, WantedWorkspaceKind};

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

/// The reason for the kind of place that a member gets which was not there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewPlaceCause {
    /// Somebody said it, or it is the usual one.
    #[default]
    Wanted,
    /// The members of the team work in worktrees, and nothing was said.
    LikeMembers,
}

impl NewPlaceCause {
    pub(super) fn is_wanted(&self) -> bool {
        *self == NewPlaceCause::Wanted
    }
}

/// The place of everybody who may be spawned for a run.
#[derive(Debug)]
pub(super) struct CrewPlaces<'a> {
    config: &'a Config,
    leftover: RunLeftover,
    /// The wish for the agent of the run.
    wish: WantedAgent,
    /// The place of a member that was not there before.
    pub(super) new: CrewPlace,
    /// Why a new member gets that kind of place.
    new_cause: NewPlaceCause,
    /// The places of members that were, or why one can not be had again.
    before: BTreeMap<MemberName, Result<CrewPlace, (String, Option<String>)>>,
}

impl<'a> CrewPlaces<'a> {
    /// The places as they are wanted. As far as nothing else is wanted, a member that was there before has its worktree again,
    /// and one that is new gets one where the members have one. In a run that goes on, a member that was there before has all
    /// of its own again, and one that is new has that of the first worker of the run before.
    pub(super) fn of(
        session: &'a Session,
        leftover: RunLeftover,
        agent: WantedAgent,
        mut workspace: WantedWorkspace,
        stall: WantedStall,
    ) -> Result<CrewPlaces<'a>, OpsError> {
        let config = &session.config;
        let view = TeamView::open(session.dir.clone())?;
        let new_cause = match workspace.is_open() && session.repository.is_some() && work_in_worktrees(view.roster()) {
            true => NewPlaceCause::LikeMembers,
            false => NewPlaceCause::Wanted,
        };
        let kept_workspace = workspace.clone();
        match new_cause {
            NewPlaceCause::LikeMembers => workspace.kind = Some(WantedWorkspaceKind::Worktree),
            NewPlaceCause::Wanted => {}
        }
        let chosen = agent.clone().choose(config)?;
        let wanted = CrewPlace {
            budget: chosen.budget,
            agent: chosen,
            workspace: workspace.request(session)?,
            worktree: None,
            role: None,
            stall: stall.stall(session),
        };
        must_have_context(&wanted.agent, &view)?;
        let mut before = BTreeMap::new();
        for (name, member) in view.roster().members() {
            let spec = &member.spec;
            let goes_on = match (leftover, &spec.workspace) {
                (RunLeftover::Resume | RunLeftover::RetryFailed, _) => true,
                (RunLeftover::Refuse, Workspace::Worktree { .. }) => false,
                (RunLeftover::Refuse, Workspace::Shared { .. }) => continue,
            };
            let place = match kept_workspace.kept(session, view.roster(), name) {
                Ok(kept) => {
                    let workspace = kept.unwrap_or_else(|| wanted.workspace.clone());
                    let worktree = worktree_of(&spec.workspace, &workspace);
                    let agent = agent_of(&agent, Some(name), |wish| match goes_on {
                        true => wish.choose_for(config, spec),
                        false => wish.choose(config),
                    })?;
                    let place = CrewPlace { agent, worktree, workspace, ..wanted.clone() };
                    Ok(match goes_on {
                        true => CrewPlace {
                            role: spec.role.clone(),
                            stall: stall.over(spec.stall),
                            budget: spec.budget,
                            ..place
                        },
                        false => place,
                    })
                }
                Err(error) => Err(error.told()),
            };
            before.insert(name.clone(), place);
        }
        let number = |name: &MemberName| name.as_str().strip_prefix('w')?.parse::<u32>().ok();
        let workers = before.iter().filter_map(|(name, place)| Some((number(name)?, place.as_ref().ok()?)));
        let first = workers.min_by_key(|(number, _)| *number).map(|(_, place)| place.clone());
        let new = match leftover {
            RunLeftover::Refuse => wanted,
            RunLeftover::Resume | RunLeftover::RetryFailed => first
                .map(|first| CrewPlace { worktree: None, role: None, budget: first.agent.budget, ..first })
                .unwrap_or(wanted),
        };
        new.agent.must_be_installed()?;
        Ok(CrewPlaces { config, leftover, wish: agent, new, new_cause, before })
    }

    /// Those of these members, who run and so are not moved, whose worktrees lack a part of the base of the run. Refused if
    /// that base was given. Asks git.
    pub(super) fn lacking(
        &self,
        roster: &Roster,
        there: &[MemberName],
    ) -> Result<Vec<(MemberName, BaseStanding)>, RunError> {
        let WorkspaceRequest::Worktree { repository, base, .. } = &self.new.workspace else { return Ok(Vec::new()) };
        let mut lacking = Vec::new();
        for name in there {
            let branch = roster.member(name).ok().and_then(|member| member.spec.workspace.branch());
            let Some(branch) = branch else { continue };
            let commits = Repository::discover(repository).and_then(|found| found.lacks(branch, base.as_deref()));
            let commits = commits.map_err(|error| RunError::Place { what: error.to_string(), hint: error.hint() })?;
            match (commits, base) {
                (0, _) => {}
                (commits, None) => {
                    let (commits, why) = (commits as u64, "it runs already".to_owned());
                    lacking.push((name.clone(), BaseStanding::Behind { commits, why }));
                }
                (commits, Some(base)) => {
                    let plural = if commits == 1 { "" } else { "s" };
                    return Err(RunError::Place {
                        what: format!("{name} runs already, and its worktree lacks {commits} commit{plural} of {base}"),
                        hint: Some(format!("let it end first, so that it begins anew: teamster shutdown {name}")),
                    });
                }
            }
        }
        Ok(lacking)
    }

    /// Why those of these members that are new get their kind of place.
    pub(super) fn cause_of_new<'b>(&self, mut spawned: impl Iterator<Item = &'b MemberName>) -> NewPlaceCause {
        match spawned.any(|name| !self.before.contains_key(name)) {
            true => self.new_cause,
            false => NewPlaceCause::Wanted,
        }
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
                let agent = self.named(agent, Some(&member.name))?;
                agent.must_be_installed().map_err(of_agent)?;
                let budget = match self.leftover {
                    RunLeftover::Resume | RunLeftover::RetryFailed if self.before.contains_key(&member.name) => {
                        place.budget
                    }
                    RunLeftover::Resume | RunLeftover::RetryFailed | RunLeftover::Refuse => agent.budget,
                };
                Ok(CrewPlace { agent, budget, ..place })
            }
            Some(_) | None => Ok(place),
        }
    }

    /// The agent that a task names; that of the run where it names none. Refused where nobody describes it.
    pub(super) fn agent_for(&self, named: Option<&AgentName>) -> Result<ChosenAgent, RunError> {
        named.map_or_else(|| Ok(self.new.agent.clone()), |name| self.named(name, None))
    }

    /// Of the wish for the run's own agent, one that tasks name takes what is not of that agent alone.
    fn named(&self, name: &AgentName, member: Option<&MemberName>) -> Result<ChosenAgent, RunError> {
        let AgentOptions { env, approval, context, idle_after, start, .. } = self.wish.options.clone();
        let options = AgentOptions { env, approval, context, idle_after, start, ..AgentOptions::default() };
        let wish = WantedAgent { name: Some(name.clone()), options, base_url: None };
        agent_of(&wish, member, |wish| wish.choose(self.config)).map_err(of_agent)
    }
}

/// The agent that is chosen by such a wish. One that has no conversation, and the member whose conversation is to be copied,
/// have no use for the conversation that was chosen.
fn agent_of(
    wish: &WantedAgent,
    member: Option<&MemberName>,
    choose: impl Fn(WantedAgent) -> Result<ChosenAgent, OpsError>,
) -> Result<ChosenAgent, OpsError> {
    let chosen = choose(wish.clone())?;
    let is_own = match (&wish.options.context, member) {
        (Some(SessionContext::Branch(source)), Some(member)) => source == member,
        (Some(SessionContext::Branch(_) | SessionContext::Fresh) | None, _) => false,
    };
    if chosen.has_conversation() && !is_own {
        return Ok(chosen);
    }
    choose(WantedAgent { options: AgentOptions { context: None, ..wish.options.clone() }, ..wish.clone() })
}

/// Refuses a conversation that the workers of a run can not begin with.
fn must_have_context(agent: &ChosenAgent, view: &TeamView) -> Result<(), OpsError> {
    let source = match &agent.options.context {
        Some(SessionContext::Branch(source)) => Some(source),
        Some(SessionContext::Fresh) | None => None,
    };
    // Any worker but the one whose conversation it is, which goes on with its own.
    let workers = ["w1", "w2"].map(|name| name.parse::<MemberName>().expect("it is a name"));
    let worker = workers.iter().find(|name| Some(*name) != source).expect("they differ");
    agent.must_have_context(worker, view)
}

/// Whether the members work in worktrees: some do, and none that runs works elsewhere.
fn work_in_worktrees(roster: &Roster) -> bool {
    let has_worktree = |member: &Member| matches!(member.spec.workspace, Workspace::Worktree { .. });
    let runs_elsewhere =
        |member: &Member| !has_worktree(member) && matches!(member.presence, MemberPresence::Joined { .. });
    roster.members().any(|(_, member)| has_worktree(member))
        && !roster.members().any(|(_, member)| runs_elsewhere(member))
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
