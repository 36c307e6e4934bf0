//! `spawn`: starts a member.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use teamster_protocol::model::agent::preset::AgentAbility;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{MemberName, Role};
use teamster_protocol::model::roster::{OnStall, Roster, StallPolicy, Workspace};
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::{LeaderApiClient, SpawnRequest, SpawnedMember, WorkspaceRequest, WorktreeFound};

use super::agents::{ChosenAgent, WantedAgent};
use super::budget::WantedBudget;
use super::connect;
use super::error::OpsError;
use super::session::{Session, must_differ};
use crate::git::Repository;
use crate::verb::Verb;

/// The wanted settings of a new member, whatever its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedMember {
    /// The agent it drives.
    pub agent: WantedAgent,
    /// Its role; that of the member before if not given, where there was one.
    pub role: Option<Role>,
    /// Whether it takes tasks that are not assigned to it; as the member before if not given, and else it does.
    pub auto: Option<AutoClaim>,
    /// The place in which it works.
    pub workspace: WantedWorkspace,
    /// The answer to an agent that is silent in a turn.
    pub stall: WantedStall,
    /// How much all its turns together may use before it takes no more.
    pub budget: WantedBudget,
}

/// The wish for the place in which members work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedWorkspace {
    /// The directory, or one in the repository; relative to where the call comes from, which it also is if not given.
    pub dir: Option<PathBuf>,
    /// The kind of place that each member gets there; the configured one if not given.
    pub kind: Option<WantedWorkspaceKind>,
    /// The commit that worktrees begin at; `HEAD` if not given.
    pub base: Option<String>,
}

/// The kind of place that a member gets to work in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedWorkspaceKind {
    /// The directory itself, which others may use too.
    Shared,
    /// A git worktree of its own.
    Worktree,
}

/// The origin of the place that a member works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceOrigin {
    /// The caller named it, or it is the configured one.
    Wanted,
    /// The member had it before, and nothing was said about its place.
    Kept,
}

impl WantedWorkspace {
    /// The same for the leader, which stands elsewhere. Refused if the directory is none.
    pub(super) fn request(self, session: &Session) -> Result<WorkspaceRequest, OpsError> {
        let WantedWorkspace { dir, kind, base } = self;
        let dir = session.work_dir(dir.as_deref())?;
        let configured = match session.config.worktree.value {
            true => WantedWorkspaceKind::Worktree,
            false => WantedWorkspaceKind::Shared,
        };
        match kind.unwrap_or(configured) {
            WantedWorkspaceKind::Shared if base.is_some() => Err(OpsError::BaseWithoutWorktree),
            WantedWorkspaceKind::Shared => Ok(WorkspaceRequest::Shared { dir }),
            WantedWorkspaceKind::Worktree => {
                Ok(WorkspaceRequest::Worktree { repository: dir, base, found: WorktreeFound::GoesToBase })
            }
        }
    }

    /// Whether nothing was said about the place.
    pub(super) fn is_open(&self) -> bool {
        self.dir.is_none() && self.kind.is_none()
    }

    /// The place that a member had, where it keeps that: nothing was said about its place, and it is on the roster. Without
    /// this rule a member that is spawned again would leave its worktree for the checkout of the people. Refused if its
    /// place can not be had again.
    pub(super) fn kept(
        &self,
        session: &Session,
        roster: &Roster,
        name: &MemberName,
    ) -> Result<Option<WorkspaceRequest>, OpsError> {
        let Ok(member) = roster.member(name) else { return Ok(None) };
        if !self.is_open() {
            return Ok(None);
        }
        match &member.spec.workspace {
            Workspace::Shared { .. } if self.base.is_some() => Err(OpsError::BaseWithoutWorktree),
            Workspace::Shared { dir } if dir.is_dir() => Ok(Some(WorkspaceRequest::Shared { dir: dir.clone() })),
            Workspace::Shared { dir } => Err(place_is_gone(name, dir)),
            Workspace::Worktree { repository, .. } => {
                let base = self.base.clone();
                // A repository that was moved is the one here: the team has followed it.
                let here = session.repository.as_ref().map(Repository::common_dir);
                let found = [Some(repository.as_path()), here].into_iter().flatten().find(|found| found.is_dir());
                let repository = found.ok_or_else(|| place_is_gone(name, repository))?.to_owned();
                Ok(Some(WorkspaceRequest::Worktree { repository, base, found: WorktreeFound::GoesToBase }))
            }
        }
    }
}

fn place_is_gone(name: &MemberName, place: &Path) -> OpsError {
    let what = format!("{name} worked in {}, which is not there any more", place.display());
    OpsError::refused(what, "say where it is to work: --worktree, --shared, or --cwd DIR")
}

/// The wanted answer to an agent that is silent in a turn. A field that is not given is as the member had it, or as configured
/// for one that is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedStall {
    /// The silence after which a turn counts as stalled.
    pub after: Option<Duration>,
    /// The answer to a stall.
    pub then: Option<OnStall>,
}

impl WantedStall {
    /// Returns the wanted answer to a silent agent, as the roster has it.
    pub(super) fn stall(self, session: &Session) -> StallPolicy {
        session.config.stall(self.after, self.then)
    }

    /// The same for a member that had one: it keeps that as far as nothing else is wanted.
    pub(super) fn over(self, before: StallPolicy) -> StallPolicy {
        StallPolicy {
            after_ms: self.after.map_or(before.after_ms, |after| after.as_millis() as u64),
            then: self.then.unwrap_or(before.then),
        }
    }
}

/// Refuses a budget that would stop nothing, because the agent does not tell what it uses.
pub(super) fn must_tell_usage(agent: &ChosenAgent, budget: &UsageBudget) -> Result<(), OpsError> {
    let tells = agent.options.abilities(&agent.name).is_none_or(|abilities| abilities.usage == AgentAbility::Yes);
    if tells || !budget.needs_usage() {
        return Ok(());
    }
    let what = format!("{} does not tell what it uses, so a budget of tokens or money would stop nothing", agent.name);
    Err(OpsError::refused(what, "limit it with --max-turns or --max-time"))
}

/// Starts members of these names, all alike and side by side, and a leader in the background if none runs. Tells `listener`
/// of each as soon as its worker is ready or it is known not to become so; returns when all were told of. A member that was
/// there before keeps its place, its agent, its role and the like, each where nothing is said about it.
pub async fn spawn(
    session: &Session,
    names: Vec<MemberName>,
    wanted: WantedMember,
    mut listener: impl FnMut(&MemberName, Result<(SpawnedMember, PlaceOrigin), OpsError>),
) -> Result<(), OpsError> {
    session.authorize(Verb::Spawn)?;
    must_differ(&names)?;
    let WantedMember { agent, role, auto, workspace, stall, budget } = wanted;
    let view = TeamView::open(session.dir.clone())?;
    let request = |name: MemberName| {
        let before = view.roster().member(&name).ok().map(|member| &member.spec);
        let agent = match before {
            Some(before) => agent.clone().choose_for(&session.config, before)?,
            None => agent.clone().choose(&session.config)?,
        };
        agent.must_be_installed()?;
        agent.must_have_context(&name, &view)?;
        let budget = before.map_or_else(|| budget.over(agent.budget), |before| budget.over(before.budget));
        must_tell_usage(&agent, &budget)?;
        let (workspace, origin) = match workspace.kept(session, view.roster(), &name)? {
            Some(kept) => (kept, PlaceOrigin::Kept),
            None => (workspace.clone().request(session)?, PlaceOrigin::Wanted),
        };
        let request = SpawnRequest {
            agent: agent.name,
            options: agent.options,
            session: agent.session,
            role: role.clone().or_else(|| before.and_then(|before| before.role.clone())),
            auto: auto.or(before.map(|before| before.auto)).unwrap_or(AutoClaim::On),
            workspace,
            stall: before.map_or_else(|| stall.stall(session), |before| stall.over(before.stall)),
            rules: session.config.rules_for(&name),
            budget,
            name,
        };
        Ok((request, origin))
    };
    let requests: Vec<_> = names.into_iter().map(request).collect::<Result<_, OpsError>>()?;
    let (leader, _) = connect::connect_or_start(session).await?;
    let mut starting: FuturesUnordered<_> = requests
        .into_iter()
        .map(async |(request, origin)| {
            let name = request.name.clone();
            (name, leader.spawn(request).await, origin)
        })
        .collect();
    while let Some((name, spawned, origin)) = starting.next().await {
        listener(&name, spawned.map(|spawned| (spawned, origin)).map_err(OpsError::from));
    }
    Ok(())
}
